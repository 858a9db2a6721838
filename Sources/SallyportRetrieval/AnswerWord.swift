/// A word or mark of a sentence, as ``AnswerSpans`` sees it.
struct AnswerWord: Sendable {
    enum Kind: Int, Sendable {
        case lower, capital, firstCapital, acronym, number, year, numberWord, month, timeUnit, article, preposition, be, conjunction,
            determiner
        case asking, adverb, verbal, possessive, comma, quote, open, close, dash, colon, stop, percent, currency, sign, other, edge
    }

    /// UTF-8 bytes of the sentence.
    let range: Range<Int>
    let kind: Kind
    let stem: String
    /// 0: not one of the words that only join others.
    let functionWord: Int

    private static let marks: Set<Kind> = [.comma, .quote, .open, .close, .dash, .colon, .stop, .other]
    var isMark: Bool { Self.marks.contains(kind) }
    /// In order. A number is one word with its points and commas, what hyphens join is one, each sign of a script without spaces is one.
    static func all(in text: String) -> [AnswerWord] {
        let scalars = Array(text.unicodeScalars)
        var words: [AnswerWord] = []
        var offset = 0
        var index = 0
        func isWord(_ index: Int) -> Bool {
            guard index < scalars.count else { return false }
            let properties = scalars[index].properties
            return properties.isAlphabetic && !properties.isIdeographic || properties.numericType != nil
                || properties.generalCategory == .nonspacingMark
        }
        func isDigit(_ index: Int) -> Bool { index < scalars.count && (0x30...0x39).contains(scalars[index].value) }
        while index < scalars.count {
            let start = index
            let begin = offset
            func take() {
                offset += UTF8.width(scalars[index])
                index += 1
            }
            if scalars[index].properties.isWhitespace {
                take()
                continue
            }
            if scalars[index].value == 0x27 || scalars[index].value == 0x2019, index > 0, isWord(index - 1), index + 1 < scalars.count,
                scalars[index + 1] == "s", !isWord(index + 2)
            {
                take()
                take()
                words.append(AnswerWord(range: begin..<offset, kind: .possessive, stem: "", functionWord: 0))
                continue
            }
            if isWord(index) {
                while isWord(index)
                    || index > start && index + 1 < scalars.count
                        && ((scalars[index] == "." || scalars[index] == ",") && isDigit(index - 1) && isDigit(index + 1)
                            || (scalars[index] == "-" || scalars[index].value == 0x27 || scalars[index].value == 0x2019)
                                && isWord(index + 1) && !(scalars[index] != "-" && scalars[index + 1] == "s" && !isWord(index + 2)))
                { take() }
                words.append(word(scalars[start..<index], begin..<offset, isFirst: words.allSatisfy(\.isMark)))
                continue
            }
            take()
            words.append(
                AnswerWord(
                    range: begin..<offset, kind: mark(scalars[start]), stem: String(Character(scalars[start])), functionWord: 0))
        }
        return words
    }

    private static func mark(_ scalar: Unicode.Scalar) -> Kind {
        if scalar.properties.isIdeographic { return .sign }
        switch scalar {
        case ",", "，", "、": return .comma
        case "\"", "“", "”", "«", "»", "`", "'", "‘", "’", "「", "」", "『", "』": return .quote
        case "(", "[", "（", "《": return .open
        case ")", "]", "）", "》": return .close
        case "-", "–", "—", "/": return .dash
        case ":", ";", "：", "；": return .colon
        case ".", "!", "?", "…", "。", "！", "？": return .stop
        case "%", "°": return .percent
        default: return scalar.properties.generalCategory == .currencySymbol ? .currency : .other
        }
    }

    private static func word(_ scalars: ArraySlice<Unicode.Scalar>, _ range: Range<Int>, isFirst: Bool) -> AnswerWord {
        let folded = String(String.UnicodeScalarView(scalars)).lowercased()
        let (kind, number) = kind(folded, scalars, isFirst)
        return AnswerWord(range: range, kind: kind, stem: Words.stem(folded), functionWord: number)
    }

    private static func kind(_ folded: String, _ scalars: ArraySlice<Unicode.Scalar>, _ isFirst: Bool) -> (Kind, Int) {
        if let digit = folded.utf8.first, (0x30...0x39).contains(digit) {
            let isDecade =
                folded.utf8.count == 5 && folded.hasSuffix("0s") && folded.utf8.dropLast().allSatisfy { (0x30...0x39).contains($0) }
            let isYear =
                isDecade
                || folded.utf8.count == 4 && folded.utf8.allSatisfy { (0x30...0x39).contains($0) } && (digit == 0x31 || digit == 0x32)
            return (isYear ? .year : .number, 0)
        }
        let isCapital = scalars.first?.properties.isUppercase == true
        if let (kind, number) = functionWords[folded], !isCapital || isFirst { return (kind, number) }
        if let kind = numbersAndTimes[folded] { return (kind, 0) }
        if isCapital {
            // In small letters, or as a first word, it is the verb.
            if folded == "may" { return (.month, 0) }
            if scalars.count > 1, scalars.allSatisfy({ !$0.properties.isLowercase }) { return (.acronym, 0) }
            return (isFirst ? .firstCapital : .capital, 0)
        }
        if folded.hasSuffix("ly"), folded.utf8.count > 4 { return (.adverb, 0) }
        if folded.hasSuffix("ed") || folded.hasSuffix("ing"), folded.utf8.count > 4 { return (.verbal, 0) }
        return (.lower, 0)
    }

    private static let numbersAndTimes: [String: Kind] = {
        var kinds: [String: Kind] = [:]
        for (kind, words) in [
            (
                Kind.numberWord,
                """
                one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty
                forty fifty sixty seventy eighty ninety hundred thousand million billion trillion dozen half third quarter first second fourth fifth
                """
            ), (.month, "january february march april june july august september october november december"),
            (
                .timeUnit,
                """
                day days week weeks month months year years hour hours minute minutes second seconds century centuries decade decades monday tuesday
                wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays meters metres miles kilometers kilometres km feet inches acres tons tonnes percent degrees
                dollars euros pounds people
                """
            ),
        ] { for word in words.split(whereSeparator: \.isWhitespace) { kinds[String(word)] = kind } }
        return kinds
    }()

    /// With a number for each.
    static let functionWords: [String: (Kind, Int)] = {
        var found: [String: (Kind, Int)] = [:]
        for (kind, words) in [
            (Kind.article, "the a an"),
            (
                .preposition,
                """
                of in on at by for from to with as into during after before between through under over about against among within without near around
                since until across behind beyond towards upon via per like than despite unlike following according including however
                """
            ),
            (
                .be,
                """
                is are was were be been being has have had do does did can could will would may might should must became become becomes called named
                known said made
                """
            ), (.conjunction, "and or but nor while because although though if so whereas"),
            (
                .determiner,
                """
                his her its their this that these those he she it they him them some any each all both many most several such other another no not also
                there only more less own same i we you our your my
                """
            ), (.asking, "which who whom whose when where what how why"),
        ] { for word in words.split(whereSeparator: \.isWhitespace) { found[String(word)] = (kind, found.count + 1) } }
        return found
    }()
}
