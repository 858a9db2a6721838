import NIOCore

/// Appends JSON to a buffer; commas are its own, the shape (a key before each member's value) is the caller's.
package struct JSONWriter: Sendable {
    package private(set) var buffer: ByteBuffer
    private var needsComma = false

    package init(capacity: Int = 512, allocator: ByteBufferAllocator = ByteBufferAllocator()) {
        self.buffer = allocator.buffer(capacity: capacity)
    }

    /// Goes on behind what `buffer` already holds.
    package init(into buffer: ByteBuffer) { self.buffer = buffer }

    package mutating func beginObject() { open(0x7B) }
    package mutating func endObject() { close(0x7D) }
    package mutating func beginArray() { open(0x5B) }
    package mutating func endArray() { close(0x5D) }

    /// - Parameter name: is written as it is: no quote, backslash or control character.
    package mutating func key(_ name: StaticString) {
        let comma = needsComma
        name.withUTF8Buffer { name in
            _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: name.count + 4) { out in
                guard let start = out.baseAddress else { return 0 }
                var offset = 0
                if comma {
                    out[0] = 0x2C
                    offset = 1
                }
                out[offset] = 0x22
                if let source = name.baseAddress { (start + offset + 1).copyMemory(from: source, byteCount: name.count) }
                out[offset + 1 + name.count] = 0x22
                out[offset + 2 + name.count] = 0x3A
                return offset + 3 + name.count
            }
        }
        needsComma = false
    }

    /// A key that comes from elsewhere: escaped.
    @_disfavoredOverload
    package mutating func key(_ name: some StringProtocol) {
        string(name)
        buffer.writeInteger(0x3A as UInt8)
        needsComma = false
    }

    @_disfavoredOverload
    package mutating func string(_ text: some StringProtocol) {
        let done: Void? = text.utf8.withContiguousStorageIfAvailable { quote(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(text.utf8).withUnsafeBytes { quote($0) } }
    }

    package mutating func string(_ text: StaticString) {
        text.withUTF8Buffer { quote(UnsafeRawBufferPointer($0)) }
    }

    /// - Parameter text: valid UTF-8.
    package mutating func string(_ text: ByteBuffer) {
        text.withUnsafeReadableBytes { quote($0) }
    }

    private mutating func quote(_ text: UnsafeRawBufferPointer) {
        guard let source = text.baseAddress, JSONText.firstToEscape(source, from: 0, count: text.count) == text.count else {
            separate(followedBy: 0x22)
            JSONText.escape(text, into: &buffer)
            buffer.writeInteger(0x22 as UInt8)
            return
        }
        let comma = needsComma
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: text.count + 3) { out in
            guard let start = out.baseAddress else { return 0 }
            var offset = 0
            if comma {
                out[0] = 0x2C
                offset = 1
            }
            out[offset] = 0x22
            (start + offset + 1).copyMemory(from: source, byteCount: text.count)
            out[offset + 1 + text.count] = 0x22
            return offset + 2 + text.count
        }
        needsComma = true
    }

    package mutating func int(_ value: some FixedWidthInteger) {
        separate()
        writeDecimal(UInt64(value.magnitude), isNegative: value < 0)
    }

    /// Rounded to three decimals, without trailing zeros; a value that JSON cannot say becomes `null`.
    package mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        let thousandths = (value * 1000).rounded()
        guard thousandths.magnitude < 9e15 else {
            separate()
            buffer.writeString("\(value)")
            return
        }
        separate()
        let magnitude = UInt64(thousandths.magnitude)
        writeDecimal(magnitude / 1000, isNegative: thousandths < 0)
        var fraction = magnitude % 1000
        guard fraction > 0 else { return }
        var digits = 3
        while fraction % 10 == 0 {
            fraction /= 10
            digits -= 1
        }
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 4) { out in
            out[0] = 0x2E
            for index in stride(from: digits, to: 0, by: -1) {
                out[index] = UInt8(0x30 + fraction % 10)
                fraction /= 10
            }
            return digits + 1
        }
    }

    package mutating func bool(_ value: Bool) { raw(value ? "true" : "false") }
    package mutating func null() { raw("null") }

    /// A value that is JSON already.
    package mutating func raw(_ json: ByteBuffer) {
        separate()
        buffer.writeImmutableBuffer(json)
    }

    package mutating func raw(_ json: StaticString) {
        separate()
        buffer.writeStaticString(json)
    }

    private mutating func open(_ bracket: UInt8) {
        separate(followedBy: bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        buffer.writeInteger(bracket)
        needsComma = true
    }

    @inline(__always)
    private mutating func separate() {
        if needsComma { buffer.writeInteger(0x2C as UInt8) }
        needsComma = true
    }

    @inline(__always)
    private mutating func separate(followedBy byte: UInt8) {
        if needsComma {
            buffer.writeInteger(UInt16(0x2C) << 8 | UInt16(byte))
        } else {
            buffer.writeInteger(byte)
        }
        needsComma = true
    }

    private mutating func writeDecimal(_ magnitude: UInt64, isNegative: Bool) {
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, magnitude >= bound {
            digits += 1
            let (product, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = product
        }
        let length = digits + (isNegative ? 1 : 0)
        var rest = magnitude
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { out in
            if isNegative { out[0] = 0x2D }
            for index in stride(from: length - 1, through: length - digits, by: -1) {
                out[index] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
                rest /= 10
            }
            return length
        }
    }
}
