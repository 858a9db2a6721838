/// Questions to ask of a byte or of UTF-8 in memory.
enum ASCII {
    @inline(__always) static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
    @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    @inline(__always) static func isAlphanumeric(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) }
    /// A letter, a digit, or part of a character beyond ASCII.
    @inline(__always) static func isWord(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte >= 0x80 }
    @inline(__always) static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 9 < 5 }
    /// Something to see or a blank.
    @inline(__always) static func isPrintable(_ byte: UInt8) -> Bool {
        byte >= 0x20 ? byte < 0x7F : byte == 0x0A || byte == 0x0D || byte == 0x09
    }
    @inline(__always) static func hexValue(_ byte: UInt8) -> UInt8? {
        if isDigit(byte) { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }
}

extension UnsafeRawBufferPointer {
    /// The code point at `offset` and its length; (0xFFFD, 1) where the bytes are not UTF-8.
    @inline(__always)
    func scalar(at offset: Int) -> (value: UInt32, length: Int) {
        let first = self[offset]
        if first < 0x80 { return (UInt32(first), 1) }
        if first & 0xE0 == 0xC0, first >= 0xC2, let b = follower(offset + 1) { return (UInt32(first & 0x1F) << 6 | b, 2) }
        if first & 0xF0 == 0xE0, let b = follower(offset + 1), let c = follower(offset + 2) {
            let value = UInt32(first & 0x0F) << 12 | b << 6 | c
            if value >= 0x800, value &- 0xD800 >= 0x800 { return (value, 3) }
        }
        if first & 0xF8 == 0xF0, let b = follower(offset + 1), let c = follower(offset + 2), let d = follower(offset + 3) {
            let value = UInt32(first & 0x07) << 18 | b << 12 | c << 6 | d
            if value >= 0x10000, value < 0x110000 { return (value, 4) }
        }
        return (0xFFFD, 1)
    }

    /// Where the code point that ends before `offset` starts; nil at the start of the text.
    @inline(__always)
    func start(before offset: Int) -> Int? {
        if offset <= 0 { return nil }
        var start = offset - 1
        while start > 0, start > offset - 4, self[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    @inline(__always)
    private func follower(_ offset: Int) -> UInt32? {
        guard offset < count else { return nil }
        let byte = self[offset]
        return byte & 0xC0 == 0x80 ? UInt32(byte & 0x3F) : nil
    }

    /// The first offset from `start` on that holds one of three bytes, or `count`.
    @inline(__always)
    func first(of a: UInt8, _ b: UInt8, _ c: UInt8, from start: Int) -> Int {
        var offset = start
        while offset + 16 <= count {
            let x = loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
            let lanes = unsafeBitCast(x.equal(a) .| x.equal(b) .| x.equal(c), to: SIMD2<UInt64>.self)
            if lanes[0] | lanes[1] != 0 { break }
            offset += 16
        }
        while offset < count {
            let byte = self[offset]
            if byte == a || byte == b || byte == c { return offset }
            offset += 1
        }
        return count
    }
}

// The operators that take a scalar compare byte by byte (Swift 6.3); with a vector they are one instruction.
extension SIMD16<UInt8> {
    typealias Matches = SIMDMask<SIMD16<Int8>>
    @inline(__always) func equal(_ byte: UInt8) -> Matches { self .== SIMD16(repeating: byte) }
    @inline(__always) func below(_ byte: UInt8) -> Matches { self .< SIMD16(repeating: byte) }
    @inline(__always) func atLeast(_ byte: UInt8) -> Matches { self .>= SIMD16(repeating: byte) }
}
