import NIOCore
import SallyportCore
import SallyportOversight

extension ExchangeSummary {
    /// A streamed chat completion of 1 s, of which the upstream had 900 ms, with its first byte after 250 ms.
    static func chat(_ change: (inout ExchangeSummary) -> Void = { _ in }) -> ExchangeSummary {
        var summary = ExchangeSummary()
        summary.operation = "ChatCompletions_Create"
        summary.apiVersion = "2024-10-21"
        summary.deployment = "gpt-4o"
        summary.upstream = "aoai"
        summary.model = "gpt-4o-2024-11-20"
        summary.status = 200
        summary.isStreaming = true
        summary.requestBytes = 700
        summary.responseBytes = 5000
        summary.promptTokens = 100
        summary.completionTokens = 51
        summary.cachedTokens = 20
        summary.startedAt = 1_000_000_000
        summary.upstreamStartedAt = 1_050_000_000
        summary.upstreamHeadAt = 1_200_000_000
        summary.firstByteAt = 1_250_000_000
        summary.upstreamEndedAt = 1_950_000_000
        summary.endedAt = 2_000_000_000
        summary.guardNanoseconds = 40_000
        summary.auditNanoseconds = 600_000
        summary.attempts = 1
        summary.guards = [("sensitive-data", "redact", 2, 30_000, false), ("blocklist", "allow", 0, 10_000, false)]
        summary.traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
        summary.spanID = "00f067aa0ba902b7"
        summary.isSampled = true
        summary.finishReason = "stop"
        summary.exchangeID = "9b2f"
        change(&summary)
        return summary
    }
}

extension GatewayMetrics {
    func read() throws -> ExpositionReader { try ExpositionReader(String(buffer: exposition())) }

    func count(_ summary: ExchangeSummary) {
        exchangeDidStart()
        exchangeDidEnd(summary)
    }
}
