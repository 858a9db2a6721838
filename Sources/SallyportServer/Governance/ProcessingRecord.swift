import SallyportCore
import SallyportGuard

/// The record of processing activities that article 30 of the GDPR asks for: what the configuration and the policies say, and what they
/// leave open.
package struct ProcessingRecord: Sendable, Encodable {
    package struct Controller: Sendable, Encodable {
        package let name: String?
        package let contact: String?
        package let officer: String?
    }

    package struct Activity: Sendable, Encodable {
        package let name: String
        package let purpose: String
        package let legalBasis: String
        package let subjects: [String]
        package let categories: [String]
        package let recipients: [String]
        package let transfers: [String]
        package let retention: String
        package let measures: [String]
        /// `configuration`, or the policy that says it.
        package let source: String
    }

    package let controller: Controller
    package let activities: [Activity]
    package let gaps: [String]

    init(_ plan: ServerPlan, storage: [(policy: PolicyID, storage: GuardPolicy.Storage)]) {
        let privacy = plan.privacy
        controller = Controller(name: privacy.controller, contact: privacy.contact, officer: privacy.officer)
        let outside = plan.upstreams.filter { $0.kind != .embedded }
        let recipients = outside.map { privacy.recipients[$0.id]?.recipient ?? $0.id.rawValue }
        let transfers = outside.compactMap { upstream -> String? in
            guard let facts = privacy.recipients[upstream.id], let region = facts.region,
                !(ServerPlan.Privacy.builtInRegions["eu"]?.contains(region) ?? false)
            else { return nil }
            return "\(upstream.id) in \(region): \(facts.transfer ?? "no ground is named")"
        }
        let measures = [
            "access by roles, keys hashed", "guards on prompts and answers", "tamper-evident audit log without contents",
            plan.tls == nil ? "no TLS at the gateway itself" : "TLS at the gateway",
        ]
        var activities = privacy.activities.map { activity in
            Activity(
                name: activity.name, purpose: activity.purpose, legalBasis: activity.legalBasis, subjects: activity.subjects,
                categories: activity.categories, recipients: activity.recipients + recipients, transfers: transfers,
                retention: activity.retention ?? "not named", measures: activity.measures + measures, source: "configuration")
        }
        for (policy, storage) in storage {
            activities.append(
                Activity(
                    name: "storage under \(policy)", purpose: storage.purpose, legalBasis: storage.legalBasis.rawValue,
                    subjects: ["callers of deployments under \(policy)"], categories: [storage.what.rawValue], recipients: [],
                    transfers: [],
                    retention: "\(storage.retentionDays) days", measures: measures + ["sealed under the subject's own key"],
                    source: "policy \(policy)"))
        }
        activities.append(
            Activity(
                name: "audit log", purpose: "accountability and security (articles 5(2), 32)", legalBasis: "legitimateInterests",
                subjects: ["callers"], categories: ["identifiers, times, verdicts, sizes; no contents"], recipients: [], transfers: [],
                retention: "not deleted by the gateway", measures: measures, source: "built in"))
        self.activities = activities
        var gaps: [String] = []
        if privacy.controller == nil { gaps.append("privacy.controller.name") }
        if privacy.contact == nil { gaps.append("privacy.controller.contact") }
        if privacy.activities.isEmpty { gaps.append("privacy.activities: no activity is named") }
        for activity in privacy.activities {
            if activity.subjects.isEmpty { gaps.append("privacy.activities.\(activity.name).subjects") }
            if activity.categories.isEmpty { gaps.append("privacy.activities.\(activity.name).categories") }
            if activity.retention == nil { gaps.append("privacy.activities.\(activity.name).retention") }
        }
        for upstream in outside where privacy.recipients[upstream.id]?.region == nil { gaps.append("upstreams.\(upstream.id).region") }
        self.gaps = gaps
    }
}
