import Foundation

/// The few words within sentences that answer a question: a name, a date, a number, a thing. Verbatim: a span is a range of a sentence.
///
/// Every stretch of up to ``longest`` words is scored by a linear model over what can be seen of it: its words' classes and those beside it, how
/// near the question's words stand, what the question asks for. The weights were learned from questions with known answers
/// (`training/answers.py`); a feature is a place in a table, found by hashing.
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
        /// How likely it is the answer among all stretches: 0...1.
        let probability: Double
    }

    static let longest = 10
    /// Sentences that are looked at.
    static let sentences = 4
    private static let tokens = 80

    private let question: AskedFor
    private let weights: AnswerWeights

    /// - Parameter rarity: of each of the question's terms.
    init(_ question: String, rarity: [String: Double], weights: AnswerWeights = .learned) {
        self.question = AskedFor(question, rarity: rarity)
        self.weights = weights
    }

    /// False: a question that no words of a text answer by themselves ("Is it true that …").
    var isAnswerable: Bool { question.kind != .polar }

    /// The likeliest, best first; none overlaps a better one.
    func best(in sentences: [Sentence], count: Int = 1) -> [Span] {
        var spans: [(span: Span, score: Float)] = []
        candidates(in: sentences) { sentence, range, features in
            let score = features.reduce(Float(0)) { $0 + weights[$1] }
            spans.append((Span(sentence: sentence, range: range, probability: 0), score))
        }
        guard let top = spans.map(\.score).max() else { return [] }
        let total = spans.reduce(Double(0)) { $0 + exp(Double($1.score - top)) }
        var found: [Span] = []
        for (span, score) in spans.sorted(by: { $0.score > $1.score }) {
            if found.count == count { break }
            guard !found.contains(where: { $0.sentence == span.sentence && $0.range.overlaps(span.range) }) else { continue }
            found.append(Span(sentence: span.sentence, range: span.range, probability: exp(Double(score - top)) / total))
        }
        return found
    }

    /// Every stretch that could be an answer, with its features.
    func candidates(in sentences: [Sentence], _ body: (_ sentence: Int, _ range: Range<Int>, _ features: [Int]) -> Void) {
        for (number, sentence) in sentences.prefix(Self.sentences).enumerated() {
            let words = Array(AnswerWord.all(in: sentence.text).prefix(Self.tokens))
            let scene = AnswerScene(words, question, sentence, number)
            for start in words.indices where words[start].mayBegin {
                for end in start + 1...min(words.count, start + Self.longest) {
                    if end - 1 > start, words[end - 1].breaks { break }
                    guard words[end - 1].mayEnd else { continue }
                    body(number, words[start].range.lowerBound..<words[end - 1].range.upperBound, scene.features(of: start..<end))
                }
            }
        }
    }
}

/// What a question wants to know.
struct AskedFor: Sendable {
    enum Kind: Int, Sendable {
        case other, who, when, place, many, much, measure, how, why, polar, choice
        case whatPerson, whatTime, whatPlace, whatNumber, whatGroup, whatWork, whatName, whatKind, what, which
    }

    let kind: Kind
    /// The stem of the noun that "what" or "which" or "how many" stands before.
    let head: String?
    let terms: [String]
    let rarity: [String: Double]
    let words: Set<String>
    /// Its last content word, and the first after the question word.
    let last: String?
    let first: String?

    init(_ question: String, rarity: [String: Double]) {
        let words = Words.folded(question, limit: 200)
        var kind = Kind.other
        var head: String?
        var asks = 0
        search: for (position, word) in words.enumerated() {
            let next = position + 1 < words.count ? words[position + 1] : ""
            asks = position
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
            case "what", "which":
                head = Self.noun(words.dropFirst(position + 1))
                kind = head.map(Self.kind(of:)) ?? .what
                if kind == .what, word == "which" { kind = .which }
            default: continue search
            }
            break
        }
        if kind == .other, let first = words.first, Self.polar.contains(first) { kind = .polar }
        if words.contains("or"), kind == .other || kind == .polar || kind.rawValue >= Kind.whatPerson.rawValue || kind == .who {
            kind = .choice
        }
        self.kind = kind
        self.head = head
        self.rarity = rarity
        self.words = Set(words.map(Words.stem))
        let all = SearchTerms.of(question, limit: 200)
        terms = all
        last = all.last
        first = SearchTerms.of(words.dropFirst(asks + 1).joined(separator: " "), limit: 200).first { $0 != head }
    }

    private static let polar: Set<String> = [
        "is", "are", "was", "were", "do", "does", "did", "can", "could", "has", "have", "had", "will", "would", "should", "may", "am",
    ]

    /// The noun of "what kind of bridge did", "what famous German city is": the last word before a verb, a preposition or the end.
    private static func noun(_ words: ArraySlice<String>) -> String? {
        var found: String?
        for (number, word) in words.prefix(7).enumerated() {
            if word == "of", let kind = found, ["type", "kind", "sort", "form", "number", "percentage", "percent", "part"].contains(kind) {
                if ["number", "percentage", "percent"].contains(kind) { return kind }
                found = nil
                continue
            }
            if AnswerWord.functionWords[word] != nil || Words.stopWords.contains(word) {
                if number == 0, ["the", "a", "an", "other", "two", "three"].contains(word) { continue }
                break
            }
            if found != nil,
                word.hasSuffix("ed") || word.hasSuffix("s") && number > 1 && !word.hasSuffix("ss") && found?.hasSuffix("s") == false
            {
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
            ), (.whatTime, "year date day month century decade time era season age period"),
            (
                .whatPlace,
                """
                city country state place river town village county region area continent island location street building nation mountain lake sea
                province district stadium university college school venue ocean neighborhood capital part
                """
            ), (.whatNumber, "number percentage percent amount rate population size temperature distance price cost score ratio fraction"),
            (
                .whatGroup,
                "company group team organization organisation agency party band church network court law channel union corporation institution club army religion tribe"
            ), (.whatWork, "film movie book song album novel series show game play poem paper magazine newspaper award title"),
            (.whatName, "name nickname word term phrase language nationality color colour occupation profession genre"),
            (.whatKind, "type kind sort form style"),
        ] {
            for word in words.split(whereSeparator: \.isWhitespace) { kinds[Words.stem(String(word))] = kind }
        }
        return kinds
    }()

    private static func kind(of head: String) -> Kind { kinds[head] ?? .what }
}
