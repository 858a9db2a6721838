import SallyportCore

/// Answers questions with sentences of documents, word for word, and says which document they are from. Deterministic; needs no network
/// and no model. Blocks for microseconds once it is made.
package struct ExtractiveAnswerer: Sendable {
    /// What is said when the documents do not answer.
    package static let refusal = "I could not find this in the documents."

    private let indices: [UpstreamID: PassageIndex]

    // How much of the question a passage must have, by the weight of its words. Chosen on the sample questions of the tests: the
    // answerable ones have 0.5 and more, those about other things less.
    private static let neededShare = 0.5
    /// Of a long text, enough words in one passage count for a question too.
    private static let neededTerms = 5
    private static let neededShareOfMany = 0.3
    private static let questionBytes = 8192
    private static let mostSentences = 4

    /// Reads the folders.
    /// - Throws: ``DocumentFolder/Problem``.
    package init(folders: [UpstreamID: String]) throws {
        self.init(documents: try folders.mapValues { try DocumentFolder(path: $0).documents })
    }

    package init(documents: [UpstreamID: [SourceDocument]]) { indices = documents.mapValues(PassageIndex.init) }

    /// - Returns: one to five sentences, to be joined by spaces: what was found and, last, `Source: leave-policy.md`; or one sentence that
    ///   says that nothing was.
    /// - Throws: a ``Fault`` when the upstream has no documents.
    package func answer(to question: String, upstream: UpstreamID) throws -> [String] {
        guard let index = indices[upstream], !index.passages.isEmpty else {
            throw Fault(.upstreamUnavailable, "The embedded upstream has no documents.")
        }
        let question = ExtractiveAnswerer.bounded(question)
        let words = Words.folded(question, limit: 1000)
        if words.isEmpty { return ["Please ask a question about the documents.", ExtractiveAnswerer.offer(index)] }
        if words.count <= 5, words.allSatisfy(ExtractiveAnswerer.greetings.contains) {
            return words.contains { $0.hasPrefix("thank") } ? ["You are welcome."] : ["Hello.", ExtractiveAnswerer.offer(index)]
        }
        let query = index.query(question)
        // Only words that ask: "What can you do?"
        if query.terms.isEmpty && query.unknown == 0 { return [ExtractiveAnswerer.offer(index)] }
        if let document = index.document(titled: query) { return ExtractiveAnswerer.overview(of: document, in: index) }
        guard let best = best(of: query, in: index) else { return [ExtractiveAnswerer.refusal] }
        let passage = index.passages[best]
        var sentences = ExtractiveAnswerer.select(from: passage, query)
        sentences.append("Source: \(index.names[passage.document])")
        return sentences
    }

    /// The highest-ranked passage that has enough of the question.
    private func best(of query: PassageIndex.Query, in index: PassageIndex) -> Int? {
        guard query.hasWord else { return nil }
        for (passage, _) in index.search(query, limit: 3) {
            let (share, terms) = index.coverage(of: query, by: passage)
            if share >= ExtractiveAnswerer.neededShare
                || terms >= ExtractiveAnswerer.neededTerms && share >= ExtractiveAnswerer.neededShareOfMany
            {
                return passage
            }
        }
        return nil
    }

    /// The sentences that have most of the question, in their own order. Where only the heading matched, the passage's beginning.
    private static func select(from passage: PassageIndex.Passage, _ query: PassageIndex.Query) -> [String] {
        let scores = passage.terms.map { terms in
            query.terms.reduce(0.0) { $0 + (terms.contains($1.term) ? $1.rarity : 0) }
        }
        let top = scores.max() ?? 0
        guard top > 0 else { return Array(passage.sentences.prefix(mostSentences)) }
        // Those that come near the best one; a sentence that merely repeats a word of the heading is left out.
        let ranked = scores.indices.filter { scores[$0] >= top * 0.5 }.sorted { (scores[$1], $0) < (scores[$0], $1) }
        return ranked.prefix(mostSentences).sorted().map { passage.sentences[$0] }
    }

    /// How each of a document's first parts begins.
    private static func overview(of document: Int, in index: PassageIndex) -> [String] {
        index.passages.lazy.filter { $0.document == document }.prefix(mostSentences).compactMap(\.sentences.first) + [
            "Source: \(index.names[document])"
        ]
    }

    private static func offer(_ index: PassageIndex) -> String {
        let titles = index.titles.prefix(5).joined(separator: "; ")
        return "I can answer from these documents: \(titles)\(index.titles.count > 5 ? "; and others" : "")."
    }

    /// The end of a long text: the question usually follows what it is about.
    private static func bounded(_ question: String) -> String {
        guard question.utf8.count > questionBytes else { return question }
        return String(decoding: question.utf8.suffix(questionBytes).drop { $0 & 0xC0 == 0x80 }, as: UTF8.self)
    }

    private static let greetings: Set<String> = [
        "hi", "hello", "hey", "hallo", "good", "morning", "afternoon", "evening", "day", "there", "thanks", "thank", "you", "very", "much",
        "everyone", "howdy",
        "greetings",
    ]
}
