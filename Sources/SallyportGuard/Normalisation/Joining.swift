/// Joins letters that were set apart: "k i l l", "i-g-n-o-r-e", and words hyphenated over a line break.
struct Joining {
    private let source: UnsafeRawBufferPointer
    private let leastLetters: Int
    private var builder: ReadingBuilder

    init(_ source: UnsafeRawBufferPointer, leastLetters: Int) {
        self.source = source
        self.leastLetters = leastLetters
        builder = ReadingBuilder(source)
    }

    /// - Returns: nil when nothing was set apart.
    mutating func join(_ parent: Reading, _ survey: Survey) -> Reading? {
        if survey.spaced.isEmpty, !survey.hasHyphenation { return nil }
        var offset = 0
        var hyphen = survey.hasHyphenation ? nextHyphenation(from: 0) : source.count
        for block in survey.spaced {
            // Four letters with up to three bytes between them end in the block; a longer run starts where the last one was looked at.
            let start = max(offset, block - 32)
            let end = min(source.count, block + Survey.block)
            if start >= end { continue }
            while hyphen < start { hyphen = takeHyphenation(hyphen) }
            offset = joinRuns(from: start, until: end, &hyphen)
        }
        while hyphen < source.count { hyphen = takeHyphenation(hyphen) }
        return builder.finish(from: parent)
    }

    /// - Returns: the offset up to which everything was looked at.
    private mutating func joinRuns(from start: Int, until end: Int, _ hyphen: inout Int) -> Int {
        var offset = start
        while offset > 0, offset < source.count, ASCII.isWord(source[offset]), ASCII.isWord(source[offset - 1]), offset > builder.done {
            offset -= 1
        }
        while offset < end {
            while offset < end, !ASCII.isWord(source[offset]) { offset += 1 }
            if offset >= end { break }
            if let run = run(from: offset) {
                if !run.joins {
                    // Numbers before the letters are left behind, one by one: there are two at most.
                    offset = ASCII.isDigit(source[offset]) ? offset + 1 : run.end
                    continue
                }
                while hyphen < run.end { hyphen = hyphen < offset ? takeHyphenation(hyphen) : nextHyphenation(from: hyphen + 1) }
                while offset < run.end {
                    offset += source.scalar(at: offset).length
                    if offset < run.end { builder.remove(offset..<(offset + run.gap)) }
                    offset += run.gap
                }
                offset = run.end
                collapseGap(offset)
            } else {
                while offset < source.count, ASCII.isWord(source[offset]) { offset += 1 }
            }
        }
        return offset
    }

    /// Letters one by one from `start` on with the same separator throughout; a few may be digits, or they are not joined.
    private func run(from start: Int) -> (end: Int, gap: Int, joins: Bool)? {
        guard let first = single(at: start) else { return nil }
        var letters = 1
        var digits = ASCII.isDigit(source[start]) ? 1 : 0
        var digitsInARow = digits
        var end = first
        var gap = 0
        while true {
            var next = end
            while next < source.count, next - end < 4, !ASCII.isWord(source[next]) { next += 1 }
            guard next < source.count, (1...3).contains(next - end), let after = single(at: next) else { break }
            if letters == 1 { gap = next - end }
            guard gap == next - end, (0..<gap).allSatisfy({ source[first + $0] == source[end + $0] }) else { break }
            // A row of numbers ends it.
            digitsInARow = ASCII.isDigit(source[next]) ? digitsInARow + 1 : 0
            if digitsInARow > 2 { break }
            letters += 1
            if digitsInARow > 0 { digits += 1 }
            end = after
        }
        return letters >= leastLetters ? (end, gap, digits * 4 <= letters) : nil
    }

    /// - Returns: the end of the one letter that is the whole word at `start`.
    private func single(at start: Int) -> Int? {
        let end = start + source.scalar(at: start).length
        return end < source.count && ASCII.isWord(source[end]) ? nil : min(end, source.count)
    }

    /// Several blanks between spaced words become one, so that phrases read on.
    private mutating func collapseGap(_ start: Int) {
        var end = start
        while end < source.count, source[end] == 0x20 { end += 1 }
        if end - start > 1, end < source.count { builder.replace(start..<end, with: 0x20 as UInt8) }
    }

    private func nextHyphenation(from start: Int) -> Int {
        var offset = source.first(of: 0x2D, 0x2D, 0x2D, from: start)
        while offset < source.count {
            if offset > 0, ASCII.isLetter(source[offset - 1]), lineBreak(offset) != nil { return offset }
            offset = source.first(of: 0x2D, 0x2D, 0x2D, from: offset + 1)
        }
        return source.count
    }

    /// Where the word goes on, when it does in lower case.
    private func lineBreak(_ hyphen: Int) -> Int? {
        var offset = hyphen + 1
        if offset < source.count, source[offset] == 0x0D { offset += 1 }
        guard offset < source.count, source[offset] == 0x0A else { return nil }
        offset += 1
        while offset < source.count, offset - hyphen < 12, source[offset] == 0x20 || source[offset] == 0x09 { offset += 1 }
        guard offset < source.count, source[offset] &- 0x61 < 26 || source[offset] >= 0xC0 else { return nil }
        return offset
    }

    private mutating func takeHyphenation(_ hyphen: Int) -> Int {
        if hyphen >= builder.done, let end = lineBreak(hyphen) { builder.remove(hyphen..<end) }
        return nextHyphenation(from: hyphen + 1)
    }
}
