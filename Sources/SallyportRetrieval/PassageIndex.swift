#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Passages of a folder's documents, searched by Okapi BM25.
struct PassageIndex: Sendable {
    struct Passage: Sendable {
        let document: Int
        let sentences: [String]
        /// Distinct terms of each sentence, ascending.
        let terms: [[Int]]
    }

    private struct Posting: Sendable {
        let passage: Int
        /// Already weighed for the passage's length: what a match adds, before the term's rarity.
        let weight: Double
    }

    let names: [String]
    let titles: [String]
    private let titleTerms: [Set<Int>]
    let passages: [Passage]
    private let vocabulary: [String: Int]
    private let postings: [[Posting]]
    private let rarity: [Double]
    /// A word that no document has: rarer than any.
    private let rarityOfUnknown: Double

    // The usual constants; headings count like two more mentions.
    private static let k1 = 1.2
    private static let b = 0.6
    private static let sentencesPerPassage = 6

    init(_ documents: [SourceDocument]) {
        names = documents.map(\.name)
        var titles: [String] = []
        var vocabulary: [String: Int] = [:]
        var passages: [Passage] = []
        var counts: [[Int: Double]] = []
        var lengths: [Double] = []
        for (number, document) in documents.enumerated() {
            let sections = Sentences.sections(of: document.text)
            titles.append(sections.lazy.compactMap(\.headings.first).first ?? PassageIndex.title(from: document.name))
            for section in sections {
                for start in stride(from: 0, to: section.sentences.count, by: PassageIndex.sentencesPerPassage) {
                    let sentences = Array(section.sentences[start..<min(section.sentences.count, start + PassageIndex.sentencesPerPassage)])
                    var terms: [[Int]] = []
                    var count: [Int: Double] = [:]
                    for sentence in sentences {
                        let found = Words.terms(sentence).map { PassageIndex.number(of: $0, in: &vocabulary) }
                        for term in found { count[term, default: 0] += 1 }
                        terms.append(Set(found).sorted())
                    }
                    for (distance, heading) in (section.headings.isEmpty ? [titles[number]] : section.headings).reversed().enumerated() {
                        for term in Words.terms(heading) {
                            count[PassageIndex.number(of: term, in: &vocabulary), default: 0] += distance == 0 ? 2 : 1
                        }
                    }
                    passages.append(Passage(document: number, sentences: sentences, terms: terms))
                    counts.append(count)
                    lengths.append(count.values.reduce(0, +))
                }
            }
        }
        self.titles = titles
        var titleTerms: [Set<Int>] = []
        for title in titles { titleTerms.append(Set(Words.terms(title).map { PassageIndex.number(of: $0, in: &vocabulary) })) }
        self.titleTerms = titleTerms
        self.vocabulary = vocabulary
        self.passages = passages
        var postings: [[Posting]] = Array(repeating: [], count: vocabulary.count)
        let mean = max(1, lengths.reduce(0, +) / Double(max(1, lengths.count)))
        for (passage, count) in counts.enumerated() {
            let norm = PassageIndex.k1 * (1 - PassageIndex.b + PassageIndex.b * lengths[passage] / mean)
            for (term, frequency) in count {
                postings[term].append(Posting(passage: passage, weight: frequency * (PassageIndex.k1 + 1) / (frequency + norm)))
            }
        }
        self.postings = postings
        let total = Double(passages.count)
        rarity = postings.map { log(1 + (total - Double($0.count) + 0.5) / (Double($0.count) + 0.5)) }
        rarityOfUnknown = log(1 + (total + 0.5) / 0.5)
    }

    /// A question's terms as the index knows them.
    struct Query {
        /// Known terms with their rarity; distinct, in order.
        var terms: [(term: Int, rarity: Double)] = []
        /// The rarities of all terms, of those that no document has too.
        var weight = 0.0
        /// How many terms no document has.
        var unknown = 0
        /// Not just numbers, which stand in many places for many things.
        var hasWord = false
    }

    /// - Parameter limit: distinct terms that are looked at.
    func query(_ question: String, limit: Int = 48) -> Query {
        var query = Query()
        var seen: Set<String> = []
        var corrections = 0
        for term in Words.terms(question, limit: 1000) where seen.insert(term).inserted {
            guard seen.count <= limit else { break }
            var known = vocabulary[term]
            if known == nil, corrections < 4 {
                corrections += 1
                known = nearTerm(to: term)
            }
            guard let known else {
                query.weight += rarityOfUnknown
                query.unknown += 1
                continue
            }
            guard !query.terms.contains(where: { $0.term == known }) else { continue }
            query.terms.append((known, rarity[known]))
            query.weight += rarity[known]
            if !term.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { query.hasWord = true }
        }
        return query
    }

    /// Passages that have any of the terms, best first; equal ones in the documents' order.
    func search(_ query: Query, limit: Int) -> [(passage: Int, score: Double)] {
        guard limit > 0 else { return [] }
        var scores: [Int: Double] = [:]
        for (term, rarity) in query.terms {
            for posting in postings[term] { scores[posting.passage, default: 0] += rarity * posting.weight }
        }
        return Array(
            scores.map { (passage: $0.key, score: $0.value) }.sorted { ($1.score, $0.passage) < ($0.score, $1.passage) }.prefix(limit))
    }

    /// How much of a question's weight a passage has, headings included: 0 to 1.
    func coverage(of query: Query, by passage: Int) -> (share: Double, terms: Int) {
        var found = 0.0
        var terms = 0
        for (term, rarity) in query.terms where postings[term].contains(where: { $0.passage == passage }) {
            found += rarity
            terms += 1
        }
        return (query.weight > 0 ? found / query.weight : 0, terms)
    }

    /// The document that is asked for by its title: every term is in it, and of several documents the one with the shortest title.
    func document(titled query: Query) -> Int? {
        guard !query.terms.isEmpty, query.unknown == 0 else { return nil }
        return titleTerms.indices.filter { index in query.terms.allSatisfy { titleTerms[index].contains($0.term) } }
            .min { (titleTerms[$0].count, $0) < (titleTerms[$1].count, $1) }
    }

    // MARK: Words

    private static func number(of term: String, in vocabulary: inout [String: Int]) -> Int {
        if let known = vocabulary[term] { return known }
        let next = vocabulary.count
        vocabulary[term] = next
        return next
    }

    /// The known word that one typing error away leads to; of several the first in the alphabet.
    private func nearTerm(to term: String) -> Int? {
        let wrong = Array(term.utf8)
        guard (5...24).contains(wrong.count), vocabulary.count <= 20_000 else { return nil }
        var best: String?
        for candidate in vocabulary.keys {
            guard abs(candidate.utf8.count - wrong.count) <= 1, candidate.utf8.first == wrong[0], best.map({ candidate < $0 }) ?? true,
                PassageIndex.isOneEditAway(wrong, Array(candidate.utf8))
            else { continue }
            best = candidate
        }
        return best.flatMap { vocabulary[$0] }
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

    /// `leave-policy.md` is "leave policy".
    private static func title(from name: String) -> String {
        let file = name.split(separator: "/").last.map(String.init) ?? name
        let stem = file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file
        return String(stem.map { $0 == "-" || $0 == "_" ? " " : $0 })
    }
}
