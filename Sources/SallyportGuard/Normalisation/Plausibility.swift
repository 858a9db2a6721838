/// Whether decoded bytes are text that someone could have meant.
enum Plausibility {
    /// Counts over some bytes; add up to judge more.
    struct Score {
        var total = 0
        var printable = 0
        var words = 0

        /// Short texts must be clean, longer ones may hold some noise.
        var isText: Bool {
            guard total > 0 else { return false }
            let needed = total < 24 ? 95 : 85
            return printable * 100 >= total * needed && words * 4 >= total
        }
    }

    static func score(_ bytes: UnsafeRawBufferPointer) -> Score {
        var score = Score(total: bytes.count)
        var offset = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte < 0x80 {
                if byte >= 0x20 ? byte < 0x7F : byte == 0x0A || byte == 0x0D || byte == 0x09 { score.printable += 1 }
                if ASCII.isAlphanumeric(byte) { score.words += 1 }
                offset += 1
                continue
            }
            let (value, length) = bytes.scalar(at: offset)
            // Letters of the living scripts, punctuation and emoji; what random bytes give is spread over everything.
            if length > 1, value >= 0xA0, value < 0xE000 || value >= 0xF900, value < 0x20000 || (0xE0000..<0xE01F0).contains(value) {
                score.printable += length
                score.words += length
            }
            offset += length
        }
        return score
    }
}
