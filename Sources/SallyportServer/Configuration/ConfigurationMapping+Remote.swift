import SallyportCore
import SallyportGuard

/// `guards.remote`: second opinions.
extension ConfigurationMapping {
    mutating func remoteGuards(known: Set<String>) -> [ServerPlan.RemoteGuardPlan] {
        (tree.names["guards.remote"] ?? []).compactMap { remoteGuard($0.name, line: $0.line, column: $0.column, known: known) }
    }

    private mutating func remoteGuard(
        _ name: String, line: Int, column: Int, known: Set<String>
    ) -> ServerPlan.RemoteGuardPlan? {
        let base = "guards.remote.\(name)"
        guard let kindName = text("\(base).kind") else {
            if tree.values["\(base).kind"] == nil { report("'\(base).kind' is missing", line: line, column: column) }
            return nil
        }
        guard let upstream = text("\(base).upstream") else {
            report("'\(base).upstream' is missing", line: line, column: column)
            return nil
        }
        guard known.contains(upstream) else {
            report("the upstream '\(upstream)' is not configured", at: "\(base).upstream")
            return nil
        }
        if Self.ownGuards.contains(name) {
            report("'\(name)' is the name of a guard of the gateway's own", line: line, column: column)
            return nil
        }
        let upstreamKind = text("upstreams.\(upstream).kind") ?? ""
        let categories = categories(base)
        var budget = OpinionReader.Budget()
        budget.timeout = duration("\(base).timeout") ?? budget.timeout
        budget.callsPerMinute = int("\(base).callsPerMinute") ?? budget.callsPerMinute
        budget.concurrentCalls = int("\(base).concurrentCalls") ?? budget.concurrentCalls
        if let time = duration("\(base).cacheFor") {
            // Whole seconds, and less than one only where it was said so.
            budget.cacheSeconds = time.components.seconds + (time.components.attoseconds > 0 ? 1 : 0)
        }
        let kind: ServerPlan.RemoteGuardPlan.Kind
        switch kindName {
        case "prompt-shields", "content-safety":
            if upstreamKind != "azure-ai" { report("must be of kind azure-ai for \(kindName)", at: "\(base).upstream") }
            let version = text("\(base).apiVersion") ?? "2024-09-01"
            kind = kindName == "prompt-shields" ? .promptShields(apiVersion: version) : .contentSafety(apiVersion: version)
        case "judge":
            guard let model = text("\(base).model") else {
                report("'\(base).model' is missing", line: line, column: column)
                return nil
            }
            if !["openai", "azure-openai"].contains(upstreamKind) {
                report("must be of kind openai or azure-openai for a judge", at: "\(base).upstream")
            }
            kind = .judge(
                model: model,
                categories: categories.isEmpty ? [.init(.attack, "jailbreak"), .init(.attack, "indirect_attack")] : categories)
        default:
            guard categories.count <= 1 else {
                report("a classifier reports one thing", at: "\(base).detect")
                return nil
            }
            var shape = ClassifierGuard.Shape()
            shape.textField = text("\(base).textField") ?? shape.textField
            shape.score = text("\(base).score") ?? shape.score
            shape.label = text("\(base).label")
            shape.labels = Set(tree.values["\(base).labels"]?.texts ?? [])
            if !shape.score.hasPrefix("/") { report("must be a JSON pointer, beginning with '/'", at: "\(base).score") }
            if let label = shape.label, !label.hasPrefix("/") { report("must be a JSON pointer, beginning with '/'", at: "\(base).label") }
            if (shape.label == nil) != shape.labels.isEmpty {
                report("'label' and 'labels' belong together", line: line, column: column)
            }
            kind = .classifier(path: text("\(base).path") ?? "/", category: categories.first ?? .init(.attack, "jailbreak"), shape: shape)
        }
        return ServerPlan.RemoteGuardPlan(
            id: DetectorID(name), upstream: UpstreamID(upstream), kind: kind, budget: budget, maximumText: int("\(base).maximumText"))
    }

    private mutating func categories(_ base: String) -> [Finding.Category] {
        (tree.values["\(base).detect"]?.texts ?? []).compactMap { name in
            switch name {
            case "jailbreak", "indirect_attack": return .init(.attack, name)
            case "hate", "sexual", "violence", "self_harm": return .init(.harm, name)
            default:
                report("'\(name)' is not jailbreak, indirect_attack, hate, sexual, violence or self_harm", at: "\(base).detect")
                return nil
            }
        }
    }

    /// A remote guard of such a name would be taken for another one by policies.
    private static let ownGuards: Set<String> = [
        "sensitive-data", "secrets", "output-link", "output-html", "canary", "invisible", "normaliser", "prompt-attack", "document-attack",
        "harm-hate", "harm-sexual", "harm-violence", "harm-self_harm", "names", "protected-material", "blocklist",
    ]
}
