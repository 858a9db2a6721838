/// How documents reach the model, and what becomes of an answer that they do not support.
package struct GroundingPolicy: Sendable, Hashable {
    /// How a document's text is kept apart from instructions (spotlighting: Hines et al. 2024), the weakest first.
    package enum Spotlight: String, Sendable, CaseIterable, Comparable {
        /// Between marks that a document cannot know.
        case delimit
        /// Besides, every blank is a mark.
        case datamark
        /// In base64.
        case encode

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
        package static func < (a: Spotlight, b: Spotlight) -> Bool { a.rank < b.rank }
    }

    /// What is done about sentences that no document supports, the mildest first.
    package enum Check: String, Sendable, CaseIterable, Comparable {
        case off, annotate
        /// They are taken out, or replaced by the document's own.
        case correct
        /// The answer is not shown.
        case block

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
        package static func < (a: Check, b: Check) -> Bool { a.rank < b.rank }
    }

    /// nil: nobody said; texts are delimited.
    package var spotlight: Spotlight?
    /// nil: nobody said; answers are annotated where a model can tell.
    package var groundedness: Check?
    package init() {}

    package func tightened(by other: GroundingPolicy) -> GroundingPolicy {
        var combined = GroundingPolicy()
        combined.spotlight = [spotlight, other.spotlight].compactMap { $0 }.max()
        combined.groundedness = [groundedness, other.groundedness].compactMap { $0 }.max()
        return combined
    }
}
