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
    /// The few words of a quoted sentence that answer the question by themselves. They come before the part's first sentence.
    package struct Short: Sendable, Hashable {
        package let text: String
        /// Which of ``sentences`` they are said before.
        package var sentence: Int
        /// UTF-8 bytes of the document's extracted text.
        package let span: Range<Int>
    }

    /// Quoted word for word. `[doc1]` names the first citation.
    package var sentences: [String]
    /// At most one for each part of the question.
    package var shorts: [Short] = []
    package var citations: [Citation] = []
    /// What was searched for, one for each part of the question.
    package var intents: [String] = []
    /// False: the documents do not say.
    package var isFound = false
    /// How sure it is that the answer is there: the share of the question's weight that the best chunk has. 0...1.
    package var confidence = 0.0
    /// All that was found for the question (for several, for each), best first.
    package var retrieved: [RetrievedChunk] = []

    /// What is said, to be joined by spaces: the short answer, where there is one, before the sentences that it stands in.
    package var said: [String] {
        var said = sentences
        for short in shorts where said.indices.contains(short.sentence) { said[short.sentence] = "\(short.text) — \(said[short.sentence])" }
        return said
    }

    /// That the documents do not say.
    package static func refusal(_ intents: [String]) -> GroundedAnswer {
        GroundedAnswer(sentences: [GroundedAnswerer.refusal], intents: intents)
    }

    /// The highest label of what is quoted.
    package var label: SensitivityLabel? { citations.map(\.label).max() }
}

/// Answers questions with sentences of the documents that the asker may read. Deterministic; needs no network and no model. Blocks.
package struct GroundedAnswerer: Sendable {
    /// Azure's sentence for a question that the documents do not answer.
    package static let refusal = "The requested information is not found in the retrieved data. Please try another query or topic."

    package struct Configuration: Sendable {
        /// Where a model can tell: how sure it must be that a chunk holds the answer (``Answerability``). Chosen on half of the questions of the
        /// retrieval benchmark: nine in ten that have an answer get one.
        package var neededConfidence = 0.5
        /// The same, where the model also says how near words come to each other (``WordCloseness``).
        package var neededConfidenceByWords = 0.55
        /// Without a model, or for languages that it hardly knows: how much of the question a chunk must have, by the weight of its words.
        package var neededShare = 0.5
        /// Of a long question, this many words in one chunk count too, with a smaller share.
        package var neededTerms = 5
        package var neededShareOfMany = 0.3
        /// How alike in meaning the best sentence must be, where a model can tell.
        package var neededLikeness = 0.3
        package var sentences = 3
        /// What a sentence of another document must bring of the question that the first did not have.
        package var neededGain = 0.2
        /// How sure a short answer must be to be given.
        package var neededSureness = 0.05
        /// A short answer that is more than this of its sentence says nothing that the sentence does not.
        package var largestShort = 0.6
        package init() {}
    }

    private let store: any DocumentStore
    private let search: DocumentSearch
    private let retriever: DocumentRetriever
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
        retriever = DocumentRetriever(store: store, search: search, embedder: embedder)
    }

    /// - Parameters:
    ///   - turns: what the user said, the latest last.
    ///   - options: nil: the answerer's own bounds decide what is enough.
    /// - Throws: what the store throws; a ``TextReadingFault`` of the embedder.
    package func answer(
        to turns: [String], in index: IndexID, for reader: DocumentReader, options: RetrievalOptions? = nil
    ) throws -> GroundedAnswer {
        let question = turns.last ?? ""
        let words = Words.folded(question.suffix(8192), limit: 1000)
        if words.isEmpty { return plain(["Please ask a question about the documents.", offer(index, reader)]) }
        if words.count <= 5, words.allSatisfy(Self.greetings.contains) {
            return plain(words.contains { $0.hasPrefix("thank") } ? ["You are welcome."] : ["Hello.", offer(index, reader)])
        }
        let whole = DocumentQuery(turns: turns)
        // Only words that ask: "What can you do?"
        if whole.terms.isEmpty { return plain([offer(index, reader)]) }
        if options?.filter == nil, turns.count == 1 || whole.terms.allSatisfy({ $0.weight >= 1 }),
            let overview = try overview(of: whole, in: index, for: reader)
        {
            return overview
        }
        let parts = Array(Self.parts(of: question).prefix(max(1, options?.mostQueries ?? 4)))
        guard parts.count > 1 else { return try answer(whole, question, in: index, for: reader, options) }
        var answers: [GroundedAnswer] = []
        for part in parts { answers.append(try answer(DocumentQuery(part), part, in: index, for: reader, options)) }
        // A question that only looks like several may be answered as one.
        guard answers.contains(where: \.isFound) else { return try answer(whole, question, in: index, for: reader, options) }
        return joined(answers)
    }

    private func plain(_ sentences: [String]) -> GroundedAnswer { GroundedAnswer(sentences: sentences) }

    /// What was chosen of a chunk.
    private struct Quote {
        let found: RetrievedChunk
        var sentences: [Sentence]
    }

    private struct Sentence {
        let text: String
        let range: Range<Int>
        let terms: Set<String>
        /// Of the question's weight.
        let share: Double
        let likeness: Double
        let hasKind: Bool
        /// What sentences of a chunk are chosen by.
        var score: Double { share + 0.5 * max(0, likeness) + (hasKind ? 0.2 : 0) }
    }

    private func answer(
        _ query: DocumentQuery, _ question: String, in index: IndexID, for reader: DocumentReader, _ options: RetrievalOptions?
    ) throws -> GroundedAnswer {
        let (resolved, ranked) = try retriever.ranked(query, in: index, for: reader, options ?? RetrievalOptions())
        let needed = options?.neededRelevance ?? 0
        let found = ranked.filter { $0.relevance >= needed }.prefix(options?.top ?? 5)
        var none = GroundedAnswer(sentences: [Self.refusal], intents: [query.text])
        none.retrieved = Array(ranked)
        let isLearned = embedder != nil && ranked.first?.entry.isFamiliar ?? false
        if !isLearned { none.confidence = min(0.99, confidence(of: ranked.first, nil)) }
        guard resolved.hasWord else { return none }
        let wanted = AnswerKind(question)
        for candidate in found.prefix(isLearned ? 2 : 3) {
            let isEnough =
                isLearned || candidate.coverage >= configuration.neededShare
                || candidate.terms >= configuration.neededTerms && candidate.coverage >= configuration.neededShareOfMany
            guard isEnough else { continue }
            let sentences = try sentences(of: candidate, resolved, wanted)
            let closeness = isLearned ? try closeness(of: candidate, sentences, resolved) : nil
            let sureness =
                isLearned
                ? Answerability.confidence(
                    coverage: candidate.coverage, likeness: candidate.likeness, sentences: sentences.map { ($0.share, $0.likeness) },
                    closeness: closeness) : nil
            none.confidence = max(none.confidence, sureness ?? 0)
            if let sureness, sureness < (closeness == nil ? configuration.neededConfidence : configuration.neededConfidenceByWords) {
                continue
            }
            guard !wanted.isKnown || sentences.contains(where: \.hasKind) else { continue }
            let quoted = chosen(sentences, wanted)
            guard let best = quoted.max(by: { $0.score < $1.score }) else { continue }
            if embedder != nil, !isLearned, best.likeness < configuration.neededLikeness, best.share < 0.8 { continue }
            var quotes = [Quote(found: candidate, sentences: quoted)]
            for other in found where other.id != candidate.id && quotes.count < 3 {
                if let more = try addition(from: other, to: quotes, resolved, wanted) { quotes.append(more) }
            }
            var answer = GroundedAnswer(
                sentences: [], intents: [query.text], isFound: true, confidence: sureness ?? confidence(of: candidate, best))
            answer.retrieved = Array(ranked)
            if let short = short(to: question, resolved, quoted) {
                let start = candidate.chunk.range.lowerBound
                answer.shorts = [
                    GroundedAnswer.Short(
                        text: short.text, sentence: 0, span: short.range.lowerBound + start..<short.range.upperBound + start)
                ]
            }
            for quote in quotes {
                answer.sentences += quote.sentences.map(\.text)
                answer.citations.append(citation(quote.found.id, quote.found.chunk, quote.found.entry, quote.sentences.map(\.range)))
                answer.sentences[answer.sentences.count - 1] += " [doc\(answer.citations.count)]"
            }
            return answer
        }
        return none
    }

    /// The words of one of the quoted sentences that answer the question, where it asks for such and it is sure enough.
    /// - Returns: bytes of the chunk.
    private func short(to question: String, _ query: DocumentQuery, _ quoted: [Sentence]) -> (range: Range<Int>, text: String)? {
        let rarity = Dictionary(query.terms.map { ($0.text, $0.rarity) }) { first, _ in first }
        let spans = AnswerSpans(String(question.suffix(1000)), rarity: rarity)
        guard spans.isAnswerable else { return nil }
        let read = quoted.map { AnswerSpans.Sentence(text: $0.text, share: $0.share, likeness: $0.likeness) }
        guard let found = spans.best(in: read), found.sureness >= configuration.neededSureness else { return nil }
        let sentence = quoted[found.sentence]
        let bytes = Array(sentence.text.utf8)
        guard Double(found.range.count) <= configuration.largestShort * Double(bytes.count) else { return nil }
        let start = sentence.range.lowerBound
        return (start + found.range.lowerBound..<start + found.range.upperBound, String(decoding: bytes[found.range], as: UTF8.self))
    }

    /// How sure: how much of the question the chunk has, and how alike its best sentence is.
    private func confidence(of chunk: RetrievedChunk?, _ best: Sentence?) -> Double {
        guard let chunk else { return 0 }
        guard embedder != nil else { return chunk.coverage }
        return min(1, 0.5 * chunk.coverage + 0.5 * max(0, best?.likeness ?? chunk.likeness))
    }

    private func sentences(of found: RetrievedChunk, _ query: DocumentQuery, _ wanted: AnswerKind) throws -> [Sentence] {
        let bytes = Array(found.chunk.text.utf8)
        let ranges = SentenceSplitter.ranges(of: found.chunk.text)
        let texts = ranges.map { String(decoding: bytes[$0], as: UTF8.self) }
        var likeness = [Double](repeating: 0, count: texts.count)
        if let embedder, !texts.isEmpty {
            // A sentence leans on its heading: "It lasts four years."
            let heading = found.chunk.headings.last.map { "\($0): " } ?? ""
            let asked = texts.prefix(24).map { ByteBuffer(string: heading + $0) }
            let vectors = try BlockingEmbedder.vectors(of: [ByteBuffer(string: query.text)] + asked, by: embedder)
            for (index, vector) in vectors.dropFirst().enumerated() {
                likeness[index] = Double(zip(vectors[0], vector).reduce(0) { $0 + $1.0 * $1.1 })
            }
        }
        let weight = max(query.terms.reduce(0) { $0 + $1.rarity * $1.weight }, .leastNormalMagnitude)
        return texts.indices.map { index in
            let terms = Set(SearchTerms.of(texts[index]))
            let own = query.terms.reduce(0) { $0 + (terms.contains($1.text) ? $1.rarity * $1.weight : 0) }
            return Sentence(
                text: texts[index], range: ranges[index], terms: terms, share: own / weight, likeness: likeness[index],
                hasKind: wanted.isIn(texts[index]))
        }
    }

    /// How near the question's words come to those of the nearest sentence; nil where the model does not say.
    private func closeness(of found: RetrievedChunk, _ sentences: [Sentence], _ query: DocumentQuery) throws -> Double? {
        guard let embedder else { return nil }
        let heads = found.chunk.headings.reduce("") { $0 + $1 + "\n" }
        let texts = [ByteBuffer(string: query.text), ByteBuffer(string: heads + found.chunk.text)]
        let words = try BlockingEmbedder.words(of: texts, by: embedder)
        guard let asked = words[0], let said = words[1] else { return nil }
        let start = heads.utf8.count
        return WordCloseness(asked, of: query.text, terms: query.terms).best(
            in: said, sentences: sentences.map { $0.range.lowerBound + start..<$0.range.upperBound + start })
    }

    /// The sentences that have most of the question, in their own order. Where only the heading matched, the chunk's beginning.
    private func chosen(_ all: [Sentence], _ wanted: AnswerKind) -> [Sentence] {
        guard let top = all.map(\.score).max(), top > 0 else { return Array(all.prefix(configuration.sentences)) }
        let lexical = all.map(\.share).max() ?? 0
        if lexical == 0, embedder == nil { return Array(all.prefix(configuration.sentences)) }
        let ranked = all.indices.filter { index in
            embedder == nil
                ? all[index].share >= lexical * 0.5 && all[index].share > 0 : all[index].score >= top * 0.75
        }.sorted { (all[$1].score, $0) < (all[$0].score, $1) }
        return ranked.prefix(configuration.sentences).sorted().map { all[$0] }
    }

    /// A sentence of another document that has of the question what the ones chosen so far have not.
    private func addition(
        from other: RetrievedChunk, to quotes: [Quote], _ query: DocumentQuery, _ wanted: AnswerKind
    ) throws -> Quote? {
        guard !quotes.contains(where: { $0.found.id.document == other.id.document }) else { return nil }
        let known = quotes.reduce(into: Set<String>()) { words, quote in for sentence in quote.sentences { words.formUnion(sentence.terms) }
        }
        let weight = max(query.terms.reduce(0) { $0 + $1.rarity * $1.weight }, .leastNormalMagnitude)
        let missing = query.terms.filter { $0.frequency > 0 && !known.contains($0.text) }
        guard missing.reduce(0, { $0 + $1.rarity * $1.weight }) / weight >= configuration.neededGain else { return nil }
        let gains = try sentences(of: other, query, wanted).map { sentence in
            (sentence: sentence, gain: missing.reduce(0) { $0 + (sentence.terms.contains($1.text) ? $1.rarity * $1.weight : 0) } / weight)
        }
        guard let best = gains.max(by: { ($0.gain, $0.sentence.share) < ($1.gain, $1.sentence.share) }),
            best.gain >= configuration.neededGain, best.sentence.share >= configuration.neededShare
        else { return nil }
        return Quote(found: other, sentences: [best.sentence])
    }

    private func citation(_ id: ChunkID, _ chunk: ChunkRecord, _ entry: DocumentEntry, _ ranges: [Range<Int>]) -> GroundedAnswer.Citation {
        let spans = ranges.map { $0.lowerBound + chunk.range.lowerBound..<$0.upperBound + chunk.range.lowerBound }
        var pages: [Int] = []
        for span in spans { if let page = chunk.page(at: span.lowerBound), !pages.contains(page) { pages.append(page) } }
        return GroundedAnswer.Citation(
            chunk: id, content: chunk.text, title: entry.title, source: entry.source, spans: spans, pages: pages, label: entry.label)
    }

    /// How each of a document's first parts begins, for a question that is a document's title.
    private func overview(of query: DocumentQuery, in index: IndexID, for reader: DocumentReader) throws -> GroundedAnswer? {
        let wanted = Set(query.terms.map(\.text))
        guard let entry = search.titled(wanted, in: index, for: reader) else { return nil }
        var answer = GroundedAnswer(sentences: [], intents: [query.text], isFound: true, confidence: 1)
        let chunks: [ChunkRecord]
        do { chunks = try store.chunks(of: entry.id, in: index, of: reader.tenant, searchableOnly: true) } catch is DamagedDocument {
            try search.recheck([entry.id], in: index, for: reader)
            return nil
        }
        for chunk in chunks.prefix(4) {
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
        for found in answers.flatMap(\.retrieved) where !whole.retrieved.contains(where: { $0.id == found.id }) {
            whole.retrieved.append(found)
        }
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
            for (place, sentence) in answer.sentences.enumerated() {
                var sentence = sentence
                for (old, new) in numbers.enumerated() where sentence.hasSuffix(" [doc\(old + 1)]") {
                    sentence = sentence.dropLast(" [doc\(old + 1)]".count) + " [doc\(new)]"
                    break
                }
                guard !whole.sentences.contains(sentence) else { continue }
                if var short = answer.shorts.first(where: { $0.sentence == place }) {
                    short.sentence = whole.sentences.count
                    whole.shorts.append(short)
                }
                whole.sentences.append(sentence)
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
