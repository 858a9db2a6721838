import SallyportCore
import SallyportGuard

/// What the policy demands for people's data: where it may go, and who must have agreed.
extension Exchange {
    /// Leaves only targets where the data may be, and refuses what somebody has not agreed to. Before anything goes upstream.
    func checkPrivacy(_ principal: Principal) throws {
        let privacy = policy.privacy
        if !privacy.residency.isEmpty {
            let resident = targets.filter { target in
                snapshot.upstreams[target.upstream].map { isResident($0, privacy.residency) } ?? false
            }
            guard !resident.isEmpty else {
                throw Fault(
                    .residencyViolated,
                    "The policy '\(policy.id)' keeps data in \(privacy.residency.map { $0.sorted().joined(separator: ", ") }.joined(separator: "; ")), where no upstream of this deployment lies."
                )
            }
            targets = resident
            // What is looked for is told to the search service too.
            if let source = grounding?.source, source.kind == .azureSearch,
                !isResident(try searchService(for: source), privacy.residency)
            {
                throw Fault(
                    .residencyViolated, "The policy '\(policy.id)' keeps data where the search service of the data source does not lie.",
                    param: "data_sources")
            }
        }
        for remote in runtime.parts.opinions?.guards ?? []
        where policy.settings[remote.id]?.isEnabled ?? false && !mayAsk(remote.id) {
            throw Fault(
                .residencyViolated,
                "The policy '\(policy.id)' keeps data where the second opinion '\(remote.id)' that it wants does not lie.")
        }
        for requirement in privacy.consents where requirement.operations.map({ $0.contains(summary.operation) }) ?? true {
            guard
                runtime.parts.consents.allows(
                    requirement.purpose, version: requirement.version, for: principal.id.rawValue, of: principal.tenant)
            else {
                throw Fault(
                    .consentMissing,
                    "The policy '\(policy.id)' wants the consent of '\(principal.id)' to '\(requirement.purpose)'\(requirement.version.map { " (version \($0))" } ?? ""), which there is not."
                )
            }
        }
        for notice in privacy.notices.sorted()
        where !runtime.parts.consents.hasAcknowledged(notice, subject: principal.id.rawValue, of: principal.tenant) {
            throw Fault(
                .consentMissing,
                "'\(principal.id)' has not acknowledged the privacy notice '\(notice)' as it stands, which the policy '\(policy.id)' wants."
            )
        }
    }

    /// Whether texts may be shown to a remote guard.
    func mayAsk(_ remote: DetectorID) -> Bool {
        let rules = policy.privacy.residency
        guard !rules.isEmpty else { return true }
        guard let upstream = runtime.parts.opinions?.guards.first(where: { $0.id == remote })?.upstream else { return false }
        return snapshot.upstreams[upstream].map { isResident($0, rules) } ?? false
    }

    /// What runs in this process goes nowhere; of an upstream without a region nobody knows where it is.
    private func isResident(_ upstream: UpstreamDescriptor, _ rules: [Set<String>]) -> Bool {
        if upstream.kind == .embedded { return true }
        guard let region = upstream.region else { return false }
        return rules.allSatisfy { rule in
            rule.contains { $0 == region || snapshot.configuration.regions[$0]?.contains(region) ?? false }
        }
    }
}
