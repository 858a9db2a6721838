import SallyportCore

/// What a caller asks of a retrieval, with On Your Data's defaults.
package struct RetrievalOptions: Sendable, Hashable {
    /// `top_n_documents`.
    package var top = 5
    /// 1 (nearly all that was found) to 5 (only what fits well).
    package var strictness = 3
    /// `in_scope`: without anything found nothing is answered.
    package var isInScope = true
    /// `query_type`.
    package var kind = DocumentSearch.Kind.both
    package var filter: FilterExpression?
    /// `max_search_queries`; nil: ``GroundedAnswerer`` and the gateway decide.
    package var mostQueries: Int?
    /// `allow_partial_result`: what some queries found is enough.
    package var allowsPartialResult = false

    package init() {}

    /// How relevant a chunk must be.
    package var neededRelevance: Double {
        switch strictness {
        case ...1: 0.05
        case 2: 0.12
        case 3: 0.2
        case 4: 0.35
        default: 0.5
        }
    }
}

/// A chunk that was found, with where it is from and why it goes on or does not.
package struct RetrievedChunk: Sendable, Hashable {
    /// Why a chunk that was found is not among the citations.
    package enum FilterReason: String, Sendable {
        /// Not relevant enough for the strictness.
        case score
        /// Others were better.
        case rerank
    }

    package let id: ChunkID
    package let entry: DocumentEntry
    package let chunk: ChunkRecord
    /// Those that found it.
    package var queries: [String]
    package let searchScore: Double
    /// BM25 over what the reader may read.
    package let words: Double
    /// How well it fits the question: 0...1.
    package let relevance: Double
    /// What chunks are ordered by: the search's score as a share of its best, and the relevance.
    package let rank: Double
    package let coverage: Double
    package let terms: Int
    package let likeness: Double
    /// How near the question's words stand to each other: 0...1.
    package let nearness: Double
    package var filterReason: FilterReason?

    /// 0...4, as Azure's semantic ranker counts.
    package var rerankScore: Double { (relevance * 4000).rounded() / 1000 }
}

/// What a retrieval brought.
package struct Retrieval: Sendable {
    /// Best first; all that goes to the model.
    package var kept: [RetrievedChunk] = []
    package var dropped: [RetrievedChunk] = []
    /// As they were resolved against what the reader may read, in the order asked.
    package var queries: [DocumentQuery] = []
    /// Queries that could not be answered, where a partial result is allowed.
    package var failedQueries = 0
    package init() {}
}
