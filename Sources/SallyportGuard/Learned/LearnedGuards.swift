import SallyportCore

/// Every learned detector that the model at hand can serve, in the order in which they speak. To add one: its file, and a line here.
package struct LearnedGuards: Sendable {
    package let description: EncoderDescription
    package let detectors: [any LearnedDetector]
    /// All that they can report.
    let serves: Set<Finding.Category>
    /// Holds answers against the documents of their request; nil without a head for it.
    package let groundedness: GroundednessAnalysis?
    /// Holds tool calls against what the user asked for.
    package let adherence: TaskAdherenceAnalysis?

    package init(_ description: EncoderDescription) {
        self.description = description
        let all: [(any LearnedDetector)?] =
            [PromptAttackDetector(description), DocumentAttackDetector(description)]
            + HarmDetector.Harm.allCases.map { HarmDetector($0, description) }
            + [NamesDetector(description)]
        detectors = all.compactMap { $0 }
        groundedness = GroundednessAnalysis(description)
        adherence = TaskAdherenceAnalysis(description)
        serves = Set(
            detectors.flatMap(\.categories) + (groundedness == nil ? [] : [AnswerEvidence.ungrounded])
                + (adherence == nil ? [] : [AnswerEvidence.offTask]))
    }

    /// How likely the text is a user's attack; nil when nobody asks.
    func suspicion(in reading: TextReading, by readers: [any LearnedDetector]) -> Double? {
        readers.lazy.compactMap { $0 as? PromptAttackDetector }.first?.probability(in: reading)
    }

    /// Slow escalation: each text of the user's adds what it has of evidence above the level that one harmless text in twenty reaches (in
    /// log-odds), and what older ones added fades by three tenths with each turn. Together they are an attack when they hold as much as a
    /// single text does that one harmless text in a thousand equals.
    /// - Parameter suspicions: probabilities, oldest first; one alone says nothing here that it did not say by itself.
    func escalation(over suspicions: [Double]) -> Finding? {
        guard suspicions.count > 1, let detector = detectors.lazy.compactMap({ $0 as? PromptAttackDetector }).first,
            let bounds = detector.evidenceBounds
        else { return nil }
        var evidence = 0.0
        for suspicion in suspicions { evidence = evidence * 0.7 + max(0, Logarithm.odds(suspicion) - bounds.lowerBound) }
        guard evidence >= bounds.upperBound - bounds.lowerBound else { return nil }
        return Finding(
            detector.id, PromptAttackDetector.category, at: 0..<0, confidence: suspicions.max() ?? 0, evidence: "escalation",
            falsePositiveRate: 0.01)
    }

    /// Which of them the policy wants to read a text of this origin.
    func wanted(for origin: PassageOrigin, under policy: GuardPolicy) -> [any LearnedDetector] {
        detectors.filter { detector in
            (detector.reads(origin) || detector.readsOnDemand(origin) && policy.names(origin, for: detector.categories))
                && policy.settings(for: detector.id).isEnabled
                && detector.categories.contains { policy.wantsLearned($0, in: origin) }
        }
    }
}

extension GuardPolicy {
    /// A rule speaks of texts of this very origin: the application's own words are read only where it says so.
    fileprivate func names(_ origin: PassageOrigin, for categories: [Finding.Category]) -> Bool {
        rules.contains { rule in
            rule.origins?.contains(origin) == true && categories.contains { rule.mayApply($0.group, $0.name, in: origin) }
        }
    }

    /// Names cost a full reading of every text: only a rule that names them, or rewrites what it finds, asks for it.
    func wantsLearned(_ category: Finding.Category, in origin: PassageOrigin) -> Bool {
        rules.contains { rule in
            rule.mayApply(category.group, category.name, in: origin)
                && (category.group != .sensitive || rule.names != nil || rule.action > .annotate)
        }
    }
}
