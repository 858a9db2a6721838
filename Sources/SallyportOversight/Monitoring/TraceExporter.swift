import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Sends the spans of sampled exchanges to an OpenTelemetry collector, in batches of OTLP/HTTP's JSON.
///
/// Traces are for operators: when the collector is slow or away, spans are dropped and counted; exchanges never wait.
package final class TraceExporter: ExchangeObserver {
    /// The body's content type; it goes to the collector's `/v1/traces`.
    package static let contentType = "application/json"

    package struct Limits: Sendable {
        /// Spans that a batch may hold.
        package var batch = 256
        /// Spans that may wait while a batch is under way.
        package var queue = 2048
        /// How long a span waits for others, at most.
        package var delay = TimeAmount.seconds(2)
        package init() {}
    }

    package struct Statistics: Sendable, Hashable {
        /// Spans that the collector took.
        package var exported = 0
        /// Spans that found no room or had no usable trace context.
        package var dropped = 0
        /// Spans of batches that could not be sent.
        package var failed = 0
        package init() {}
    }

    private struct State: Sendable {
        var spans: [(count: Int, bytes: [UInt8])] = []
        var queued = 0
        var isTimed = false
        var isClosed = false
        /// A batch is under way: one at a time. `inFlight` follows as soon as `send` has returned.
        var isSending = false
        var inFlight: EventLoopFuture<Void>?
        var statistics = Statistics()
    }

    private let head: [UInt8]
    private let encoder: TraceEncoder
    private let limits: Limits
    private let send: @Sendable (ByteBuffer) -> EventLoopFuture<Void>
    private let state = NIOLockedValueBox(State())

    /// - Parameters:
    ///   - upstreamKinds: for `gen_ai.provider.name`.
    ///   - clockOffset: what is added to exchanges' times to get nanoseconds since 1970; nil: the difference between the clocks as it is now.
    ///   - send: posts a batch; fails when the collector did not take it. It has time limits of its own.
    package init(
        serviceName: String, serviceVersion: String? = nil, upstreamKinds: [UpstreamID: UpstreamKind] = [:], clockOffset: Int64? = nil,
        limits: Limits = Limits(), send: @escaping @Sendable (ByteBuffer) -> EventLoopFuture<Void>
    ) {
        head = TraceEncoder.head(serviceName: serviceName, serviceVersion: serviceVersion)
        encoder = TraceEncoder(clockOffset: clockOffset ?? TraceExporter.currentClockOffset(), upstreamKinds: upstreamKinds)
        self.limits = limits
        self.send = send
    }

    package var statistics: Statistics { state.withLockedValue { $0.statistics } }

    /// Shows ``statistics`` beside the other metrics.
    package func write(to exposition: inout Exposition) {
        let statistics = statistics
        for (result, count) in [("exported", statistics.exported), ("dropped", statistics.dropped), ("failed", statistics.failed)] {
            exposition.counter(
                "sallyport_trace_spans_total", help: "Spans by what became of them.", Double(count), labels: [("result", result)])
        }
    }

    package func exchangeDidStart() {}

    package func exchangeDidEnd(_ summary: ExchangeSummary) {
        guard summary.isSampled else { return }
        guard let spans = encoder.spans(of: summary) else { return state.withLockedValue { $0.statistics.dropped += 1 } }
        let (isFull, needsTimer) = state.withLockedValue { state -> (Bool, Bool) in
            guard !state.isClosed, state.queued + spans.count <= limits.queue else {
                state.statistics.dropped += spans.count
                return (false, false)
            }
            state.spans.append(spans)
            state.queued += spans.count
            let isFull = state.queued >= limits.batch && !state.isSending
            let needsTimer = !isFull && !state.isTimed
            if needsTimer { state.isTimed = true }
            return (isFull, needsTimer)
        }
        if isFull { return flush() }
        guard needsTimer else { return }
        if let eventLoop = MultiThreadedEventLoopGroup.currentEventLoop {
            eventLoop.scheduleTask(in: limits.delay) { [self] in
                state.withLockedValue { $0.isTimed = false }
                flush()
            }
        } else {
            // Not on an event loop: the next exchange, a full batch or `flush()` sends it.
            state.withLockedValue { $0.isTimed = false }
        }
    }

    /// Sends what waits, unless a batch is under way; then it follows that one.
    package func flush() {
        let batch = state.withLockedValue { state -> (body: ByteBuffer, count: Int)? in
            guard !state.isSending, !state.spans.isEmpty else { return nil }
            state.isSending = true
            var body = ByteBuffer()
            body.reserveCapacity(head.count + 1024 * min(state.queued, limits.batch))
            body.writeBytes(head)
            var count = 0
            var taken = 0
            for entry in state.spans {
                if count > 0 {
                    guard count + entry.count <= limits.batch else { break }
                    body.writeInteger(UInt8(ascii: ","))
                }
                body.writeBytes(entry.bytes)
                count += entry.count
                taken += 1
            }
            body.writeBytes(TraceEncoder.tail)
            state.spans.removeFirst(taken)
            state.queued -= count
            return (body, count)
        }
        guard let batch else { return }
        let sent = send(batch.body)
        state.withLockedValue { $0.inFlight = sent }
        sent.whenComplete { [self] result in
            let hasMore = state.withLockedValue { state in
                state.inFlight = nil
                state.isSending = false
                if case .success = result { state.statistics.exported += batch.count } else { state.statistics.failed += batch.count }
                return !state.spans.isEmpty
            }
            if hasMore { flush() }
        }
    }

    /// Sends what still waits and returns when it was sent or could not be; what ends later is dropped.
    package func close() async {
        state.withLockedValue { $0.isClosed = true }
        flush()
        while case let (isSending, underWay) = state.withLockedValue({ ($0.isSending, $0.inFlight) }), isSending {
            // A failure is counted where the batch was sent.
            if let underWay { _ = try? await underWay.get() }
            await Task.yield()
        }
    }

    // MARK: Ids and clocks

    /// The id of the span that stands for the call to the upstream: what `traceparent` should name on its way there, so that the
    /// upstream's own spans hang below it.
    package static func upstreamSpanID(of spanID: String) -> String { derivedSpanID(of: spanID, number: 1) }

    /// Made from the exchange's own random id, so that the part which forwards and the one which exports agree without a word.
    static func derivedSpanID(of spanID: String, number: UInt64) -> String {
        // SplitMix64's finaliser: a permutation, so different spans stay different.
        var value = (UInt64(spanID, radix: 16) ?? 0) &+ number &* 0x9E37_79B9_7F4A_7C15
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        value ^= value >> 31
        let digits = String(max(1, value), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func currentClockOffset() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) - Int64(NIODeadline.now().uptimeNanoseconds)
    }
}
