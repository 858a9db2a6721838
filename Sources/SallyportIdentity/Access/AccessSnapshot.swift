import SallyportCore

/// All roles and assignments, compiled for quick answers. Immutable; a change makes a new one.
///
/// A decision looks at the few scopes above what is asked for, under each name that the principal has: its cost grows with the groups
/// of the principal, not with the number of assignments.
package final class AccessSnapshot: Sendable {
    /// Rights of one kind at one scope.
    struct Grant: Sendable {
        let id: String
        /// Its place in the catalogue, or ``AccessSnapshot/everyRole``.
        let role: Int
        let scope: AccessScope
        let condition: AccessCondition?
        /// `Int64.max`: never.
        let expiresAt: Int64

        func isLive(in context: AccessContext) -> Bool { context.now < expiresAt && condition?.holds(in: context) ?? true }
    }

    /// What is said of one principal or group.
    final class Holder: Sendable {
        let allowed: [AccessScope: [Grant]]
        let denied: [AccessScope: [Grant]]
        /// Everything that any of the grants may give.
        let union: ActionSet

        init(allowed: [AccessScope: [Grant]], denied: [AccessScope: [Grant]], union: ActionSet) {
            self.allowed = allowed
            self.denied = denied
            self.union = union
        }
    }

    /// A set of the known actions.
    struct ActionSet: Sendable {
        private var words: [UInt64]

        init(count: Int) { words = [UInt64](repeating: 0, count: (count + 63) / 64) }
        mutating func insert(_ index: Int) { words[index >> 6] |= 1 << UInt64(index & 63) }
        mutating func formUnion(_ other: ActionSet) { for index in words.indices { words[index] |= other.words[index] } }
        func contains(_ index: Int) -> Bool { words[index >> 6] & 1 << UInt64(index & 63) != 0 }
    }

    /// Of a denial whose role nobody knows here (it is not in the configuration any more, or not in that of this gateway): it may have been meant
    /// to stop anything.
    static let everyRole = -1

    package let catalog: RoleCatalog
    package let assignments: [RoleAssignment]
    /// Assignments that could not be used, with the reason: for the operator.
    package let mistakes: [(id: String, reason: String)]
    private let actions: [String: Int]
    private let roleActions: [ActionSet]
    private let holders: [HolderKey: Holder]
    /// Groups that are provisioned here, by the id of who is in them: they count besides those that a credential names.
    private let memberships: [String: [String]]

    private struct HolderKey: Hashable {
        let tenant: TenantID
        let principal: PrincipalReference
    }

    /// - Parameter actions: the data actions that decisions will be about; others cost more, nothing else.
    package init(
        catalog: RoleCatalog = RoleCatalog(), assignments: [RoleAssignment] = [], actions names: [String] = [],
        memberships: [String: [String]] = [:]
    ) {
        self.memberships = memberships
        self.catalog = catalog
        self.assignments = assignments
        actions = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
        roleActions = catalog.definitions.map { definition in
            var set = ActionSet(count: names.count)
            for (index, name) in names.enumerated() where definition.permitsData(name) { set.insert(index) }
            return set
        }
        var building: [HolderKey: (allowed: [AccessScope: [Grant]], denied: [AccessScope: [Grant]], union: ActionSet)] = [:]
        var mistakes: [(id: String, reason: String)] = []
        for assignment in assignments {
            let role: Int
            let condition: AccessCondition?
            do {
                role = try Self.role(of: assignment, in: catalog)
                condition = try assignment.condition.map { text throws(AccessCondition.Mistake) in try AccessCondition(text) }
            } catch {
                mistakes.append((assignment.id, error.description))
                // What cannot be read must not let through what it may have been meant to stop.
                guard assignment.effect == .deny else { continue }
                let role = catalog.index(of: assignment.role) ?? Self.everyRole
                let key = HolderKey(tenant: assignment.tenant, principal: assignment.principal)
                building[key, default: ([:], [:], ActionSet(count: names.count))].denied[assignment.scope, default: []].append(
                    Grant(id: assignment.id, role: role, scope: assignment.scope, condition: nil, expiresAt: assignment.expiresAt ?? .max))
                continue
            }
            let grant = Grant(
                id: assignment.id, role: role, scope: assignment.scope, condition: condition, expiresAt: assignment.expiresAt ?? .max)
            let key = HolderKey(tenant: assignment.tenant, principal: assignment.principal)
            switch assignment.effect {
            case .allow:
                building[key, default: ([:], [:], ActionSet(count: names.count))].allowed[assignment.scope, default: []].append(grant)
                building[key]?.union.formUnion(roleActions[role])
            case .deny:
                building[key, default: ([:], [:], ActionSet(count: names.count))].denied[assignment.scope, default: []].append(grant)
            }
        }
        self.mistakes = mistakes
        holders = building.mapValues { Holder(allowed: $0.allowed, denied: $0.denied, union: $0.union) }
    }

    /// Checks an assignment before it is stored.
    /// - Throws: why it cannot be.
    package static func check(_ assignment: RoleAssignment, in catalog: RoleCatalog) throws(AccessCondition.Mistake) {
        _ = try role(of: assignment, in: catalog)
        if let condition = assignment.condition { _ = try AccessCondition(condition) }
    }

    private static func role(of assignment: RoleAssignment, in catalog: RoleCatalog) throws(AccessCondition.Mistake) -> Int {
        guard let index = catalog.index(of: assignment.role) else {
            throw AccessCondition.Mistake(description: "there is no role '\(assignment.role)'")
        }
        guard catalog.definitions[index].isAssignable(at: assignment.scope) else {
            throw AccessCondition.Mistake(description: "the role '\(assignment.role)' cannot be assigned at '\(assignment.scope)'")
        }
        return index
    }

    /// What a principal may do, for the decisions of one request.
    package func rights(of principal: Principal) -> AccessRights {
        var found: [Holder] = []
        for reference in principal.references {
            if let holder = holders[HolderKey(tenant: principal.tenant, principal: reference)] { found.append(holder) }
        }
        if !memberships.isEmpty {
            for group in memberships[principal.id.rawValue] ?? [] where !principal.groups.contains(group) {
                let reference = PrincipalReference(.group, group)
                if let holder = holders[HolderKey(tenant: principal.tenant, principal: reference)] { found.append(holder) }
            }
        }
        return AccessRights(
            snapshot: self, principal: principal, holders: found, ownRoles: principal.roles.compactMap { catalog.index(of: $0) })
    }

    /// The same principal with the groups that an identity provider has told us of besides those of the credential.
    package func complete(_ principal: Principal) -> Principal {
        guard let told = memberships[principal.id.rawValue], !told.isEmpty else { return principal }
        return principal.adding(groups: told.filter { !principal.groups.contains($0) })
    }

    func index(ofAction action: String) -> Int? { actions[action] }

    func role(_ role: Int, permits action: String, _ index: Int?, _ plane: ActionPlane = .data) -> Bool {
        if role == Self.everyRole { return true }
        if plane == .management { return catalog.definitions[role].permitsManagement(action) }
        return index.map { roleActions[role].contains($0) } ?? catalog.definitions[role].permitsData(action)
    }
}
