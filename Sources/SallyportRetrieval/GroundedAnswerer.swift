import NIOCore
import SallyportCore

/// What was found in documents to a question, word for word, with where it stands.
package struct GroundedAnswer: Sendable, Hashable {
    package struct Citation: Sendable, Hashable {
        package let chunk: ChunkID
        /// The chunk's text.
        package let content: String
        package let title: String
        package let source: String
        /// Where the quoted sentences stand: UTF-8 bytes of the document's extracted text, and their pages.
        package let spans: [Range<Int>]
        package let pages: [Int]
        package let label: SensitivityLabel
    }
    /// To be joined by spaces. `[doc1]` names the first citation.
    package var sentences: [String]
    package var citations: [Citation] = []
    /// What was searched for, one for each part of the question.
    package var intents: [String] = []
    /// False: the documents do not say.
    package var isFound = false
    /// How sure it is that the answer is there: the share of the question's weight that the best chunk has. 0...1.
    package var confidence = 0.0

    /// The highest label of what is quoted.
    package var label: SensitivityLabel? { citations.map(\.label).max() }
}

/// Answers questions with sentences of the documents that the asker may read. Deterministic; needs no network and no model. Blocks.
package struct GroundedAnswerer: Sendable {
    /// Azure's sentence for a question that the documents do not answer.
    package static let refusal = "The requested information is not found in the retrieved data. Please try another query or topic."

    package struct Configuration: Sendable {
        /// How much of the question a chunk must have, by the weight of its words.
        package var neededShare = 0.5
        /// Of a long question, this many words in one chunk count too, with a smaller share.
        package var neededTerms = 5
        package var neededShareOfMany = 0.3
        package var sentences = 3
        package init() {}
    }

    private let store: any DocumentStore
    private let search: DocumentSearch
    private let embedder: (any TextEmbedder)?
    private let configuration: Configuration

    package init(
        store: any DocumentStore, search: DocumentSearch, embedder: (any TextEmbedder)? = nil,
        configuration: Configuration = Configuration()
    ) {
        self.store = store
        self.search = search
        self.embedder = embedder
        self.configuration = configuration
    }

    /// - Parameter turns: what the user said, the latest last.
    /// - Throws: what the store throws; a ``TextReadingFault`` of the embedder.
    package func answer(to turns: [String], in index: IndexID, for reader: DocumentReader) throws -> GroundedAnswer {
        let question = turns.last ?? ""
        let words = Words.folded(question.suffix(8192), limit: 1000)
        if words.isEmpty { return plain(["Please ask a question about the documents.", offer(index, reader)]) }
        if words.count <= 5, words.allSatisfy(Self.greetings.contains) {
            return plain(words.contains { $0.hasPrefix("thank") } ? ["You are welcome."] : ["Hello.", offer(index, reader)])
        }
        let whole = DocumentQuery(turns: turns)
        // Only words that ask: "What can you do?"
        if whole.terms.isEmpty { return plain([offer(index, reader)]) }
        if turns.count == 1 || whole.terms.allSatisfy({ $0.weight >= 1 }),
            let overview = try overview(of: whole, in: index, for: reader)
        {
            return overview
        }
        let parts = Self.parts(of: question)
        guard parts.count > 1 else { return try answer(whole, in: index, for: reader) }
        var answers: [GroundedAnswer] = []
        for part in parts { answers.append(try answer(DocumentQuery(part), in: index, for: reader)) }
        // A question that only looks like several may be answered as one.
        guard answers.contains(where: \.isFound) else { return try answer(whole, in: index, for: reader) }
        return joined(answers)
    }

    private func plain(_ sentences: [String]) -> GroundedAnswer { GroundedAnswer(sentences: sentences) }

    private func answer(_ query: DocumentQuery, in index: IndexID, for reader: DocumentReader) throws -> GroundedAnswer {
        var vector: [Float]?
        if let embedder { vector = try BlockingEmbedder.vectors(of: [ByteBuffer(string: query.text)], by: embedder).first }
        let result = search.search(query, in: index, for: reader, limit: 5, vector: vector)
        var none = GroundedAnswer(sentences: [Self.refusal], intents: [query.text])
        none.confidence = result.hits.first?.coverage ?? 0
        guard result.query.hasWord else { return none }
        for hit in result.hits.prefix(3) {
            let isEnough =
                hit.coverage >= configuration.neededShare
                || hit.terms >= configuration.neededTerms && hit.coverage >= configuration.neededShareOfMany
            guard isEnough, let found = try store.chunks([hit.id], in: index, of: reader.tenant).first,
                let entry = search.entry(of: hit.id.document, in: index, for: reader)
            else { continue }
            let quoted = select(from: found.chunk, result.query)
            var answer = GroundedAnswer(sentences: quoted.map(\.text), intents: [query.text], isFound: true, confidence: hit.coverage)
            answer.sentences[answer.sentences.count - 1] += " [doc1]"
            answer.citations = [citation(found.id, found.chunk, entry, quoted.map(\.range))]
            return answer
        }
        return none
    }

    private func citation(_ id: ChunkID, _ chunk: ChunkRecord, _ entry: DocumentEntry, _ ranges: [Range<Int>]) -> GroundedAnswer.Citation {
        let spans = ranges.map { $0.lowerBound + chunk.range.lowerBound..<$0.upperBound + chunk.range.lowerBound }
        var pages: [Int] = []
        for span in spans { if let page = chunk.page(at: span.lowerBound), !pages.contains(page) { pages.append(page) } }
        return GroundedAnswer.Citation(
            chunk: id, content: chunk.text, title: entry.title, source: entry.source, spans: spans, pages: pages, label: entry.label)
    }

    /// The sentences that have most of the question, in their own order. Where only the heading matched, the chunk's beginning.
    private func select(from chunk: ChunkRecord, _ query: DocumentQuery) -> [(text: String, range: Range<Int>)] {
        let bytes = Array(chunk.text.utf8)
        let all = SentenceSplitter.ranges(of: chunk.text).map { (text: String(decoding: bytes[$0], as: UTF8.self), range: $0) }
        let scores = all.map { sentence -> Double in
            let terms = Set(SearchTerms.of(sentence.text))
            return query.terms.reduce(0) { $0 + (terms.contains($1.text) ? $1.rarity * $1.weight : 0) }
        }
        let top = scores.max() ?? 0
        guard top > 0 else { return Array(all.prefix(configuration.sentences)) }
        let ranked = scores.indices.filter { scores[$0] >= top * 0.5 }.sorted { (scores[$1], $0) < (scores[$0], $1) }
        return ranked.prefix(configuration.sentences).sorted().map { all[$0] }
    }

    /// How each of a document's first parts begins, for a question that is a document's title.
    private func overview(of query: DocumentQuery, in index: IndexID, for reader: DocumentReader) throws -> GroundedAnswer? {
        let wanted = Set(query.terms.map(\.text))
        let titled = search.entries(in: index, for: reader).filter { !$0.terms.isEmpty && wanted.isSubset(of: $0.terms) }
        guard let entry = titled.min(by: { ($0.terms.count, $0.source) < ($1.terms.count, $1.source) }) else { return nil }
        var answer = GroundedAnswer(sentences: [], intents: [query.text], isFound: true, confidence: 1)
        for chunk in try store.chunks(of: entry.id, in: index, of: reader.tenant, searchableOnly: true).prefix(4) {
            guard let first = SentenceSplitter.ranges(of: chunk.text).first else { continue }
            answer.citations.append(citation(ChunkID(entry.id, chunk.position), chunk, entry, [first]))
            answer.sentences.append(
                String(decoding: Array(chunk.text.utf8)[first], as: UTF8.self) + " [doc\(answer.citations.count)]")
        }
        return answer.citations.isEmpty ? nil : answer
    }

    private func joined(_ answers: [GroundedAnswer]) -> GroundedAnswer {
        var whole = GroundedAnswer(sentences: [], intents: answers.flatMap(\.intents), isFound: true)
        whole.confidence = answers.filter(\.isFound).map(\.confidence).min() ?? 0
        for answer in answers where answer.isFound {
            var numbers: [Int] = []
            for citation in answer.citations {
                if let known = whole.citations.firstIndex(where: { $0.chunk == citation.chunk && $0.spans == citation.spans }) {
                    numbers.append(known + 1)
                } else {
                    whole.citations.append(citation)
                    numbers.append(whole.citations.count)
                }
            }
            for sentence in answer.sentences {
                var sentence = sentence
                if sentence.hasSuffix(" [doc1]"), let number = numbers.first { sentence = sentence.dropLast(7) + " [doc\(number)]" }
                if !whole.sentences.contains(sentence) { whole.sentences.append(sentence) }
            }
        }
        if answers.contains(where: { !$0.isFound }) {
            whole.sentences.append("The rest of the question is not answered in the retrieved data.")
        }
        return whole
    }

    /// "How long is A, and when is B?" asks twice.
    static func parts(of question: String) -> [String] {
        let asking: Set<String> = [
            "how", "what", "when", "where", "who", "which", "why", "can", "may", "must", "do", "does", "is", "are", "will",
        ]
        var parts: [String] = []
        var current: [Substring] = []
        func end() {
            let text = current.joined(separator: " ")
            current = []
            if !SearchTerms.of(text, limit: 200).isEmpty { parts.append(text) }
        }
        let words = question.suffix(2000).split(whereSeparator: \.isWhitespace)
        for (position, word) in words.enumerated() {
            let next = position + 1 < words.count ? words[position + 1].lowercased().filter(\.isLetter) : ""
            if word.lowercased() == "and", asking.contains(next), current.count >= 3 {
                end()
                continue
            }
            current.append(word)
            if word.last == "?" || word.last == ";" { end() }
        }
        end()
        // "Who is the officer and how is he reached?" is one question.
        let leans = parts.dropFirst().contains { part in
            Words.folded(part, limit: 200).contains {
                ["he", "she", "it", "they", "them", "him", "her", "this", "that", "its", "their"].contains($0)
            }
        }
        return parts.count <= 4 && !leans ? parts : [question]
    }

    private func offer(_ index: IndexID, _ reader: DocumentReader) -> String {
        var titles: [String] = []
        for entry in search.entries(in: index, for: reader) where !titles.contains(entry.title) { titles.append(entry.title) }
        guard !titles.isEmpty else { return "There are no documents here that you may read." }
        return "I can answer from these documents: \(titles.prefix(5).joined(separator: "; "))\(titles.count > 5 ? "; and others" : "")."
    }

    private static let greetings: Set<String> = [
        "hi", "hello", "hey", "hallo", "good", "morning", "afternoon", "evening", "day", "there", "thanks", "thank", "you", "very", "much",
        "everyone", "howdy", "greetings",
    ]
}
