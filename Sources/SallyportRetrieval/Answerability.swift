import Foundation

/// How likely a chunk holds the answer to a question, by what the two have in common.
///
/// A logistic model. It was learned from questions of training data (`training/answers.py`), each once with its passage among others and once
/// without it, every source of questions counting alike.
enum Answerability {
    /// - Parameters:
    ///   - coverage: of the question's weight in the chunk, headings included.
    ///   - likeness: of the chunk to the question; 0 where it was not compared.
    ///   - nearness: how near the question's words stand to each other.
    ///   - sentences: of the chunk: the share of the question's weight in each, and its likeness.
    static func probability(
        coverage: Double, likeness: Double, nearness: Double, sentences: [(share: Double, likeness: Double)]
    ) -> Double {
        let share = sentences.map(\.share).max() ?? 0
        let nearest = sentences.map(\.likeness).max() ?? 0
        let sum = 3.24 * coverage + 4.55 * (likeness == 0 ? nearest : likeness) + 3.67 * nearest + 2.01 * share + 0.99 * nearness - 6.54
        return 1 / (1 + exp(-sum))
    }
}
