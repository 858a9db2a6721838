import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// What only the Responses API has.
extension StreamGate {
    mutating func prepareResponsesEvent(_ type: String, _ document: JSONDocument, _ held: inout HeldEvent) throws {
        noteCalledName(type, document)
        if let number = document.member("sequence_number", of: 0).flatMap(document.integer) { lastSequence = max(0, min(number, 1 << 53)) }
        if type.hasSuffix(".done") {
            let item = document.member("output_index", of: 0).flatMap(document.integer) ?? 0
            try finishChannels { $0.index == item }
        }
        if type == "response.completed" || type == "response.incomplete" || type == "response.failed" {
            try finishChannels { _ in true }
            held.isLast = true
            finishReason = type
        }
    }

    /// A call's name comes with its item, its arguments in pieces of their own.
    private mutating func noteCalledName(_ type: String, _ document: JSONDocument) {
        guard inspector.context.evidence != nil, type == "response.output_item.added", let item = document.member("item", of: 0),
            BodyInspector.ToolCall.isCall(item, of: document), let name = document.member("name", of: item).flatMap(document.string)
        else { return }
        calledNames[argumentsChannel(document)] = ByteBuffer(string: name)
    }

    /// Of the item that an event belongs to.
    private func argumentsChannel(_ document: JSONDocument) -> ChannelKey {
        let item = document.member("output_index", of: 0).flatMap(document.integer) ?? 0
        return ChannelKey(index: item, part: 0, field: ChannelKey.arguments, origin: .completionToolCall)
    }

    /// Calls that stand whole in an event and were not judged when their pieces came.
    func wholeCalls(_ document: JSONDocument, _ type: String) -> [BodyInspector.ToolCall] {
        var calls: [BodyInspector.ToolCall] = []
        func add(_ item: Int) {
            guard BodyInspector.ToolCall.isCall(item, of: document) else { return }
            if let call = BodyInspector.ToolCall(item, of: document, choice: nil) { calls.append(call) }
        }
        if type == "response.output_item.done", let item = document.member("item", of: 0) { add(item) }
        if let response = document.member("response", of: 0), let output = document.member("output", of: response),
            document.nodes[output].kind == .array
        {
            document.forEachElement(of: output) { _, item in add(item) }
        }
        if type.hasSuffix("_arguments.done") || type.hasSuffix("tool_call_input.done"),
            let whole = (document.member("arguments", of: 0) ?? document.member("input", of: 0)).flatMap(document.string),
            let name = calledNames[argumentsChannel(document)]
        {
            calls.append(.init(choice: nil, name: String(buffer: name), arguments: Passage(whole, origin: .completionToolCall)))
        }
        return calls.filter { !judgedCalls.contains(JudgedCall(name: $0.name, arguments: $0.arguments.text)) }
    }

    /// - Parameter type: of the event: a text, a refusal and a transcript of one item are texts of their own, though each comes as `delta`.
    func responsesChannel(_ channel: ChannelKey, _ document: JSONDocument, _ type: String) -> ChannelKey {
        let item = document.member("output_index", of: 0).flatMap(document.integer) ?? 0
        let part =
            document.member("content_index", of: 0).flatMap(document.integer) ?? document.member("summary_index", of: 0).flatMap(
                document.integer) ?? 0
        return ChannelKey(index: item, part: part, field: channel.isWhole ? channel.field : type, origin: channel.origin)
    }

    mutating func noteUsage(_ document: JSONDocument) {
        let holder = document.member("response", of: 0) ?? 0
        if let found = UsageReading.usage(of: document, in: holder) { usage = found }
    }
}

/// A tool call as it was judged.
struct JudgedCall: Hashable {
    let name: String
    let arguments: ByteBuffer
}
