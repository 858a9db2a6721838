import Foundation
import NIOConcurrencyHelpers
import SallyportCore

/// Finds chunks for a reader, from memory.
///
/// Documents with the same access list are kept together, and a search looks into the groups that its reader may read, and nowhere else:
/// no statistic, score or amount of work depends on any other document.
package final class DocumentSearch: Sendable {
    /// What is compared.
    package enum Kind: String, Sendable, CaseIterable { case words, vectors, both }

    package struct Hit: Sendable, Hashable {
        package let id: ChunkID
        /// What hits are ordered by: words and vectors together. Comparable within one search.
        package let score: Double
        /// BM25 over what the reader may read.
        package let words: Double
        /// Cosine of the vectors; 0 where there are none.
        package let likeness: Double
        /// How much of the question's weight the chunk has, headings included: 0...1.
        package let coverage: Double
        /// How many of the question's terms it has.
        package let terms: Int
    }
    package struct Result: Sendable {
        /// Best first.
        package let hits: [Hit]
        /// Chunks with any of the terms that the filter lets through, all readable.
        package let matched: Int
        /// Chunks that the reader may read.
        package let readable: Int
        package let query: DocumentQuery
    }

    /// How much a vector's likeness counts beside words, whose best counts what the best candidate has of the question's weight: the less of the
    /// question the documents say in its own words, the more its meaning counts. Less for languages that the embedding model has hardly seen.
    /// Chosen on half of the questions of the retrieval benchmark, held against the other half (decision 19).
    private static let likenessWeight: Float = 1.5
    private static let foreignLikenessWeight: Float = 0.25
    private static let coverageWeight: Float = 0.3
    /// Candidates of either kind that are joined.
    private static let candidates = 100

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
    /// Documents that are not as they were taken in, by index and source: they are not searched.
    private let doubted = NIOLockedValueBox<[DocumentID: String]>([:])
    package var doubtful: [String] { doubted.withLockedValue { $0.values.sorted() } }

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
            doubted.withLockedValue { doubted in for gone in changes.removed { doubted[gone.id] = nil } }
            for document in changes.changed {
                let chunks = try authentic(document)
                doubted.withLockedValue { $0[document.id] = chunks == nil ? "\(document.index)/\(document.source)" : nil }
                if let chunks { state.withLockedValue { $0.add(document, chunks) } }
            }
            state.withLockedValue { $0.revision = changes.revision }
            return true
        }
    }

    /// - Returns: what can be found of a document; nil where it is damaged, or not as it was taken in.
    private func authentic(_ document: DocumentRecord) throws -> [ChunkRecord]? {
        do {
            let chunks = try store.chunks(of: document.id, in: document.index, of: document.tenant, searchableOnly: true)
            return try store.isAuthentic(document, chunks: chunks) ? chunks : nil
        } catch is DamagedDocument { return nil }
    }

    /// Looks again at documents whose chunks were found but not read: one that was damaged since is not searched any more.
    func recheck(_ ids: Set<DocumentID>, in index: IndexID, for reader: DocumentReader) throws {
        for id in ids {
            guard let entry = entry(of: id, in: index, for: reader) else { continue }
            do { _ = try store.chunks(of: id, in: index, of: reader.tenant, searchableOnly: true) } catch is DamagedDocument {
                state.withLockedValue { $0.remove(id, Place(tenant: reader.tenant, index: index)) }
                doubted.withLockedValue { $0[id] = "\(index)/\(entry.source)" }
            }
        }
    }

    /// - Parameters:
    ///   - vector: the question's vector; nil: words alone.
    ///   - filter: checked already; of documents, joined to what the reader may read.
    package func search(
        _ query: DocumentQuery, in index: IndexID, for reader: DocumentReader, limit: Int, vector: [Float]? = nil, kind: Kind = .both,
        filter: FilterExpression? = nil
    ) -> Result {
        let groups = readable(in: index, for: reader)
        let total = groups.reduce(0) { $0 + $1.live }
        guard total > 0, limit > 0 else { return Result(hits: [], matched: 0, readable: total, query: query) }
        let (resolved, lists) = resolve(query, groups, total)
        let mean = Float(max(1, groups.reduce(0) { $0 + $1.length } / Double(total)))
        let quantised = kind == .words ? nil : vector.map(QuantisedVector.quantise)
        let wanted = max(limit, quantised == nil ? 0 : Self.candidates)
        let before: (Candidate, Candidate) -> Bool = { a, b in
            let (x, y) = (groups[a.group].id(of: a.chunk), groups[b.group].id(of: b.chunk))
            return x.document != y.document ? x.document < y.document : x.position < y.position
        }
        var scans: [GroupScan] = []
        var byWords = TopList<Candidate>(wanted, isBefore: before)
        var byVector = TopList<Candidate>(wanted, isBefore: before)
        var matched = 0
        for (number, group) in groups.enumerated() {
            var scan = GroupScan(group, reader, filter)
            scan.score(resolved.terms, lists.map { $0[number] }, mean: mean)
            for chunk in scan.touched where scan.isAdmitted(Int(chunk)) {
                matched += 1
                let score = scan.scores[Int(chunk)]
                if kind != .vectors, byWords.admits(score) { byWords.insert(Candidate(group: number, chunk: Int(chunk)), score: score) }
            }
            if let quantised, let rows = group.vectors {
                rows.scan(quantised) { chunk, likeness in
                    guard byVector.admits(likeness), group.chunks[chunk].isLive, scan.isAdmitted(chunk) else { return }
                    byVector.insert(Candidate(group: number, chunk: chunk), score: likeness)
                }
            }
            scans.append(scan)
        }
        let weight = resolved.terms.reduce(0) { $0 + $1.rarity * $1.weight }
        let best = max(byWords.elements.first?.score ?? 0, .leastNormalMagnitude)
        func coverage(_ candidate: Candidate) -> Float {
            weight > 0 ? min(1, scans[candidate.group].covered[candidate.chunk] / Float(weight)) : 0
        }
        let reach = byWords.elements.reduce(0) { max($0, coverage($1.element)) }
        var joined = TopList<Hit>(limit) {
            $0.id.document != $1.id.document ? $0.id.document < $1.id.document : $0.id.position < $1.id.position
        }
        var seen: Set<Candidate> = []
        for (_, candidate) in byWords.elements + byVector.elements where seen.insert(candidate).inserted {
            let (group, scan, chunk) = (groups[candidate.group], scans[candidate.group], candidate.chunk)
            let likeness = quantised.flatMap { group.vectors?.likeness(chunk, to: $0) } ?? 0
            let words = scan.scores[chunk]
            let score: Float
            switch kind {
            case .words: score = words
            case .vectors: score = likeness
            case .both where quantised == nil: score = words
            case .both:
                let isFamiliar = scan.isFamiliar(chunk)
                score =
                    words / best * reach + max(0, likeness) * (isFamiliar ? Self.likenessWeight : Self.foreignLikenessWeight)
                    + Self.coverageWeight * coverage(candidate)
            }
            joined.insert(
                Hit(
                    id: group.id(of: chunk), score: Double(score), words: Double(words), likeness: Double(likeness),
                    coverage: Double(coverage(candidate)), terms: Int(scan.terms[chunk])),
                score: score)
        }
        return Result(hits: joined.elements.map(\.element), matched: matched, readable: total, query: resolved)
    }

    private struct Candidate: Hashable {
        let group: Int
        let chunk: Int
    }

    /// The question's words with their rarity over what the reader may read, and for each word and group its list.
    private func resolve(_ query: DocumentQuery, _ groups: [ChunkGroup], _ total: Int) -> (DocumentQuery, [[PostingList?]]) {
        var terms = query.terms
        var vocabulary = 0
        for group in groups { vocabulary += group.vocabulary.count }
        var lists: [[PostingList?]] = []
        var corrections = 0
        for position in terms.indices {
            var found = groups.map { $0.list(of: terms[position].text) }
            var frequency = zip(groups, found).reduce(0) { $0 + $1.0.frequency(in: $1.1) }
            if frequency == 0, corrections < 4, vocabulary <= 20_000, terms[position].mayBeMisspelled {
                corrections += 1
                if let near = groups.compactMap({ $0.nearest(to: terms[position].text) }).min(),
                    !terms.contains(where: { $0.text == near })
                {
                    terms[position].text = near
                    found = groups.map { $0.list(of: near) }
                    frequency = zip(groups, found).reduce(0) { $0 + $1.0.frequency(in: $1.1) }
                }
            }
            terms[position].frequency = frequency
            terms[position].rarity = log(1 + (Double(total) - Double(frequency) + 0.5) / (Double(frequency) + 0.5))
            lists.append(found)
        }
        var resolved = query
        resolved.terms = terms
        return (resolved, lists)
    }

    /// Every chunk that the reader may read and the filter lets through, by document and place.
    func all(in index: IndexID, for reader: DocumentReader, filter: FilterExpression?) -> [ChunkID] {
        var found: [ChunkID] = []
        for group in readable(in: index, for: reader) {
            var scan = GroupScan(group, reader, filter)
            for chunk in group.chunks.indices where group.chunks[chunk].isLive && scan.isAdmitted(chunk) {
                found.append(group.id(of: chunk))
            }
        }
        return found.sorted { $0.document != $1.document ? $0.document < $1.document : $0.position < $1.position }
    }

    /// What a search result or an answer says about a document.
    package func entry(of document: DocumentID, in index: IndexID, for reader: DocumentReader) -> DocumentEntry? {
        readable(in: index, for: reader).lazy.compactMap { $0.entry(of: document) }.first
    }

    /// All that the reader may read, by source.
    package func entries(in index: IndexID, for reader: DocumentReader) -> [DocumentEntry] {
        readable(in: index, for: reader).flatMap(\.entries).sorted { $0.source < $1.source }
    }

    /// The document with the shortest title that has all of these words.
    func titled(_ words: Set<String>, in index: IndexID, for reader: DocumentReader) -> DocumentEntry? {
        guard let first = words.min() else { return nil }
        return readable(in: index, for: reader).flatMap { $0.titled(first) }
            .map { (entry: $0, terms: Set(SearchTerms.of($0.title))) }
            .filter { words.isSubset(of: $0.terms) }
            .min { ($0.terms.count, $0.entry.source) < ($1.terms.count, $1.entry.source) }?.entry
    }

    /// Chunks that the reader may read; 0 as well where there is no such index.
    package func readableChunks(in index: IndexID, for reader: DocumentReader) -> Int {
        readable(in: index, for: reader).reduce(0) { $0 + $1.live }
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

/// What one search learns of one group.
private struct GroupScan {
    let group: ChunkGroup
    private let reader: DocumentReader
    private let filter: FilterExpression?
    private(set) var scores: [Float]
    private(set) var covered: [Float]
    private(set) var terms: [UInt8]
    /// Chunks with any of the terms.
    private(set) var touched: [Int32] = []
    /// Of each document, once it was asked for: 0 not known, 1 let through, 2 not.
    private var admitted: [UInt8]

    init(_ group: ChunkGroup, _ reader: DocumentReader, _ filter: FilterExpression?) {
        self.group = group
        self.reader = reader
        self.filter = filter
        scores = [Float](repeating: 0, count: group.chunks.count)
        covered = [Float](repeating: 0, count: group.chunks.count)
        terms = [UInt8](repeating: 0, count: group.chunks.count)
        admitted = filter == nil ? [] : [UInt8](repeating: 0, count: group.documents.count)
    }

    /// BM25 with k1 1.2, b 0.6.
    mutating func score(_ query: [DocumentQuery.Term], _ lists: [PostingList?], mean: Float) {
        let (isWhole, all) = (group.isWhole, group.chunks)
        for (term, list) in zip(query, lists) {
            guard let list else { continue }
            let gain = Float(term.rarity * term.weight)
            let isOwn: UInt8 = term.weight >= 1 ? 1 : 0
            all.withUnsafeBufferPointer { chunks in
                list.forEach { chunk, count in
                    guard isWhole || chunks[chunk].isLive else { return }
                    let frequency = Float(count)
                    let norm = 1.2 * (1 - 0.6 + 0.6 * chunks[chunk].length / mean)
                    if covered[chunk] == 0 { touched.append(Int32(chunk)) }
                    scores[chunk] += gain * frequency * 2.2 / (frequency + norm)
                    covered[chunk] += gain
                    terms[chunk] &+= isOwn
                }
            }
        }
    }

    /// Whether the filter lets the chunk's document through.
    mutating func isAdmitted(_ chunk: Int) -> Bool {
        guard let filter else { return true }
        let document = Int(group.chunks[chunk].document)
        if admitted[document] == 0 {
            let isIn = group.documents[document].map { entry in filter.holds { entry.value(of: $0, for: reader) } } ?? false
            admitted[document] = isIn ? 1 : 2
        }
        return admitted[document] == 1
    }

    func isFamiliar(_ chunk: Int) -> Bool {
        group.documents[Int(group.chunks[chunk].document)]?.isFamiliar ?? true
    }
}
