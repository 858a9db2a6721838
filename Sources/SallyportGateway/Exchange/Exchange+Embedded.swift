import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportRetrieval
import SallyportWire

/// The upstream that needs no network: extractive answers from documents, in the API's own shapes, through the same gates.
extension Exchange {
    func answerEmbedded(_ operation: Operation, upstream: UpstreamID) throws {
        guard operation.isDeploymentScoped || operation.name == .responsesCreate else { throw Fault.resourceNotFound }
        guard let answerer = runtime.parts.answerer, let document, let principal else {
            throw Fault(.upstreamUnavailable, "The embedded upstream has no documents.")
        }
        current = Attempt(operation: operation, form: .v1, ids: [])
        let created = runtime.parts.clock().seconds
        let model = deployment?.id.rawValue ?? "embedded"
        switch operation.name {
        case .chatCompletions, .responsesCreate, .completions:
            let turns = EmbeddedAnswer.turns(in: document, operation.name)
            let (identifier, isStream) = (id, isStreamRequested)
            let bytes = body.readableBytes
            let includesUsage = includesUsage
            let source = grounding?.source
            let library = runtime.parts.library
            // Quotes need no second look, but one that is the policy's.
            grounding?.isComplete = true
            runtime.parts.pool.runIfActive(eventLoop: eventLoop) {
                let found: GroundedAnswer
                if let source, let library {
                    found = try library.answer(
                        to: turns, in: IndexID(source.index), for: library.reader(for: principal), source.options)
                } else {
                    found = try answerer.answer(to: turns, for: principal, upstream: upstream)
                }
                var context = GroundingContext(citations: found.citations.map(GroundingContext.Source.init), intents: found.intents)
                if let source {
                    context.contexts = source.contexts
                    context.retrieved = found.retrieved.map(GroundingContext.Source.init)
                }
                let answer = EmbeddedAnswer(
                    id: identifier, model: model, created: created, answer: found, context: context,
                    promptTokens: TokenEstimate.tokens(bytes: bytes))
                let parts = isStream ? answer.events(operation.name, includesUsage: includesUsage) : [answer.body(operation.name)]
                let told = context.contexts.contains(.retrieved) ? found.retrieved.map(\.entry.label).max() : nil
                return (parts, [found.label, told].compactMap { $0 }.max())
            }.assumeIsolated().whenComplete { [self] result in
                embeddedDidAnswer(result.map { $0.0 }, isStream: isStream, label: (try? result.get())?.1)
            }
        case .embeddings:
            let inputs = try EmbeddedAnswer.inputs(in: document)
            let isBase64 = document.member("encoding_format", of: 0).map { document.equals($0, "base64") } ?? false
            let dimensions = document.member("dimensions", of: 0).flatMap(document.integer)
            let bytes = body.readableBytes
            runtime.parts.pool.runIfActive(eventLoop: eventLoop) {
                [
                    EmbeddedAnswer.embeddings(
                        inputs.map { answerer.embedding(of: $0, dimensions: dimensions) }, model: model, isBase64: isBase64,
                        tokens: TokenEstimate.tokens(bytes: bytes))
                ]
            }.assumeIsolated().whenComplete { [self] result in
                embeddedDidAnswer(result, isStream: false)
            }
        default:
            throw Fault(.invalidRequest, "The embedded upstream does not offer this operation.")
        }
    }

    /// - Parameter label: of the documents that were quoted or listed.
    func embeddedDidAnswer(_ result: Result<[ByteBuffer], any Error>, isStream: Bool, label: SensitivityLabel? = nil) {
        continuing {
            let parts: [ByteBuffer]
            do { parts = try result.get() } catch {
                throw Fault(.upstreamUnavailable, "The embedded upstream cannot answer.", cause: error)
            }
            if let label { try raiseLabel(to: label, because: "document") }
            let type = isStream ? "text/event-stream; charset=utf-8" : "application/json"
            upstreamDidReceiveHead(status: 200, headers: ["content-type": type])
            // All of it is here at once.
            waitingAnswerBytes = parts.reduce(0) { $0 + $1.readableBytes }
            try holdAnswer(0)
            for part in parts where phase == .upstream || phase == .answering {
                waitingAnswerBytes = max(0, waitingAnswerBytes - part.readableBytes)
                upstreamDidReceiveBody(part)
            }
            if phase == .upstream || phase == .answering { upstreamDidFinish(trailers: HeaderFields()) }
        }
    }
}

/// An answer in the shapes of chat completions, completions and responses.
struct EmbeddedAnswer: Sendable {
    let id: String
    let model: String
    let created: Int64
    let answer: GroundedAnswer
    let context: GroundingContext
    let promptTokens: Int

    private var sentences: [String] { answer.said }
    private var text: String { sentences.joined(separator: " ") }
    private var completionTokens: Int { TokenEstimate.tokens(bytes: text.utf8.count) }

    private static let mostTurns = 4

    /// The latest things that the user said, the last one last.
    static func turns(in document: JSONDocument, _ operation: Operation.Name) -> [String] {
        switch operation {
        case .completions: return [document.member("prompt", of: 0).map { textOf($0, document) } ?? ""]
        case .responsesCreate:
            guard let input = document.member("input", of: 0) else { return [] }
            if document.nodes[input].kind == .string { return [document.string(input) ?? ""] }
            return userTexts(in: input, document)
        default: return document.member("messages", of: 0).map { userTexts(in: $0, document) } ?? []
        }
    }

    private static func userTexts(in messages: Int, _ document: JSONDocument) -> [String] {
        var turns: [String] = []
        document.forEachElement(of: messages) { _, message in
            guard let role = document.member("role", of: message), document.equals(role, "user"),
                let content = document.member("content", of: message)
            else { return }
            turns.append(textOf(content, document))
        }
        return turns.suffix(mostTurns)
    }

    /// A string, or the texts of an array of parts.
    static func textOf(_ node: Int, _ document: JSONDocument) -> String {
        if document.nodes[node].kind == .string { return document.string(node) ?? "" }
        var parts: [String] = []
        document.forEachElement(of: node) { _, part in
            if document.nodes[part].kind == .string { parts.append(document.string(part) ?? "") }
            if let text = document.member("text", of: part).flatMap(document.string) { parts.append(text) }
        }
        return parts.joined(separator: " ")
    }

    static func inputs(in document: JSONDocument) throws -> [String] {
        guard let input = document.member("input", of: 0) else { return [] }
        if document.nodes[input].kind == .string { return [document.string(input) ?? ""] }
        var texts: [String] = []
        try document.forEachElement(of: input) { position, value in
            guard document.nodes[value].kind == .string, let text = document.string(value) else {
                throw Fault(.invalidRequest, "The embedded upstream takes texts, not token numbers.", param: "input[\(position)]")
            }
            texts.append(text)
        }
        guard !texts.isEmpty, texts.count <= 2048 else {
            throw Fault(.invalidRequest, "'input' must hold 1 to 2048 texts.", param: "input")
        }
        return texts
    }

    // MARK: One piece

    func body(_ operation: Operation.Name) -> ByteBuffer {
        var json = JSONWriter(capacity: 1024)
        switch operation {
        case .responsesCreate: writeResponse(&json, status: "completed")
        default:
            let isChat = operation == .chatCompletions
            json.beginObject()
            writeEnvelope(&json, isChat ? "chat.completion" : "text_completion", isChat ? "chatcmpl-" : "cmpl-")
            json.key("choices")
            json.beginArray()
            json.beginObject()
            json.key("index")
            json.int(0)
            json.key("finish_reason")
            json.string("stop")
            json.key("logprobs")
            json.null()
            if isChat {
                json.key("message")
                json.beginObject()
                json.key("role")
                json.string("assistant")
                json.key("content")
                json.string(text)
                json.key("refusal")
                json.null()
                writeContext(&json)
                json.endObject()
            } else {
                json.key("text")
                json.string(text)
            }
            json.endObject()
            json.endArray()
            writeUsage(&json, "prompt_tokens", "completion_tokens")
            json.endObject()
        }
        return json.buffer
    }

    private func writeEnvelope(_ json: inout JSONWriter, _ object: StaticString, _ prefix: String) {
        json.key("id")
        json.string(prefix + id.filter { $0 != "-" })
        json.key("object")
        json.string(object)
        json.key("created")
        json.int(created)
        json.key("model")
        json.string(model)
        json.key("system_fingerprint")
        json.string("fp_embedded")
    }

    private func writeUsage(_ json: inout JSONWriter, _ prompt: StaticString, _ completion: StaticString) {
        json.key("usage")
        json.beginObject()
        json.key(prompt)
        json.int(promptTokens)
        json.key(completion)
        json.int(completionTokens)
        json.key("total_tokens")
        json.int(promptTokens + completionTokens)
        json.endObject()
    }

    private func writeResponse(_ json: inout JSONWriter, status: StaticString, isEmpty: Bool = false) {
        json.beginObject()
        json.key("id")
        json.string("resp_" + id.filter { $0 != "-" })
        json.key("object")
        json.string("response")
        json.key("created_at")
        json.int(created)
        json.key("status")
        json.string(status)
        json.key("error")
        json.null()
        json.key("incomplete_details")
        json.null()
        json.key("model")
        json.string(model)
        json.key("output")
        json.beginArray()
        if !isEmpty { writeItem(&json, status: "completed", hasText: true) }
        json.endArray()
        json.key("parallel_tool_calls")
        json.bool(false)
        json.key("tool_choice")
        json.string("auto")
        json.key("tools")
        json.raw("[]")
        json.key("store")
        json.bool(false)
        if !isEmpty { writeUsage(&json, "input_tokens", "output_tokens") }
        json.endObject()
    }

    private func writeItem(_ json: inout JSONWriter, status: StaticString, hasText: Bool) {
        json.beginObject()
        json.key("type")
        json.string("message")
        json.key("id")
        json.string("msg_" + id.filter { $0 != "-" })
        json.key("status")
        json.string(status)
        json.key("role")
        json.string("assistant")
        json.key("content")
        json.beginArray()
        if hasText { writePart(&json, text) }
        json.endArray()
        json.endObject()
    }

    private func writePart(_ json: inout JSONWriter, _ text: String) {
        json.beginObject()
        json.key("type")
        json.string("output_text")
        json.key("text")
        json.string(text)
        json.key("annotations")
        if text.isEmpty { json.raw("[]") } else { writeAnnotations(&json) }
        json.endObject()
    }

    // MARK: Events

    func events(_ operation: Operation.Name, includesUsage: Bool) -> [ByteBuffer] {
        operation == .responsesCreate ? responseEvents() : choiceEvents(isChat: operation == .chatCompletions, includesUsage: includesUsage)
    }

    private func choiceEvents(isChat: Bool, includesUsage: Bool) -> [ByteBuffer] {
        func chunk(_ content: String?, finish: Bool = false, role: Bool = false, usage: Bool = false) -> ByteBuffer {
            var json = JSONWriter(capacity: 512)
            json.beginObject()
            writeEnvelope(&json, isChat ? "chat.completion.chunk" : "text_completion", isChat ? "chatcmpl-" : "cmpl-")
            json.key("choices")
            json.beginArray()
            if !usage {
                json.beginObject()
                json.key("index")
                json.int(0)
                json.key("finish_reason")
                if finish { json.string("stop") } else { json.null() }
                json.key("logprobs")
                json.null()
                if isChat {
                    json.key("delta")
                    json.beginObject()
                    if role {
                        json.key("role")
                        json.string("assistant")
                        // Before any text, as On Your Data streams it.
                        writeContext(&json)
                    }
                    if let content {
                        json.key("content")
                        json.string(content)
                    }
                    json.endObject()
                } else {
                    json.key("text")
                    json.string(content ?? "")
                }
                json.endObject()
            }
            json.endArray()
            if usage { writeUsage(&json, "prompt_tokens", "completion_tokens") }
            json.endObject()
            return EmbeddedAnswer.event(json.buffer)
        }
        var events: [ByteBuffer] = isChat ? [chunk("", role: true)] : []
        for (index, sentence) in sentences.enumerated() { events.append(chunk(index == 0 ? sentence : " " + sentence)) }
        events.append(chunk(nil, finish: true))
        if includesUsage { events.append(chunk(nil, usage: true)) }
        events.append(ByteBuffer(string: "data: [DONE]\n\n"))
        return events
    }

    private func responseEvents() -> [ByteBuffer] {
        var number = 0
        func event(_ type: String, _ write: (inout JSONWriter) -> Void) -> ByteBuffer {
            var json = JSONWriter(capacity: 512)
            json.beginObject()
            json.key("type")
            json.string(type)
            json.key("sequence_number")
            json.int(number)
            write(&json)
            json.endObject()
            number += 1
            return EmbeddedAnswer.event(json.buffer, named: type)
        }
        let item = "msg_" + id.filter { $0 != "-" }
        func place(_ json: inout JSONWriter) {
            json.key("item_id")
            json.string(item)
            json.key("output_index")
            json.int(0)
            json.key("content_index")
            json.int(0)
        }
        var events: [ByteBuffer] = []
        for type in ["response.created", "response.in_progress"] {
            events.append(
                event(type) { json in
                    json.key("response")
                    writeResponse(&json, status: "in_progress", isEmpty: true)
                })
        }
        events.append(
            event("response.output_item.added") { json in
                json.key("output_index")
                json.int(0)
                json.key("item")
                writeItem(&json, status: "in_progress", hasText: false)
            })
        events.append(
            event("response.content_part.added") { json in
                place(&json)
                json.key("part")
                writePart(&json, "")
            })
        for (index, sentence) in sentences.enumerated() {
            events.append(
                event("response.output_text.delta") { json in
                    place(&json)
                    json.key("delta")
                    json.string(index == 0 ? sentence : " " + sentence)
                })
        }
        events.append(
            event("response.output_text.done") { json in
                place(&json)
                json.key("text")
                json.string(text)
            })
        events.append(
            event("response.content_part.done") { json in
                place(&json)
                json.key("part")
                writePart(&json, text)
            })
        events.append(
            event("response.output_item.done") { json in
                json.key("output_index")
                json.int(0)
                json.key("item")
                writeItem(&json, status: "completed", hasText: true)
            })
        events.append(
            event("response.completed") { json in
                json.key("response")
                writeResponse(&json, status: "completed")
            })
        return events
    }

    private static func event(_ data: ByteBuffer, named name: String? = nil) -> ByteBuffer {
        var bytes = ByteBuffer(string: name.map { "event: \($0)\ndata: " } ?? "data: ")
        bytes.writeImmutableBuffer(data)
        bytes.writeStaticString("\n\n")
        return bytes
    }

    static func embeddings(_ vectors: [[Float]], model: String, isBase64: Bool, tokens: Int) -> ByteBuffer {
        var json = JSONWriter(capacity: 4096)
        json.beginObject()
        json.key("object")
        json.string("list")
        json.key("model")
        json.string(model)
        json.key("data")
        json.beginArray()
        for (index, vector) in vectors.enumerated() {
            json.beginObject()
            json.key("object")
            json.string("embedding")
            json.key("index")
            json.int(index)
            json.key("embedding")
            if isBase64 {
                json.string(Base64.encode(vector.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }))
            } else {
                json.beginArray()
                for value in vector { json.raw(ByteBuffer(string: "\(value)")) }
                json.endArray()
            }
            json.endObject()
        }
        json.endArray()
        json.key("usage")
        json.beginObject()
        json.key("prompt_tokens")
        json.int(tokens)
        json.key("total_tokens")
        json.int(tokens)
        json.endObject()
        json.endObject()
        return json.buffer
    }
}
