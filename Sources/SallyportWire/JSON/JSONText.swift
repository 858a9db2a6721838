import NIOCore

/// Escaping and unescaping of JSON string contents (what stands between the quotes).
package enum JSONText {
    /// Appends UTF-8 text as string content: quotes, backslashes and control characters escaped, all else as it is.
    package static func escape(_ text: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        guard let base = text.baseAddress else { return }
        let count = text.count
        var offset = 0
        while offset < count {
            let stop = firstToEscape(base, from: offset, count: count)
            if stop > offset { out.writeBytes(UnsafeRawBufferPointer(start: base + offset, count: stop - offset)) }
            guard stop < count else { return }
            writeEscape(of: text[stop], into: &out)
            offset = stop + 1
        }
    }

    package static func escape(_ text: ByteBuffer, into out: inout ByteBuffer) {
        text.withUnsafeReadableBytes { escape($0, into: &out) }
    }

    package static func escape(_ text: some StringProtocol, into out: inout ByteBuffer) {
        escape(text.utf8, into: &out)
    }

    package static func escape(_ text: some Sequence<UInt8>, into out: inout ByteBuffer) {
        let done: Void? = text.withContiguousStorageIfAvailable { escape(UnsafeRawBufferPointer($0), into: &out) }
        if done == nil { Array(text).withUnsafeBytes { escape($0, into: &out) } }
    }

    /// Appends the decoded text of string content that a ``JSONDocument`` accepted. Content that none accepted gives an undefined text.
    package static func decode(_ content: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        var unused: [DecodedText.Mark]? = nil
        decode(content, into: &out, marks: &unused)
    }

    static func decode(_ content: UnsafeRawBufferPointer, into out: inout ByteBuffer, marks: inout [DecodedText.Mark]) {
        var wanted: [DecodedText.Mark]? = []
        decode(content, into: &out, marks: &wanted)
        marks = wanted ?? []
    }

    private static func decode(_ content: UnsafeRawBufferPointer, into out: inout ByteBuffer, marks: inout [DecodedText.Mark]?) {
        guard let base = content.baseAddress, content.count > 0 else { return }
        // Decoded text is never longer than its escaped form.
        out.writeWithUnsafeMutableBytes(minimumWritableBytes: content.count) { target in
            guard let start = target.baseAddress else { return 0 }
            var raw = 0
            var written = 0
            var nextMark = markDistance
            while true {
                let stop = nextEscape(in: content, from: raw)
                (start + written).copyMemory(from: base + raw, byteCount: stop - raw)
                written += stop - raw
                guard stop < content.count else { return written }
                if written >= nextMark {
                    marks?.append(DecodedText.Mark(decoded: UInt32(written), raw: UInt32(stop)))
                    nextMark = written + markDistance
                }
                let (scalar, length) = escape(at: stop, in: content)
                written += UTF8Text.write(scalar, to: start + written)
                raw = stop + length
            }
        }
    }

    private static let markDistance = 64

    /// Whether valid content decodes to exactly `wanted`.
    static func decodes(_ content: UnsafeRawBufferPointer, to wanted: UnsafeRawBufferPointer) -> Bool {
        var raw = 0
        var matched = 0
        return withUnsafeTemporaryAllocation(byteCount: 4, alignment: 4) { scratch in
            guard let scratchBase = scratch.baseAddress else { return false }
            while true {
                let stop = nextEscape(in: content, from: raw)
                let plain = stop - raw
                guard matched + plain <= wanted.count else { return false }
                if plain > 0 {
                    guard
                        Bytes.areEqual(
                            UnsafeRawBufferPointer(rebasing: content[raw..<stop]),
                            UnsafeRawBufferPointer(rebasing: wanted[matched..<matched + plain]))
                    else { return false }
                }
                matched += plain
                guard stop < content.count else { return matched == wanted.count }
                let (scalar, length) = escape(at: stop, in: content)
                let width = UTF8Text.write(scalar, to: scratchBase)
                guard matched + width <= wanted.count else { return false }
                for index in 0..<width where scratch[index] != wanted[matched + index] { return false }
                matched += width
                raw = stop + length
            }
        }
    }

    /// The first backslash from `start`, or the count.
    @inline(__always)
    static func nextEscape(in content: UnsafeRawBufferPointer, from start: Int) -> Int {
        Bytes.firstIndex(of: 0x5C, in: content, from: start)
    }

    /// The scalar that a valid escape sequence stands for and its length; a surrogate pair is one.
    static func escape(at offset: Int, in content: UnsafeRawBufferPointer) -> (scalar: UInt32, length: Int) {
        guard offset + 1 < content.count else { return (0x5C, content.count - offset) }
        switch content[offset + 1] {
        case 0x62: return (0x08, 2)
        case 0x66: return (0x0C, 2)
        case 0x6E: return (0x0A, 2)
        case 0x72: return (0x0D, 2)
        case 0x74: return (0x09, 2)
        case 0x75:
            guard let unit = unit(at: offset, in: content) else { return (0xFFFD, 2) }
            guard unit & 0xF800 == 0xD800 else { return (unit, 6) }
            guard unit < 0xDC00, let low = self.unit(at: offset + 6, in: content), low & 0xFC00 == 0xDC00 else { return (0xFFFD, 6) }
            return (0x10000 + (unit & 0x3FF) << 10 + low & 0x3FF, 12)
        case let byte: return (UInt32(byte & 0x7F), 2)
        }
    }

    private static func unit(at offset: Int, in content: UnsafeRawBufferPointer) -> UInt32? {
        guard offset + 6 <= content.count, content[offset] == 0x5C, content[offset + 1] == 0x75 else { return nil }
        var unit: UInt32 = 0
        for index in offset + 2..<offset + 6 {
            let digit = Bytes.hexValue(content[index])
            guard digit < 16 else { return nil }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    static func firstToEscape(_ base: UnsafeRawPointer, from start: Int, count: Int) -> Int {
        var offset = start
        while offset + 8 <= count {
            let word = Bytes.word(base + offset)
            let flags = Bytes.matches(word, 0x22) | Bytes.matches(word, 0x5C) | Bytes.below(word, 0x20)
            if flags != 0 { return offset + Bytes.first(flags) }
            offset += 8
        }
        while offset < count {
            let byte = base.load(fromByteOffset: offset, as: UInt8.self)
            if byte < 0x20 || byte == 0x22 || byte == 0x5C { return offset }
            offset += 1
        }
        return count
    }

    private static func writeEscape(of byte: UInt8, into out: inout ByteBuffer) {
        switch byte {
        case 0x22: out.writeStaticString("\\\"")
        case 0x5C: out.writeStaticString("\\\\")
        case 0x08: out.writeStaticString("\\b")
        case 0x09: out.writeStaticString("\\t")
        case 0x0A: out.writeStaticString("\\n")
        case 0x0C: out.writeStaticString("\\f")
        case 0x0D: out.writeStaticString("\\r")
        default:
            out.writeStaticString("\\u00")
            let digits: StaticString = "0123456789abcdef"
            digits.withUTF8Buffer { _ = out.writeBytes([$0[Int(byte >> 4)], $0[Int(byte & 15)]]) }
        }
    }
}
