/// Street addresses of the commonest forms. What belongs to a name must be written like one: capitals, or the small words of names.
enum AddressScanner {
    private static let order = 1_600

    /// - Parameter hit: just after a word for a street; the house number is looked for before it. Returns where reading ended.
    static func numberFirst(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        let line = bounds(text, around: hit, breaksAtLines: true)
        var cursor = hit
        var words = 0
        var following = hit
        while cursor > line.lowerBound, words < 7 {
            let word = wordBefore(text, cursor, line.lowerBound)
            guard !word.isEmpty else { break }
            if isHouseNumber(text, word) {
                guard words > 0, isSeparated(text, word), words == 1 || isCapital(text[following]) else { return hit }
                return add(word.lowerBound..<tail(text, from: hit, line.upperBound), hit, &candidates)
            }
            // `place`, `rue` and the like stand right after the number and need no capital.
            guard words == 0 || isNamePart(text, word) else { return hit }
            words += 1
            following = word.lowerBound
            cursor = word.lowerBound
            while cursor > line.lowerBound, isBreak(text[cursor - 1]) {
                if ";:!?\"()".utf8.contains(text[cursor - 1]) { return hit }
                cursor -= 1
            }
        }
        return hit
    }

    /// - Parameter hit: within or just after a word for a street; name and house number follow.
    static func numberLast(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        let line = bounds(text, around: hit, breaksAtLines: true)
        var start = hit
        while start > line.lowerBound, !isBreak(text[start - 1]) { start -= 1 }
        // Over the street's word to its beginning, and over capitalised words before it (Berliner Straße).
        for _ in 0..<3 {
            guard start > line.lowerBound, text[start - 1] == 0x20 else { break }
            let word = wordBefore(text, start - 1, line.lowerBound)
            // A comma parts the street from whoever lives there.
            guard !word.isEmpty, word.upperBound == start - 1, isCapital(text[word.lowerBound]) || isStreetWord(text, word) else { break }
            start = word.lowerBound
            if isStreetWord(text, word) { break }
        }
        var index = start
        var hasName = false
        for _ in 0..<6 {
            while index < line.upperBound, text[index] == 0x20 || text[index] == 0x2C || text[index] == 0x2E { index += 1 }
            let begin = index
            while index < line.upperBound, !isBreak(text[index]) { index += 1 }
            guard index > begin else { return hit }
            if index > hit - 1, hasName, isHouseNumber(text, begin..<index) {
                return add(start..<tail(text, from: index, line.upperBound), hit, &candidates)
            }
            if isCapital(text[begin]) { hasName = true }
            guard begin == start || isNamePart(text, begin..<index) || begin < hit else { return hit }
        }
        return hit
    }

    /// - Parameter hit: after `, CA 90210`. Street and town stand before, perhaps on lines of their own.
    static func american(_ text: UnsafeRawBufferPointer, at hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        guard states.contains(UInt16(text[hit - 8]) << 8 | UInt16(text[hit - 7])), hit >= text.count || !IdentifierText.isDigit(text[hit])
        else { return hit }
        let line = bounds(text, around: hit, breaksAtLines: false)
        var cursor = hit - 10
        var words = 0
        var lines = 0
        while cursor > line.lowerBound, words < 12 {
            let word = wordBefore(text, cursor, line.lowerBound)
            guard !word.isEmpty else { break }
            if isHouseNumber(text, word), words >= 2, isStart(text, word.lowerBound),
                !isFlat(text, wordBefore(text, word.lowerBound, line.lowerBound))
            {
                var end = hit
                if end + 4 < text.count, text[end] == 0x2D, (1...4).allSatisfy({ IdentifierText.isDigit(text[end + $0]) }) { end += 5 }
                return add(word.lowerBound..<end, hit, &candidates)
            }
            guard isNamePart(text, word) || isHouseNumber(text, word) else { return hit }
            words += 1
            cursor = word.lowerBound
            while cursor > line.lowerBound, isBreak(text[cursor - 1]) {
                if text[cursor - 1] == 0x0A { lines += 1 }
                if lines > 2 || ";:!?\"".utf8.contains(text[cursor - 1]) { return hit }
                cursor -= 1
            }
        }
        return hit
    }

    private static let states: Set<UInt16> = {
        let codes = Array(
            "ALAKAZARCACOCTDEDCFLGAHIIDILINIAKSKYLAMEMDMAMIMNMSMOMTNENVNHNJNMNYNCNDOHOKORPARISCSDTNTXUTVTVAWAWVWIWYPRGUVIASMPAAAEAPFMMHPW"
                .utf8)
        return Set(stride(from: 0, to: codes.count - 1, by: 2).map { UInt16(codes[$0]) << 8 | UInt16(codes[$0 + 1]) })
    }()

    private static func add(_ range: Range<Int>, _ hit: Int, _ candidates: inout [SensitiveCandidate]) -> Int {
        guard range.count >= 8, range.count <= 160 else { return hit }
        candidates.append(SensitiveCandidate(range: range, category: "Address", confidence: 0.75, evidence: "pattern", order: order))
        return max(hit, range.upperBound)
    }

    /// A blank, or a comma after what is no year, stands between a house number and the street.
    private static func isSeparated(_ text: UnsafeRawBufferPointer, _ number: Range<Int>) -> Bool {
        guard number.upperBound < text.count else { return false }
        switch text[number.upperBound] {
        case 0x20: return true
        case 0x2C: return number.count < 4
        default: return false
        }
    }

    // MARK: Words

    /// At most 100 bytes on either side.
    private static func bounds(_ text: UnsafeRawBufferPointer, around hit: Int, breaksAtLines: Bool) -> Range<Int> {
        var start = min(hit, text.count)
        while start > 0, hit - start < 100, !breaksAtLines || text[start - 1] != 0x0A { start -= 1 }
        var end = min(hit, text.count)
        while end < text.count, end - hit < 100, text[end] != 0x0A { end += 1 }
        return start..<end
    }

    private static func isBreak(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == 0x2C || byte == 0x3B || byte == 0x2E || byte == 0x3A || byte == 0x22 || byte == 0x28 || byte == 0x29
    }

    /// A question or an exclamation ends with the word, and is no part of the address.
    private static func isPartEnd(_ byte: UInt8) -> Bool { isBreak(byte) || byte == 0x3F || byte == 0x21 }

    private static func isCapital(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A || byte >= 0xC3 && byte <= 0xC5 }

    private static func wordBefore(_ text: UnsafeRawBufferPointer, _ end: Int, _ floor: Int) -> Range<Int> {
        var last = end
        while last > floor, isBreak(text[last - 1]) { last -= 1 }
        var start = last
        while start > floor, !isBreak(text[start - 1]) { start -= 1 }
        return start..<last
    }

    /// A new line or the end of a clause stands before.
    private static func isStart(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        index == 0 || text[index - 1] == 0x0A || text[index - 1] == 0x20 || text[index - 1] == 0x22
    }

    private static let smallWords: Set<[UInt8]> = Set(
        "de la le les du des del della di da do dos das der den dem van von am im of the y".split(separator: " ").map { Array($0.utf8) })

    private static func isNamePart(_ text: UnsafeRawBufferPointer, _ word: Range<Int>) -> Bool {
        if isCapital(text[word.lowerBound]) { return true }
        if IdentifierText.isDigit(text[word.lowerBound]) { return word.count <= 6 }
        if word.count > 2, (text[word.lowerBound] | 0x20 == 0x64 || text[word.lowerBound] | 0x20 == 0x6C), text[word.lowerBound + 1] == 0x27
        {
            return true
        }
        return word.count <= 5 && smallWords.contains(Array(text[word]))
    }

    private static let flatWords: Set<[UInt8]> = Set(
        "suite apt apartment unit ste flat floor box".split(separator: " ").map { Array($0.utf8) })

    /// The number after it is a door's, not the house's.
    private static func isFlat(_ text: UnsafeRawBufferPointer, _ word: Range<Int>) -> Bool {
        word.count <= 9 && flatWords.contains(text[word].map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 })
    }

    private static let streetWords: Set<[UInt8]> = Set(
        "calle avenida via viale piazza corso rua ul ulica al plac stra\u{DF}e strasse str".split(separator: " ").map { Array($0.utf8) })

    private static func isStreetWord(_ text: UnsafeRawBufferPointer, _ word: Range<Int>) -> Bool {
        word.count <= 8 && streetWords.contains(text[word].map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 })
    }

    /// One to five digits, perhaps with a letter or a second number: 12, 12a, 88/4, 12-14.
    private static func isHouseNumber(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard !range.isEmpty, range.count <= 7, IdentifierText.isDigit(text[range.lowerBound]) else { return false }
        var digits = 0
        var letters = 0
        for index in range {
            let byte = text[index]
            if IdentifierText.isDigit(byte) {
                digits += 1
            } else if IdentifierText.isLetter(byte) {
                letters += 1
            } else if byte != 0x2F && byte != 0x2D {
                return false
            }
        }
        return digits <= 5 && letters <= 1
    }

    /// Over parts after commas that are capitalised words or numbers: flat, town, postal code.
    private static func tail(_ text: UnsafeRawBufferPointer, from start: Int, _ limit: Int) -> Int {
        var end = start
        while end < limit, !isPartEnd(text[end]) { end += 1 }
        for _ in 0..<4 {
            var index = end
            if index < limit, text[index] == 0x2E || text[index] == 0x2C { index += 1 }
            while index < limit, text[index] == 0x20 { index += 1 }
            guard index > end, index < limit, isCapital(text[index]) || IdentifierText.isDigit(text[index]) else { break }
            // A full stop and a capital begin a sentence.
            if text[end] == 0x2E, isCapital(text[index]), end - start > 0 { break }
            var partEnd = index
            var cursor = index
            while cursor < limit {
                let begin = cursor
                while cursor < limit, !isPartEnd(text[cursor]) { cursor += 1 }
                guard cursor > begin, isNamePart(text, begin..<cursor) else { break }
                partEnd = cursor
                guard cursor < limit, text[cursor] == 0x20 else { break }
                cursor += 1
            }
            if partEnd == index { break }
            end = partEnd
        }
        return end
    }
}
