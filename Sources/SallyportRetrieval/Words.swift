/// Splits text into the words that search compares: folded to lower case, without endings that inflection adds.
enum Words {
    /// Longer words are cut: no language needs them, and nothing may make an index grow without end.
    private static let longest = 40

    /// Every word as written, folded to lower case, in order.
    static func folded(_ text: some StringProtocol, limit: Int = .max) -> [String] {
        var words: [String] = []
        var current: [UInt8] = []
        func end() {
            if !current.isEmpty { words.append(String(decoding: current, as: UTF8.self)) }
            current.removeAll(keepingCapacity: true)
        }
        for scalar in text.unicodeScalars {
            guard words.count < limit else { break }
            if scalar.isASCII {
                let byte = UInt8(truncatingIfNeeded: scalar.value)
                switch byte {
                case 0x61...0x7A, 0x30...0x39: if current.count < longest { current.append(byte) }
                case 0x41...0x5A: if current.count < longest { current.append(byte | 0x20) }
                // An apostrophe belongs to the word and is dropped: "doctor's" and "doctors" are one.
                case 0x27: break
                default: end()
                }
            } else if scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
                if scalar.properties.isIdeographic {
                    // Scripts without spaces: each sign is a word.
                    end()
                    current.append(contentsOf: String(scalar).utf8)
                    end()
                } else if current.count < longest {
                    current.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
                }
            } else if scalar.value != 0x2019 && !scalar.properties.isDefaultIgnorableCodePoint
                && scalar.properties.generalCategory != .nonspacingMark
            {
                end()
            }
        }
        if words.count < limit { end() }
        return words
    }

    /// The words that carry meaning, by their stems.
    static func terms(_ text: some StringProtocol, limit: Int = .max) -> [String] {
        folded(text, limit: limit).lazy.filter { !stopWords.contains($0) }.map(stem)
    }

    /// A light stemmer for English: plural, -ed and -ing, and a final e, so that "charges", "charged" and "charging" meet.
    static func stem(_ word: String) -> String {
        var bytes = Array(word.utf8)
        guard bytes.count > 3, bytes.allSatisfy({ (0x61...0x7A).contains($0) }) else { return word }
        func ends(_ suffix: StaticString) -> Bool {
            bytes.count >= suffix.utf8CodeUnitCount
                && bytes.suffix(suffix.utf8CodeUnitCount).elementsEqual(
                    UnsafeBufferPointer(start: suffix.utf8Start, count: suffix.utf8CodeUnitCount))
        }
        func isVowel(_ byte: UInt8) -> Bool { [0x61, 0x65, 0x69, 0x6F, 0x75, 0x79].contains(byte) }
        if ends("ies"), bytes.count > 4 {
            bytes.removeLast(3)
            bytes.append(UInt8(ascii: "y"))
        } else if ends("sses") || ends("shes") || ends("ches") || ends("xes") {
            bytes.removeLast(2)
        } else if ends("s"), !ends("ss"), !ends("us"), !ends("is") {
            bytes.removeLast()
        }
        for (suffix, length) in [("ing", 3), ("ed", 2)] as [(StaticString, Int)] where ends(suffix) && bytes.count - length >= 3 {
            guard bytes.dropLast(length).contains(where: isVowel) else { break }
            bytes.removeLast(length)
            // "submitted" → "submit", but not "bill".
            if let last = bytes.last, bytes.count > 3, bytes[bytes.count - 2] == last, !isVowel(last), ![0x6C, 0x73, 0x7A].contains(last) {
                bytes.removeLast()
            }
            break
        }
        if ends("e"), bytes.count > 3 { bytes.removeLast() }
        if ends("y"), bytes.count > 3 {
            bytes.removeLast()
            bytes.append(UInt8(ascii: "i"))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Words that every text has, and those that only make a question polite.
    static let stopWords: Set<String> = Set(
        """
        a about after again all also am an and any anyone anything are arent as at be because been before being between both bring but by can cant could did do
        does doesnt doing dont else every exactly explain find for from further get gets getting give given go good got had has have having he hello help
        her here hey hi him his how i id if ill im in into is isnt it its ive just kindly know let like long look lot many may me mean might more most much
        must my need needs no not of off ok on once one only or other our overview out over own please possible question same say says see shall she should show so
        some someone something still such summarise summarize summary take taken tell than thank thanks that thats the their them then there these they thing this those through to too
        under until up us use used using very want was we well were what whats when where whether which while who whom whose why will with within without
        would yes you your youre
        """.split(whereSeparator: \.isWhitespace).map(String.init))
}
