import SallyportCore

/// All that metrics, traces and access logs may know of an exchange: closed sets and numbers, no text, no address beyond the record's.
package struct ExchangeSummary: Sendable {
    /// Azure's `OperationName`, from the route table (a closed set); `unrouted` for what no route serves.
    package var operation: String = "unrouted"
    /// `Azure OpenAI API version 2024-10-21`'s version part; `v1`; empty.
    package var apiVersion = ""
    package var deployment: DeploymentID?
    package var upstream: UpstreamID?
    package var model: String?
    package var status = 0
    /// The fault's code, when the gateway itself refused.
    package var faultCode: Fault.Code?
    package var isStreaming = false
    package var requestBytes = 0
    package var responseBytes = 0
    package var promptTokens = 0
    package var completionTokens = 0
    package var cachedTokens = 0
    /// Nanoseconds since an arbitrary start, all from one monotonic clock.
    package var startedAt: Int64 = 0
    package var endedAt: Int64 = 0
    /// When the first byte went to the upstream, and when its head, its first body byte and its last byte came back; 0 when never.
    package var upstreamStartedAt: Int64 = 0
    package var upstreamHeadAt: Int64 = 0
    package var upstreamEndedAt: Int64 = 0
    /// When the first byte of the answer went to the caller.
    package var firstByteAt: Int64 = 0
    package var guardNanoseconds: UInt64 = 0
    package var auditNanoseconds: UInt64 = 0
    package var attempts = 0
    /// By detector: (action in force or in shadow, findings, nanoseconds, failed).
    package var guards: [(detector: DetectorID, action: String, findings: Int, nanoseconds: UInt64, failed: Bool)] = []
    /// Azure's RAI metrics: texts sent for a safety check, and what was found and blocked, by text type (`Prompt`, `Completion`) and category.
    package var harmful: [(textType: Direction, category: String, blocked: Bool)] = []
    package var wasBlocked = false
    /// W3C trace context: 32 and 16 hex digits; the caller's span, if it sent one.
    package var traceID = ""
    package var spanID = ""
    package var parentSpanID: String?
    package var isSampled = false
    package var finishReason: String?
    package var exchangeID = ""

    package init() {}
}

/// Hears of every exchange's end. Called on event loops: must not block.
package protocol ExchangeObserver: Sendable {
    func exchangeDidStart()
    func exchangeDidEnd(_ summary: ExchangeSummary)
}
