import SallyportCore

/// Finds prompts by which a user tries to change the system's rules, to lead it out of its role, or to have it tell its instructions
/// (Azure AI Content Safety: user prompt attacks).
struct PromptAttackDetector: LearnedDetector {
    static let category = Finding.Category(.attack, "jailbreak")

    let id: DetectorID = "prompt-attack"
    var categories: [Finding.Category] { [Self.category] }
    private let head: EncoderDescription.Head
    /// Azure's subtypes, and attempts to have the system prompt told.
    private let subtypes: [(name: String, head: EncoderDescription.Head)]

    init?(_ description: EncoderDescription) {
        guard let head = description.heads["prompt_attack"] else { return nil }
        self.head = head
        subtypes = ["changing_rules", "conversation_mockup", "role_play", "encoding", "leak"].compactMap { name in
            description.heads["attack_\(name)"].map { (name, $0) }
        }
    }

    func probability(in reading: TextReading) -> Double { head.probability(in: reading) }

    /// The log-odds from which a text says anything, and at which it says enough.
    var evidenceBounds: ClosedRange<Double>? {
        guard let least = head.thresholds.last, let most = head.thresholds.first, most.probability > least.probability else { return nil }
        return Logarithm.odds(least.probability)...Logarithm.odds(most.probability)
    }

    func reads(_ origin: PassageOrigin) -> Bool { origin == .user }

    func findings(in reading: TextReading, of passage: Passage) -> [Finding] {
        reading.windows.compactMap { window in
            let probability = head.probability(in: window.scores, windows: reading.windowCount, words: window.words)
            guard let rate = head.rate(of: probability) else { return nil }
            let subtype = subtypes.map { ($0.name, $0.head.probability(in: window.scores)) }.filter { $0.1 >= 0.5 }
                .max { $0.1 < $1.1 }
            return Finding(id, Self.category, at: window.range, confidence: probability, evidence: subtype?.0, falsePositiveRate: rate)
        }
    }
}
