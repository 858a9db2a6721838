import NIOConcurrencyHelpers
import SallyportCore
import SallyportGateway
import SallyportRetrieval

/// The embedded upstreams' answers, each from its index.
final class DocumentAnswers: EmbeddedAnswering {
    private let answerer: GroundedAnswerer
    private let indexes: NIOLockedValueBox<[UpstreamID: IndexID]>

    init(_ answerer: GroundedAnswerer, _ plan: ServerPlan) {
        self.answerer = answerer
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
        let reader = DocumentReader(tenant: principal.tenant, user: principal.id, groups: Set(principal.groups))
        return try answerer.answer(to: turns, in: index, for: reader)
    }

    func embedding(of text: String, dimensions: Int?) -> [Float] { HashedEmbedding.vector(of: text, dimensions: dimensions) }
}
