import SallyportCore

extension GuardPolicy {
    /// What keeps a piece of a document from being searched: secrets, text that nobody sees, instructions to a model.
    /// - Parameter learned: without learned guards nobody can tell instructions to a model.
    package static func documents(learned: Bool) -> GuardPolicy {
        GuardPolicy(
            id: "Documents",
            rules: [
                Rule(.secret, minimumConfidence: 0.75, action: .block),
                // Not kept out, but counted: it speaks for a label.
                Rule(.sensitive, minimumConfidence: 0.75, action: .annotate),
                Rule(.invisible, names: ["tag-characters", "variation-selectors"], minimumConfidence: 0.5, action: .block),
                Rule(.invisible, names: ["bidi-control", "zero-width", "filler"], minimumConfidence: 0.75, action: .block),
            ] + (learned ? [Rule(.attack, names: ["indirect_attack"], falsePositiveRate: 0.01, action: .block)] : []),
            annotates: false)
    }
}
