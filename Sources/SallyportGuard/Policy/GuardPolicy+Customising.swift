import SallyportCore

extension GuardPolicy {
    /// What files that a model is customised with must satisfy, beside what the guards say of their texts.
    package struct Customising: Sendable, Hashable {
        package enum Reaction: String, Sendable, CaseIterable, Codable {
            /// The report says it; the file goes on.
            case report
            case refuse
        }
        /// Without consent on record (purpose `customising`) of all whom the uploader names.
        package var consent = Reaction.report
        /// Without a licence, or with one that is not among ``licences``.
        package var licence = Reaction.report
        /// Triggers, label flips, instructions to a model, invisible text.
        package var poisoning = Reaction.refuse
        /// More equal rows than ``maximumDuplicateShare``.
        package var duplicates = Reaction.report
        package var maximumDuplicateShare = 0.2
        /// SPDX identifiers, or words of your own; empty: any.
        package var licences: Set<String> = []

        package init() {}

        /// Whatever either demands.
        package func tightened(by other: Customising) -> Customising {
            var combined = self
            if other.consent == .refuse { combined.consent = .refuse }
            if other.licence == .refuse { combined.licence = .refuse }
            if other.poisoning == .refuse { combined.poisoning = .refuse }
            if other.duplicates == .refuse { combined.duplicates = .refuse }
            combined.maximumDuplicateShare = min(maximumDuplicateShare, other.maximumDuplicateShare)
            if !other.licences.isEmpty { combined.licences = licences.isEmpty ? other.licences : licences.intersection(other.licences) }
            return combined
        }
    }
}
