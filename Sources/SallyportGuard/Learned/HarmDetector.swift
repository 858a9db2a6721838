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
        guard let worst = reading.windows.max(by: { level(of: $0) < level(of: $1) }) else { return [] }
        let severity = level(of: worst)
        guard severity > 0 else { return [] }
        return [
            Finding(
                id, Finding.Category(.harm, harm.rawValue), at: worst.range, confidence: Double(severity) / 7,
                evidence: "severity-\(severity)")
        ]
    }

    /// The severity of the worst window: 0...7.
    package func severity(in reading: TextReading) -> Int { reading.windows.map(level).max() ?? 0 }

    /// The head says how likely the text is at or above 2, 4 and 6. The highest of these that is likelier than not counts; the odd
    /// severity above it is given where the next step is well within reach.
    private func level(of window: TextReading.Window) -> Int {
        var level = 0
        var next = 1.0
        for (step, column) in head.columns.enumerated() where column < window.scores.count {
            let calibration = step < head.calibrations.count ? head.calibrations[step] : .init()
            let probability = calibration.probability(of: window.scores[column])
            guard probability >= 0.5 else {
                next = probability
                break
            }
            level = 2 * (step + 1)
            next = probability
        }
        if level == 6 { return next >= 0.9 ? 7 : 6 }
        return next >= 0.25 ? level + 1 : level
    }
}
