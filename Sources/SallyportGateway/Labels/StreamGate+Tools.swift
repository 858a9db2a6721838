import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// Calls of outward tools in a stream: their events wait until the call is whole, then it is decided about.
extension StreamGate {
    /// A call as its pieces come.
    struct GrowingCall {
        var id = ""
        var name = ByteBuffer()
        var arguments = ByteBuffer()
        /// The whole item of a response, once it is there.
        var item: ByteBuffer?

        var whole: ToolCall {
            if let item, let document = try? JSONDocument(parsing: item) { return ToolCall(of: 0, in: document) }
            return ToolCall(name: String(buffer: name), texts: ToolCall.texts(of: arguments))
        }
    }

    /// What a gate needs to decide about calls.
    struct ToolWatch {
        let toolGuard: ToolCallGuard
        /// Puts calls away for confirmation. - Returns: what is said of them; nil: they may go.
        let hold: (_ calls: [ToolCall], _ answer: ByteBuffer, _ choice: Int, _ isResponse: Bool, _ by: ToolCallGuard) -> ByteBuffer?
    }

    private static let largestCall = 1_048_576

    /// Gathers what an event adds to the calls.
    mutating func noteCalls(_ document: JSONDocument, _ type: String) throws {
        guard configuration.tools != nil else { return }
        switch configuration.dialect {
        case .completions: return
        case .chat:
            guard let choices = document.member("choices", of: 0) else { return }
            var pieces: [(choice: Int, part: Int, node: Int, function: Int)] = []
            document.forEachElement(of: choices) { position, choice in
                let index = document.member("index", of: choice).flatMap(document.integer) ?? position
                guard let delta = document.member("delta", of: choice) else { return }
                if let function = document.member("function_call", of: delta) { pieces.append((index, -1, delta, function)) }
                guard let list = document.member("tool_calls", of: delta) else { return }
                document.forEachElement(of: list) { place, call in
                    let part = document.member("index", of: call).flatMap(document.integer) ?? place
                    let function = document.member("function", of: call) ?? document.member("custom", of: call)
                    if let function { pieces.append((index, part, call, function)) }
                }
            }
            for var piece in pieces {
                if piece.part >= 0 {
                    piece.part = place(of: piece.node, function: piece.function, stated: piece.part, choice: piece.choice, document)
                }
                var call = calls[piece.choice, default: [:]][piece.part] ?? GrowingCall()
                if piece.part >= 0, let id = document.member("id", of: piece.node).flatMap(document.string), !id.isEmpty { call.id = id }
                if let name = document.member("name", of: piece.function) { call.name.writeImmutableBuffer(document.text(name).bytes) }
                for member in ["arguments", "input"] as [StaticString] {
                    if let more = document.member(member, of: piece.function), document.nodes[more].kind == .string {
                        call.arguments.writeImmutableBuffer(document.text(more).bytes)
                    }
                }
                guard call.arguments.readableBytes <= StreamGate.largestCall, calls.count <= 1024,
                    calls[piece.choice, default: [:]].count <= 1024
                else { throw Fault(.guardUnavailable, "The answer holds a larger tool call than may be held back.") }
                calls[piece.choice, default: [:]][piece.part] = call
            }
        case .responses: try noteResponseCalls(document, type)
        }
    }

    /// Some upstreams number every call 0, or none at all: one with a name and an id of its own is another call.
    private func place(of call: Int, function: Int, stated: Int, choice: Int, _ document: JSONDocument) -> Int {
        let known = calls[choice, default: [:]]
        guard let id = document.member("id", of: call).flatMap(document.string), !id.isEmpty else {
            // What goes on without a number goes on with the latest.
            return document.member("index", of: call) == nil ? known.keys.max() ?? stated : stated
        }
        if let same = known.first(where: { $0.value.id == id }) { return same.key }
        let isNamed = document.member("name", of: function).map { document.text($0).bytes.readableBytes > 0 } ?? false
        return isNamed && !(known[stated]?.id.isEmpty ?? true) ? (known.keys.max() ?? stated) + 1 : stated
    }

    private mutating func noteResponseCalls(_ document: JSONDocument, _ type: String) throws {
        func note(_ item: Int, at index: Int, isWhole: Bool) {
            guard let kind = document.member("type", of: item).flatMap(document.string), kind.hasSuffix("_call") else { return }
            var call = calls[index, default: [:]][0] ?? GrowingCall()
            call.name = ByteBuffer(string: document.member("name", of: item).flatMap(document.string) ?? kind)
            if isWhole { call.item = document.raw(item) }
            calls[index, default: [:]][0] = call
        }
        let index = document.member("output_index", of: 0).flatMap(document.integer) ?? 0
        switch type {
        case "response.output_item.added", "response.output_item.done":
            if let item = document.member("item", of: 0) { note(item, at: index, isWhole: type.hasSuffix("done")) }
        case "response.completed", "response.incomplete":
            guard let response = document.member("response", of: 0), let output = document.member("output", of: response) else { break }
            document.forEachElement(of: output) { position, item in note(item, at: position, isWhole: true) }
        case let type where type.hasSuffix("_arguments.delta") || type.hasSuffix("_input.delta"):
            guard let delta = document.member("delta", of: 0), document.nodes[delta].kind == .string else { break }
            calls[index, default: [:]][0, default: GrowingCall()].arguments.writeImmutableBuffer(document.text(delta).bytes)
        case let type where type.hasSuffix("_arguments.done") || type.hasSuffix("_input.done"):
            guard let whole = document.member("arguments", of: 0) ?? document.member("input", of: 0), document.nodes[whole].kind == .string
            else {
                break
            }
            calls[index, default: [:]][0, default: GrowingCall()].arguments = document.text(whole).bytes
        default: break
        }
        guard calls.count <= 1024, (calls[index]?[0]?.arguments.readableBytes ?? 0) <= StreamGate.largestCall else {
            throw Fault(.guardUnavailable, "The answer holds larger tool calls than may be held back.")
        }
    }

    /// The calls of these choices are whole: they go, or the choice ends here.
    mutating func decideCalls(_ isDone: (Int) -> Bool) throws {
        guard let tools = configuration.tools else { return }
        for (choice, parts) in calls.sorted(by: { $0.key < $1.key }) where isDone(choice) && !blockedChoices.contains(choice) {
            calls[choice] = nil
            let ordered = parts.sorted { $0.key < $1.key }.map(\.value)
            let whole = ordered.map(\.whole)
            let isResponse = configuration.dialect == .responses
            guard
                let held = tools.hold(
                    whole, StreamGate.message(ordered, isResponse: isResponse), isResponse ? 0 : choice, isResponse, tools.toolGuard)
            else { continue }
            heldCalls = held
            try block(choice)
            heldCalls = nil
            if isTerminated { return }
        }
    }

    /// The message as it would have been in one piece.
    private static func message(_ calls: [GrowingCall], isResponse: Bool) -> ByteBuffer {
        var json = JSONWriter(capacity: 512)
        if isResponse {
            json.beginArray()
            for call in calls {
                if let item = call.item {
                    json.raw(item)
                    continue
                }
                json.beginObject()
                json.key("type")
                json.string("function_call")
                json.key("name")
                json.string(String(buffer: call.name))
                json.key("arguments")
                json.string(String(buffer: call.arguments))
                json.endObject()
            }
            json.endArray()
            return json.buffer
        }
        json.beginObject()
        json.key("role")
        json.string("assistant")
        json.key("content")
        json.null()
        json.key("tool_calls")
        json.beginArray()
        for call in calls {
            json.beginObject()
            json.key("id")
            json.string(call.id)
            json.key("type")
            json.string("function")
            json.key("function")
            json.beginObject()
            json.key("name")
            json.string(String(buffer: call.name))
            json.key("arguments")
            json.string(String(buffer: call.arguments))
            json.endObject()
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.buffer
    }
}
