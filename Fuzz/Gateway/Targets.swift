import Foundation
import NIOCore
import SallyportCore
import SallyportPatterns
import SallyportWire

@testable import SallyportGateway
@testable import SallyportGuard
@testable import SallyportIdentity

let targets: [String: Target] = [
    "form": form, "route": route, "batch": batch, "token": token, "keyset": keyset, "proxy": proxy, "policy": policy, "pii": pii,
    "text": text,
    "body": body, "image": image, "stream": stream, "trace": trace,
]

/// A form with its fields and files.
@Sendable private func form(_ bytes: UnsafeRawBufferPointer) {
    let buffer = ByteBuffer(bytes: bytes)
    guard let body = try? MultipartBody(parsing: buffer, boundary: "x") else { return }
    for operation in [Operation.Name.filesUpload, .transcriptions, .imagesEdits] {
        _ = MultipartReading(of: body, in: buffer, operation: operation)
    }
}

/// What is written for the upstream reads back as the same.
@Sendable private func route(_ bytes: UnsafeRawBufferPointer) {
    guard let path = try? CanonicalPath(parsing: bytes), !path.segments.isEmpty else { return }
    let written = "/" + path.segments.map { PercentEncoding.segment($0) }.joined(separator: "/")
    guard let again = try? CanonicalPath(parsing: written) else { fatalError("a written path is refused") }
    must(again.segments == path.segments, "a written path reads otherwise")
    for method in ["GET", "POST", "DELETE"] { _ = try? RequestTarget.read(method: method, path: path, services: []) }
}

// MARK: Rows, forms, bodies

@Sendable private func batch(_ bytes: UnsafeRawBufferPointer) {
    var form = ByteBuffer(
        string:
            "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
    )
    form.writeBytes(bytes)
    form.writeString("\r\n--x--\r\n")
    let deployment = Deployment(
        id: "gpt", project: .default, targets: [DeploymentTarget(upstream: "u", model: "other-model")], policy: "Default")
    if let parsed = try? MultipartBody(parsing: form, boundary: "x"),
        let rows = try? BatchRows(of: parsed, in: form, deployments: ["gpt": deployment], may: { _, _, _ in true })
    {
        let edited = rows.edits.apply(to: form)
        must((try? MultipartBody(parsing: edited, boundary: "x"))?.parts.count == parsed.parts.count, "an edit changed the form")
    }
    let file = ByteBuffer(bytes: bytes)
    guard file.withUnsafeReadableBytes({ UTF8Text.isValid($0) }) else { return }
    var edits = JSONEdits()
    var opaque: Set<GuardPolicy.Uninspectable> = []
    for slot in FileReading.slots(of: file, at: 0, origin: .file, opaque: &opaque) where slot.passage.count > 1 && slot.kind == .prose {
        slot.apply([TextEdit(range: 0..<1, replacement: Array("#".utf8))], to: &edits)
    }
    _ = edits.apply(to: file)
}

@Sendable private func body(_ bytes: UnsafeRawBufferPointer) {
    guard let document = try? JSONDocument(parsing: ByteBuffer(bytes: bytes)) else { return }
    for operation in RouteTable.operations {
        try? RequestChecks.check(document, for: operation.name)
        guard case .json(let shape) = operation.body else { continue }
        let reading = BodyReading(of: document, as: shape, direction: .prompt)
        for slot in reading.slots { must(slot.passage.withBytes { UTF8Text.isValid($0) }, "a slot that is not UTF-8") }
    }
    for shape in [Shapes.chatEvent, Shapes.completionsEvent, Shapes.responsesEvent("response.output_text.delta"), Shapes.errorAnswer] {
        _ = BodyReading(of: document, as: shape, direction: .completion)
    }
    _ = UsageReading.usage(of: document)
}

// MARK: Identity

private let issuer = Issuer(name: "idp", issuer: "https://issuer.example", audiences: ["api"])
private let keys: KeySet? = try? KeySet(
    parsing: Array(
        #"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}"#
            .utf8))

@Sendable private func token(_ bytes: UnsafeRawBufferPointer) {
    let token = Array(bytes)
    let verifier = TokenVerifier(issuers: [issuer.issuer: issuer])
    if let parts = try? verifier.parts(of: token), let keys {
        must((try? verifier.verify(parts, with: keys, at: 1_700_000_000)) == nil, "a token without its key was accepted")
    }
    // The same words, put where a token has them.
    func encode(_ bytes: some Collection<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }
    let halves = token.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
    let made = "\(encode(halves[0])).\(encode(halves.count > 1 ? halves[1] : [])).AAAA"
    if let parts = try? verifier.parts(of: Array(made.utf8)), let keys {
        must((try? verifier.verify(parts, with: keys, at: 1_700_000_000)) == nil, "a token without its key was accepted")
    }
    let spelled = String(decoding: bytes, as: UTF8.self)
    _ = TokenGate.isToken(Substring(spelled))
    must(APIKey.parse(spelled).map { _ in spelled.hasPrefix("spk_") } ?? true, "a key of another shape")
}

@Sendable private func keyset(_ bytes: UnsafeRawBufferPointer) { _ = try? KeySet(parsing: Array(bytes)) }

@Sendable private func proxy(_ bytes: UnsafeRawBufferPointer) {
    let whole = ProxyProtocol.read(Array(bytes))
    guard case .complete(_, let length) = whole else { return }
    must(length > 0 && length <= bytes.count && length <= ProxyProtocol.maximumLength, "a header longer than what came")
    must(ProxyProtocol.read(Array(bytes.prefix(length))) == whole, "what follows changed the header")
    for shorter in 0..<length where ProxyProtocol.read(Array(bytes.prefix(shorter))) != .incomplete {
        fatalError("half a header was read as one")
    }
}

// MARK: Documents

@Sendable private func policy(_ bytes: UnsafeRawBufferPointer) {
    guard let policy = try? PolicyDocument.policy(from: Array(bytes), named: "fuzzed", base: { $0 == "Strict" ? .strict : nil }) else {
        return
    }
    _ = PolicyVocabulary.mistakes(in: policy, blocklists: [])
    let both = policy.tightened(by: .strict)
    let finding = Finding("secrets", .init(.secret, "Password"), at: 0..<1, confidence: 1)
    must(both.action(on: finding, in: .user) >= GuardPolicy.strict.action(on: finding, in: .user), "selecting a policy loosened it")
    _ = policy.tightened(by: policy)
}

private let compiler: HyperscanCompiler = {
    guard let compiler = try? HyperscanCompiler() else { fatalError("no Hyperscan") }
    return compiler
}()
private let personalData: PersonalDataAnalysis = {
    guard let analysis = try? PersonalDataAnalysis(compiler: compiler) else { fatalError("no analysis") }
    return analysis
}()
private let engine: GuardEngine = {
    guard let engine = try? GuardEngine(detectors: DetectorCatalog.all(), compiler: compiler, normaliser: Normaliser()) else {
        fatalError("no engine")
    }
    return engine
}()

@Sendable private func pii(_ bytes: UnsafeRawBufferPointer) {
    guard let document = try? JSONDocument(parsing: ByteBuffer(bytes: bytes)), document.nodes[0].kind == .object else { return }
    _ = try? Exchange.documents(in: document)
    if let parameters = try? Exchange.parameters(in: document) { _ = try? personalData.checked(parameters, minimumConfidence: 0.65) }
    if let body = try? SafetyBody(document) {
        _ = try? body.texts("documents", total: 1000)
        _ = try? body.text("text", atMost: 100)
    }
}

@Sendable private func text(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count <= 4096, UTF8Text.isValid(bytes) else { return }
    let context = GuardEngine.Context(policy: .strict)
    for origin in [PassageOrigin.user, .completion] {
        let passage = Passage(ByteBuffer(bytes: bytes), origin: origin, isASCII: bytes.allSatisfy { $0 < 0x80 })
        var verdict = Verdict()
        let found = engine.inspect(passage, meaningFrom: nil, in: context, verdict: &verdict)
        for finding in found.findings {
            must(finding.finding.range.lowerBound >= 0 && finding.finding.range.upperBound <= bytes.count, "a finding outside of the text")
        }
        var last = 0
        for edit in found.edits {
            must(edit.range.lowerBound >= last && edit.range.upperBound <= bytes.count, "edits that overlap")
            last = edit.range.upperBound
        }
    }
}

@Sendable private func stream(_ bytes: UnsafeRawBufferPointer) {
    guard let step = bytes.first, bytes.count <= 4096 else { return }
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let dialect: StreamDialect = step & 1 == 0 ? .chat : step & 2 == 0 ? .completions : .responses
    let context = GuardEngine.Context(policy: step & 4 == 0 ? .strict : .default)
    var gate = StreamGate(
        .init(dialect: dialect, choices: 2, promptResults: nil, promptCodePoints: 0, restore: nil),
        inspector: BodyInspector(engine: engine, context: context))
    let size = max(1, Int(step >> 2))
    do {
        for start in stride(from: 0, to: rest.count, by: size) {
            _ = try gate.receive(ByteBuffer(bytes: rest[start..<min(rest.count, start + size)]))
            if start % 5 == 0 { _ = try gate.delayElapsed() }
            must(gate.heldBytes >= 0, "counted below nothing")
        }
        _ = try gate.finish()
        _ = gate.finalBytes()
    } catch {}
}

@Sendable private func image(_ bytes: UnsafeRawBufferPointer) { _ = ImageHeader(Array(bytes)) }

@Sendable private func trace(_ bytes: UnsafeRawBufferPointer) {
    let text = String(decoding: bytes, as: UTF8.self)
    var random = SystemRandomNumberGenerator()
    must(TraceContext(text, random: &random, sampling: 0).outgoing.utf8.count == 55, "a trace context of another length")
    _ = HeaderRules.saysSomething("etag", text)
}
