import SallyportCore

/// Rows that are run together.
struct Batch {
    let length: Int
    let rows: [(call: ReadingCall, index: Int)]
}

/// The calls that wait, in turn: each gets one row before any gets a second, so a long text delays a short one by one run at most.
struct BatchQueue {
    /// Row lengths that the model is run with, ascending.
    let lengths: [Int]
    let maximumBatchTokens: Int
    let maximumQueuedTokens: Int
    let maximumQueuedCalls: Int
    /// The time that a call may take: a base, and an allowance for each of its rows.
    var baseSeconds = 10.0
    var secondsPerWindow = 0.5
    private(set) var calls: [ReadingCall] = []

    /// How many calls are looked at for rows of the same length.
    private static let reach = 64

    /// Rows of one run.
    func limit(_ bucket: Int) -> Int {
        var limit = 1
        while limit * 2 * lengths[bucket] <= maximumBatchTokens { limit *= 2 }
        return limit
    }

    /// Tokens that are served before a call of so many tokens is done, everyone getting their turn.
    func tokensAhead(of tokens: Int) -> Int { calls.reduce(0) { $0 + min($1.waitingTokens, tokens) } }

    /// By how many seconds the call would overstay its time for what waits before it; 0 when it would not.
    func delay(of call: ReadingCall, secondsPerToken: Double) -> Double {
        let ahead = Double(tokensAhead(of: call.waitingTokens)) * secondsPerToken
        return max(0, ahead - baseSeconds - Double(call.rows.count) * secondsPerWindow)
    }

    /// - Returns: false when too much is waiting. The call's own length never counts against it.
    mutating func admit(_ call: ReadingCall) -> Bool {
        guard calls.count < maximumQueuedCalls, tokensAhead(of: call.waitingTokens) <= maximumQueuedTokens else { return false }
        calls.append(call)
        return true
    }

    /// Rows of the length that the first call has most of; others add theirs. A power of two of them, as the model was warmed for.
    mutating func next() -> Batch? {
        calls.removeAll { !$0.isWaiting }
        guard let front = calls.first else { return nil }
        let bucket = front.fullestBucket
        let limit = limit(bucket)
        var rows: [(call: ReadingCall, index: Int)] = []
        var hasMore = true
        while rows.count < limit, hasMore {
            hasMore = false
            for call in calls.prefix(Self.reach) where rows.count < limit {
                guard let index = call.take(bucket) else { continue }
                rows.append((call, index))
                hasMore = true
            }
        }
        while rows.count & (rows.count - 1) != 0 { rows.removeLast().call.putBack(bucket) }
        calls.removeFirst()
        if front.isWaiting { calls.append(front) }
        return Batch(length: lengths[bucket], rows: rows)
    }

    mutating func removeAll() -> [ReadingCall] {
        defer { calls = [] }
        return calls
    }
}
