import SallyportCore

/// One page of a search, as clients of search services ask for it.
package struct SearchPageQuery: Sendable {
    /// nil: all documents.
    package var text: String?
    package var kind = DocumentSearch.Kind.words
    package var filter: FilterExpression?
    package var top = 50
    package var skip = 0
    /// Fields and whether they descend; `search.score()` is one. Empty: by score.
    package var order: [(field: String, descends: Bool)] = []
    /// Every word must be there.
    package var needsAll = false
    package init() {}
}

package struct SearchPage: Sendable {
    package struct Hit: Sendable {
        package let id: ChunkID
        package let entry: DocumentEntry
        package let chunk: ChunkRecord
        package let score: Double
    }
    package var hits: [Hit] = []
    /// Of all pages.
    package var total = 0
    package init() {}
}

extension DocumentRetriever {
    /// The furthest hit that can be reached.
    package static let deepest = 10_000

    /// - Throws: what the store throws; a ``TextReadingFault`` of the embedder.
    package func page(_ query: SearchPageQuery, in index: IndexID, for reader: DocumentReader) throws -> SearchPage {
        var page = SearchPage()
        let last = min(Self.deepest, query.skip + query.top)
        let ids: [(id: ChunkID, score: Double)]
        if let text = query.text {
            let asked = DocumentQuery(text)
            let vector = query.kind == .words ? nil : try vector(of: text)
            let result = search.search(
                asked, in: index, for: reader, limit: query.order.isEmpty && !query.needsAll ? max(last, 1) : Self.deepest, vector: vector,
                kind: vector == nil ? .words : query.kind, filter: query.filter)
            let terms = result.query.terms.count
            let hits = query.needsAll ? result.hits.filter { $0.terms >= terms } : result.hits
            page.total = query.needsAll || query.kind != .words ? hits.count : result.matched
            ids = hits.map { ($0.id, $0.score) }
        } else {
            let all = search.all(in: index, for: reader, filter: query.filter)
            page.total = all.count
            ids = all.prefix(query.order.isEmpty ? last : Self.deepest).map { ($0, 1) }
        }
        var ordered = ids
        if !query.order.isEmpty {
            let entries = Dictionary(ids.map { ($0.id.document, search.entry(of: $0.id.document, in: index, for: reader)) }) { first, _ in
                first
            }
            func value(_ hit: (id: ChunkID, score: Double), _ field: String) -> FieldValue {
                field == "search.score()"
                    ? .number(hit.score) : entries[hit.id.document].flatMap { $0 }.flatMap { $0.value(of: field, for: reader) } ?? .null
            }
            ordered = ids.enumerated().sorted { a, b in
                for (field, descends) in query.order {
                    let (x, y) = (value(a.element, field), value(b.element, field))
                    if x == y { continue }
                    return x.precedes(y) != descends
                }
                return a.element.score != b.element.score ? a.element.score > b.element.score : a.offset < b.offset
            }.map(\.element)
        }
        let wanted = Array(ordered.dropFirst(query.skip).prefix(query.top))
        let scores = Dictionary(wanted.map { ($0.id, $0.score) }) { first, _ in first }
        for (id, chunk) in try chunks(wanted.map(\.id), in: index, of: reader) {
            guard let entry = search.entry(of: id.document, in: index, for: reader) else { continue }
            page.hits.append(SearchPage.Hit(id: id, entry: entry, chunk: chunk, score: scores[id] ?? 0))
        }
        return page
    }

    /// A chunk by its name; nil where the reader may not read it, as where there is none.
    package func chunk(_ id: ChunkID, in index: IndexID, for reader: DocumentReader) throws -> (entry: DocumentEntry, chunk: ChunkRecord)? {
        guard let entry = search.entry(of: id.document, in: index, for: reader) else { return nil }
        return try chunks([id], in: index, of: reader).first.map { (entry, $0.chunk) }
    }
}

extension FieldValue {
    /// An order among values of a kind; what is not there comes first.
    func precedes(_ other: FieldValue) -> Bool {
        switch (self, other) {
        case (.text(let a), .text(let b)): a < b
        case (.number(let a), .number(let b)): a < b
        case (.flag(let a), .flag(let b)): !a && b
        case (.null, .null): false
        case (.null, _): true
        default: false
        }
    }
}
