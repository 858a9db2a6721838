/// The few words of a sentence that answer a question: a name for "who", a time for "when", a number for "how many". Verbatim: a span is a range
/// of a sentence.
///
/// By rules: the question says what kind of thing it wants, and of the things of that kind in the sentences the one counts that stands nearest to
/// the question's words, in the way that answers stand ("by" before a maker, the noun counted after a number). English only; where two things
/// stand alike, and of questions that want something else, nothing is given.
struct AnswerSpans: Sendable {
    /// A sentence that may hold the answer.
    struct Sentence: Sendable {
        let text: String
        /// Of the question's weight.
        let share: Double
        let likeness: Double
    }

    struct Span: Sendable, Hashable {
        let sentence: Int
        /// UTF-8 bytes of the sentence.
        let range: Range<Int>
        /// By how much it is better than the next: 0...1.
        let sureness: Double
    }

    /// Sentences that are looked at.
    static let sentences = 3
    private static let words = 80

    private let question: AskedFor
    /// The words of each thing that a question lets choose from: "Ada Keller or Jon Moss".
    private let choice: [Set<String>]

    /// - Parameter rarity: of each of the question's terms.
    init(_ question: String, rarity: [String: Double]) {
        self.question = AskedFor(question, rarity: rarity)
        choice = self.question.kind == .choice ? AnswerScene.alternatives(in: question, self.question) : []
    }

    /// False: the question asks for nothing that a few words of a text are by themselves.
    var isAnswerable: Bool { question.kind.isThing || !choice.isEmpty }

    /// The likeliest; nil where there is none.
    func best(in sentences: [Sentence]) -> Span? {
        guard isAnswerable else { return nil }
        var found: [(span: Range<Int>, sentence: Int, text: String, score: Double)] = []
        for (number, sentence) in sentences.prefix(Self.sentences).enumerated() {
            let scene = AnswerScene(Array(AnswerWord.all(in: sentence.text).prefix(Self.words)), question)
            let bytes = Array(sentence.text.utf8)
            for (stretch, score) in choice.isEmpty ? scene.candidates() : scene.candidates(of: choice) {
                let range = scene.range(of: stretch)
                found.append(
                    (
                        range, number, Words.folded(String(decoding: bytes[range], as: UTF8.self)).joined(separator: " "),
                        score + 0.5 * sentence.share + 0.3 * max(0, sentence.likeness)
                    ))
            }
        }
        guard let best = found.max(by: { $0.score < $1.score }) else { return nil }
        // The same words elsewhere speak for it, not against.
        let next = found.filter { $0.text != best.text && !($0.sentence == best.sentence && $0.span.overlaps(best.span)) }.map(\.score)
            .max()
        let sureness = min(1, max(0, best.score - (next ?? best.score - 0.4)))
        return Span(sentence: best.sentence, range: best.span, sureness: sureness)
    }
}

/// A sentence's words beside a question's.
struct AnswerScene {
    private let words: [AnswerWord]
    private let question: AskedFor
    private let isAsked: [Bool]
    private let total: Double

    init(_ words: [AnswerWord], _ question: AskedFor) {
        self.words = words
        self.question = question
        let terms = Set(question.terms)
        isAsked = words.map { terms.contains($0.stem) }
        total = max(0.001, question.terms.reduce(0) { $0 + (question.rarity[$1] ?? 1) })
    }

    func range(of stretch: Range<Int>) -> Range<Int> {
        words[stretch.lowerBound].range.lowerBound..<words[stretch.upperBound - 1].range.upperBound
    }

    private func kind(_ place: Int) -> AnswerWord.Kind { words.indices.contains(place) ? words[place].kind : .edge }
    private func stem(_ place: Int) -> String { words.indices.contains(place) ? words[place].stem : "" }

    /// Stretches of the kind asked for, each with how well it stands.
    func candidates() -> [(Range<Int>, Double)] {
        stretches().compactMap { stretch, cue in
            let content = stretch.filter { words[$0].functionWord == 0 && !words[$0].isMark }
            let known = content.count { isAsked[$0] }
            // What the question says itself is no answer to it.
            guard known < content.count else { return nil }
            return (stretch, nearness(to: stretch) + cue - 0.4 * Double(known) / Double(content.count))
        }
    }

    /// Of the names that the question lets choose from, how near each stands to what is asked of them.
    func candidates(of choice: [Set<String>]) -> [(Range<Int>, Double)] {
        let offered = choice.reduce(into: Set<String>()) { $0.formUnion($1) }
        return names().compactMap { name in
            let own = Set(name.map { words[$0].stem })
            guard choice.contains(where: { own.isSubset(of: $0) && own.count * 2 >= $0.count }) else { return nil }
            return (name, nearness(to: name, but: offered))
        }
    }

    private static let comparing: Set<String> = [
        "more", "most", "less", "least", "first", "last", "older", "oldest", "younger", "youngest", "larger", "largest", "smaller",
        "smallest", "longer", "longest", "shorter", "earlier", "later", "higher", "highest", "lower", "bigger", "newer", "better", "both",
        "same", "before", "after",
    ]

    /// - Returns: none where the question compares: that takes more than reading.
    static func alternatives(in question: String, _ asked: AskedFor) -> [Set<String>] {
        let scene = AnswerScene(Array(AnswerWord.all(in: question).prefix(200)), asked)
        guard Words.folded(question, limit: 200).allSatisfy({ !comparing.contains($0) }),
            let or = scene.words.indices.last(where: { scene.stem($0) == "or" })
        else { return [] }
        let names = scene.names()
        guard let left = names.last(where: { $0.upperBound == or || $0.upperBound == or - 1 && scene.words[or - 1].isMark }),
            let right = names.first(where: { $0.lowerBound == or + 1 || $0.lowerBound == or + 2 && scene.kind(or + 1) == .article })
        else { return [] }
        return [left, right].map { Set($0.map { scene.words[$0].stem }) }
    }

    /// Of the question's weight, what stands beside the stretch; the farther, the less.
    private func nearness(to stretch: Range<Int>, but left: Set<String> = []) -> Double {
        var best: [String: Double] = [:]
        for place in words.indices where isAsked[place] && !stretch.contains(place) && !left.contains(words[place].stem) {
            let gap = place < stretch.lowerBound ? stretch.lowerBound - place : place - stretch.upperBound + 1
            let value = (question.rarity[words[place].stem] ?? 1) / (1 + Double(gap - 1) / 4)
            best[words[place].stem] = max(best[words[place].stem] ?? 0, value)
        }
        return best.values.reduce(0, +) / total
    }

    private func stretches() -> [(Range<Int>, cue: Double)] {
        switch question.kind {
        case .who, .whatPerson:
            let defined = defined()
            return names().map { name in
                let before = stem(name.lowerBound - 1)
                let stands = before == "by" ? 0.25 : Self.places.contains(before) ? -0.15 : 0
                return (name, stands + ((2...3).contains(name.count) ? 0.15 : 0) + head(name) + told(name, defined))
            }
        case .place, .whatPlace:
            let defined = defined()
            let found = question.kind == .place ? names().map(wider) : names()
            return found.map { name in
                let stands = Self.places.contains(stem(name.lowerBound - 1)) || stem(name.lowerBound - 1) == "of"
                return (name, (stands ? 0.25 : 0) + head(name) + told(name, defined))
            }
        case .whatGroup, .whatWork, .whatName:
            let defined = defined()
            return (names() + (question.kind == .whatGroup ? [] : quoted())).map { ($0, head($0) + told($0, defined)) }
        case .what, .which:
            let defined = defined()
            return names().map { ($0, head($0) + told($0, defined)) }.filter { $0.1 > 0 }
        case .when: return times().map { ($0, (kind($0.lowerBound - 1) == .preposition ? 0.2 : 0) + life($0)) }
        case .whatTime:
            return (question.head == "year" ? single(.year) : times().map { ($0, head($0)) }).map { ($0.0, $0.1 + life($0.0)) }
        case .many, .whatNumber:
            return numbers().map { number in
                let counts = (0..<3).contains { stem(number.upperBound + $0) == question.head }
                let isShare = kind(number.upperBound - 1) == .percent
                let cue = counts ? 0.5 : isShare ? question.wantsShare ? 0.4 : question.kind == .many ? -0.3 : 0 : 0
                // A time is no time without its unit.
                let isTime = Self.units.contains(stem(number.upperBound)) && stem(number.upperBound) == question.head
                return (isTime ? number.lowerBound..<number.upperBound + 1 : number, cue)
            }
        case .much, .measure:
            return numbers().compactMap { number in
                if kind(number.upperBound) == .timeUnit { return (number.lowerBound..<number.upperBound + 1, 0.3) }
                if question.wantsAge, ["age", "aged"].contains(stem(number.lowerBound - 1)) { return (number, 0.4) }
                let isMoney = kind(number.lowerBound) == .currency || kind(number.upperBound - 1) == .percent
                return isMoney ? (number, 0.2) : nil
            }
        default: return []
        }
    }

    private static let places: Set<String> = ["in", "at", "near", "to", "from", "into", "on"]
    private static let units: Set<String> = Set(["day", "week", "month", "year", "hour", "minute", "second"].map(Words.stem))

    /// Whom a sentence says to be one of what is asked for: "Ada Keller (1874 – 1931) was a German engineer".
    private func defined() -> Range<Int>? {
        guard let head = question.head, let name = names().first,
            words[..<name.lowerBound].allSatisfy({ $0.kind == .article || $0.isMark })
        else { return nil }
        var place = name.upperBound
        if kind(place) == .quote { place += 1 }
        if kind(place) == .open {
            while place < words.count, kind(place) != .close { place += 1 }
            place += 1
        }
        guard ["is", "are", "was", "wer"].contains(stem(place)) else { return nil }
        for after in place + 1..<place + 13 {
            if kind(after) == .edge || kind(after) == .stop || kind(after) == .asking { return nil }
            if stem(after) == head { return name }
        }
        return nil
    }

    /// What a sentence says who is one leaves little to the names beside it: "Danish" is no engineer.
    private func told(_ name: Range<Int>, _ defined: Range<Int>?) -> Double { defined.map { $0 == name ? 0.35 : -0.3 } ?? 0 }

    /// "Yarmouth, Maine".
    private func wider(_ name: Range<Int>) -> Range<Int> {
        guard kind(name.upperBound) == .comma, let next = names().first(where: { $0.lowerBound == name.upperBound + 1 }) else {
            return name
        }
        return stem(next.upperBound) == "and" || stem(next.upperBound) == "or" ? name : name.lowerBound..<next.upperBound
    }

    /// Of "(14 May 1866 – 1929)" the first for a birth, the second for a death.
    private func life(_ time: Range<Int>) -> Double {
        guard let wanted = question.life else { return 0 }
        let (isFirst, isSecond) = (kind(time.upperBound) == .dash, kind(time.lowerBound - 1) == .dash && kind(time.upperBound) == .close)
        return wanted == .birth && isFirst || wanted == .death && isSecond ? 0.4 : 0
    }

    private func single(_ wanted: AnswerWord.Kind) -> [(Range<Int>, cue: Double)] {
        words.indices.filter { words[$0].kind == wanted }.map { ($0..<$0 + 1, kind($0 - 1) == .preposition ? 0.2 : 0) }
    }

    /// The noun asked for, in the stretch's end or beside it.
    private func head(_ stretch: Range<Int>) -> Double {
        guard let head = question.head else { return 0 }
        if stem(stretch.upperBound - 1) == head || stem(stretch.upperBound) == head { return 0.3 }
        return stem(stretch.lowerBound - 1) == head || stem(stretch.lowerBound - 2) == head ? 0.3 : 0
    }

    private static let particles: Set<String> = [
        "de", "van", "von", "der", "den", "bin", "ibn", "al", "la", "le", "du", "da", "di", "del", "el",
    ]

    /// What is written with capitals, with the small words within it: "Ada Keller", "Duke of York", "World War II", "J. R. Moss".
    private func names() -> [Range<Int>] {
        func isCapital(_ place: Int) -> Bool { [.capital, .acronym, .firstCapital].contains(kind(place)) }
        var found: [Range<Int>] = []
        var place = 0
        while place < words.count {
            guard isCapital(place) else {
                place += 1
                continue
            }
            let start = place
            place += 1
            while place < words.count {
                if isCapital(place) || kind(place) == .number && place > start && isCapital(place - 1) {
                    place += 1
                } else if kind(place) == .stop, words[place - 1].stem.utf8.count == 1, isCapital(place + 1) {
                    place += 2
                } else if stem(place) == "&", isCapital(place + 1) {
                    place += 2
                } else if Self.particles.contains(stem(place)) || stem(place) == "of", isCapital(place + 1) {
                    place += 2
                } else if stem(place) == "of", stem(place + 1) == "the" || stem(place + 1) == "th", isCapital(place + 2) {
                    place += 3
                } else {
                    break
                }
            }
            // A first word has its capital from the sentence: alone it is a name only where something is said of it.
            if place - start > 1 || kind(start) != .firstCapital || kind(place) == .be || kind(place) == .possessive || kind(place) == .open
            {
                found.append(start..<place)
            }
        }
        return found
    }

    /// What stands in quotation marks, without them.
    private func quoted() -> [Range<Int>] {
        let marks = words.indices.filter { words[$0].kind == .quote }
        return zip(marks, marks.dropFirst()).filter { $1 - $0 > 1 && $1 - $0 < 10 }.map { $0 + 1..<$1 }
    }

    /// "14 May 1931", "May 1931", "1931", "the 16th century", "11:45", "Monday".
    private func times() -> [Range<Int>] {
        var found: [Range<Int>] = []
        var place = 0
        func isTime(_ place: Int) -> Bool { [.month, .year].contains(kind(place)) }
        while place < words.count {
            var end = place
            if isTime(place) || kind(place) == .number && kind(place + 1) == .month {
                end = place + 1
                while isTime(end) || kind(end) == .number && kind(end - 1) == .month
                    || (kind(end) == .comma || kind(end) == .dash && question.life == nil) && isTime(end + 1) && end > place
                { end += 1 }
            } else if kind(place) == .number || kind(place) == .numberWord, kind(place + 1) == .timeUnit {
                end = place + 2
            } else if kind(place) == .number, kind(place + 1) == .colon, kind(place + 2) == .number {
                end = place + 3
            } else if kind(place) == .timeUnit, stem(place).hasSuffix("dai") {
                end = place + 1
            }
            if end > place {
                found.append(place..<end)
                place = end
            } else {
                place += 1
            }
        }
        return found
    }

    /// "27", "$4.5 million", "30 to 50 thousand", "five", "12%".
    private func numbers() -> [Range<Int>] {
        var found: [Range<Int>] = []
        var place = 0
        func isNumber(_ place: Int) -> Bool { [.number, .numberWord].contains(kind(place)) }
        while place < words.count {
            let start = place
            if kind(place) == .currency, isNumber(place + 1) || kind(place + 1) == .year { place += 1 }
            guard isNumber(place) || place > start || kind(place) == .year && kind(place - 1) != .preposition else {
                place = start + 1
                continue
            }
            place += 1
            while isNumber(place)
                || [.dash, .preposition, .conjunction].contains(kind(place)) && isNumber(place + 1)
                    && ["to", "-", "–", "and"].contains(stem(place))
            {
                place += 1
            }
            if stem(place) == "°", kind(place + 1) == .acronym || kind(place + 1) == .capital { place += 1 }
            if kind(place) == .percent || stem(place) == Words.stem("percent") || stem(place - 1) == "°" { place += 1 }
            found.append(start..<place)
        }
        return found
    }
}

/// What a question wants to know.
struct AskedFor: Sendable {
    enum Kind: Int, Sendable {
        case other, who, when, place, many, much, measure, how, why, polar, choice
        case whatPerson, whatTime, whatPlace, whatNumber, whatGroup, whatWork, whatName, whatKind, what, which

        /// Something that a few words are: a name, a time, a number.
        var isThing: Bool {
            switch self {
            case .other, .how, .why, .polar, .choice, .whatKind: false
            default: true
            }
        }
    }

    let kind: Kind
    /// The stem of the noun that "what" or "which" or "how many" stands before.
    let head: String?
    let terms: [String]
    let rarity: [String: Double]
    enum Life: Sendable { case birth, death }
    /// Asks when somebody was born or died.
    let life: Life?
    let wantsAge: Bool
    /// Asks for a share of a whole.
    var wantsShare: Bool { head == "percent" || head == Words.stem("percentage") }

    init(_ question: String, rarity: [String: Double]) {
        let words = Words.folded(question, limit: 200)
        var kind = Kind.other
        var head: String?
        // Where it does not begin with the word that asks, the last one counts: the ones before join ("the pilot who …, in which year?").
        let asking = words.indices.filter { Self.asking.contains(words[$0]) }
        let place = asking.first.flatMap { $0 <= 2 ? $0 : nil } ?? asking.last
        if let position = place {
            let word = words[position]
            let next = position + 1 < words.count ? words[position + 1] : ""
            switch word {
            case "who", "whom", "whose": kind = .who
            case "when": kind = .when
            case "where": kind = .place
            case "why": kind = .why
            case "how":
                switch next {
                case "many": (kind, head) = (.many, Self.noun(words.dropFirst(position + 2)))
                case "much": (kind, head) = (.much, Self.noun(words.dropFirst(position + 2)))
                case "long", "old", "far", "tall", "high", "big", "large", "fast", "deep", "wide", "heavy", "often": kind = .measure
                default: kind = .how
                }
            default:
                head = Self.noun(words.dropFirst(position + 1))
                kind = head.map(Self.kind(of:)) ?? .what
                // "What is the weight of …"
                if head == nil, word == "whats" || ["is", "are", "was", "were"].contains(next),
                    let named = Self.noun(words.dropFirst(word == "whats" ? position + 1 : position + 2)), Self.kind(of: named) != .what
                {
                    (kind, head) = (Self.kind(of: named), named)
                }
                if kind == .what, word == "which" { kind = .which }
            }
        }
        if kind == .other, let first = words.first, Self.polar.contains(first) { kind = .polar }
        if words.contains("or"), kind == .other || kind == .polar || kind.rawValue >= Kind.whatPerson.rawValue || kind == .who {
            kind = .choice
        }
        self.kind = kind
        self.head = head
        let said = Set(words)
        wantsAge = kind == .measure && (head == "age" || said.contains("old"))
        life = !said.isDisjoint(with: ["born", "birth"]) ? .birth : !said.isDisjoint(with: ["die", "died", "death"]) ? .death : nil
        self.rarity = rarity
        terms = SearchTerms.of(question, limit: 200)
    }

    private static let asking: Set<String> = ["who", "whom", "whose", "when", "where", "why", "how", "what", "whats", "which"]
    private static let polar: Set<String> = [
        "is", "are", "was", "were", "do", "does", "did", "can", "could", "has", "have", "had", "will", "would", "should", "may", "am",
    ]

    /// The noun of "what kind of bridge did", "what famous German city is": the last word before a verb, a preposition or the end.
    private static func noun(_ words: ArraySlice<String>) -> String? {
        var found: String?
        for (number, word) in words.prefix(7).enumerated() {
            if word == "of", let kind = found, ["type", "kind", "sort", "form", "number", "percentage", "percent", "part"].contains(kind) {
                if ["number", "percentage", "percent"].contains(kind) { return Words.stem(kind) }
                found = nil
                continue
            }
            if AnswerWord.functionWords[word] != nil || Words.stopWords.contains(word) {
                if number == 0, ["the", "a", "an", "other", "two", "three"].contains(word) { continue }
                break
            }
            let next = words.dropFirst(number + 1).first.flatMap { AnswerWord.functionWords[$0]?.0 }
            let isThird = word.hasSuffix("s") && !word.hasSuffix("ss")
            let isFollowed = next == .article || next == .determiner || number > 1 && found?.hasSuffix("s") == false
            if found != nil, word.hasSuffix("ed") || isThird && isFollowed {
                // "what city hosted", "which team plays": a verb.
                break
            }
            found = word
        }
        return found.map(Words.stem)
    }

    private static let kinds: [String: Kind] = {
        var kinds: [String: Kind] = [:]
        for (kind, words) in [
            (
                Kind.whatPerson,
                """
                person man woman king queen president emperor actor actress author writer director scientist leader player coach singer musician
                composer artist painter poet philosopher general politician people explorer inventor architect athlete quarterback ruler pope
                minister character physicist chemist mathematician engineer comedian rapper governor mayor theorist scholar founder
                """
            ), (.whatTime, "year date day month century decade time era season period deadline birthday"),
            (.measure, "length height width depth weight speed duration age"),
            (
                .whatPlace,
                """
                city country state place river town village county region area continent island location street building nation mountain lake sea
                province district stadium university college school venue ocean neighborhood capital part
                """
            ),
            (
                .whatNumber,
                "number percentage percent amount rate population size temperature distance price cost score ratio fraction fee capacity"
            ),
            (
                .whatGroup,
                "company group team organization organisation agency party band church network court law channel union corporation institution club army religion tribe"
            ), (.whatWork, "film movie book song album novel series show game play poem paper magazine newspaper award title"),
            (.whatName, "name nickname word term phrase language nationality color colour"),
            (.whatKind, "type kind sort form style genre occupation profession"),
        ] {
            for word in words.split(whereSeparator: \.isWhitespace) { kinds[Words.stem(String(word))] = kind }
        }
        return kinds
    }()

    private static func kind(of head: String) -> Kind { kinds[head] ?? .what }
}
