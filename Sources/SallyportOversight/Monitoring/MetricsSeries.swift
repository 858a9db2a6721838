import SallyportCore

/// What tells one series of exchanges from another. All from closed sets or the configuration.
struct SeriesKey: Hashable {
    var operation: String
    var apiVersion: String
    var deployment: String
    var model: String
    var upstream: String
    var status: Int
    var isStreaming: Bool

    init(_ summary: ExchangeSummary) {
        operation = summary.operation
        apiVersion = summary.apiVersion
        deployment = summary.deployment?.rawValue ?? ""
        model = summary.model ?? ""
        upstream = summary.upstream?.rawValue ?? ""
        status = summary.status
        isStreaming = summary.isStreaming
    }
}

/// A guard and what was done about what it found.
struct GuardKey: Hashable {
    var detector: String
    var action: String
}

/// Azure's dimensions of what a safety check found.
struct HarmKey: Hashable {
    var deployment: String
    var model: String
    var apiVersion: String
    var textType: Direction
    var category: String
}

/// A histogram that every series has: where it stands among the series' numbers, and its buckets.
struct SeriesHistogram: Sendable {
    let offset: Int
    /// Ascending; nanoseconds, or thousandths of a token per second.
    let bounds: [Int64]

    /// Buckets, the one above the last bound, and the sum.
    var width: Int { bounds.count + 2 }

    @inline(__always)
    func observe(_ value: Int64, in cells: UnsafeMutablePointer<Int64>) {
        var bucket = 0
        let count = bounds.count
        bounds.withUnsafeBufferPointer { bounds in
            while bucket < count && value > bounds[bucket] { bucket += 1 }
        }
        cells[offset + bucket] &+= 1
        cells[offset + count + 1] &+= value
    }
}

/// Where a series' numbers stand.
enum SeriesLayout {
    static let requests = 0, blocked = 1, requestBytes = 2, responseBytes = 3, promptTokens = 4, completionTokens = 5, cachedTokens = 6
    static let attempts = 7, safetyChecks = 8
    private static let counters = 9

    private static let microsecond: Int64 = 1000
    private static let millisecond: Int64 = 1_000_000
    /// 1 ms to 5 minutes: how long models take.
    private static let long = ([1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000] as [Int64])
        .map { $0 * millisecond }
    private static let betweenTokens = ([1, 2, 5, 10, 15, 20, 30, 50, 75, 100, 150, 250, 500, 1000] as [Int64]).map { $0 * millisecond }
    private static let tokenRates = ([1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000] as [Int64]).map { $0 * 1000 }
    /// 50 µs to 1 s: what the gateway itself costs.
    static let short =
        ([50, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000] as [Int64])
        .map { $0 * microsecond }
    /// 5 µs to 100 ms: one guard on one exchange.
    static let brief = ([5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000] as [Int64]).map { $0 * microsecond }

    static let timeToResponse = SeriesHistogram(offset: counters, bounds: long)
    static let timeToFirstByte = SeriesHistogram(offset: timeToResponse.offset + timeToResponse.width, bounds: long)
    static let timeBetweenTokens = SeriesHistogram(offset: timeToFirstByte.offset + timeToFirstByte.width, bounds: betweenTokens)
    static let timeToLastByte = SeriesHistogram(offset: timeBetweenTokens.offset + timeBetweenTokens.width, bounds: long)
    static let tokenRate = SeriesHistogram(offset: timeToLastByte.offset + timeToLastByte.width, bounds: tokenRates)
    static let duration = SeriesHistogram(offset: tokenRate.offset + tokenRate.width, bounds: long)
    static let upstream = SeriesHistogram(offset: duration.offset + duration.width, bounds: long)
    static let overhead = SeriesHistogram(offset: upstream.offset + upstream.width, bounds: short)
    static let auditWait = SeriesHistogram(offset: overhead.offset + overhead.width, bounds: short)
    static let width = auditWait.offset + auditWait.width

    /// A guard's numbers: runs by histogram, then these.
    static let guardDuration = SeriesHistogram(offset: 2, bounds: brief)
    static let guardFindings = 0, guardFailures = 1
    static let guardWidth = guardDuration.offset + guardDuration.width
}
