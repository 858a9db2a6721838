/// Small readings of bytes that all scanners share.
enum IdentifierText {
    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

    @inline(__always)
    static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) }

    @inline(__always)
    static func isHex(_ byte: UInt8) -> Bool { isDigit(byte) || (byte | 0x20) &- 0x61 < 6 }

    /// The character between two groups of an identifier: its length in bytes (0: none) and what it is.
    @inline(__always)
    static func separator(_ text: UnsafeRawBufferPointer, at index: Int) -> (length: Int, kind: Separator) {
        guard index < text.count else { return (0, .none) }
        switch text[index] {
        case 0x20: return (1, .blank)
        case 0x2D: return (1, .dash)
        case 0x2E: return (1, .dot)
        case 0x2F: return (1, .slash)
        case 0x0A, 0x0D: return (1, .line)
        // Hong Kong writes its check digit in parentheses.
        case 0x28 where index + 2 < text.count && text[index + 2] == 0x29 && isAlphanumeric(text[index + 1]): return (1, .mixed)
        case 0xC2 where index + 1 < text.count && text[index + 1] == 0xA0: return (2, .blank)
        case 0xE2 where index + 2 < text.count:
            switch (text[index + 1], text[index + 2]) {
            case (0x80, 0x80...0x8A), (0x80, 0xAF): return (3, .blank)
            case (0x80, 0x90...0x95), (0x88, 0x92): return (3, .dash)
            default: return (0, .none)
            }
        default: return (0, .none)
        }
    }

    enum Separator: UInt8 { case none, blank, dash, dot, slash, line, mixed }

    /// Everything between two groups: at most three separators.
    static func gap(_ text: UnsafeRawBufferPointer, from start: Int) -> (end: Int, kind: Separator) {
        var index = start
        var kind = Separator.none
        for _ in 0..<3 {
            let next = separator(text, at: index)
            if next.length == 0 { break }
            index += next.length
            if kind == .none || kind == next.kind { kind = next.kind } else { kind = kind == .line || next.kind == .line ? .line : .mixed }
        }
        return (index, kind)
    }
}
