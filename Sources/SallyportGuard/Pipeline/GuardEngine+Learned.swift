import SallyportCore

/// What learned guards can and cannot do for a policy.
extension GuardEngine {
    package var isLearned: Bool { learned != nil }

    /// Whether texts that travel this way may have to be read by the encoder.
    package func mayRead(_ direction: Direction, under policy: GuardPolicy) -> Bool {
        guard let learned else { return false }
        return PassageOrigin.allCases.contains { $0.direction == direction && !learned.wanted(for: $0, under: policy).isEmpty }
    }

    /// Filters that the policy demands and that nobody here can run, by Azure's bare names.
    package func missingFilters(of policy: GuardPolicy) -> Set<String> {
        var missing = policy.unavailableFilters
        func demand(_ group: Finding.Category.Group, _ names: some Sequence<String>) {
            for name in names where learned?.serves.contains(.init(group, name)) != true {
                missing.insert(name.lowercased().filter { $0 != "_" })
            }
        }
        for rule in policy.rules where rule.action > .allow {
            switch rule.group {
            case .harm:
                if let names = rule.names { demand(.harm, names) } else { demand(.harm, HarmDetector.Harm.allCases.map(\.rawValue)) }
            case .attack: if let names = rule.names { demand(.attack, names) }
            case .groundedness, .protectedMaterial: demand(rule.group, [rule.group.rawValue])
            case .sensitive, .secret, .blocklist, .output, .invisible: break
            }
        }
        return missing
    }
}
