/// Word-at-a-time scans. A word's flags may be wrong only above its first true hit, so the lowest flag is exact (little endian).
enum Bytes {
    static let ones: UInt64 = 0x0101_0101_0101_0101
    static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Eight bytes, the first in the lowest bits.
    @inline(__always)
    static func word(_ pointer: UnsafeRawPointer) -> UInt64 {
        UInt64(littleEndian: pointer.loadUnaligned(as: UInt64.self))
    }

    /// High bits at the bytes that equal `byte`.
    @inline(__always)
    static func matches(_ word: UInt64, _ byte: UInt8) -> UInt64 {
        let difference = word ^ (ones &* UInt64(byte))
        return (difference &- ones) & ~difference & highs
    }

    /// High bits at the bytes below `bound` (at most 0x80).
    @inline(__always)
    static func below(_ word: UInt64, _ bound: UInt8) -> UInt64 {
        (word &- (ones &* UInt64(bound))) & ~word & highs
    }

    /// High bits at quotes, backslashes, control characters and bytes from 0x80: what ends a plain run in a JSON string.
    @inline(__always)
    static func stringStops(_ word: UInt64) -> UInt64 {
        let quote = word ^ (ones &* 0x22)
        let slash = word ^ (ones &* 0x5C)
        return ((quote &- ones) & ~quote | (slash &- ones) & ~slash | (word &- (ones &* 0x20)) | word) & highs
    }

    /// How many decimal digits stand at the word's start.
    @inline(__always)
    static func digitCount(_ word: UInt64) -> Int {
        let values = word ^ (ones &* 0x30)
        return first(((values &+ (ones &* 0x76)) | values) & highs)
    }

    /// The index of the byte that the lowest flag stands for.
    @inline(__always)
    static func first(_ flags: UInt64) -> Int { flags.trailingZeroBitCount >> 3 }

    @inline(__always)
    static func areEqual(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, count: Int) -> Bool {
        if count >= 8 {
            var offset = 0
            while offset &+ 8 <= count {
                if (left + offset).loadUnaligned(as: UInt64.self) != (right + offset).loadUnaligned(as: UInt64.self) { return false }
                offset &+= 8
            }
            let tail = count &- 8
            return (left + tail).loadUnaligned(as: UInt64.self) == (right + tail).loadUnaligned(as: UInt64.self)
        }
        var offset = 0
        while offset < count {
            if left.load(fromByteOffset: offset, as: UInt8.self) != right.load(fromByteOffset: offset, as: UInt8.self) { return false }
            offset &+= 1
        }
        return true
    }

    @inline(__always)
    static func areEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        guard let a = left.baseAddress, let b = right.baseAddress else { return true }
        return areEqual(a, b, count: left.count)
    }

    /// The first offset from `start` that holds one of two bytes; the count when none does.
    @inline(__always)
    static func firstIndex(of one: UInt8, or other: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard let base = bytes.baseAddress else { return bytes.count }
        var offset = start
        let count = bytes.count
        while offset &+ 8 <= count {
            let loaded = word(base + offset)
            let flags = matches(loaded, one) | matches(loaded, other)
            if flags != 0 { return offset &+ first(flags) }
            offset &+= 8
        }
        while offset < count {
            let byte = base.load(fromByteOffset: offset, as: UInt8.self)
            if byte == one || byte == other { return offset }
            offset &+= 1
        }
        return count
    }

    @inline(__always)
    static func firstIndex(of byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        firstIndex(of: byte, or: byte, in: bytes, from: start)
    }

    /// The value of a hexadecimal digit, or 0xFF.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8 {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x41...0x46: byte &- 0x37
        case 0x61...0x66: byte &- 0x57
        default: 0xFF
        }
    }
}
