import Foundation
import NIOConcurrencyHelpers
import SallyportCore

/// Finds chunks for a reader, from memory.
///
/// Documents with the same access list are kept together, and a search looks into the groups that its reader may read, and nowhere else:
/// no statistic, score or amount of work depends on any other document.
package final class DocumentSearch: Sendable {
    package struct Hit: Sendable, Hashable {
        package let id: ChunkID
        package let score: Double
        /// How much of the question's weight the chunk has, headings included: 0...1.
        package let coverage: Double
        /// How many of the question's terms it has.
        package let terms: Int
    }
    package struct Result: Sendable {
        /// Best first.
        package let hits: [Hit]
        /// Chunks with any of the terms, all readable.
        package let matched: Int
        /// Chunks that the reader may read.
        package let readable: Int
        package let query: DocumentQuery
    }

    private struct Place: Hashable {
        let tenant: TenantID
        let index: IndexID
    }

    private struct State: Sendable {
        var revision: Int64 = -1
        var groups: [Place: [AccessList: ChunkGroup]] = [:]
        /// Which groups name a grantee.
        var readable: [Place: [Grantee: Set<AccessList>]] = [:]
        var whereabouts: [Place: [DocumentID: AccessList]] = [:]

        mutating func remove(_ id: DocumentID, _ place: Place) {
            guard let access = whereabouts[place]?.removeValue(forKey: id), var group = groups[place]?.removeValue(forKey: access) else {
                return
            }
            group.remove(id)
            if group.isEmpty {
                for grantee in access.grantees { readable[place]?[grantee]?.remove(access) }
            } else {
                groups[place]?[access] = group
            }
        }

        mutating func add(_ document: DocumentRecord, _ chunks: [ChunkRecord]) {
            let place = Place(tenant: document.tenant, index: document.index)
            remove(document.id, place)
            // Taken out while it changes: a second reference would copy it.
            var group = groups[place, default: [:]].removeValue(forKey: document.access) ?? ChunkGroup()
            group.add(document, chunks)
            groups[place, default: [:]][document.access] = group
            whereabouts[place, default: [:]][document.id] = document.access
            for grantee in document.access.grantees { readable[place, default: [:]][grantee, default: []].insert(document.access) }
        }
    }

    private let store: any DocumentStore
    private let state = NIOLockedValueBox(State())
    private let refreshing = NIOLock()

    package init(_ store: any DocumentStore) { self.store = store }

    /// Takes in what changed in the store. Blocks.
    /// - Returns: whether anything did.
    @discardableResult
    package func refresh() throws -> Bool {
        try refreshing.withLock {
            let known = state.withLockedValue { $0.revision }
            guard try store.revision() != known else { return false }
            let changes = try store.changes(since: known)
            // What is no longer to be found goes first: a failure further on must not keep it.
            state.withLockedValue { state in
                for gone in changes.removed { state.remove(gone.id, Place(tenant: gone.tenant, index: gone.index)) }
                for document in changes.changed { state.remove(document.id, Place(tenant: document.tenant, index: document.index)) }
            }
            for document in changes.changed {
                let chunks = try store.chunks(of: document.id, in: document.index, of: document.tenant, searchableOnly: true)
                state.withLockedValue { $0.add(document, chunks) }
            }
            state.withLockedValue { $0.revision = changes.revision }
            return true
        }
    }

    /// - Parameter vector: the question's vector; nil: words alone.
    package func search(
        _ query: DocumentQuery, in index: IndexID, for reader: DocumentReader, limit: Int, vector: [Float]? = nil
    ) -> Result {
        let groups = readable(in: index, for: reader)
        var terms = query.terms
        let total = groups.reduce(0) { $0 + $1.live }
        guard total > 0, limit > 0 else { return Result(hits: [], matched: 0, readable: total, query: query) }
        var vocabulary = 0
        for group in groups { vocabulary += group.vocabulary.count }
        let mean = max(1, groups.reduce(0) { $0 + $1.length } / Double(total))
        // Statistics over what the reader may read.
        var postings: [[[UInt32]]] = []
        var corrections = 0
        for position in terms.indices {
            var found = groups.map { $0.livePostings(of: terms[position].text) }
            if found.allSatisfy(\.isEmpty), corrections < 4, vocabulary <= 20_000, terms[position].mayBeMisspelled {
                corrections += 1
                if let near = groups.compactMap({ $0.nearest(to: terms[position].text) }).min(),
                    !terms.contains(where: { $0.text == near })
                {
                    terms[position].text = near
                    found = groups.map { $0.livePostings(of: near) }
                }
            }
            terms[position].frequency = found.reduce(0) { $0 + $1.count }
            let frequency = Double(terms[position].frequency)
            terms[position].rarity = log(1 + (Double(total) - frequency + 0.5) / (frequency + 0.5))
            postings.append(found)
        }
        let weight = terms.reduce(0) { $0 + $1.rarity * $1.weight }
        var candidates: [(id: ChunkID, score: Double, coverage: Double, terms: Int)] = []
        for (number, group) in groups.enumerated() {
            var scores: [Int: (score: Double, covered: Double, terms: Int)] = [:]
            for (position, term) in terms.enumerated() {
                for posting in postings[position][number] {
                    let chunk = Int(posting >> 8)
                    let frequency = Double(posting & 0xFF)
                    let norm = 1.2 * (1 - 0.6 + 0.6 * Double(group.chunks[chunk].length) / mean)
                    let gain = term.rarity * term.weight
                    let old = scores[chunk] ?? (0, 0, 0)
                    scores[chunk] = (
                        old.score + gain * frequency * 2.2 / (frequency + norm), old.covered + gain, old.terms + (term.weight >= 1 ? 1 : 0)
                    )
                }
            }
            for (chunk, score) in scores {
                candidates.append((group.id(of: chunk), score.score, weight > 0 ? min(1, score.covered / weight) : 0, score.terms))
            }
        }
        candidates.sort { a, b in
            a.score != b.score
                ? a.score > b.score : a.id.document != b.id.document ? a.id.document < b.id.document : a.id.position < b.id.position
        }
        var resolved = query
        resolved.terms = terms
        var hits = candidates.prefix(max(limit, vector == nil ? 0 : 100)).map {
            Hit(id: $0.id, score: $0.score, coverage: $0.coverage, terms: $0.terms)
        }
        if let vector { hits = fused(hits, groups, vector) }
        return Result(hits: Array(hits.prefix(limit)), matched: candidates.count, readable: total, query: resolved)
    }

    /// Reciprocal ranks of words and vectors, added up (Cormack et al. 2009, k = 60).
    private func fused(_ hits: [Hit], _ groups: [ChunkGroup], _ vector: [Float]) -> [Hit] {
        let quantised = QuantisedVector.quantise(vector)
        var near: [(id: ChunkID, likeness: Float)] = []
        for group in groups { near += group.nearest(to: quantised, limit: 100) }
        near.sort { $0.likeness != $1.likeness ? $0.likeness > $1.likeness : $0.id.description < $1.id.description }
        var ranks: [ChunkID: Double] = [:]
        var known: [ChunkID: Hit] = [:]
        for (rank, hit) in hits.enumerated() {
            ranks[hit.id, default: 0] += 1 / Double(60 + rank + 1)
            known[hit.id] = hit
        }
        for (rank, hit) in near.prefix(100).enumerated() { ranks[hit.id, default: 0] += 1 / Double(60 + rank + 1) }
        return ranks.map { id, score in
            Hit(id: id, score: score, coverage: known[id]?.coverage ?? 0, terms: known[id]?.terms ?? 0)
        }.sorted { $0.score != $1.score ? $0.score > $1.score : $0.id.description < $1.id.description }
    }

    /// What a search result or an answer says about a document.
    package func entry(of document: DocumentID, in index: IndexID, for reader: DocumentReader) -> DocumentEntry? {
        readable(in: index, for: reader).lazy.compactMap { $0.entry(of: document) }.first
    }

    /// All that the reader may read, by source.
    package func entries(in index: IndexID, for reader: DocumentReader) -> [DocumentEntry] {
        readable(in: index, for: reader).flatMap(\.entries).sorted { $0.source < $1.source }
    }

    private func readable(in index: IndexID, for reader: DocumentReader) -> [ChunkGroup] {
        let place = Place(tenant: reader.tenant, index: index)
        return state.withLockedValue { state in
            guard let names = state.readable[place], let groups = state.groups[place] else { return [] }
            let lists = reader.grantees.reduce(into: Set<AccessList>()) { $0.formUnion(names[$1] ?? []) }
            return lists.sorted { $0.text < $1.text }.compactMap { groups[$0] }
        }
    }
}

/// A document in a search index.
package struct DocumentEntry: Sendable, Hashable {
    package let id: DocumentID
    package let source: String
    package let title: String
    package let label: SensitivityLabel
    package let language: String
    package let terms: Set<String>

    init(_ document: DocumentRecord) {
        id = document.id
        source = document.source
        title = document.title
        label = document.label
        language = document.language
        terms = Set(SearchTerms.of(document.title))
    }
}
