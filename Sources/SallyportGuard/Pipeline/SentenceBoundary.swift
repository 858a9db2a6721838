/// Finds places where a text that is still growing may be cut without tearing apart what detectors look for.
enum SentenceBoundary {
    /// The last safe cut in `from..<bytes.count`: after a line break, after closing punctuation and the blank behind it, or at the very end
    /// when the text ends a sentence and its last word could not be the start of an address, a number or a key.
    static func lastCut(in bytes: UnsafeRawBufferPointer, from: Int) -> Int? {
        var index = bytes.count
        if index > from, endsSentence(bytes, from: from) { return index }
        while index > from {
            index -= 1
            let byte = bytes[index]
            if byte == 0x0A || byte == 0x0D {
                // A number may go on in the next line.
                if index == 0 || !isDigit(bytes[index - 1]) { return index + 1 }
            } else if byte == 0x20, index > 0, isTerminator(bytes[index - 1]) {
                return index + 1
            } else if isWideTerminator(bytes, endingBefore: index + 1) {
                return index + 1
            }
        }
        return nil
    }

    /// The last blank in `from..<limit`, after which a forced cut tears no word; `limit` itself when there is none, moved back to a whole character.
    static func forcedCut(in bytes: UnsafeRawBufferPointer, from: Int, limit: Int) -> Int {
        var index = limit
        while index > from {
            if bytes[index - 1] == 0x20 || bytes[index - 1] == 0x0A { return index }
            index -= 1
        }
        return from
    }

    /// Where a text may be cut whose sentence does not end in time: after the last word that is whole and cannot be part of something longer
    /// that is looked for (numbers, addresses, names, spelled-out words, phrases).
    /// - Parameters:
    ///   - mostKept: so much may stay back at most, the last unfinished word apart.
    ///   - goesOn: further words that may be part of something longer.
    static func timedCut(
        in bytes: UnsafeRawBufferPointer, from: Int, mostKept: Int, goesOn: ((UnsafeRawBufferPointer) -> Bool)?
    ) -> Int {
        if let cut = lastCut(in: bytes, from: from), cut == bytes.count { return cut }
        var cut = bytes.count
        // The last word is not known to be whole before a blank follows it.
        while cut > from, !isBlank(bytes[cut - 1]) { cut -= 1 }
        let whole = cut
        while cut > from, whole - cut < mostKept {
            var end = cut
            while end > from, isBlank(bytes[end - 1]) { end -= 1 }
            var start = end
            while start > from, !isBlank(bytes[start - 1]) { start -= 1 }
            guard start < end else { return from }
            let word = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            if !mayBelongTogether(word), !(goesOn?(word) ?? false), !isAssigned(bytes, start, from: from) { break }
            cut = start
        }
        return cut
    }

    /// An equals sign or a colon stands before the word: it may be the beginning of a secret's value.
    private static func isAssigned(_ bytes: UnsafeRawBufferPointer, _ start: Int, from: Int) -> Bool {
        var index = start
        while index > from, isBlank(bytes[index - 1]) { index -= 1 }
        return index > from && index < start && (bytes[index - 1] == 0x3D || bytes[index - 1] == 0x3A)
    }

    /// Words of identifiers, names and addresses, of code and of spelled-out or encoded text.
    private static func mayBelongTogether(_ word: UnsafeRawBufferPointer) -> Bool {
        var word = word
        while let last = word.last, last == 0x2C || last == 0x3B || last == 0x3A {
            word = UnsafeRawBufferPointer(rebasing: word.dropLast())
        }
        // A single letter, as in text that is spelled out; but the words "a" and "I" stand in every sentence.
        if word.count <= 1 { return word.first != 0x61 && word.first != 0x49 }
        if word[0] >= 0x41 && word[0] <= 0x5A { return true }
        var wasLower = false
        for byte in word {
            switch byte {
            case 0x41...0x5A where wasLower: return true
            case 0x61...0x7A: wasLower = true
            case 0x41...0x5A, 0x80...0xFF, 0x2E, 0x21, 0x3F, 0x27: wasLower = false
            case 0x2D: wasLower = false
            default: return true
            }
        }
        return false
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    private static func endsSentence(_ bytes: UnsafeRawBufferPointer, from: Int) -> Bool {
        var index = bytes.count - 1
        while index > from, bytes[index] == 0x22 || bytes[index] == 0x27 || bytes[index] == 0x29 { index -= 1 }
        guard isTerminator(bytes[index]) || isWideTerminator(bytes, endingBefore: index + 1) else { return false }
        guard bytes[index] < 0x80 else { return true }
        // `10.`, `bob@example.`, `https://a.b.` may go on without a blank.
        while index > 0 {
            index -= 1
            let byte = bytes[index]
            if byte == 0x20 || byte == 0x0A || byte == 0x09 { return true }
            if isDigit(byte) || byte == 0x40 || byte == 0x3A || byte == 0x2F || byte == 0x5F || byte == 0x3D || byte == 0x2D || byte == 0x2E
            {
                return false
            }
        }
        return true
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    private static func isTerminator(_ byte: UInt8) -> Bool { byte == 0x2E || byte == 0x21 || byte == 0x3F }

    /// 。 U+3002, ！ U+FF01, ？ U+FF1F
    private static func isWideTerminator(_ bytes: UnsafeRawBufferPointer, endingBefore end: Int) -> Bool {
        guard end >= 3, bytes[end - 3] & 0xF0 == 0xE0 else { return false }
        let scalar = (UInt32(bytes[end - 3] & 0x0F) << 12) | (UInt32(bytes[end - 2] & 0x3F) << 6) | UInt32(bytes[end - 1] & 0x3F)
        return scalar == 0x3002 || scalar == 0xFF01 || scalar == 0xFF1F
    }
}
