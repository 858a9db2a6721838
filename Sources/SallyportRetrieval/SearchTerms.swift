/// The words of texts and questions as the index compares them.
enum SearchTerms {
    /// Stems without stop words; of scripts without spaces each sign, and each pair of neighbours.
    static func of(_ text: some StringProtocol, limit: Int = .max) -> [String] {
        var terms: [String] = []
        var previous: String?
        for word in Words.folded(text, limit: limit) {
            let isSign = word.utf8.count == 3 && word.utf8.first.map { $0 >= 0xE3 } == true && word.unicodeScalars.count == 1
            if isSign {
                if let previous { terms.append(previous + word) }
                terms.append(word)
                previous = word
            } else {
                previous = nil
                if !Words.stopWords.contains(word) { terms.append(Words.stem(word)) }
            }
        }
        return terms
    }

    /// One letter replaced, added, left out, or swapped with the next.
    static func isOneEditAway(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard abs(a.count - b.count) <= 1 else { return false }
        var start = 0
        while start < min(a.count, b.count) && a[start] == b[start] { start += 1 }
        var end = 0
        while end < min(a.count, b.count) - start && a[a.count - 1 - end] == b[b.count - 1 - end] { end += 1 }
        let (restA, restB) = (a[start..<a.count - end], b[start..<b.count - end])
        if restA.count <= 1 && restB.count <= 1 { return restA.count + restB.count > 0 }
        return restA.count == 2 && restB.count == 2 && restA.first == restB.last && restA.last == restB.first
    }
}

/// What is searched for.
package struct DocumentQuery: Sendable, Hashable {
    struct Term: Sendable, Hashable {
        var text: String
        /// 1 for the question's own words, less for words of earlier turns.
        var weight: Double
        /// Set by the search, over what its reader may read.
        var rarity = 0.0
        var frequency = 0
        /// A single sign is not a misspelt word.
        var mayBeMisspelled: Bool { weight >= 1 && text.utf8.count >= 5 }
    }

    var terms: [Term] = []
    /// In words: what was searched for.
    package private(set) var text: String

    /// Not just numbers, which stand in many places for many things.
    var hasWord: Bool { terms.contains { term in !term.text.utf8.allSatisfy { (0x30...0x39).contains($0) } && term.frequency > 0 } }

    private static let longest = 8192
    private static let mostTerms = 48

    private static let mostTurns = 3

    /// - Parameter turns: what the user said, the latest last. A latest turn that leans on what came before ("and for part-time?") is
    ///   searched together with the words of the turn before, which count for less; where that one leans too, with those before it, which count
    ///   for less still.
    package init(turns: [String]) {
        let question = DocumentQuery.bounded(turns.last ?? "")
        text = question
        add(question, weight: 1)
        guard leansOnContext(question) else { return }
        let known = terms.count
        var weight = 0.4
        for turn in turns.dropLast().reversed().lazy.filter({ !SearchTerms.of($0, limit: 200).isEmpty }).prefix(DocumentQuery.mostTurns) {
            let turn = DocumentQuery.bounded(turn)
            add(turn, weight: weight)
            guard leansOnContext(turn) else { break }
            weight /= 2
        }
        if terms.count > known { text = "\(question) (\(terms[known...].map(\.text).joined(separator: " ")))" }
    }

    package init(_ question: String) { self.init(turns: [question]) }

    private mutating func add(_ words: String, weight: Double) {
        var seen = Set(terms.map(\.text))
        for term in SearchTerms.of(words, limit: 1000) where terms.count < DocumentQuery.mostTerms && seen.insert(term).inserted {
            terms.append(Term(text: term, weight: weight))
        }
    }

    private func leansOnContext(_ question: String) -> Bool {
        let words = Words.folded(question, limit: 200)
        guard words.count <= 14 else { return false }
        if let first = words.first, ["and", "or", "but", "und", "y", "et", "also", "then", "so"].contains(first) { return true }
        if words.starts(with: ["what", "about"]) || words.starts(with: ["how", "about"]) { return true }
        let pronouns: Set<String> = [
            "it", "its", "they", "them", "their", "that", "this", "those", "these", "there", "he", "she", "him", "her", "his", "one",
            "ones",
        ]
        // Of the turn's own words: what was added of earlier ones says nothing about it.
        return SearchTerms.of(question, limit: 200).count <= 4 && words.contains(where: pronouns.contains)
    }

    /// The end of a long text: the question usually follows what it is about.
    private static func bounded(_ question: String) -> String {
        guard question.utf8.count > longest else { return question }
        return String(decoding: question.utf8.suffix(longest).drop { $0 & 0xC0 == 0x80 }, as: UTF8.self)
    }
}
