import SallyportCore

/// Every learned detector that the model at hand can serve, in the order in which they speak. To add one: its file, and a line here.
package struct LearnedGuards: Sendable {
    package let description: EncoderDescription
    package let detectors: [any LearnedDetector]
    /// All that they can report.
    let serves: Set<Finding.Category>

    package init(_ description: EncoderDescription) {
        self.description = description
        let all: [(any LearnedDetector)?] =
            [PromptAttackDetector(description), DocumentAttackDetector(description)]
            + HarmDetector.Harm.allCases.map { HarmDetector($0, description) }
            + [NamesDetector(description)]
        detectors = all.compactMap { $0 }
        serves = Set(detectors.flatMap(\.categories))
    }

    /// Which of them the policy wants to read a text of this origin.
    func wanted(for origin: PassageOrigin, under policy: GuardPolicy) -> [any LearnedDetector] {
        detectors.filter { detector in
            detector.reads(origin) && policy.settings(for: detector.id).isEnabled
                && detector.categories.contains { policy.wantsLearned($0, in: origin) }
        }
    }
}

extension GuardPolicy {
    /// Names cost a full reading of every text: only a rule that names them, or rewrites what it finds, asks for it.
    fileprivate func wantsLearned(_ category: Finding.Category, in origin: PassageOrigin) -> Bool {
        rules.contains { rule in
            rule.mayApply(category.group, category.name, in: origin)
                && (category.group != .sensitive || rule.names != nil || rule.action > .annotate)
        }
    }
}
