/// Facts about UTF-8 text, read from its bytes.
package enum UTF8Text {
    /// Whether the bytes are UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF, nothing cut off.
    package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        var position = base
        let end = base + bytes.count
        while true {
            position = endOfASCII(from: position, to: end)
            if position == end { return true }
            guard let next = endOfNonASCII(from: position, to: end) else { return false }
            position = next
        }
    }

    package static func isASCII(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        let end = base + bytes.count
        return endOfASCII(from: base, to: end) == end
    }

    /// How many code points valid UTF-8 holds.
    package static func codePointCount(_ bytes: UnsafeRawBufferPointer) -> Int {
        counts(bytes).codePoints
    }

    /// How many UTF-16 units valid UTF-8 takes.
    package static func utf16Count(_ bytes: UnsafeRawBufferPointer) -> Int {
        let counts = counts(bytes)
        return counts.codePoints + counts.wide
    }

    /// Code points, and how many of them lie beyond the basic plane.
    static func counts(_ bytes: UnsafeRawBufferPointer) -> (codePoints: Int, wide: Int) {
        guard let base = bytes.baseAddress else { return (0, 0) }
        var continuations = 0
        var wide = 0
        var offset = 0
        while offset &+ 8 <= bytes.count {
            let word = (base + offset).loadUnaligned(as: UInt64.self)
            if word & Bytes.highs != 0 {
                // Continuation bytes have the top bits 10; four-byte leads 11110.
                continuations &+= (word & (~word << 1) & Bytes.highs).nonzeroBitCount
                wide &+= (word & (word << 1) & (word << 2) & (word << 3) & Bytes.highs).nonzeroBitCount
            }
            offset &+= 8
        }
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte & 0xC0 == 0x80 { continuations &+= 1 }
            if byte >= 0xF0 { wide &+= 1 }
            offset &+= 1
        }
        return (bytes.count - continuations, wide)
    }

    /// The first byte from 0x80 on, or `end`.
    @inline(__always)
    static func endOfASCII(from start: UnsafeRawPointer, to end: UnsafeRawPointer) -> UnsafeRawPointer {
        var position = start
        while end - position >= 16 {
            let low = Bytes.word(position) & Bytes.highs
            let high = Bytes.word(position + 8) & Bytes.highs
            if low | high != 0 { return low != 0 ? position + Bytes.first(low) : position + 8 + Bytes.first(high) }
            position += 16
        }
        while position < end, position.load(as: UInt8.self) < 0x80 { position += 1 }
        return position
    }

    /// Where a run of code points from U+0080 ends; nil when it is not valid. `start` holds a byte from 0x80 on.
    @inline(__always)
    static func endOfNonASCII(from start: UnsafeRawPointer, to end: UnsafeRawPointer) -> UnsafeRawPointer? {
        var position = start
        while end - position >= 4 {
            let word = UInt32(littleEndian: position.loadUnaligned(as: UInt32.self))
            if word & 0x80 == 0 { return position }
            if word & 0x00C0_C0F0 == 0x0080_80E0 {
                // Three bytes: not overlong (E0 80...9F), not a surrogate (ED A0...BF).
                let second = word & 0x200F
                if second == 0 || second == 0x200D { return nil }
                position += 3
            } else if word & 0xC0E0 == 0x80C0 {
                if word & 0x1E == 0 { return nil }
                position += 2
            } else if word & 0xC0C0_C0F8 == 0x8080_80F0 {
                // Four bytes: F0 90... to F4 ...8F.
                let lead = word & 0x07
                let second = word & 0x3000
                if lead == 0 ? second == 0 : lead > 4 || (lead == 4 && second != 0) { return nil }
                position += 4
            } else {
                return nil
            }
        }
        while position < end {
            let lead = position.load(as: UInt8.self)
            if lead < 0x80 { return position }
            let left = end - position
            guard left >= 2 else { return nil }
            let second = position.load(fromByteOffset: 1, as: UInt8.self)
            switch lead {
            case 0xC2...0xDF:
                guard second & 0xC0 == 0x80 else { return nil }
                position += 2
            case 0xE0...0xEF:
                guard left >= 3, second & 0xC0 == 0x80, position.load(fromByteOffset: 2, as: UInt8.self) & 0xC0 == 0x80 else { return nil }
                if (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) { return nil }
                position += 3
            default:
                // Four bytes do not fit here.
                return nil
            }
        }
        return position
    }

    /// The bytes of the code point that the byte at `offset` belongs to, in valid UTF-8.
    static func codePoint(around offset: Int, in bytes: UnsafeRawBufferPointer) -> Range<Int> {
        guard bytes[offset] >= 0x80 else { return offset..<offset + 1 }
        var lower = offset
        while lower > 0, bytes[lower] & 0xC0 == 0x80 { lower -= 1 }
        var upper = offset + 1
        while upper < bytes.count, bytes[upper] & 0xC0 == 0x80 { upper += 1 }
        return lower..<upper
    }

    /// How many bytes a scalar takes.
    @inline(__always)
    static func width(of scalar: UInt32) -> Int {
        scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4
    }

    /// Writes a scalar's bytes and returns how many.
    @inline(__always)
    static func write(_ scalar: UInt32, to out: UnsafeMutableRawPointer) -> Int {
        func store(_ value: UInt32, _ offset: Int) {
            out.storeBytes(of: UInt8(truncatingIfNeeded: value), toByteOffset: offset, as: UInt8.self)
        }
        if scalar < 0x80 {
            store(scalar, 0)
            return 1
        }
        if scalar < 0x800 {
            store(0xC0 | scalar >> 6, 0)
            store(0x80 | scalar & 0x3F, 1)
            return 2
        }
        if scalar < 0x10000 {
            store(0xE0 | scalar >> 12, 0)
            store(0x80 | scalar >> 6 & 0x3F, 1)
            store(0x80 | scalar & 0x3F, 2)
            return 3
        }
        store(0xF0 | scalar >> 18, 0)
        store(0x80 | scalar >> 12 & 0x3F, 1)
        store(0x80 | scalar >> 6 & 0x3F, 2)
        store(0x80 | scalar & 0x3F, 3)
        return 4
    }
}
