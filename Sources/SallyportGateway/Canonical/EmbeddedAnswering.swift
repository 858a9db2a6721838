import NIOCore
import SallyportCore

/// Answers without a network. Blocks: called on the pool.
package protocol EmbeddedAnswering: Sendable {
    /// - Parameters:
    ///   - question: the latest user message.
    ///   - upstream: which folder of documents.
    /// - Returns: the answer's text, in sentences, for streaming one by one.
    func answer(to question: String, upstream: UpstreamID) throws -> [String]
    /// A vector for a text, of a fixed length, with length one.
    func embedding(of text: String, dimensions: Int?) -> [Float]
}
