import SallyportCore

/// Two things that nobody should be able to do alone.
package struct SeparationRule: Sendable, Hashable {
    package let id: String
    package let reason: String
    /// Patterns of actions; whoever may do something of the first and something of the second is in conflict.
    package let first: [ActionPattern]
    package let second: [ActionPattern]

    package init(id: String, reason: String, first: [String], second: [String]) {
        self.id = id
        self.reason = reason
        self.first = first.map(ActionPattern.init)
        self.second = second.map(ActionPattern.init)
    }

    /// Those that hold everywhere. Who writes a policy and who approves it is kept apart change by change (four eyes). Reading is never a duty in this sense: the patterns are of changes and disclosures.
    package static let builtIn: [SeparationRule] = [
        SeparationRule(
            id: "key-custodian-auditor", reason: "Who holds the encryption keys must not be the one who audits their use.",
            first: ["Sallyport/vault/*/action", "Sallyport/vault/write"], second: ["Sallyport/audit/export/action"]),
        SeparationRule(
            id: "analyst-resolver", reason: "Who works on incidents must not be able to see who is behind a pseudonym without a case.",
            first: ["Sallyport/incidents/write"], second: ["Sallyport/pseudonyms/resolve/action"]),
        SeparationRule(
            id: "access-giver-auditor", reason: "Who gives access must not be the one who audits it.",
            first: ["Sallyport/access/write", "Microsoft.Authorization/roleAssignments/write"], second: ["Sallyport/audit/export/action"]),
        SeparationRule(
            id: "access-giver-reader", reason: "Who gives access must not also read content or resolve pseudonyms.",
            first: ["Sallyport/access/write", "Microsoft.Authorization/roleAssignments/write"],
            second: ["Sallyport/content/reveal/action", "Sallyport/pseudonyms/resolve/action"]),
    ]

    /// Management actions that the rules, the built-in roles and the governance of access speak of.
    package static let managementActions: [String] = [
        "Microsoft.Authorization/roleAssignments/delete", "Microsoft.Authorization/roleAssignments/read",
        "Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/read",
        "Microsoft.CognitiveServices/accounts/deployments/delete", "Microsoft.CognitiveServices/accounts/deployments/write",
        "Microsoft.CognitiveServices/accounts/listkeys/action", "Microsoft.CognitiveServices/accounts/raiPolicies/delete",
        "Microsoft.CognitiveServices/accounts/raiPolicies/read", "Microsoft.CognitiveServices/accounts/raiPolicies/write",
        "Microsoft.CognitiveServices/accounts/regenerateKey/action", "Sallyport/access/read", "Sallyport/access/write",
        "Sallyport/alerts/read", "Sallyport/alerts/write", "Sallyport/audit/export/action", "Sallyport/audit/read",
        "Sallyport/configuration/read", "Sallyport/content/quarantine/read", "Sallyport/content/reveal/action", "Sallyport/incidents/read",
        "Sallyport/incidents/write", "Sallyport/indexes/documents/delete", "Sallyport/indexes/documents/write",
        "Sallyport/indexes/quarantine/read", "Sallyport/indexes/quarantine/release/action", "Sallyport/indexes/read",
        "Sallyport/keys/read", "Sallyport/keys/revoke/action", "Sallyport/keys/write", "Sallyport/changes/approve/action",
        "Sallyport/policies/read", "Sallyport/policies/write", "Sallyport/principals/disable/action", "Sallyport/privacy/read",
        "Sallyport/privacy/write", "Sallyport/pseudonyms/resolve/action", "Sallyport/retention/write", "Sallyport/reviews/decide/action",
        "Sallyport/reviews/read", "Sallyport/reviews/write", "Sallyport/scim/read", "Sallyport/scim/write",
        "Sallyport/subjects/export/action", "Sallyport/tokens/revoke/action", "Sallyport/vault/rotate/action", "Sallyport/vault/write",
    ]
}

/// Somebody who can do two things that belong to two people.
package struct SeparationConflict: Sendable, Hashable {
    package let rule: SeparationRule
    package let holder: PrincipalReference
    /// The rights that give the one and the other; the same one may give both.
    package let first: [HeldAccess.Grant]
    package let second: [HeldAccess.Grant]

    /// Over everybody who holds something, members of provisioned groups included.
    package static func all(in held: HeldAccess, rules: [SeparationRule], at now: Int64) -> [SeparationConflict] {
        let members = held.groups.values.flatMap { $0 }
        let holders = Set(held.holders(at: now) + members).filter { !held.breakGlass.contains($0) }
            .sorted { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }
        var actions: [Role: Set<String>] = [:]
        func given(_ grant: HeldAccess.Grant) -> Set<String> {
            if let known = actions[grant.role] { return known }
            let found = held.actions(of: grant.role)
            actions[grant.role] = found
            return found
        }
        var conflicts: [SeparationConflict] = []
        for holder in holders {
            let grants = held.allGrants(of: holder, at: now)
            guard !grants.isEmpty else { continue }
            for rule in rules {
                func giving(_ patterns: [ActionPattern]) -> [HeldAccess.Grant] {
                    grants.filter { grant in given(grant).contains { action in patterns.contains { $0.matches(action) } } }
                }
                let (first, second) = (giving(rule.first), giving(rule.second))
                guard !first.isEmpty, !second.isEmpty else { continue }
                conflicts.append(SeparationConflict(rule: rule, holder: holder, first: first, second: second))
            }
        }
        return conflicts
    }
}
