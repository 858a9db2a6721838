import SallyportCore

/// How near the words of a question come to the words of a text, each read with what stands around it: of every word of the question the likest
/// word there counts, rare ones more. It sees that a sentence says all of what is asked, in other words too, where one vector for the whole says
/// only that it is about the same.
struct WordCloseness {
    private let question: WordVectors
    /// For each word that carries meaning, its pieces and its rarity.
    private let asked: [(pieces: [Int], weight: Double)]

    /// - Parameter text: what the vectors were made of.
    init(_ question: WordVectors, of text: String, terms: [DocumentQuery.Term]) {
        self.question = question
        let rarity = Dictionary(terms.map { ($0.text, $0.rarity * $0.weight) }) { first, _ in first }
        let bytes = Array(text.utf8)
        var words: [Int: [Int]] = [:]
        for (piece, word) in question.words.enumerated() { words[word, default: []].append(piece) }
        asked = words.sorted { $0.key < $1.key }.compactMap { _, pieces in
            let ranges = pieces.map { question.ranges[$0] }
            guard let start = ranges.map(\.lowerBound).min(), let end = ranges.map(\.upperBound).max(), end <= bytes.count,
                let weight = SearchTerms.of(String(decoding: bytes[start..<end], as: UTF8.self)).compactMap({ rarity[$0] }).max()
            else { return nil }
            return (pieces, weight)
        }
    }

    /// 0...1; nil: the question has no word that could be held against anything.
    /// - Parameter sentences: bytes of the text that the vectors were made of.
    func best(in text: WordVectors, sentences: [Range<Int>]) -> Double? {
        let whole = asked.reduce(0) { $0 + $1.weight }
        guard whole > 0 else { return nil }
        var best: Double?
        for sentence in sentences {
            let there = text.ranges.indices.filter {
                text.ranges[$0].lowerBound >= sentence.lowerBound && text.ranges[$0].upperBound <= sentence.upperBound
            }
            guard !there.isEmpty else { continue }
            let found = asked.reduce(0.0) { sum, word in
                let nearest = word.pieces.map { piece in there.map { question.likeness(piece, to: text, $0) }.max() ?? 0 }.max() ?? 0
                return sum + word.weight * max(0, nearest)
            }
            best = max(best ?? 0, min(1, found / whole))
        }
        return best
    }
}
