import SallyportCore

/// States facts about a text from what the shared encoder read in it; never runs the encoder, never decides.
package protocol LearnedDetector: Sendable {
    var id: DetectorID { get }
    /// The categories that it can report: a policy without a rule for any of them has no use for it.
    var categories: [Finding.Category] { get }
    /// Needs scores of single tokens, and every window: nothing may be cleared by the cheap model.
    var needsTokens: Bool { get }
    func reads(_ origin: PassageOrigin) -> Bool
    func findings(in reading: TextReading, of passage: Passage) -> [Finding]
}

extension LearnedDetector {
    package var needsTokens: Bool { false }
}

extension EncoderDescription.Calibration {
    func probability(of score: Float) -> Double { 1 / (1 + Exponential.of(-(slope * Double(score) + intercept))) }
}

extension EncoderDescription.Head {
    /// The probability of the head's first column.
    func probability(in scores: [Float]) -> Double {
        guard let column = columns.first, column < scores.count else { return 0 }
        return (calibrations.first ?? .init()).probability(of: scores[column])
    }

    /// The lowest stated rate at which this probability is still reported; nil when it is below all thresholds.
    func rate(of probability: Double) -> Double? { thresholds.first { probability >= $0.probability }?.rate }

    /// The probability from which anything is reported.
    var floor: Double { thresholds.map(\.probability).min() ?? 0.5 }
}
