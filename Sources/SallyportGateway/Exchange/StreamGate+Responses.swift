import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire

/// What only the Responses API has.
extension StreamGate {
    mutating func prepareResponsesEvent(_ type: String, _ document: JSONDocument, _ held: inout HeldEvent) throws {
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

    func responsesChannel(_ channel: ChannelKey, _ document: JSONDocument) -> ChannelKey {
        let item = document.member("output_index", of: 0).flatMap(document.integer) ?? 0
        let part =
            document.member("content_index", of: 0).flatMap(document.integer) ?? document.member("summary_index", of: 0).flatMap(
                document.integer) ?? 0
        return ChannelKey(index: item, part: part, field: channel.field, origin: channel.origin)
    }

    mutating func noteUsage(_ document: JSONDocument) {
        let holder = document.member("response", of: 0) ?? 0
        if let found = UsageReading.usage(of: document, in: holder) { usage = found }
    }
}
