import NIOCore

/// Writes one JSON object into a buffer, field by field, without white space. Fields that are nil are left out.
struct JSONLineWriter {
    private(set) var buffer: ByteBuffer
    private var needsComma = false

    init(reserving capacity: Int, allocator: ByteBufferAllocator = ByteBufferAllocator()) {
        buffer = allocator.buffer(capacity: capacity)
        buffer.writeInteger(UInt8(ascii: "{"))
    }

    mutating func end() -> ByteBuffer {
        buffer.writeInteger(UInt8(ascii: "}"))
        return buffer
    }

    private mutating func name(_ name: StaticString) {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        needsComma = true
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeStaticString(name)
        buffer.writeStaticString("\":")
    }

    mutating func field(_ name: StaticString, _ value: String?, limit: Int = 256) {
        guard let value else { return }
        self.name(name)
        string(value, limit: limit)
    }

    mutating func field(_ name: StaticString, literal value: StaticString) {
        self.name(name)
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeStaticString(value)
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    mutating func field(_ name: StaticString, _ value: (some FixedWidthInteger)?) {
        guard let value else { return }
        self.name(name)
        integer(Int64(clamping: value))
    }

    mutating func field(_ name: StaticString, _ value: Bool?) {
        guard let value else { return }
        self.name(name)
        if value { buffer.writeStaticString("true") } else { buffer.writeStaticString("false") }
    }

    /// A number from 0 to 1 and around, to three decimals, as scores are rounded everywhere.
    mutating func field(_ name: StaticString, score value: Double?) {
        guard let value, value.isFinite else { return }
        self.name(name)
        let thousandths = Int64((max(-1e12, min(1e12, value)) * 1000).rounded())
        if thousandths < 0 { buffer.writeInteger(UInt8(ascii: "-")) }
        integer(Int64(thousandths.magnitude / 1000))
        let rest = Int(thousandths.magnitude % 1000)
        guard rest > 0 else { return }
        buffer.writeInteger(UInt8(ascii: "."))
        buffer.writeInteger(UInt8(ascii: "0") + UInt8(rest / 100))
        if rest % 100 > 0 { buffer.writeInteger(UInt8(ascii: "0") + UInt8(rest / 10 % 10)) }
        if rest % 10 > 0 { buffer.writeInteger(UInt8(ascii: "0") + UInt8(rest % 10)) }
    }

    mutating func field(_ name: StaticString, time value: AuditTime) {
        self.name(name)
        buffer.writeInteger(UInt8(ascii: "\""))
        value.write(into: &buffer)
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    /// A list of objects.
    mutating func list<Element>(_ name: StaticString, _ elements: [Element], _ body: (inout JSONLineWriter, Element) -> Void) {
        self.name(name)
        buffer.writeInteger(UInt8(ascii: "["))
        for (position, element) in elements.enumerated() {
            if position > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
            object { body(&$0, element) }
        }
        buffer.writeInteger(UInt8(ascii: "]"))
        needsComma = true
    }

    /// An object of numbers under names that come at run time.
    mutating func counts(_ name: StaticString, _ counts: [(name: String, count: Int)], limit: Int = 64) {
        self.name(name)
        buffer.writeInteger(UInt8(ascii: "{"))
        for (position, entry) in counts.enumerated() {
            if position > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
            string(entry.name, limit: limit)
            buffer.writeInteger(UInt8(ascii: ":"))
            integer(Int64(entry.count))
        }
        buffer.writeInteger(UInt8(ascii: "}"))
    }

    /// An object of strings under names that come at run time.
    mutating func texts(_ name: StaticString, _ texts: [(name: String, value: String)], limit: Int = 256) {
        self.name(name)
        buffer.writeInteger(UInt8(ascii: "{"))
        for (position, entry) in texts.enumerated() {
            if position > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
            string(entry.name, limit: 64)
            buffer.writeInteger(UInt8(ascii: ":"))
            string(entry.value, limit: limit)
        }
        buffer.writeInteger(UInt8(ascii: "}"))
    }

    private mutating func object(_ body: (inout JSONLineWriter) -> Void) {
        buffer.writeInteger(UInt8(ascii: "{"))
        needsComma = false
        body(&self)
        buffer.writeInteger(UInt8(ascii: "}"))
        needsComma = true
    }

    private mutating func integer(_ value: Int64) {
        if value < 0 { buffer.writeInteger(UInt8(ascii: "-")) }
        var rest = value.magnitude
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var start = 20
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: digits[start...]))
        }
    }

    /// - Parameter limit: bytes of UTF-8 that are kept, cut at a character's border.
    private mutating func string(_ value: String, limit: Int) {
        buffer.writeInteger(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { bytes in
            var end = bytes.count
            if end > limit {
                end = limit
                while end > 0 && bytes[end] & 0xC0 == 0x80 { end -= 1 }
            }
            var start = 0
            for position in 0..<end {
                let byte = bytes[position]
                guard byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F else { continue }
                buffer.writeBytes(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start..<position])))
                escape(byte)
                start = position + 1
            }
            buffer.writeBytes(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[start..<end])))
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        buffer.writeInteger(UInt8(ascii: "\\"))
        switch byte {
        case 0x22, 0x5C: buffer.writeInteger(byte)
        case 0x0A: buffer.writeInteger(UInt8(ascii: "n"))
        case 0x0D: buffer.writeInteger(UInt8(ascii: "r"))
        case 0x09: buffer.writeInteger(UInt8(ascii: "t"))
        default:
            // DEL too: it is legal in JSON, but no terminal should be given one.
            buffer.writeStaticString("u00")
            for digit in [byte >> 4, byte & 15] { buffer.writeInteger(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10) }
        }
    }
}
