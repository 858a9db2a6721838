import NIOCore
import SallyportCore

/// A text on its way through the normaliser: bytes that are valid UTF-8, and the way back to the original.
struct Reading {
    let text: ByteBuffer
    let isASCII: Bool
    let map: OffsetMap

    func passage(_ origin: PassageOrigin) -> Passage { Passage(text, origin: origin, isASCII: isASCII) }

    /// - Parameter runs: the way from the new text to this one.
    func derive(_ bytes: [UInt8], runs: [OffsetMap.Run]) -> Reading {
        Reading(text: ByteBuffer(bytes: bytes), isASCII: !bytes.contains { $0 >= 0x80 }, map: map.extended(by: runs))
    }

    /// A text of the same shape: byte i stands for byte i.
    func respelled(_ text: ByteBuffer) -> Reading { Reading(text: text, isASCII: isASCII, map: map) }
}

extension OffsetMap {
    /// The map of a text that was made from the one this map belongs to.
    /// - Parameter derived: runs from the new text to that one, ascending. Empty: the same bytes.
    func extended(by derived: [Run]) -> OffsetMap {
        if derived.isEmpty { return self }
        if runs.isEmpty { return OffsetMap(runs: derived) }
        var result: [Run] = []
        result.reserveCapacity(derived.count)
        var index = 0
        for run in derived {
            guard run.isLinear, !run.source.isEmpty else {
                result.append(Run(derived: run.derived, source: original(run.source, near: &index), isLinear: false))
                continue
            }
            var position = run.source.lowerBound
            move(&index, to: position)
            while position < run.source.upperBound, index < runs.count {
                let below = runs[index]
                let end = Swift.min(below.derived.upperBound, run.source.upperBound)
                let from = run.derived.lowerBound + (position - run.source.lowerBound)
                let inside = position - below.derived.lowerBound
                let source =
                    below.isLinear
                    ? (below.source.lowerBound + inside)..<(below.source.lowerBound + inside + end - position) : below.source
                result.append(Run(derived: from..<(from + end - position), source: source, isLinear: below.isLinear))
                position = end
                if end == below.derived.upperBound { index += 1 }
            }
        }
        return OffsetMap(runs: result)
    }

    /// What `original` gives, found from where the last search ended: the ranges asked for ascend.
    private func original(_ range: Range<Int>, near index: inout Int) -> Range<Int> {
        move(&index, to: range.lowerBound)
        guard index < runs.count else { return original(range) }
        if range.isEmpty { return original(range) }
        let first = runs[index]
        var last = index
        while last + 1 < runs.count, runs[last].derived.upperBound < range.upperBound {
            last += 1
            if last == index + 8 { return original(range) }
        }
        let end = runs[last]
        let lower = first.isLinear ? first.source.lowerBound + (range.lowerBound - first.derived.lowerBound) : first.source.lowerBound
        let upper = end.isLinear ? end.source.lowerBound + (range.upperBound - end.derived.lowerBound) : end.source.upperBound
        return Swift.min(lower, upper)..<Swift.max(lower, upper)
    }

    /// Moves an index to the run that holds an offset.
    private func move(_ index: inout Int, to offset: Int) {
        if index >= runs.count || runs[index].derived.lowerBound > offset { index = 0 }
        var steps = 0
        while index < runs.count, runs[index].derived.upperBound <= offset {
            index += 1
            steps += 1
            // Far ahead, or back at the start: search.
            if steps == 8 {
                index = firstIndex(holding: offset)
                return
            }
        }
    }

    private func firstIndex(holding offset: Int) -> Int {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].derived.upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Makes a text from another by replacing stretches, in order, and remembers what came from where.
struct ReadingBuilder {
    private(set) var bytes: [UInt8] = []
    private(set) var runs: [OffsetMap.Run] = []
    /// Everything before this offset of the source is done.
    private(set) var done = 0
    private let source: UnsafeRawBufferPointer

    init(_ source: UnsafeRawBufferPointer) { self.source = source }

    mutating func replace(_ range: Range<Int>, with byte: UInt8) {
        copy(upTo: range.lowerBound)
        bytes.append(byte)
        runs.append(.init(derived: (bytes.count - 1)..<bytes.count, source: range, isLinear: false))
        done = range.upperBound
    }

    mutating func replace(_ range: Range<Int>, with replacement: some Sequence<UInt8>) {
        copy(upTo: range.lowerBound)
        let start = bytes.count
        bytes.append(contentsOf: replacement)
        if bytes.count > start { runs.append(.init(derived: start..<bytes.count, source: range, isLinear: false)) }
        done = range.upperBound
    }

    mutating func replace(_ range: Range<Int>, with scalar: Unicode.Scalar) {
        replace(range, with: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    /// Adds a character right after what was last replaced or removed.
    mutating func insert(_ value: UInt32, from range: Range<Int>) {
        let start = bytes.count
        bytes.append(contentsOf: Unicode.Scalar(value).flatMap { UTF8.encode($0) } ?? UTF8.encodedReplacementCharacter)
        runs.append(.init(derived: start..<bytes.count, source: range, isLinear: false))
    }

    mutating func remove(_ range: Range<Int>) {
        copy(upTo: range.lowerBound)
        done = range.upperBound
    }

    /// - Returns: nil when nothing was replaced.
    mutating func finish(from parent: Reading) -> Reading? {
        if done == 0 { return nil }
        copy(upTo: source.count)
        // No runs would mean "the same bytes"; an empty text needs one to say where it came from.
        if runs.isEmpty { runs.append(.init(derived: 0..<0, source: 0..<source.count, isLinear: false)) }
        return parent.derive(bytes, runs: runs)
    }

    private mutating func copy(upTo end: Int) {
        if end <= done { return }
        if bytes.isEmpty { bytes.reserveCapacity(source.count) }
        let start = bytes.count
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: source[done..<end]))
        runs.append(.init(derived: start..<bytes.count, source: done..<end, isLinear: true))
        done = end
    }
}
