import SallyportCore

/// All rows of one call on their way through the engine. What varies is touched under the engine's lock only.
final class ReadingCall: @unchecked Sendable {
    // SAFETY: `let`s apart, every property is read and written under the lock of the one engine that the call was given to.
    let texts: [TokenizedText]
    let rows: [Row]
    /// Rows that still wait, by length bucket, and how many of each were taken.
    private var waiting: [[Int32]]
    private var taken: [Int]
    private(set) var waitingTokens = 0
    private let lengths: [Int]
    private var results: [RowResult?]
    private var open: Int
    private var completion: (@Sendable (Result<[RowResult], TextReadingFault>) -> Void)?

    /// - Parameter lengths: the buckets, ascending; the last one takes every row.
    init(
        texts: [TokenizedText], rows: [Row], lengths: [Int],
        completion: @escaping @Sendable (Result<[RowResult], TextReadingFault>) -> Void
    ) {
        self.texts = texts
        self.rows = rows
        self.lengths = lengths
        self.completion = completion
        waiting = Array(repeating: [], count: lengths.count)
        taken = Array(repeating: 0, count: lengths.count)
        results = Array(repeating: nil, count: rows.count)
        open = rows.count
        for (index, row) in rows.enumerated() {
            let bucket = lengths.firstIndex { row.length <= $0 } ?? lengths.count - 1
            waiting[bucket].append(Int32(index))
            waitingTokens += lengths[bucket]
        }
    }

    var isWaiting: Bool { waitingTokens > 0 }
    var isFinished: Bool { completion == nil }

    /// The bucket with most rows.
    var fullestBucket: Int {
        waiting.indices.max { waiting[$0].count - taken[$0] < waiting[$1].count - taken[$1] } ?? 0
    }

    func take(_ bucket: Int) -> Int? {
        guard taken[bucket] < waiting[bucket].count else { return nil }
        taken[bucket] += 1
        waitingTokens -= lengths[bucket]
        return Int(waiting[bucket][taken[bucket] - 1])
    }

    /// Undoes the last ``take(_:)`` of the bucket.
    func putBack(_ bucket: Int) {
        taken[bucket] -= 1
        waitingTokens += lengths[bucket]
    }

    /// - Returns: what is to be done, outside the lock, when this was the last row.
    func store(_ result: RowResult, at row: Int) -> (@Sendable () -> Void)? {
        guard let completion else { return nil }
        results[row] = result
        open -= 1
        guard open == 0 else { return nil }
        let all = results.compactMap { $0 }
        self.completion = nil
        results = []
        return { completion(.success(all)) }
    }

    /// - Returns: what is to be done, outside the lock; nil when the call was finished before.
    func fail(_ fault: TextReadingFault) -> (@Sendable () -> Void)? {
        guard let completion else { return nil }
        self.completion = nil
        results = []
        waitingTokens = 0
        waiting = Array(repeating: [], count: lengths.count)
        taken = Array(repeating: 0, count: lengths.count)
        return { completion(.failure(fault)) }
    }
}
