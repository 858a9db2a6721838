import SallyportCore

/// Everything that anybody holds, as the governance of access sees it: assignments, keys with the roles that they carry, who is in which
/// group, who is disabled, and what was used.
package struct HeldAccess: Sendable {
    package var catalog: RoleCatalog
    package var assignments: [RoleAssignment]
    package var keys: [KeyRecord]
    package var keyUses: [KeyID: Int64]
    package var uses: [AccessUse]
    /// Since when uses were seen; nil: not at all.
    package var observedSince: Int64?
    /// Members of groups that are provisioned here, by the group's id.
    package var groups: [String: [PrincipalReference]]
    package var disabled: Set<String>
    package var breakGlass: Set<PrincipalReference>
    /// The actions that exist: patterns of roles are spelled out over these.
    package var actions: [String]

    package init(
        catalog: RoleCatalog, assignments: [RoleAssignment], keys: [KeyRecord] = [], keyUses: [KeyID: Int64] = [:], uses: [AccessUse] = [],
        observedSince: Int64? = nil, groups: [String: [PrincipalReference]] = [:], disabled: Set<String> = [],
        breakGlass: Set<PrincipalReference> = [], actions: [String]
    ) {
        self.catalog = catalog
        self.assignments = assignments
        self.keys = keys
        self.keyUses = keyUses
        self.uses = uses
        self.observedSince = observedSince
        self.groups = groups
        self.disabled = disabled
        self.breakGlass = breakGlass
        self.actions = actions
    }

    /// One right that somebody holds.
    package struct Grant: Sendable, Hashable {
        /// As the log names it: `assignment:ID`, `role:NAME`.
        package let source: String
        /// Whom it was given to.
        package let holder: PrincipalReference
        package let role: Role
        package let scope: AccessScope
        /// For a role that a key carries: the only deployments that it holds for.
        package let deployments: Set<DeploymentID>?
        package let expiresAt: Int64?
        package let createdAt: Int64
    }

    /// Everybody who holds something, in order: holders of assignments, and keys that work.
    package func holders(at now: Int64) -> [PrincipalReference] {
        let assigned = assignments.filter { $0.effect == .allow && $0.expiresAt.map { $0 > now } ?? true }.map(\.principal)
        let keys = keys.filter { isLive($0, at: now) && !$0.isHoney }.map { PrincipalReference(.key, $0.id.rawValue) }
        return Set(assigned + keys).sorted { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }
    }

    package func isLive(_ key: KeyRecord, at now: Int64) -> Bool { now < min(key.expiresAt ?? .max, key.revokedAt ?? .max) }

    /// What was given to this very holder: its assignments, and for a key the roles that it carries.
    package func grants(to holder: PrincipalReference, at now: Int64) -> [Grant] {
        var grants = assignments.filter {
            $0.principal == holder && $0.effect == .allow && $0.expiresAt.map { $0 > now } ?? true
        }.map {
            Grant(
                source: "assignment:\($0.id)", holder: holder, role: $0.role, scope: $0.scope, deployments: nil, expiresAt: $0.expiresAt,
                createdAt: $0.createdAt)
        }
        if holder.kind == .key, let key = keys.first(where: { $0.id.rawValue == holder.id }), isLive(key, at: now) {
            grants += key.roles.sorted().map {
                Grant(
                    source: "role:\($0)", holder: holder, role: $0, scope: .organisation, deployments: key.deployments,
                    expiresAt: key.expiresAt, createdAt: key.createdAt)
            }
        }
        return grants
    }

    /// What somebody can do in all: what was given to it, to its groups, and, for a key, to the principal that it speaks for.
    package func allGrants(of holder: PrincipalReference, at now: Int64) -> [Grant] {
        var names: [PrincipalReference] = [holder]
        if holder.kind == .key, let key = keys.first(where: { $0.id.rawValue == holder.id }) {
            names += [PrincipalReference(.user, key.principal.rawValue), PrincipalReference(.service, key.principal.rawValue)]
        }
        let groups = groups.filter { !Set($0.value).isDisjoint(with: names) }.keys.sorted()
        names += groups.map { PrincipalReference(.group, $0) }
        return names.flatMap { grants(to: $0, at: now) }
    }

    /// The actions that a role gives, spelled out.
    package func actions(of role: Role) -> Set<String> {
        guard let definition = catalog.definition(of: role) else { return [] }
        return Set(actions.filter { definition.permitsData($0) || definition.permitsManagement($0) })
    }

    /// Uses that this holder's rights were needed for.
    package func uses(of grant: Grant) -> [AccessUse] {
        uses.filter { use in
            guard use.allowed > 0 else { return false }
            if let granted = use.grant {
                // A role's name says too little: two keys carry the same one.
                return granted == grant.source && (!granted.hasPrefix("role:") || concerns(use, grant.holder))
            }
            return concerns(use, grant.holder)
        }
    }

    /// Whether a use was this holder's own.
    package func concerns(_ use: AccessUse, _ holder: PrincipalReference) -> Bool {
        switch holder.kind {
        case .key: use.key?.rawValue == holder.id
        case .user, .service: use.principal.rawValue == holder.id
        case .group: groups[holder.id]?.contains { $0.id == use.principal.rawValue } ?? false
        }
    }
}
