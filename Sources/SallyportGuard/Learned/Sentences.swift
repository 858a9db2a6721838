/// Cuts a whole text into sentences, and sources into passages that fit beside one.
enum Sentences {
    /// Byte ranges of the sentences: no blank at either end, none empty.
    static func ranges(in bytes: UnsafeRawBufferPointer) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var start = 0
        func close(at end: Int) {
            var lower = start
            var upper = end
            while lower < upper, isBlank(bytes[lower]) { lower += 1 }
            while upper > lower, isBlank(bytes[upper - 1]) { upper -= 1 }
            if upper > lower { found.append(lower..<upper) }
            start = end
        }
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case 0x0A: close(at: index)
            case 0x2E, 0x21, 0x3F:
                var end = index
                while end < bytes.count, [0x22, 0x27, 0x29, 0x5D].contains(bytes[end]) { end += 1 }
                guard end == bytes.count || isBlank(bytes[end]) else { continue }
                // An initial or an abbreviation of one or two letters ends no sentence.
                if byte == 0x2E, endsShortWord(bytes, before: index - 1), end < bytes.count { continue }
                index = end
                close(at: end)
            case 0x80...:
                // 。！？
                guard index >= 3, byte == 0x82 || byte == 0x81 || byte == 0x9F else { continue }
                let isStop =
                    (bytes[index - 3], bytes[index - 2], byte) == (0xE3, 0x80, 0x82)
                    || (bytes[index - 3], bytes[index - 2], byte) == (0xEF, 0xBC, 0x81)
                    || (bytes[index - 3], bytes[index - 2], byte) == (0xEF, 0xBC, 0x9F)
                if isStop { close(at: index) }
            default: break
            }
        }
        close(at: bytes.count)
        return found
    }

    /// Overlapping stretches of whole words, of about `words` words each.
    static func passages(in bytes: UnsafeRawBufferPointer, words: Int = 60, step: Int = 40) -> [Range<Int>] {
        let all = Self.words(in: bytes)
        guard all.count > words else { return all.isEmpty ? [] : [all[0].lowerBound..<all[all.count - 1].upperBound] }
        var found: [Range<Int>] = []
        var first = 0
        while true {
            let last = min(first + words, all.count) - 1
            found.append(all[first].lowerBound..<all[last].upperBound)
            if last == all.count - 1 { return found }
            first += step
        }
    }

    /// Runs without blanks; a run of characters that are written without blanks counts one for every two characters.
    static func words(in bytes: UnsafeRawBufferPointer) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var index = 0
        while index < bytes.count {
            while index < bytes.count, isBlank(bytes[index]) { index += 1 }
            let start = index
            while index < bytes.count, !isBlank(bytes[index]), index - start < 24 || bytes[index] & 0xC0 == 0x80 { index += 1 }
            if index > start { found.append(start..<index) }
        }
        return found
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

    private static func endsShortWord(_ bytes: UnsafeRawBufferPointer, before stop: Int) -> Bool {
        var length = 0
        var index = stop
        while index > 0, length < 3 {
            let byte = bytes[index - 1] | 0x20
            guard byte >= 0x61, byte <= 0x7A else { break }
            length += 1
            index -= 1
        }
        let isCapital = index < stop && bytes[index] < 0x5B
        return length > 0 && length < 3 && isCapital
    }
}
