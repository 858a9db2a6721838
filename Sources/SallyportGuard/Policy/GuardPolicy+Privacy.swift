import SallyportCore

/// What a policy says about people's data beyond what is found in texts: what is kept, where it may go, who must have agreed.
extension GuardPolicy {
    /// What is kept of exchanges. Nothing is, without it.
    package struct Storage: Sendable, Hashable {
        package enum What: String, Sendable, CaseIterable { case prompts, answers, both }
        /// GDPR art. 6(1).
        package enum LegalBasis: String, Sendable, CaseIterable {
            /// Kept only of those who have agreed to the purpose.
            case consent
            case contract, legalObligation, vitalInterests, publicTask, legitimateInterests
        }
        package var what: What
        package var purpose: String
        package var legalBasis: LegalBasis
        package var retentionDays: Int
        /// `closed`: what cannot be kept is refused.
        package var onFailure: FailureMode

        package init(what: What, purpose: String, legalBasis: LegalBasis, retentionDays: Int, onFailure: FailureMode = .open) {
            self.what = what
            self.purpose = purpose
            self.legalBasis = legalBasis
            self.retentionDays = retentionDays
            self.onFailure = onFailure
        }
    }

    /// A consent without which nothing is done.
    package struct ConsentRequirement: Sendable, Hashable {
        package var purpose: String
        /// nil: any version.
        package var version: String?
        /// Names of operations that it is needed for; nil: all.
        package var operations: Set<String>?
        package init(purpose: String, version: String? = nil, operations: Set<String>? = nil) {
            self.purpose = purpose
            self.version = version
            self.operations = operations
        }
    }

    /// All of it together, so that it travels with a policy as one thing.
    package struct Privacy: Sendable, Hashable {
        package var storage: Storage?
        /// Regions, or names for several, that the data may go to: every one of these sets must be met.
        package var residency: [Set<String>] = []
        package var consents: [ConsentRequirement] = []
        /// Notices whose newest version must have been acknowledged.
        package var notices: Set<String> = []
        package init() {}

        /// Both at once. What is kept is the floor's matter alone: whoever selects a policy neither adds to it nor escapes it.
        func tightened(by other: Privacy) -> Privacy {
            var combined = self
            combined.residency += other.residency.filter { !residency.contains($0) }
            combined.consents += other.consents.filter { !consents.contains($0) }
            combined.notices.formUnion(other.notices)
            return combined
        }
    }
}
