import NIOCore

/// Readings of a whole text that keep its length.
enum Respelling {
    static func rot13(_ text: UnsafeRawBufferPointer) -> ByteBuffer {
        filled(text.count) { out in
            guard let from = text.baseAddress, let to = out.baseAddress else { return }
            var offset = 0
            while offset + 16 <= text.count {
                let x = from.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
                let letter = (x | 0x20) &- 0x61
                let up = unsafeBitCast(letter.below(13), to: SIMD16<UInt8>.self) & 13
                let down = unsafeBitCast(letter.below(26) .& letter.atLeast(13), to: SIMD16<UInt8>.self) & 13
                to.storeBytes(of: x &+ up &- down, toByteOffset: offset, as: SIMD16<UInt8>.self)
                offset += 16
            }
            while offset < text.count {
                to.storeBytes(of: rot13(text[offset]), toByteOffset: offset, as: UInt8.self)
                offset += 1
            }
        }
    }

    @inline(__always)
    static func rot13(_ byte: UInt8) -> UInt8 {
        let letter = (byte | 0x20) &- 0x61
        return letter < 13 ? byte &+ 13 : letter < 26 ? byte &- 13 : byte
    }

    /// By code point, so that it stays UTF-8.
    static func reversed(_ text: UnsafeRawBufferPointer) -> ByteBuffer {
        filled(text.count) { out in
            guard let from = text.baseAddress, let to = out.baseAddress else { return }
            var left = text.count
            var offset = 0
            while left > 0 {
                if left >= 8 {
                    let word = from.loadUnaligned(fromByteOffset: left - 8, as: UInt64.self)
                    if word & 0x8080_8080_8080_8080 == 0 {
                        to.storeBytes(of: word.byteSwapped, toByteOffset: offset, as: UInt64.self)
                        left -= 8
                        offset += 8
                        continue
                    }
                }
                let start = text.start(before: left) ?? 0
                for i in start..<left { to.storeBytes(of: text[i], toByteOffset: offset + i - start, as: UInt8.self) }
                offset += left - start
                left = start
            }
        }
    }

    private static func filled(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Void) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) {
            body(UnsafeMutableRawBufferPointer(rebasing: $0[0..<count]))
            return count
        }
        return buffer
    }
}

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
                while hyphen < run.end { hyphen = hyphen < offset ? takeHyphenation(hyphen) : nextHyphenation(from: hyphen + 1) }
                for gap in run.gaps { builder.remove(gap) }
                offset = run.end
                collapseGap(offset)
            } else {
                while offset < source.count, ASCII.isWord(source[offset]) { offset += 1 }
            }
        }
        return offset
    }

    /// Letters one by one from `start` on with the same separator throughout.
    private func run(from start: Int) -> (end: Int, gaps: [Range<Int>])? {
        guard let first = single(at: start) else { return nil }
        var gaps: [Range<Int>] = []
        var letters = ASCII.isDigit(source[start]) ? 0 : 1
        var end = first
        while true {
            var next = end
            while next < source.count, next - end < 4, !ASCII.isWord(source[next]) { next += 1 }
            let gap = end..<next
            guard next < source.count, (1...3).contains(gap.count), let after = single(at: next) else { break }
            if let before = gaps.first {
                guard before.count == gap.count, zip(before, gap).allSatisfy({ source[$0] == source[$1] }) else { break }
            }
            gaps.append(gap)
            if !ASCII.isDigit(source[next]) { letters += 1 }
            end = after
        }
        guard gaps.count + 1 >= leastLetters, letters * 4 >= (gaps.count + 1) * 3 else { return nil }
        return (end, gaps)
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

/// Reads digits and signs inside words as letters.
struct Leet {
    private let source: UnsafeRawBufferPointer
    private static let longest = 24

    init(_ source: UnsafeRawBufferPointer) { self.source = source }

    /// One reading, or two where a one may be an i or an l. None when no word looks like leet.
    func readings(_ survey: Survey) -> [ByteBuffer] {
        var done = 0
        guard survey.mixed.contains(where: { holdsLeet(around: $0, &done) }) else { return [] }
        var buffer = ByteBuffer(bytes: source)
        var second: ByteBuffer?
        var isAmbiguous = false
        buffer.withUnsafeMutableReadableBytes { isAmbiguous = respell($0, ones: { _ in 0x69 }) }
        if isAmbiguous {
            var other = ByteBuffer(bytes: source)
            other.withUnsafeMutableReadableBytes { _ = respell($0, ones: { Self.isVowel($0) ? 0x6C : 0x69 }) }
            second = other
        }
        return second.map { [buffer, $0] } ?? [buffer]
    }

    /// - Parameter done: everything before it was looked at; moves on.
    private func holdsLeet(around block: Int, _ done: inout Int) -> Bool {
        let end = min(source.count, block + Survey.block)
        if done >= end { return false }
        var offset = max(done, block - Self.longest)
        while offset > done, Self.isToken(source[offset - 1]), Self.isToken(source[offset]) { offset -= 1 }
        while offset < end {
            let token = nextToken(from: offset)
            offset = token.upperBound
            done = offset
            if token.isEmpty { return false }
            if isLeet(token) { return true }
        }
        return false
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        ASCII.isWord(byte) || byte == 0x40 || byte == 0x24 || byte == 0x21 || byte == 0x7C
    }

    private func nextToken(from start: Int) -> Range<Int> {
        var offset = start
        while offset < source.count, !Self.isToken(source[offset]) { offset += 1 }
        let first = offset
        while offset < source.count, Self.isToken(source[offset]) { offset += 1 }
        return first..<offset
    }

    /// Whether a token is a word with digits or signs in the place of letters, not a measure, an ordinal, a hash or an address.
    private func isLeet(_ token: Range<Int>) -> Bool {
        guard (3...Self.longest).contains(token.count) else { return false }
        var (letters, leadingDigits, inside, wideDigits) = (0, 0, 0, 0)
        var (isHex, hasLetter, isAddress) = (true, false, false)
        for i in token {
            let byte = source[i]
            if ASCII.isLetter(byte) || byte >= 0x80 {
                letters += 1
                hasLetter = true
            } else if ASCII.isDigit(byte) {
                if !hasLetter { leadingDigits += 1 }
                if byte == 0x32 || byte == 0x36 || byte == 0x38 || byte == 0x39 { wideDigits += 1 }
            }
            if ASCII.hexValue(byte) == nil { isHex = false }
            let precedesLetter = i + 1 < token.upperBound && ASCII.isLetter(source[i + 1])
            if precedesLetter, !ASCII.isLetter(byte), byte < 0x80 {
                if ASCII.isDigit(byte) ? Self.letter(byte) != nil && byte != 0x39 && byte != 0x38 : i > token.lowerBound && hasLetter {
                    inside += 1
                }
                if byte == 0x40, token.upperBound + 1 < source.count, source[token.upperBound] == 0x2E,
                    ASCII.isLetter(source[token.upperBound + 1]) { isAddress = true }
            }
        }
        if inside == 0 || isHex || isAddress || letters * 3 < token.count || wideDigits > 1 { return false }
        // 100km, 3rd, 7days: digits and then nothing but letters, unless that makes one long word.
        if leadingDigits > 0, leadingDigits + letters == token.count { return leadingDigits == 1 && letters >= 4 }
        return true
    }

    /// - Parameter ones: what a one is after this byte.
    /// - Returns: whether there were ones.
    private func respell(_ out: UnsafeMutableRawBufferPointer, ones: (UInt8) -> UInt8) -> Bool {
        var hasOnes = false
        var offset = 0
        var previousWasLeet = false
        while true {
            let token = nextToken(from: offset)
            if token.isEmpty { return hasOnes }
            offset = token.upperBound
            if token.count > Self.longest {
                previousWasLeet = false
                continue
            }
            let mixes = isMixed(token)
            // "h0w 70 m4k3": a bare number between such words is one as well.
            if mixes || (previousWasLeet && token.count <= 2 && isMixed(nextToken(from: offset))) {
                for i in token {
                    let byte = source[i]
                    // Signs around a word are punctuation.
                    if !ASCII.isDigit(byte), i + 1 == token.upperBound || (i == token.lowerBound && byte != 0x24) { continue }
                    guard let letter = Self.letter(byte) else { continue }
                    if byte == 0x31 || byte == 0x7C || byte == 0x21 {
                        hasOnes = true
                        out[i] = ones(i > token.lowerBound ? out[i - 1] : 0)
                    } else {
                        out[i] = letter
                    }
                }
            }
            previousWasLeet = mixes
        }
    }

    private func isMixed(_ token: Range<Int>) -> Bool {
        var (hasLetter, hasSign) = (false, false)
        for i in token {
            if ASCII.isLetter(source[i]) { hasLetter = true } else if Self.letter(source[i]) != nil { hasSign = true }
            if hasLetter, hasSign { return true }
        }
        return false
    }

    private static func isVowel(_ byte: UInt8) -> Bool {
        switch byte | 0x20 {
        case 0x61, 0x65, 0x69, 0x6F, 0x75, 0x6C: true
        default: false
        }
    }

    private static func letter(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30: 0x6F
        case 0x31, 0x21, 0x7C: 0x69
        case 0x33: 0x65
        case 0x34, 0x40: 0x61
        case 0x35, 0x24: 0x73
        case 0x37: 0x74
        case 0x38: 0x62
        case 0x39: 0x67
        default: nil
        }
    }
}
