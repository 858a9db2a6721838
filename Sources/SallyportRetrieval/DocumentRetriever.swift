import NIOCore
import SallyportCore

/// Finds, ranks anew and cuts down: the whole way from questions to the chunks that an answer may rest on. Blocks.
package struct DocumentRetriever: Sendable {
    let store: any DocumentStore
    let search: DocumentSearch
    private let embedder: (any TextEmbedder)?
    /// Hits that are read and ranked anew.
    private static let reranked = 30

    package init(store: any DocumentStore, search: DocumentSearch, embedder: (any TextEmbedder)?) {
        self.store = store
        self.search = search
        self.embedder = embedder
    }

    package var hasVectors: Bool { embedder != nil }

    func vector(of text: String) throws -> [Float]? {
        guard let embedder else { return nil }
        return try BlockingEmbedder.vectors(of: [ByteBuffer(string: text)], by: embedder).first
    }

    /// - Throws: what the store throws; a ``TextReadingFault`` of the embedder.
    package func retrieve(
        _ queries: [DocumentQuery], in index: IndexID, for reader: DocumentReader, _ options: RetrievalOptions
    ) throws -> Retrieval {
        var retrieval = Retrieval()
        var found: [ChunkID: RetrievedChunk] = [:]
        var failure: (any Error)?
        for query in queries {
            do {
                let (resolved, chunks) = try ranked(query, in: index, for: reader, options)
                retrieval.queries.append(resolved)
                for chunk in chunks {
                    guard var known = found[chunk.id] else {
                        found[chunk.id] = chunk
                        continue
                    }
                    let names = known.queries + chunk.queries.filter { !known.queries.contains($0) }
                    if chunk.rank > known.rank { known = chunk }
                    known.queries = names
                    found[chunk.id] = known
                }
            } catch {
                guard options.allowsPartialResult else { throw error }
                failure = error
                retrieval.failedQueries += 1
            }
        }
        if let failure, retrieval.failedQueries == queries.count { throw failure }
        let ordered = found.values.sorted {
            $0.rank != $1.rank
                ? $0.rank > $1.rank
                : $0.id.document != $1.id.document ? $0.id.document < $1.id.document : $0.id.position < $1.id.position
        }
        for var chunk in ordered {
            if chunk.relevance < options.neededRelevance {
                chunk.filterReason = .score
            } else if retrieval.kept.count >= options.top {
                chunk.filterReason = .rerank
            }
            if chunk.filterReason == nil { retrieval.kept.append(chunk) } else { retrieval.dropped.append(chunk) }
        }
        return retrieval
    }

    /// What is there of these; what is damaged is not searched any more.
    func chunks(_ ids: [ChunkID], in index: IndexID, of reader: DocumentReader) throws -> [(id: ChunkID, chunk: ChunkRecord)] {
        let found = try store.chunks(ids, in: index, of: reader.tenant)
        if found.count < ids.count {
            try search.recheck(Set(ids.map(\.document)).subtracting(found.map(\.id.document)), in: index, for: reader)
        }
        return found
    }

    /// One query's hits, best first.
    func ranked(
        _ query: DocumentQuery, in index: IndexID, for reader: DocumentReader, _ options: RetrievalOptions
    ) throws -> (DocumentQuery, [RetrievedChunk]) {
        let vector = options.kind == .words ? nil : try vector(of: query.text)
        let result = search.search(
            query, in: index, for: reader, limit: max(Self.reranked, options.top), vector: vector,
            kind: vector == nil ? .words : options.kind,
            filter: options.filter)
        let best = max(result.hits.first?.score ?? 0, .leastNormalMagnitude)
        let hits = Dictionary(result.hits.map { ($0.id, $0) }) { first, _ in first }
        // With vectors the search's own order stands; so does what was asked for by one of the two alone, as Azure's `simple` and `vector` do.
        // Words alone, where there is no model, are helped by how near they stand to each other.
        let ranksAnew = options.kind == .both && vector == nil
        let ranker = Reranker(result.query, isLearned: vector != nil)
        var ranked: [RetrievedChunk] = []
        for (id, chunk) in try chunks(result.hits.map(\.id), in: index, of: reader) {
            guard let hit = hits[id], let entry = search.entry(of: id.document, in: index, for: reader) else { continue }
            let nearness = ranker.nearness(in: chunk)
            let relevance = ranker.relevance(of: hit, nearness: nearness)
            ranked.append(
                RetrievedChunk(
                    id: id, entry: entry, chunk: chunk, queries: [query.text], searchScore: hit.score, words: hit.words,
                    relevance: relevance, rank: ranksAnew ? hit.score / best + Reranker.weight * relevance : hit.score / best,
                    coverage: hit.coverage, terms: hit.terms, likeness: hit.likeness, nearness: nearness))
        }
        ranked.sort {
            $0.rank != $1.rank
                ? $0.rank > $1.rank
                : $0.id.document != $1.id.document ? $0.id.document < $1.id.document : $0.id.position < $1.id.position
        }
        return (result.query, ranked)
    }
}

/// Looks closer at what a search found: how much of the question is there, how near its words stand to each other, how alike the meaning is.
struct Reranker {
    /// What relevance counts beside the search's own order.
    static let weight = 0.5
    private let query: DocumentQuery
    private let isLearned: Bool
    private let pairs: [(String, String)]

    init(_ query: DocumentQuery, isLearned: Bool) {
        self.query = query
        self.isLearned = isLearned
        let own = query.terms.filter { $0.weight >= 1 && $0.frequency > 0 }.map(\.text)
        pairs = Array(zip(own, own.dropFirst()))
    }

    /// 0...1.
    func relevance(of hit: DocumentSearch.Hit, nearness near: Double) -> Double {
        guard isLearned else { return 0.8 * hit.coverage + 0.2 * near }
        let likeness = min(1, max(0, (hit.likeness - 0.1) / 0.6))
        return 0.45 * hit.coverage + 0.4 * likeness + 0.15 * near
    }

    /// The share of the question's neighbouring words that stand within four words of each other; of a question of one word, whether it is there.
    func nearness(in chunk: ChunkRecord) -> Double {
        guard !pairs.isEmpty else { return hitsAll(chunk) ? 1 : 0 }
        var places: [String: [Int]] = [:]
        let wanted = Set(pairs.flatMap { [$0.0, $0.1] })
        for (place, term) in SearchTerms.of((chunk.headings + [chunk.text]).joined(separator: "\n")).enumerated()
        where wanted.contains(term) {
            places[term, default: []].append(place)
        }
        let close = pairs.count { pair in
            guard let first = places[pair.0], let second = places[pair.1] else { return false }
            return first.contains { place in second.contains { abs($0 - place) <= 4 && $0 != place } }
        }
        return Double(close) / Double(pairs.count)
    }

    private func hitsAll(_ chunk: ChunkRecord) -> Bool {
        let present = Set(SearchTerms.of((chunk.headings + [chunk.text]).joined(separator: "\n")))
        return !query.terms.isEmpty && query.terms.allSatisfy { present.contains($0.text) }
    }
}
