/// How likely a chunk holds the answer to a question, by what the two have in common.
enum Answerability {
    /// The mean of four shares: how much of the question's weight the chunk has, and the best of its sentences; how alike in meaning they are to it.
    /// No weight is fitted: on the questions of the retrieval benchmark a logistic model over sixteen such features told no better.
    /// - Parameters:
    ///   - coverage: of the question's weight in the chunk, headings included.
    ///   - likeness: of the chunk to the question; 0 where it was not compared.
    ///   - sentences: of the chunk: the share of the question's weight in each, and its likeness.
    ///   - closeness: how near the question's words come to those of the nearest sentence; it counts as much as all else. nil: the model does not say.
    /// - Returns: 0...1.
    static func confidence(
        coverage: Double, likeness: Double, sentences: [(share: Double, likeness: Double)], closeness: Double? = nil
    ) -> Double {
        let share = sentences.map(\.share).max() ?? 0
        let nearest = max(0, sentences.map(\.likeness).max() ?? 0)
        let mean = min(1, (coverage + share + (likeness == 0 ? nearest : max(0, likeness)) + nearest) / 4)
        return closeness.map { (mean + $0) / 2 } ?? mean
    }
}
