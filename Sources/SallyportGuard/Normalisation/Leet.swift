import NIOCore

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
        var ones: [Int] = []
        buffer.withUnsafeMutableReadableBytes { respell($0, &ones) }
        if ones.isEmpty { return [buffer] }
        var second = ByteBuffer(bytes: buffer.readableBytesView)
        second.withUnsafeMutableReadableBytes { out in
            for i in ones where i > 0 && Self.precedesL(out[i - 1]) { out[i] = 0x6C }
        }
        return [buffer, second]
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
                    ASCII.isLetter(source[token.upperBound + 1])
                {
                    isAddress = true
                }
            }
        }
        if inside == 0 || isHex || isAddress || letters * 3 < token.count || wideDigits > 1 { return false }
        // 100km, 3rd, 7days: digits and then nothing but letters, unless that makes one long word.
        if leadingDigits > 0, leadingDigits + letters == token.count { return leadingDigits == 1 && letters >= 4 }
        return true
    }

    /// - Parameter ones: gets the places of what may be an i or an l.
    private func respell(_ out: UnsafeMutableRawBufferPointer, _ ones: inout [Int]) {
        var previousWasLeet = false
        var token = nextToken(from: 0)
        while !token.isEmpty {
            let next = nextToken(from: token.upperBound)
            let mixes = token.count <= Self.longest && isMixed(token)
            // "h0w 70 m4k3": a bare number between such words is one as well.
            if mixes || (previousWasLeet && token.count <= 2 && isMixed(next)) {
                for i in token {
                    let byte = source[i]
                    if ASCII.isLetter(byte) { continue }
                    // Signs around a word are punctuation.
                    if !ASCII.isDigit(byte), i + 1 == token.upperBound || (i == token.lowerBound && byte != 0x24) { continue }
                    guard let letter = Self.letter(byte) else { continue }
                    out[i] = letter
                    if letter == 0x69 { ones.append(i) }
                }
            }
            previousWasLeet = mixes
            token = next
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

    /// Vowels and the l itself: all, rules, kill.
    private static func precedesL(_ byte: UInt8) -> Bool {
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
