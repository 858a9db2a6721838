import SallyportCore
import SallyportRetrieval

/// Answers without a network. Blocks: called on the pool.
package protocol EmbeddedAnswering: Sendable {
    /// - Parameters:
    ///   - turns: what the user said, the latest last.
    ///   - principal: whose eyes read the documents.
    ///   - upstream: which documents.
    func answer(to turns: [String], for principal: Principal, upstream: UpstreamID) throws -> GroundedAnswer
    /// A vector for a text, of a fixed length, with length one.
    func embedding(of text: String, dimensions: Int?) -> [Float]
}
