// Entry points for libFuzzer: one for each parser that reads bytes from outside. `scripts/fuzz.sh` builds and runs them; they are no part of
// the product's build. A target ends the process when a property does not hold, so that the input is kept.

import Foundation
import NIOCore
import SallyportCore
@testable import SallyportGateway
@testable import SallyportGuard
@testable import SallyportIdentity
import SallyportPatterns
import SallyportWire

typealias Target = (UnsafeRawBufferPointer) -> Void

nonisolated(unsafe) private var chosen: Target = { _ in }

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>) -> CInt {
    let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
    guard let target = targets[name] else {
        FileHandle.standardError.write(Data("FUZZ_TARGET must be one of: \(targets.keys.sorted().joined(separator: " "))\n".utf8))
        exit(2)
    }
    chosen = target
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    chosen(UnsafeRawBufferPointer(start: data, count: data == nil ? 0 : size))
    return 0
}

private func must(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds { fatalError(what()) }
}

private let targets: [String: Target] = [
    "json": json, "sse": sse, "stream": stream, "multipart": multipart, "path": path, "batch": batch, "token": token, "keyset": keyset,
    "proxy": proxy, "policy": policy, "pii": pii, "text": text, "body": body, "image": image, "small": small,
]

// MARK: Bytes

private func json(_ bytes: UnsafeRawBufferPointer) {
    let buffer = ByteBuffer(bytes: bytes)
    guard let document = try? JSONDocument(parsing: buffer) else { return }
    // A reader of another kind accepts it as well, and the tape lies within the text.
    must((try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])) != nil, "accepted what Foundation refuses")
    var edits = JSONEdits()
    for (index, node) in document.nodes.enumerated() {
        must(node.start >= 0 && node.start <= node.end && node.end <= bytes.count && node.next > index, "a node outside of the text")
        guard node.kind == .string else { continue }
        let decoded = document.text(index)
        let count = decoded.bytes.readableBytes
        must(decoded.bytes.withUnsafeReadableBytes { UTF8Text.isValid($0) }, "a text that is not UTF-8")
        if count > 1 { edits.replace(decoded.rawRange(of: 1..<count), with: "*") }
    }
    must(JSONEdits().apply(to: document.bytes) == buffer, "no edit changed something")
    let edited = edits.apply(to: document.bytes)
    guard let again = try? JSONDocument(parsing: edited) else { fatalError("an edited text is no JSON") }
    must(again.nodes.count == document.nodes.count, "an edit changed the structure")
}

private func events(_ chunks: [ByteBuffer]) -> [SSEEvent]? {
    var parser = SSEParser(maximumEventBytes: 4096)
    var found: [SSEEvent] = []
    do {
        for chunk in chunks {
            parser.append(chunk)
            while let event = try parser.next() { found.append(event) }
        }
        if let last = try parser.finish() { found.append(last) }
    } catch { return nil }
    return found
}

private func sse(_ bytes: UnsafeRawBufferPointer) {
    // The first byte says how the rest is cut.
    guard let step = bytes.first else { return }
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let size = max(1, Int(step))
    let chunks = stride(from: 0, to: rest.count, by: size).map { ByteBuffer(bytes: rest[$0..<min(rest.count, $0 + size)]) }
    guard let whole = events([ByteBuffer(bytes: rest)]), let cut = events(chunks) else { return }
    must(whole.map(\.data) == cut.map(\.data) && whole.map(\.name) == cut.map(\.name), "cutting changed the meaning")
    var joined = ByteBuffer()
    for event in cut { joined.writeImmutableBuffer(event.raw) }
    must(joined == ByteBuffer(bytes: rest), "bytes were lost")
}

private func multipart(_ bytes: UnsafeRawBufferPointer) {
    let buffer = ByteBuffer(bytes: bytes)
    let line = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
    for boundary in ["x", MultipartBody.boundary(fromContentType: line)].compactMap({ $0 }) {
        guard let body = try? MultipartBody(parsing: buffer, boundary: boundary) else { continue }
        var last = 0
        for part in body.parts {
            must(part.bodyRange.lowerBound >= last && part.bodyRange.upperBound <= bytes.count, "a part outside of the body")
            last = part.bodyRange.upperBound
        }
        for operation in [Operation.Name.filesUpload, .transcriptions, .imagesEdits] {
            _ = MultipartReading(of: body, in: buffer, operation: operation)
        }
    }
}

private func path(_ bytes: UnsafeRawBufferPointer) {
    guard let path = try? CanonicalPath(parsing: bytes) else { return }
    for segment in path.segments {
        must(!segment.isEmpty && segment != "." && segment != ".." && !segment.utf8.contains { $0 == 0x2F || $0 == 0 || $0 == 0x5C },
             "a segment that another reader takes apart")
    }
    // What is written for the upstream reads back as the same.
    let written = "/" + path.segments.map { PercentEncoding.segment($0) }.joined(separator: "/")
    if !path.segments.isEmpty {
        guard let again = try? CanonicalPath(parsing: written) else { fatalError("a written path is refused") }
        must(again.segments == path.segments, "a written path reads otherwise")
    }
    for method in ["GET", "POST", "DELETE"] { _ = try? RequestTarget.read(method: method, path: path, services: []) }
}

// MARK: Rows, forms, bodies

private func batch(_ bytes: UnsafeRawBufferPointer) {
    var form = ByteBuffer(string: "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n")
    form.writeBytes(bytes)
    form.writeString("\r\n--x--\r\n")
    let deployment = Deployment(id: "gpt", project: .default, targets: [DeploymentTarget(upstream: "u", model: "other-model")], policy: "Default")
    if let parsed = try? MultipartBody(parsing: form, boundary: "x"),
        let rows = try? BatchRows(of: parsed, in: form, deployments: ["gpt": deployment], may: { _, _, _ in true })
    {
        let edited = rows.edits.apply(to: form)
        must((try? MultipartBody(parsing: edited, boundary: "x"))?.parts.count == parsed.parts.count, "an edit changed the form")
    }
    let file = ByteBuffer(bytes: bytes)
    guard file.withUnsafeReadableBytes({ UTF8Text.isValid($0) }) else { return }
    var edits = JSONEdits()
    for slot in FileReading.slots(of: file, at: 0, origin: .file) where slot.passage.count > 1 && slot.kind == .prose {
        slot.apply([TextEdit(range: 0..<1, replacement: Array("#".utf8))], to: &edits)
    }
    _ = edits.apply(to: file)
}

private func body(_ bytes: UnsafeRawBufferPointer) {
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
        #"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}"#.utf8))

private func token(_ bytes: UnsafeRawBufferPointer) {
    let token = Array(bytes)
    let verifier = TokenVerifier(issuers: [issuer.issuer: issuer])
    if let parts = try? verifier.parts(of: token), let keys { must((try? verifier.verify(parts, with: keys, at: 1_700_000_000)) == nil, "a token without its key was accepted") }
    // The same words, put where a token has them.
    func encode(_ bytes: some Collection<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
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

private func keyset(_ bytes: UnsafeRawBufferPointer) { _ = try? KeySet(parsing: Array(bytes)) }

private func proxy(_ bytes: UnsafeRawBufferPointer) {
    let whole = ProxyProtocol.read(Array(bytes))
    guard case .complete(_, let length) = whole else { return }
    must(length > 0 && length <= bytes.count && length <= ProxyProtocol.maximumLength, "a header longer than what came")
    must(ProxyProtocol.read(Array(bytes.prefix(length))) == whole, "what follows changed the header")
    for shorter in 0..<length where ProxyProtocol.read(Array(bytes.prefix(shorter))) != .incomplete {
        fatalError("half a header was read as one")
    }
}

// MARK: Documents

private func policy(_ bytes: UnsafeRawBufferPointer) {
    guard let policy = try? PolicyDocument.policy(from: Array(bytes), named: "fuzzed", base: { $0 == "Strict" ? .strict : nil }) else { return }
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
    guard let engine = try? GuardEngine(detectors: DetectorCatalog.all(), compiler: compiler, normaliser: Normaliser()) else { fatalError("no engine") }
    return engine
}()

private func pii(_ bytes: UnsafeRawBufferPointer) {
    guard let document = try? JSONDocument(parsing: ByteBuffer(bytes: bytes)), document.nodes[0].kind == .object else { return }
    _ = try? Exchange.documents(in: document)
    if let parameters = try? Exchange.parameters(in: document) { _ = try? personalData.checked(parameters, minimumConfidence: 0.65) }
    if let body = try? SafetyBody(document) {
        _ = try? body.texts("documents", total: 1000)
        _ = try? body.text("text", atMost: 100)
    }
}

private func text(_ bytes: UnsafeRawBufferPointer) {
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

private func stream(_ bytes: UnsafeRawBufferPointer) {
    guard let step = bytes.first, bytes.count <= 4096 else { return }
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let dialect: StreamDialect = step & 1 == 0 ? .chat : step & 2 == 0 ? .completions : .responses
    let context = GuardEngine.Context(policy: step & 4 == 0 ? .strict : .default)
    var gate = StreamGate(
        .init(dialect: dialect, choices: 2, promptResults: nil, promptCodePoints: 0, restore: nil), inspector: BodyInspector(engine: engine, context: context))
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

private func image(_ bytes: UnsafeRawBufferPointer) { _ = ImageHeader(Array(bytes)) }

/// Small readers: header parameters, addresses, ranges, trace contexts.
private func small(_ bytes: UnsafeRawBufferPointer) {
    let text = String(decoding: bytes, as: UTF8.self)
    _ = HeaderParameters(parsing: text)
    if let address = IPAddress(text) { must(IPAddress(address.description) == address, "an address reads otherwise") }
    _ = AddressRange(text)
    var random = SystemRandomNumberGenerator()
    let trace = TraceContext(text, random: &random, sampling: 0)
    must(trace.outgoing.utf8.count == 55, "a trace context of another length")
    _ = HeaderRules.saysSomething("etag", text)
}
