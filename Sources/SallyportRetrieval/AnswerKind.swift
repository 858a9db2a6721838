/// What an answer to a question must hold, where the question says it: a number, a time. English only; of other questions nothing is asked.
struct AnswerKind: Sendable {
    private enum Kind { case any, number, year, time }
    private let kind: Kind

    init(_ question: String) {
        let words = Words.folded(question, limit: 200)
        var kind = Kind.any
        for (position, word) in words.enumerated() {
            let next = position + 1 < words.count ? words[position + 1] : ""
            if word == "how", ["many", "much", "long", "old", "far", "tall", "high", "big", "large", "fast"].contains(next) {
                kind = .number
            }
            if word == "what" || word == "which" {
                if next == "year" { kind = .year }
                if ["percentage", "percent", "number"].contains(next) { kind = .number }
            }
            if word == "when", position <= 1 || position == words.count - 1 { kind = .time }
            if kind != .any { break }
        }
        self.kind = kind
    }

    /// Whether the question asks for a kind of thing at all.
    var isKnown: Bool { kind != .any }

    func isIn(_ sentence: String) -> Bool {
        switch kind {
        case .any: return false
        case .year: return Words.folded(sentence, limit: 400).contains { $0.utf8.count == 4 && $0.utf8.allSatisfy(Self.isDigit) }
        case .number:
            return Words.folded(sentence, limit: 400).contains { $0.utf8.contains(where: Self.isDigit) || Self.numbers.contains($0) }
        case .time:
            return Words.folded(sentence, limit: 400).contains {
                $0.utf8.contains(where: Self.isDigit) || Self.numbers.contains($0) || Self.times.contains($0)
            }
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static let numbers: Set<String> = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen", "twenty", "thirty",
        "forty", "fifty", "sixty", "hundred", "thousand", "million", "billion", "dozen", "half", "first", "second", "third", "fourth",
        "fifth", "sixth", "once", "twice", "none", "no", "unlimited", "several", "few", "many", "least", "most",
    ]
    private static let times: Set<String> = [
        "day", "days", "week", "weeks", "month", "months", "year", "years", "hour", "hours", "minute", "minutes", "morning", "noon",
        "evening", "night", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mondays",
        "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays", "sundays", "weekdays", "weekend", "weekends", "january", "february",
        "march",
        "april", "may", "june", "july", "august", "september", "october", "november", "december", "before", "after", "until", "once", "if",
        "during", "while", "every", "century", "decade", "today", "tomorrow", "always", "never", "when", "immediately",
    ]
}
