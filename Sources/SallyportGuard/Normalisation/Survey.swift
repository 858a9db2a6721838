/// One fast pass over a text that says what is worth a closer look. It may point at too much, never at too little.
struct Survey {
    private(set) var hasNonASCII = false
    private(set) var hasPercent = false
    private(set) var hasAmpersand = false
    private(set) var hasBackslash = false
    private(set) var hasEquals = false
    /// Blocks (their offsets) in which sixteen or more base64 characters, or eight digits, in a row end.
    private(set) var longRuns: [Int] = []
    /// Blocks with four single characters, or four pairs, at equal distances.
    private(set) var spaced: [Int] = []
    /// Blocks with a digit right before a letter, or a leet sign between letters.
    private(set) var mixed: [Int] = []
    /// Blocks of which a third or more is dots and dashes.
    private(set) var dotted: [Int] = []
    /// A hyphen right before a line break.
    private(set) var hasHyphenation = false

    static let block = 64

    var mayHoldEscapes: Bool { hasPercent || hasAmpersand || hasBackslash || hasEquals }

    init(_ text: UnsafeRawBufferPointer) {
        guard let base = text.baseAddress, !text.isEmpty else { return }
        var carry = Carry()
        var offset = 0
        // The byte after the block is looked at too, hence `<`.
        while offset + Self.block < text.count {
            take(base + offset, at: offset, &carry)
            offset += Self.block
        }
        // The rest, with zeroes behind it, which also end what is open.
        withUnsafeTemporaryAllocation(byteCount: 2 * Self.block + 16, alignment: 16) { tail in
            guard let start = tail.baseAddress else { return }
            start.initializeMemory(as: UInt8.self, repeating: 0, count: tail.count)
            start.copyMemory(from: base + offset, byteCount: text.count - offset)
            take(UnsafeRawPointer(start), at: offset, &carry)
            if text.count - offset == Self.block { take(UnsafeRawPointer(start) + Self.block, at: offset + Self.block, &carry) }
        }
    }

    /// What the previous block left open.
    private struct Carry {
        var letters: UInt64 = 0
        var words: UInt64 = 0
        var digits: UInt64 = 0
        var digits2: UInt64 = 0
        var digits4: UInt64 = 0
        var run1: UInt64 = 0
        var run2: UInt64 = 0
        var run4: UInt64 = 0
        var run8: UInt64 = 0
        var single: UInt64 = 0
        var single2: UInt64 = 0
        var single3: UInt64 = 0
        var single4: UInt64 = 0
        var pair: UInt64 = 0
        var pair3: UInt64 = 0
        var pair4: UInt64 = 0
    }

    private typealias Vector = SIMD16<UInt8>

    /// The top bit of each byte of a comparison's result, as a number.
    @inline(__always)
    private static func bits(_ mask: SIMDMask<SIMD16<Int8>>) -> UInt64 {
        let lanes = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
        let low = ((lanes[0] & 0x8040_2010_0804_0201) &* 0x0101_0101_0101_0101) >> 56
        let high = ((lanes[1] & 0x8040_2010_0804_0201) &* 0x0101_0101_0101_0101) >> 56
        return low | high << 8
    }

    @inline(__always)
    private mutating func take(_ pointer: UnsafeRawPointer, at offset: Int, _ carry: inout Carry) {
        var letters: UInt64 = 0
        var words: UInt64 = 0
        var code: UInt64 = 0
        var marks: UInt64 = 0
        var rare = Vector.zero
        var equals = Vector.zero
        var all = Vector.zero
        for i in 0..<4 {
            let x = pointer.loadUnaligned(fromByteOffset: 16 * i, as: Vector.self)
            let next = pointer.loadUnaligned(fromByteOffset: 16 * i + 1, as: Vector.self)
            all |= x
            let letter = ((x | 0x20) &- 0x61).below(26)
            let alphanumeric = letter .| (x &- 0x30).below(10)
            let dash = x.equal(0x2D)
            let isCode = alphanumeric .| dash .| x.equal(0x2B) .| x.equal(0x2F) .| x.equal(0x5F)
            let signs = x.equal(0x25) .| x.equal(0x26) .| x.equal(0x5C) .| x.equal(0x40) .| x.equal(0x24) .| x.equal(0x21) .| x.equal(0x7C)
            let broken = dash .& (next.equal(0x0A) .| next.equal(0x0D))
            rare |= unsafeBitCast(signs .| broken, to: Vector.self)
            equals |= unsafeBitCast(x.equal(0x3D), to: Vector.self)
            letters |= Self.bits(letter) << UInt64(16 * i)
            words |= Self.bits(alphanumeric .| x.atLeast(0x80)) << UInt64(16 * i)
            code |= Self.bits(isCode) << UInt64(16 * i)
            marks |= Self.bits(dash .| x.equal(0x2E)) << UInt64(16 * i)
        }
        let equalsLanes = unsafeBitCast(equals, to: SIMD2<UInt64>.self)
        if equalsLanes[0] | equalsLanes[1] != 0 { hasEquals = true }
        let high = unsafeBitCast(all, to: SIMD2<UInt64>.self)
        var digits = words & ~letters
        if (high[0] | high[1]) & 0x8080_8080_8080_8080 != 0 {
            hasNonASCII = true
            for i in 0..<4 {
                digits &= ~(Self.bits(pointer.loadUnaligned(fromByteOffset: 16 * i, as: Vector.self).atLeast(0x80)) << UInt64(16 * i))
            }
        }

        // Sixteen in a row, by doubling.
        let run2 = code & (code << 1 | carry.run1 >> 63)
        let run4 = run2 & (run2 << 2 | carry.run2 >> 62)
        let run8 = run4 & (run4 << 4 | carry.run4 >> 60)
        let digits2 = digits & (digits << 1 | carry.digits >> 63)
        let digits4 = digits2 & (digits2 << 2 | carry.digits2 >> 62)
        let eightDigits = digits4 & (digits4 << 4 | carry.digits4 >> 60)
        if run8 & (run8 << 8 | carry.run8 >> 56) | eightDigits != 0 { longRuns.append(offset) }
        if marks.nonzeroBitCount >= Self.block / 3 { dotted.append(offset) }

        var mix = (digits << 1 | carry.digits >> 63) & letters
        let rareLanes = unsafeBitCast(rare, to: SIMD2<UInt64>.self)
        if rareLanes[0] | rareLanes[1] != 0 { mix |= takeRare(pointer, letters, carry.letters) }
        if mix != 0 { mixed.append(offset) }

        // One word character, or two, between others: bit i is set where the character after it stands.
        let one = words << 1 | carry.words >> 63
        let two = words << 2 | carry.words >> 62
        let three = words << 3 | carry.words >> 61
        let single = one & ~words & ~two
        let pair = one & two & ~words & ~three
        let single2 = single & (single << 2 | carry.single >> 62)
        let single3 = single & (single << 3 | carry.single >> 61)
        let single4 = single & (single << 4 | carry.single >> 60)
        let pair3 = pair & (pair << 3 | carry.pair >> 61)
        let pair4 = pair & (pair << 4 | carry.pair >> 60)
        let four =
            (single2 & (single2 << 4 | carry.single2 >> 60)) | (single3 & (single3 << 6 | carry.single3 >> 58))
            | (single4 & (single4 << 8 | carry.single4 >> 56)) | (pair3 & (pair3 << 6 | carry.pair3 >> 58))
            | (pair4 & (pair4 << 8 | carry.pair4 >> 56))
        if four != 0 { spaced.append(offset) }

        carry = Carry(
            letters: letters, words: words, digits: digits, digits2: digits2, digits4: digits4, run1: code, run2: run2, run4: run4,
            run8: run8, single: single,
            single2: single2, single3: single3, single4: single4, pair: pair, pair3: pair3, pair4: pair4)
    }

    /// - Returns: where a letter follows a sign that follows a letter.
    @inline(never)
    private mutating func takeRare(_ pointer: UnsafeRawPointer, _ letters: UInt64, _ lettersBefore: UInt64) -> UInt64 {
        var signs: UInt64 = 0
        for i in 0..<Self.block {
            switch pointer.load(fromByteOffset: i, as: UInt8.self) {
            case 0x25: hasPercent = true
            case 0x26: hasAmpersand = true
            case 0x5C: hasBackslash = true
            case 0x40, 0x24, 0x21, 0x7C: signs |= 1 << UInt64(i)
            case 0x2D:
                let next = pointer.load(fromByteOffset: i + 1, as: UInt8.self)
                if next == 0x0A || next == 0x0D { hasHyphenation = true }
            default: break
            }
        }
        // A sign that ends the block counts as seen with the next letter: looked at too often rather than too seldom.
        if signs >> 63 != 0, letters >> 62 & 1 != 0 { return 1 << 63 }
        return signs << 1 & (letters << 2 | lettersBefore >> 62) & letters
    }
}
