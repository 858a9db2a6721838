/// Whether decoded bytes are text that someone could have meant.
enum Plausibility {
    /// Short texts must be clean, longer ones may hold some noise. Random bytes are given up after the first few.
    static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if bytes.isEmpty { return false }
        var words = 0
        var allowance = bytes.count * (bytes.count < 24 ? 5 : 15) / 100
        return judge(bytes, &allowance, &words) && words * 4 >= bytes.count
    }

    /// Judges a short stretch of a longer text by stricter rules: one byte of noise at most.
    static func isClean(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var words = 0
        var allowance = 1
        return judge(bytes, &allowance, &words) && words * 3 >= bytes.count
    }

    /// - Returns: false when there is more noise than the allowance.
    private static func judge(_ bytes: UnsafeRawBufferPointer, _ allowance: inout Int, _ words: inout Int) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte < 0x80 {
                offset += 1
                if ASCII.isAlphanumeric(byte) { words += 1 } else if !ASCII.isPrintable(byte) { allowance -= 1 }
            } else {
                let (value, length) = bytes.scalar(at: offset)
                offset += length
                if length > 1, isMeant(value) { words += length } else { allowance -= length }
            }
            if allowance < 0 { return false }
        }
        return true
    }

    /// Characters of the living scripts, and the tags that hide text.
    private static func isMeant(_ value: UInt32) -> Bool {
        value >= 0xA0 && (value < 0xE000 || value >= 0xF900) && (value < 0x20000 || (0xE0000..<0xE01F0).contains(value))
    }
}
