import SallyportCore
import SallyportGateway
import SallyportGuard

/// One upstream as somebody who is given data: which, where, under which terms.
package struct SharingEntry: Sendable, Encodable {
    package struct Use: Sendable, Encodable {
        package let deployment: String
        package let model: String
        package let policy: String
        /// What the policy takes out of prompts before they leave.
        package let removed: [String]
        package let residency: [[String]]
    }

    package let upstream: String
    package let kind: String
    package let recipient: String
    package let role: String
    package let endpoint: String?
    package let region: String?
    package let terms: String?
    package let transfer: String?
    package let retention: String?
    package let training: String
    package let data: [String]
    package let uses: [Use]
    /// What should be known and is not.
    package let gaps: [String]

    static func all(of plan: ServerPlan, policies: [GuardPolicy]) -> [SharingEntry] {
        let known = Dictionary(policies.map { ($0.id, $0) }) { _, last in last }
        return plan.upstreams.sorted { $0.id < $1.id }.map { upstream in
            let facts = plan.privacy.recipients[upstream.id]
            let uses = plan.deployments.sorted { $0.id < $1.id }.flatMap { deployment in
                deployment.targets.filter { $0.upstream == upstream.id }.map { target in
                    Use(
                        deployment: deployment.id.rawValue, model: target.model, policy: deployment.policy.rawValue,
                        removed: known[deployment.policy].map(removed) ?? [],
                        residency: known[deployment.policy]?.privacy.residency.map { $0.sorted() } ?? [])
                }
            }
            return SharingEntry(
                upstream: upstream.id.rawValue, kind: upstream.kind.rawValue,
                recipient: facts?.recipient ?? facts?.endpoint ?? (upstream.kind == .embedded ? "this gateway" : "unknown"),
                role: facts?.role ?? "processor", endpoint: facts?.endpoint, region: facts?.region, terms: facts?.terms,
                transfer: facts?.transfer, retention: facts?.retention, training: facts?.training ?? "unknown", data: data(upstream.kind),
                uses: uses, gaps: gaps(upstream.kind, facts))
        }
    }

    private static func data(_ kind: UpstreamKind) -> [String] {
        switch kind {
        case .embedded: ["questions, answered in this process: nothing leaves"]
        case .azureOpenAI, .openAI:
            ["texts of prompts, as the policy leaves them", "files, images and sound, where the policy lets them pass"]
        case .azureAI: ["texts sent to its paths, as the policy leaves them"]
        case .azureSearch: ["questions and their vectors, and the names of the caller's groups"]
        }
    }

    private static func gaps(_ kind: UpstreamKind, _ facts: ServerPlan.Privacy.Recipient?) -> [String] {
        guard kind != .embedded else { return [] }
        var gaps: [String] = []
        if facts?.region == nil { gaps.append("region") }
        if facts?.recipient == nil { gaps.append("sharing.recipient") }
        if facts?.terms == nil, facts?.role != "own" { gaps.append("sharing.terms") }
        if facts?.retention == nil { gaps.append("sharing.retention") }
        if facts?.training == "unknown" { gaps.append("sharing.training") }
        let isInUnion = facts?.region.map { ServerPlan.Privacy.builtInRegions["eu"]?.contains($0) ?? false } ?? false
        if facts?.region != nil, !isInUnion, facts?.transfer == nil, facts?.role != "own" { gaps.append("sharing.transfer") }
        return gaps
    }

    private static func removed(_ policy: GuardPolicy) -> [String] {
        var removed: Set<String> = []
        for rule in policy.rules where rule.action.rewrites || rule.action == .block {
            guard rule.direction != .completion else { continue }
            let what = rule.names.map { $0.sorted().map { "\(rule.group.rawValue):\($0)" } } ?? [rule.group.rawValue]
            removed.formUnion(what.map { "\($0) (\(rule.action.rawValue))" })
        }
        return removed.sorted()
    }
}
