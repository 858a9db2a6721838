import NIOCore

/// How many retries may be made: a share of the requests, plus a small floor, so that retries cannot multiply an outage.
package struct RetryBudget: Sendable {
    private let ratio: Double
    private let floorPerSecond: Double
    private let capacity: Double
    private var tokens: Double
    private var refilledAt: NIODeadline

    /// - Parameters:
    ///   - ratio: retries earned by a request.
    ///   - floorPerSecond: retries earned by time, so that a quiet service may retry too.
    ///   - capacity: what can be saved up; it is also the amount at the start.
    package init(ratio: Double = 0.2, floorPerSecond: Double = 1, capacity: Double = 20, now: NIODeadline) {
        self.ratio = max(0, ratio)
        self.floorPerSecond = max(0, floorPerSecond)
        self.capacity = max(1, capacity)
        tokens = self.capacity
        refilledAt = now
    }

    /// Call once per request (not per attempt).
    package mutating func recordRequest() { tokens = min(capacity, tokens + ratio) }

    /// - Returns: false when the budget is spent: answer with the failure at hand.
    package mutating func takeRetry(now: NIODeadline) -> Bool {
        if now > refilledAt {
            tokens = min(capacity, tokens + floorPerSecond * Double((now - refilledAt).nanoseconds) / 1e9)
            refilledAt = now
        }
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
