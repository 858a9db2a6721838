/// Street addresses of the commonest forms: number and street name in either order, followed by what belongs to it.
enum AddressScanner {
    private static let order = 1_600

    /// - Parameter hit: within or just after a word for a street. Returns where reading ended.
    static func scan(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        let line = bounds(text, around: hit)
        var start = hit
        // Back over capitalised words to a house number: 993 Wells Corners, 12 rue de la Paix.
        var words = 0
        var found: Int?
        var cursor = hit
        while cursor > line.lowerBound, words < 7 {
            var begin = cursor
            while begin > line.lowerBound, !isBreak(text[begin - 1]) { begin -= 1 }
            if begin < cursor {
                if isHouseNumber(text, begin..<cursor) {
                    found = begin
                    break
                }
                words += 1
            }
            cursor = begin
            while cursor > line.lowerBound, isBreak(text[cursor - 1]) {
                // A sentence or clause ends here.
                if ".;:!?".utf8.contains(text[cursor - 1]) && words > 0 { cursor = line.lowerBound; break }
                cursor -= 1
            }
        }
        // The name itself must be written like a name.
        if let number = found, hasCapital(text, number..<hit) {
            start = number
            let end = tail(text, from: hit, line.upperBound)
            return add(start..<end, &candidates)
        }
        // Number after the name: Hauptstraße 12, Calle Mayor 5.
        var index = hit
        var passed = 0
        while index < line.upperBound, passed < 5 {
            while index < line.upperBound, isBreak(text[index]) { index += 1 }
            let begin = index
            while index < line.upperBound, !isBreak(text[index]) { index += 1 }
            if index == begin { break }
            if isHouseNumber(text, begin..<index) {
                var nameStart = hit
                while nameStart > line.lowerBound, !isBreak(text[nameStart - 1]) || text[nameStart - 1] == 0x2D { nameStart -= 1 }
                // Over the word for the street where it stands by itself, and one name before it.
                while nameStart > line.lowerBound, text[nameStart - 1] == 0x20, let word = previousWord(text, nameStart - 1, line.lowerBound), isCapital(text[word]) { nameStart = word }
                guard hasCapital(text, nameStart..<begin) else { return hit }
                return add(nameStart..<tail(text, from: index, line.upperBound), &candidates)
            }
            passed += 1
        }
        return hit

        func add(_ range: Range<Int>, _ candidates: inout [SensitiveCandidate]) -> Int {
            guard range.count >= 8, range.count <= 160 else { return hit }
            candidates.append(SensitiveCandidate(range: range, category: "Address", confidence: 0.75, evidence: "pattern", order: order))
            return range.upperBound
        }
    }

    private static func previousWord(_ text: UnsafeRawBufferPointer, _ end: Int, _ floor: Int) -> Int? {
        var start = end
        while start > floor, !isBreak(text[start - 1]) { start -= 1 }
        return start < end ? start : nil
    }

    /// At most 80 bytes on either side, within the paragraph.
    private static func bounds(_ text: UnsafeRawBufferPointer, around hit: Int) -> Range<Int> {
        var start = min(hit, text.count)
        while start > 0, hit - start < 80, text[start - 1] != 0x0A { start -= 1 }
        var end = min(hit, text.count)
        while end < text.count, end - hit < 80, text[end] != 0x0A { end += 1 }
        return start..<end
    }

    private static func isBreak(_ byte: UInt8) -> Bool { byte <= 0x20 || byte == 0x2C || byte == 0x3B || byte == 0x2E || byte == 0x3A || byte == 0x22 }

    private static func isCapital(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A || byte >= 0xC3 && byte <= 0xC5 }

    private static func hasCapital(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        range.contains { isCapital(text[$0]) && ($0 == range.lowerBound || isBreak(text[$0 - 1]) || text[$0 - 1] == 0x2D) }
    }

    /// One to five digits, perhaps with a letter or a second number: 12, 12a, 88/4, 12-14.
    private static func isHouseNumber(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard range.count <= 7, IdentifierText.isDigit(text[range.lowerBound]) else { return false }
        var digits = 0
        var letters = 0
        for index in range {
            if IdentifierText.isDigit(text[index]) { digits += 1 } else if IdentifierText.isLetter(text[index]) { letters += 1 } else if text[index] != 0x2F && text[index] != 0x2D { return false }
        }
        return digits <= 6 && letters <= 1
    }

    /// Over the rest of the street's word, and over parts after commas that hold a number or a capitalised place.
    private static func tail(_ text: UnsafeRawBufferPointer, from start: Int, _ limit: Int) -> Int {
        var end = start
        while end < limit, !isBreak(text[end]) { end += 1 }
        if end < limit, text[end] == 0x2E, end - start <= 4 { end += 1 }
        for _ in 0..<4 {
            var index = end
            if index < limit, text[index] == 0x2C { index += 1 }
            while index < limit, text[index] == 0x20 { index += 1 }
            guard index > end, index < limit, isCapital(text[index]) || IdentifierText.isDigit(text[index]) else { break }
            // One part: words up to the next comma that are capitalised or numbers.
            var partEnd = index
            var cursor = index
            while cursor < limit {
                let begin = cursor
                while cursor < limit, !isBreak(text[cursor]) { cursor += 1 }
                guard cursor > begin, isCapital(text[begin]) || IdentifierText.isDigit(text[begin]) else { break }
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
