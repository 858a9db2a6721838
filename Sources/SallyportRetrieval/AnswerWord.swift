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
    var mayBegin: Bool { kind == .quote || !isMark && kind != .possessive && kind != .conjunction && kind != .percent }
    var mayEnd: Bool {
        switch kind {
        case .quote, .close, .percent: true
        case .article, .preposition, .conjunction, .determiner, .asking, .possessive: false
        default: !isMark
        }
    }
    /// No answer goes across it.
    var breaks: Bool { kind == .stop || kind == .colon }

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
            let isYear = folded.utf8.count == 4 && folded.utf8.allSatisfy { (0x30...0x39).contains($0) } && (digit == 0x31 || digit == 0x32)
            return (isYear ? .year : .number, 0)
        }
        let isCapital = scalars.first?.properties.isUppercase == true
        if let (kind, number) = functionWords[folded], !isCapital || isFirst { return (kind, number) }
        if let kind = numbersAndTimes[folded] { return (kind, 0) }
        if isCapital {
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
                wednesday thursday friday saturday sunday meters metres miles kilometers kilometres km feet inches acres tons tonnes percent degrees
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
                since until across behind beyond towards upon via per like than
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

/// A sentence's words beside a question's, and what there is to see of each stretch of them.
struct AnswerScene {
    private let words: [AnswerWord]
    private let question: AskedFor
    private let number: Int
    private let share: Int
    /// Where the question's terms stand, with what each weighs.
    private let asked: [(place: Int, weight: Double)]
    private let isAsked: [Bool]
    private let total: Double

    init(_ words: [AnswerWord], _ question: AskedFor, _ sentence: AnswerSpans.Sentence, _ number: Int) {
        self.words = words
        self.question = question
        self.number = min(3, number)
        share = Int(min(0.99, max(0, sentence.share)) * 5)
        let terms = Set(question.terms)
        var asked: [(place: Int, weight: Double)] = []
        var isAsked = [Bool](repeating: false, count: words.count)
        for (place, word) in words.enumerated() where terms.contains(word.stem) {
            isAsked[place] = true
            asked.append((place, question.rarity[word.stem] ?? 1))
        }
        self.asked = asked
        self.isAsked = isAsked
        total = max(0.001, question.terms.reduce(0) { $0 + (question.rarity[$1] ?? 1) })
    }

    private func kind(_ place: Int) -> Int { words.indices.contains(place) ? words[place].kind.rawValue : AnswerWord.Kind.edge.rawValue }
    private func function(_ place: Int) -> Int { words.indices.contains(place) ? words[place].functionWord : 200 }

    private static func bucket(_ length: Int) -> Int { length <= 4 ? length : length <= 6 ? 5 : length <= 8 ? 6 : 7 }
    private static func distance(_ count: Int?) -> Int { count.map { $0 <= 3 ? $0 : $0 <= 5 ? 4 : $0 <= 9 ? 5 : 6 } ?? 7 }

    func features(of span: Range<Int>) -> [Int] {
        let asks = question.kind.rawValue
        let (first, last, left, right) = (
            kind(span.lowerBound), kind(span.upperBound - 1), kind(span.lowerBound - 1), kind(span.upperBound)
        )
        let (leftWord, rightWord) = (function(span.lowerBound - 1), function(span.upperBound))
        let length = Self.bucket(span.count)
        var found: [Int] = []
        found.reserveCapacity(48)
        func add(_ template: Int, _ values: Int...) {
            var hash = UInt64(template) &* 0x9E37_79B9_7F4A_7C15
            for value in values { hash = (hash ^ UInt64(truncatingIfNeeded: value)) &* 0x0000_0100_0000_01B3 ^ hash >> 29 }
            hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
            found.append(Int(hash >> UInt64(64 - AnswerWeights.bits)))
        }
        add(1, asks, length)
        add(2, asks, first, last)
        add(3, asks, left)
        add(4, asks, right)
        add(5, leftWord, right)
        add(6, left, rightWord)
        add(7, asks, leftWord)
        add(8, first, last, length)
        add(9, left, first)
        add(10, last, right)
        // The shape: kinds in order, each run once.
        var shape = 0
        var before = -1
        var counts = [Int](repeating: 0, count: AnswerWord.Kind.edge.rawValue + 1)
        var overlap = 0
        var content = 0
        for place in span {
            let kind = kind(place)
            counts[kind] += 1
            if kind != before { shape = shape &* 31 &+ kind &+ 1 }
            before = kind
            if words[place].functionWord == 0, !words[place].isMark { content += 1 }
            if isAsked[place] { overlap += 1 }
        }
        add(11, asks, shape)
        add(12, shape)
        let overlaps = overlap == 0 ? 0 : overlap * 3 <= content ? 1 : overlap * 3 <= 2 * content ? 2 : overlap < content ? 3 : 4
        add(13, asks, overlaps)
        add(14, overlaps, length)
        // The question's words beside it.
        let toLeft = asked.last { $0.place < span.lowerBound }.map { span.lowerBound - 1 - $0.place }
        let toRight = asked.first { $0.place >= span.upperBound }.map { $0.place - span.upperBound }
        add(15, Self.distance(toLeft), Self.distance(toRight))
        add(16, asks, Self.distance(toLeft))
        add(17, asks, Self.distance(toRight))
        add(18, toLeft == 0 ? 1 : 0, toRight == 0 ? 1 : 0, left, right)
        var near = 0.0
        var outside = 0.0
        for (place, weight) in asked where !span.contains(place) {
            let gap = place < span.lowerBound ? span.lowerBound - place : place - span.upperBound + 1
            near += weight / Double(1 + gap)
            outside += weight
        }
        add(19, Int(min(0.999, near / total * 2) * 8))
        add(20, Int(min(0.999, outside / total) * 6), number)
        add(21, number, share)
        // The noun asked for.
        if let head = question.head {
            let inside = words[span.upperBound - 1].stem == head ? 1 : span.contains { words[$0].stem == head } ? 2 : 0
            let beside =
                words.indices.contains(span.upperBound) && words[span.upperBound].stem == head
                ? 1
                : words.indices.contains(span.lowerBound - 1) && words[span.lowerBound - 1].stem == head
                    ? 2 : words.indices.contains(span.lowerBound - 2) && words[span.lowerBound - 2].stem == head ? 3 : 0
            add(22, asks, inside, beside)
            add(23, inside, beside, first, last)
        }
        for (template, term) in [(24, question.last), (25, question.first)] {
            guard let term else { continue }
            let place = words.indices.filter { words[$0].stem == term }.min {
                abs($0 - span.lowerBound) < abs($1 - span.lowerBound)
            }
            let gap = place.map {
                $0 < span.lowerBound ? -min(4, span.lowerBound - $0) : $0 >= span.upperBound ? min(4, $0 - span.upperBound + 1) : 0
            }
            add(template, gap ?? 9)
            add(template + 2, asks, gap ?? 9)
        }
        // What it crosses, and whether it is whole.
        let capitals: Set<Int> = [
            AnswerWord.Kind.capital.rawValue, AnswerWord.Kind.acronym.rawValue, AnswerWord.Kind.firstCapital.rawValue,
        ]
        add(28, capitals.contains(first) && capitals.contains(left) ? 1 : 0, capitals.contains(last) && capitals.contains(right) ? 1 : 0)
        add(29, asks, counts[AnswerWord.Kind.comma.rawValue] > 0 ? 1 : 0)
        add(30, counts[AnswerWord.Kind.be.rawValue] > 0 ? 1 : 0, counts[AnswerWord.Kind.conjunction.rawValue] > 0 ? 1 : 0)
        add(
            31, counts[AnswerWord.Kind.open.rawValue] == counts[AnswerWord.Kind.close.rawValue] ? 0 : 1,
            counts[AnswerWord.Kind.quote.rawValue] % 2)
        add(32, asks, min(2, counts[AnswerWord.Kind.preposition.rawValue]))
        add(33, counts[AnswerWord.Kind.determiner.rawValue] > 0 ? 1 : 0, counts[AnswerWord.Kind.asking.rawValue] > 0 ? 1 : 0)
        let hasNumber =
            counts[AnswerWord.Kind.number.rawValue] + counts[AnswerWord.Kind.year.rawValue] + counts[AnswerWord.Kind.numberWord.rawValue]
            > 0
        let hasCapital = capitals.contains { counts[$0] > 0 }
        add(34, asks, hasNumber ? 1 : 0, hasCapital ? 1 : 0)
        add(
            35, asks, counts[AnswerWord.Kind.year.rawValue] > 0 ? 1 : 0, counts[AnswerWord.Kind.month.rawValue] > 0 ? 1 : 0,
            counts[AnswerWord.Kind.timeUnit.rawValue] > 0 ? 1 : 0)
        add(36, left, right)
        add(37, asks, number)
        add(38, asks, left, first)
        add(39, asks, last, right)
        add(40, span.lowerBound == 0 ? 1 : 0, span.upperBound >= words.count - 1 ? 1 : 0, asks)
        add(41, leftWord, first)
        add(42, function(span.lowerBound - 2), leftWord)
        add(43, rightWord, function(span.upperBound + 1))
        return found
    }
}
