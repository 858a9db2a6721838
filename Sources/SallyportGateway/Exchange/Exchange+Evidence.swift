import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportWire

/// What an answer is held against, and the organisation's own categories.
extension Exchange {
    /// Gathered from the request once it was read.
    func gatherEvidence(_ slots: [TextSlot]) -> AnswerEvidence? {
        guard policy.rules.contains(where: { $0.group == .groundedness || $0.group == .taskAdherence }) else { return nil }
        var documents: [ByteBuffer] = []
        var said: [ByteBuffer] = []
        for slot in slots where slot.kind == .prose {
            switch slot.passage.origin {
            case .document, .toolResult, .file: documents.append(slot.passage.text)
            case .user, .system:
                let tagged = TaggedDocuments.ranges(in: slot.passage)
                documents += tagged.compactMap {
                    slot.passage.text.getSlice(at: slot.passage.text.readerIndex + $0.lowerBound, length: $0.count)
                }
                if slot.passage.origin == .user { said.append(slot.passage.text) }
            default: break
            }
        }
        return snapshot.engine.evidence(documents: documents, said: said, tools: toolNames(), under: policy)
    }

    private func toolNames() -> Set<String> {
        guard let document, let tools = document.member("tools", of: 0), document.nodes[tools].kind == .array else { return [] }
        var names: Set<String> = []
        document.forEachElement(of: tools) { _, tool in
            let holder = document.member("function", of: tool) ?? document.member("custom", of: tool) ?? tool
            if let name = document.member("name", of: holder).flatMap(document.string) { names.insert(name) }
        }
        return names
    }

    /// The tool calls of an answer.
    static func calls(in document: JSONDocument) -> [BodyInspector.ToolCall] {
        guard document.nodes[0].kind == .object else { return [] }
        var calls: [BodyInspector.ToolCall] = []
        func add(_ function: Int, _ choice: Int?) {
            if let call = BodyInspector.ToolCall(function, of: document, choice: choice) { calls.append(call) }
        }
        if let choices = document.member("choices", of: 0), document.nodes[choices].kind == .array {
            document.forEachElement(of: choices) { position, choice in
                guard let message = document.member("message", of: choice) else { return }
                let index = document.member("index", of: choice).flatMap(document.integer) ?? position
                if let call = document.member("function_call", of: message) { add(call, index) }
                guard let list = document.member("tool_calls", of: message), document.nodes[list].kind == .array else { return }
                document.forEachElement(of: list) { _, call in
                    if let function = document.member("function", of: call) ?? document.member("custom", of: call) { add(function, index) }
                }
            }
        }
        if let output = document.member("output", of: 0), document.nodes[output].kind == .array {
            document.forEachElement(of: output) { _, item in
                if BodyInspector.ToolCall.isCall(item, of: document) { add(item, nil) }
            }
        }
        return calls
    }

    // MARK: Custom categories

    /// Asks a category's classifier about a text: its parts are made into vectors, the likeliest counts.
    func judge(_ request: OpinionRequest, category name: String, of tenant: TenantID) -> EventLoopFuture<RemoteOpinions.Entry> {
        let failed = RemoteOpinions.Entry.failed(isLate: false)
        guard let operations = runtime.parts.categories, let embedder = runtime.parts.embedder else {
            return eventLoop.makeSucceededFuture(failed)
        }
        let began = Exchange.nanoseconds()
        let promise = eventLoop.makePromise(of: RemoteOpinions.Entry.self)
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { try operations.classifier(of: name, version: nil, tenant: tenant) }
            .whenComplete { result in
                guard case .success(let classifier) = result else { return promise.succeed(failed) }
                embedder.embed(CategoryTexts.parts(of: request.text)) { result in
                    guard case .success(let vectors) = result, !vectors.isEmpty else { return promise.succeed(failed) }
                    let probability = vectors.map { classifier.probability(of: $0) }.max() ?? 0
                    let findings = CustomCategoryQuestion.findings(name, probability: probability, classifier, in: request)
                    promise.succeed(.said(findings, nanoseconds: UInt64(max(0, Exchange.nanoseconds() - began))))
                }
            }
        return promise.futureResult
    }
}

extension BodyInspector.ToolCall {
    /// What is called and with what; nil without a name.
    init?(_ function: Int, of document: JSONDocument, choice: Int?) {
        guard let name = document.member("name", of: function).flatMap(document.string) else { return nil }
        let arguments = (document.member("arguments", of: function) ?? document.member("input", of: function)).flatMap(document.string)
        self.init(choice: choice, name: name, arguments: Passage(arguments ?? "", origin: .completionToolCall))
    }

    /// An item of a response that calls one of the caller's own tools.
    static func isCall(_ item: Int, of document: JSONDocument) -> Bool {
        document.member("type", of: item).map { document.equals($0, "function_call") || document.equals($0, "custom_tool_call") } ?? false
    }
}

/// Documents inside a message, between Azure's tags: `""" <documents> … </documents> """`.
enum TaggedDocuments {
    private static let open = Array("<documents>".utf8)
    private static let close = Array("</documents>".utf8)

    /// What stands between the tags; an open one reaches to the end.
    static func ranges(in passage: Passage) -> [Range<Int>] {
        guard passage.count > open.count else { return [] }
        return passage.withBytes { bytes in
            var found: [Range<Int>] = []
            var index = 0
            while let start = find(open, in: bytes, from: index) {
                let end = find(close, in: bytes, from: start + open.count) ?? bytes.count
                if end > start + open.count { found.append(start + open.count..<end) }
                index = end
                if index >= bytes.count { break }
            }
            return found
        }
    }

    private static func find(_ word: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard bytes.count >= word.count, start <= bytes.count - word.count else { return nil }
        var index = start
        while index <= bytes.count - word.count {
            if bytes[index] == 0x3C, word.indices.allSatisfy({ bytes[index + $0] == word[$0] || bytes[index + $0] | 0x20 == word[$0] }) {
                return index
            }
            index += 1
        }
        return nil
    }
}
