import SallyportCore

/// States facts about a text from what the shared encoder read in it; never runs the encoder, never decides.
package protocol LearnedDetector: Sendable {
    var id: DetectorID { get }
    /// The categories that it can report: a policy without a rule for any of them has no use for it.
    var categories: [Finding.Category] { get }
    /// Needs scores of single tokens, and every window: nothing may be cleared by the cheap model.
    var needsTokens: Bool { get }
    func reads(_ origin: PassageOrigin) -> Bool
    /// Origins that it reads only where a policy's rule names them.
    func readsOnDemand(_ origin: PassageOrigin) -> Bool
    func findings(in reading: TextReading, of passage: Passage) -> [Finding]
}

extension LearnedDetector {
    package var needsTokens: Bool { false }
    package func readsOnDemand(_ origin: PassageOrigin) -> Bool { origin == .system || origin == .toolDefinition }
}

extension EncoderDescription.Calibration {
    func probability(of score: Float) -> Double { 1 / (1 + Exponential.of(-(slope * Double(score) + intercept))) }
}

extension EncoderDescription.Head {
    /// The probability of one of the head's columns.
    /// - Parameters:
    ///   - windows: how many windows the text has; 1 for a pair.
    ///   - words: how many words stand in this one.
    func probability(in scores: [Float], of position: Int = 0, windows: Int = 1, words: Int = .max) -> Double {
        guard position < columns.count, columns[position] < scores.count else { return 0 }
        let penalty = position < windowPenalties.count ? windowPenalties[position] : 0
        var score = Double(scores[columns[position]]) - penalty * Logarithm.of(Double(min(max(windows, 1), 64)))
        if words < Self.shortWords, position < shortPenalties.count {
            score -= shortPenalties[position] * Logarithm.of(Double(Self.shortWords) / Double(max(words, 1)))
        }
        return (position < calibrations.count ? calibrations[position] : .init()).probability(of: Float(score))
    }

    /// The probability of a whole text: that of its worst window, its number of windows taken into account.
    package func probability(in reading: TextReading) -> Double {
        reading.windows.map { probability(in: $0.scores, windows: reading.windowCount, words: $0.words) }.max() ?? 0
    }

    /// The lowest stated rate at which this probability is still reported; nil when it is below all thresholds.
    func rate(of probability: Double) -> Double? { thresholds.first { probability >= $0.probability }?.rate }

    /// The probability from which anything is reported.
    var floor: Double { thresholds.map(\.probability).min() ?? 0.5 }
}
