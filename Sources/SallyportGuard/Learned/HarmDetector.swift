import SallyportCore

/// One of Azure AI Content Safety's harm categories, with its severity from 0 to 7.
package struct HarmDetector: LearnedDetector {
    /// Hate, sexual, violence and self-harm, by the names of Azure's annotations.
    package enum Harm: String, Sendable, CaseIterable { case hate, selfHarm = "self_harm", sexual, violence }

    package let id: DetectorID
    package let harm: Harm
    package var categories: [Finding.Category] { [Finding.Category(.harm, harm.rawValue)] }
    private let head: EncoderDescription.Head

    package init?(_ harm: Harm, _ description: EncoderDescription) {
        guard let head = description.heads[harm.rawValue], head.columns.count == 3 else { return nil }
        self.harm = harm
        self.head = head
        id = DetectorID("harm-\(harm.rawValue)")
    }

    package func reads(_ origin: PassageOrigin) -> Bool {
        switch origin {
        case .system, .toolDefinition, .metadata, .upstreamError: false
        default: true
        }
    }

    package func findings(in reading: TextReading, of passage: Passage) -> [Finding] {
        let severity = severity(in: reading)
        guard severity > 0, let worst = reading.windows.max(by: { expected($0, reading) < expected($1, reading) }) else { return [] }
        return [
            Finding(
                id, Finding.Category(.harm, harm.rawValue), at: worst.range, confidence: Double(severity) / 7,
                evidence: "severity-\(severity)")
        ]
    }

    /// The severity of the worst window: 0...7. Even steps lie where the calibrated probabilities of "at least 2, 4, 6" together pass
    /// one half, one and a half, two and a half; with Azure's map to four levels {0,1} is safe, {2,3} low, {4,5} medium, {6,7} high.
    package func severity(in reading: TextReading) -> Int {
        let sum = reading.windows.map { expected($0, reading) }.max() ?? 0
        return sum < 0.1 ? 0 : min(7, Int(2 * sum + 1))
    }

    /// How likely the text is harmful at all: at severity 2 or above.
    package func probability(in reading: TextReading) -> Double { head.probability(in: reading) }

    /// 0...3: a text cannot be likelier at the higher severity than at the lower.
    private func expected(_ window: TextReading.Window, _ reading: TextReading) -> Double {
        var sum = 0.0
        var bound = 1.0
        for step in head.columns.indices {
            bound = min(bound, head.probability(in: window.scores, of: step, windows: reading.windowCount, words: window.words))
            sum += bound
        }
        return sum
    }
}
