import NIOConcurrencyHelpers
import SallyportCore
import SallyportGateway
import SallyportRetrieval

/// The embedded upstreams' answers, each from its index, and all indexes for who may read them.
final class DocumentAnswers: EmbeddedAnswering, DocumentLibrary {
    private let answerer: GroundedAnswerer
    private let retriever: DocumentRetriever
    private let search: DocumentSearch
    private let indexes: NIOLockedValueBox<[UpstreamID: IndexID]>

    init(_ documents: DocumentParts, _ plan: ServerPlan) {
        answerer = documents.answerer
        retriever = documents.retriever
        search = documents.search
        indexes = NIOLockedValueBox(Self.indexes(plan))
    }

    private static func indexes(_ plan: ServerPlan) -> [UpstreamID: IndexID] {
        plan.documents.reduce(into: plan.documentIndexes) { $0[$1.key] = DocumentParts.index(of: $1.key) }
    }

    func replace(_ plan: ServerPlan) { indexes.withLockedValue { $0 = Self.indexes(plan) } }

    func answer(to turns: [String], for principal: Principal, upstream: UpstreamID) throws -> GroundedAnswer {
        guard let index = indexes.withLockedValue({ $0[upstream] }) else {
            throw Fault(.upstreamUnavailable, "The embedded upstream has no documents.")
        }
        return try answerer.answer(to: turns, in: index, for: reader(for: principal))
    }

    func reader(for principal: Principal) -> DocumentReader {
        DocumentReader(tenant: principal.tenant, user: principal.id, groups: Set(principal.groups))
    }

    func isReadable(_ index: IndexID, by reader: DocumentReader) -> Bool { search.readableChunks(in: index, for: reader) > 0 }

    var hasVectors: Bool { retriever.hasVectors }

    func retrieve(_ queries: [String], in index: IndexID, for reader: DocumentReader, _ options: RetrievalOptions) throws -> Retrieval {
        try retriever.retrieve(queries.map { DocumentQuery($0) }, in: index, for: reader, options)
    }

    func answer(to turns: [String], in index: IndexID, for reader: DocumentReader, _ options: RetrievalOptions) throws -> GroundedAnswer {
        try answerer.answer(to: turns, in: index, for: reader, options: options)
    }

    func page(_ query: SearchPageQuery, in index: IndexID, for reader: DocumentReader) throws -> SearchPage {
        try retriever.page(query, in: index, for: reader)
    }

    func chunk(_ id: ChunkID, in index: IndexID, for reader: DocumentReader) throws -> (entry: DocumentEntry, chunk: ChunkRecord)? {
        try retriever.chunk(id, in: index, for: reader)
    }

    func embedding(of text: String, dimensions: Int?) -> [Float] { HashedEmbedding.vector(of: text, dimensions: dimensions) }
}
