/// Writing of text that came from elsewhere, so that it stays one string of one line, whatever is in it.
enum EscapedText {
    /// Appends what stands between a JSON string's quotes. Besides what JSON asks for, everything that could start a new line, move
    /// a terminal's cursor or turn the reading direction is escaped.
    /// - Parameter limit: bytes of UTF-8 that are kept, cut at a character's border; `…` shows that something was.
    static func append(_ text: String, limit: Int, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { bytes in
            var end = bytes.count
            if end > limit {
                end = limit
                while end > 0 && bytes[end] & 0xC0 == 0x80 { end -= 1 }
            }
            var start = 0
            var position = 0
            while position < end {
                let length = hazard(in: bytes, at: position)
                if length == 0 {
                    position += 1
                    continue
                }
                out.append(contentsOf: bytes[start..<position])
                escape(bytes, at: position, length: length, to: &out)
                position += length
                start = position
            }
            out.append(contentsOf: bytes[start..<end])
            if end < bytes.count { out.append(contentsOf: "…".utf8) }
        }
    }

    /// The same with its quotes.
    static func appendQuoted(_ text: String, limit: Int = .max, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        append(text, limit: limit, to: &out)
        out.append(UInt8(ascii: "\""))
    }

    /// How many bytes at a position must be escaped together; 0: none.
    private static func hazard(in bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> Int {
        let byte = bytes[position]
        if byte < 0x80 { return byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F ? 1 : 0 }
        // The C1 controls U+0080…U+009F.
        if byte == 0xC2 { return bytes[position + 1] < 0xA0 ? 2 : 0 }
        // U+061C, the Arabic letter mark.
        if byte == 0xD8 { return bytes[position + 1] == 0x9C ? 2 : 0 }
        guard byte == 0xE2, bytes[position + 1] == 0x80 || bytes[position + 1] == 0x81 else {
            return byte == 0xEF && bytes[position + 1] == 0xBB && bytes[position + 2] == 0xBF ? 3 : 0
        }
        let last = bytes[position + 2]
        // U+200B…U+200F, U+2028…U+202E; U+2060…U+206F.
        let isHidden = bytes[position + 1] == 0x80 ? (0x8B...0x8F).contains(last) || (0xA8...0xAE).contains(last) : last >= 0xA0
        return isHidden ? 3 : 0
    }

    private static func escape(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, length: Int, to out: inout [UInt8]) {
        let byte = bytes[position]
        out.append(UInt8(ascii: "\\"))
        switch (length, byte) {
        case (1, 0x22), (1, 0x5C): out.append(byte)
        case (1, 0x0A): out.append(UInt8(ascii: "n"))
        case (1, 0x0D): out.append(UInt8(ascii: "r"))
        case (1, 0x09): out.append(UInt8(ascii: "t"))
        default:
            var code = UInt32(length == 1 ? byte : length == 2 ? byte & 0x1F : byte & 0x0F)
            for offset in 1..<max(1, length) { code = code << 6 | UInt32(bytes[position + offset] & 0x3F) }
            out.append(UInt8(ascii: "u"))
            for shift in [12, 8, 4, 0] as [UInt32] {
                let digit = UInt8(truncatingIfNeeded: code >> shift & 15)
                out.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
    }
}
