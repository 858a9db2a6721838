import SallyportCore

/// Makes the items of an access review from what is held and used.
struct ReviewEvidence {
    let held: HeldAccess
    let conflicts: [SeparationConflict]
    let lookBackDays: Int
    let now: Int64

    /// Roles that change who may do what, or read what people wrote.
    private static let grave = [
        "Microsoft.Authorization/roleAssignments/write", "Sallyport/access/write", "Sallyport/keys/write", "Sallyport/policies/write",
        "Sallyport/vault/write", "Sallyport/content/reveal/action", "Sallyport/pseudonyms/resolve/action", "Sallyport/audit/export/action",
    ]
    private static let longLived: Int64 = 365 * 86_400

    func items(kinds: Set<String>, roles: Set<String>?, id: () -> String) -> [ReviewItem] {
        var items: [ReviewItem] = []
        for assignment in held.assignments
        where assignment.effect == .allow && kinds.contains(assignment.principal.kind.rawValue)
            && roles.map({ $0.contains(assignment.role.rawValue) }) ?? true && assignment.expiresAt.map({ $0 > now }) ?? true
        {
            items.append(item(assignment, id: id()))
        }
        guard kinds.contains("key") else { return items }
        for key in held.keys where held.isLive(key, at: now) && !key.isHoney {
            if let roles, roles.isDisjoint(with: key.roles.map(\.rawValue)) { continue }
            items.append(item(key, id: id()))
        }
        return items
    }

    private func item(_ assignment: RoleAssignment, id: String) -> ReviewItem {
        let grant = HeldAccess.Grant(
            source: "assignment:\(assignment.id)", holder: assignment.principal, role: assignment.role, scope: assignment.scope,
            deployments: nil, expiresAt: assignment.expiresAt, createdAt: assignment.createdAt)
        let uses = held.uses(of: grant)
        var reasons = reasons(for: assignment.principal, role: assignment.role, source: grant.source)
        if assignment.expiresAt == nil { reasons.minor.append("never expires") }
        return finished(
            ReviewItem(
                id: id, resource: .assignment, resourceID: assignment.id, subject: assignment.principal.description,
                summary: "\(assignment.role) at \(assignment.scope)"
                    + (assignment.condition.map { " when \($0)" } ?? ""),
                isBreakGlass: held.breakGlass.contains(assignment.principal),
                evidence: evidence(uses, createdAt: assignment.createdAt, expiresAt: assignment.expiresAt, lastUsedAt: nil),
                recommendation: .approve), reasons)
    }

    private func item(_ key: KeyRecord, id: String) -> ReviewItem {
        let holder = PrincipalReference(.key, key.id.rawValue)
        let uses = held.uses.filter { held.concerns($0, holder) && $0.allowed > 0 }
        var reasons = self.reasons(for: holder, role: nil, source: nil)
        for role in key.roles.sorted() where isGrave(role) { reasons.major.append("the role \(role) is a powerful one") }
        if held.disabled.contains(key.principal.rawValue) { reasons.major.append("its principal is disabled") }
        if key.expiresAt == nil { reasons.minor.append("never expires") }
        if now - key.createdAt > Self.longLived { reasons.minor.append("older than a year") }
        if key.addresses == nil { reasons.minor.append("usable from everywhere") }
        let owners = [PrincipalReference(.user, key.principal.rawValue), PrincipalReference(.service, key.principal.rawValue)]
        return finished(
            ReviewItem(
                id: id, resource: .key, resourceID: key.id.rawValue, subject: holder.description, principal: key.principal.rawValue,
                summary: "key '\(key.name)': \(key.roles.map(\.rawValue).sorted().joined(separator: "+"))"
                    + (key.deployments.map { " for \($0.map(\.rawValue).sorted().joined(separator: ","))" } ?? ""),
                isBreakGlass: held.breakGlass.contains(holder) || owners.contains { held.breakGlass.contains($0) },
                evidence: evidence(uses, createdAt: key.createdAt, expiresAt: key.expiresAt, lastUsedAt: held.keyUses[key.id]),
                recommendation: .approve), reasons)
    }

    private struct Reasons {
        var major: [String] = []
        var minor: [String] = []
    }

    private func reasons(for holder: PrincipalReference, role: Role?, source: String?) -> Reasons {
        var reasons = Reasons()
        if held.disabled.contains(holder.id) { reasons.major.append("the principal is disabled") }
        if let role {
            if isGrave(role) { reasons.major.append("the role \(role) is a powerful one") }
            if held.catalog.definition(of: role) == nil { reasons.minor.append("there is no role \(role)") }
        }
        for conflict in conflicts where conflict.holder == holder {
            let isPart = source.map { source in (conflict.first + conflict.second).contains { $0.source == source } } ?? true
            if isPart { reasons.major.append("separation of duty: \(conflict.rule.id)") }
        }
        return reasons
    }

    private func isGrave(_ role: Role) -> Bool { !held.actions(of: role).isDisjoint(with: Self.grave) }

    private func evidence(_ uses: [AccessUse], createdAt: Int64, expiresAt: Int64?, lastUsedAt: Int64?) -> ReviewItem.Evidence {
        let from = (now - Int64(lookBackDays) * 86_400) / 86_400
        return ReviewItem.Evidence(
            lastUsedAt: [uses.map(\.lastAt).max(), lastUsedAt].compactMap(\.self).max(),
            uses: uses.filter { $0.day >= from }.reduce(0) { $0 + $1.allowed }, createdAt: createdAt, expiresAt: expiresAt)
    }

    private func finished(_ item: ReviewItem, _ reasons: Reasons) -> ReviewItem {
        var item = item
        if let subject = PrincipalReference(item.subject) {
            item.evidence.denials = held.uses.filter { held.concerns($0, subject) }.reduce(0) { $0 + $1.denied }
        }
        var reasons = reasons
        let isOldEnough = item.evidence.createdAt <= now - Int64(lookBackDays) * 86_400
        let isObserved = held.observedSince.map { $0 <= now - Int64(lookBackDays) * 86_400 } ?? false
        let cutoff = now - Int64(lookBackDays) * 86_400
        let isIdle = item.evidence.lastUsedAt.map { $0 < cutoff } ?? true
        if isIdle {
            let words = item.evidence.lastUsedAt == nil ? "never used" : "not used for \(lookBackDays) days"
            reasons.minor.append(isObserved || item.evidence.lastUsedAt != nil ? words : "\(words), as far as the log goes back")
        }
        if item.evidence.denials > 0 { reasons.minor.append("asked \(item.evidence.denials) times for what it may not do") }
        let isGone = item.subject.split(separator: ":", maxSplits: 1).last.map { held.disabled.contains(String($0)) } ?? false
        let leaver = isGone || item.principal.map { held.disabled.contains($0) } ?? false
        item.recommendation = leaver || (isIdle && isOldEnough && (isObserved || item.evidence.lastUsedAt != nil)) ? .remove : .approve
        item.evidence.reasons = reasons.major + reasons.minor
        item.evidence.risk = !reasons.major.isEmpty ? "high" : reasons.minor.count > 1 ? "medium" : "low"
        return item
    }
}
