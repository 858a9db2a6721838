import SallyportCore
import SallyportRetrieval

/// Our own indexes, as a caller may read them. Blocks: called on the pool.
package protocol DocumentLibrary: Sendable {
    /// The caller's own eyes: what nobody lets them read is not there.
    func reader(for principal: Principal) -> DocumentReader
    /// Whether there is anything in the index that the reader may read: an index without is one that does not exist. Does not block.
    func isReadable(_ index: IndexID, by reader: DocumentReader) -> Bool
    var hasVectors: Bool { get }
    func retrieve(_ queries: [String], in index: IndexID, for reader: DocumentReader, _ options: RetrievalOptions) throws -> Retrieval
    func answer(to turns: [String], in index: IndexID, for reader: DocumentReader, _ options: RetrievalOptions) throws -> GroundedAnswer
    /// One page of a search, for Azure AI Search's own clients.
    func page(_ query: SearchPageQuery, in index: IndexID, for reader: DocumentReader) throws -> SearchPage
    /// A chunk by its name; nil when the reader may not read it, or there is none.
    func chunk(_ id: ChunkID, in index: IndexID, for reader: DocumentReader) throws -> (entry: DocumentEntry, chunk: ChunkRecord)?
}
