import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// The calls inside an uploaded batch: each row is a request of its own, under the same rules as one that is sent alone.
struct BatchRows {
    private(set) var references: [BodyReference] = []
    private(set) var opaque: Set<GuardPolicy.Uninspectable> = []
    /// Model names as the upstream knows them; offsets are the form's.
    private(set) var edits = JSONEdits()

    /// - Throws: ``Fault`` for a row that is no call, for an operation that is not served, or for a deployment that the caller may not use.
    /// - Parameter may: whether the caller may do an action, as an operation, at a deployment.
    init(
        of form: MultipartBody, in body: ByteBuffer, deployments: [DeploymentID: Deployment],
        may: (_ action: String, _ operation: String, Deployment) -> Bool
    ) throws {
        func text(_ part: MultipartBody.Part) -> ByteBuffer? {
            body.getSlice(at: body.readerIndex + part.bodyRange.lowerBound, length: part.bodyRange.count)
        }
        guard let part = form.parts(named: "file").first, let file = text(part) else { return }
        // What the file is for is said by the caller and judged by the upstream: calls in it are calls, whatever it is said to be for.
        let isBatch = form.parts(named: "purpose").first.flatMap(text).map { String(buffer: $0) } == "batch"
        var offset = 0
        var number = 0
        for line in file.readableBytesView.split(separator: 0x0A, omittingEmptySubsequences: false) {
            defer { offset += line.count + 1 }
            number += 1
            guard line.contains(where: { $0 > 0x20 }) else { continue }
            let bytes = ByteBuffer(bytes: line)
            guard let row = try? JSONDocument(parsing: bytes), row.nodes[0].kind == .object else {
                guard isBatch else { continue }
                throw Fault(.invalidRequest, "Row \(number) of the batch is not a JSON object, or not an unambiguous one.", param: "file")
            }
            // A row without a call holds nothing that could be asked.
            guard let url = row.member("url", of: 0).flatMap(row.string) else { continue }
            guard isBatch || row.member("body", of: 0) != nil && row.member("custom_id", of: 0) != nil else { continue }
            let segments = url.split(separator: "/").map(String.init).drop { $0 == "v1" || $0 == "openai" }
            guard let operation = RouteTable.operation(method: "POST", path: segments), case .json(let shape) = operation.body,
                operation.isDeploymentScoped || operation.name == .responsesCreate
            else { throw Fault(.invalidRequest, "Row \(number) of the batch calls an operation that batches cannot call.", param: "file") }
            guard let call = row.member("body", of: 0), row.nodes[call].kind == .object else {
                throw Fault(.invalidRequest, "Row \(number) of the batch has no 'body'.", param: "file")
            }
            guard let model = row.member("model", of: call), let name = row.string(model), let deployment = deployments[DeploymentID(name)]
            else {
                throw Fault.deploymentNotFound
            }
            guard may(operation.dataAction, operation.name.rawValue, deployment) else {
                throw Fault.lacks(operation.dataAction, for: "POST \(url.prefix(64))")
            }
            if let target = deployment.targets.first, target.model != name {
                let range = row.rawRange(model)
                let start = part.bodyRange.lowerBound + offset
                edits.replace(range.lowerBound + start..<range.upperBound + start, with: Exchange.quoted(target.model))
            }
            guard let inner = try? JSONDocument(parsing: row.raw(call)) else { continue }
            let reading = BodyReading(of: inner, as: shape, direction: .prompt)
            guard reading.ambiguousKey == nil else {
                throw Fault(
                    .invalidRequest, "Row \(number) of the batch has a key that is written in other letters than the API's.", param: "file")
            }
            guard !reading.mentionsTooMuch else {
                throw Fault(.invalidRequest, "Row \(number) of the batch names more resources than can be looked up.", param: "file")
            }
            references += reading.references
            opaque.formUnion(reading.opaque)
        }
    }
}
