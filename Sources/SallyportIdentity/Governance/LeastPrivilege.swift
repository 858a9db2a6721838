import SallyportCore

/// What somebody may do and never did, and a smaller role that would have been enough. From recorded use only: it proposes, it changes
/// nothing.
package struct LeastPrivilege: Sendable {
    /// One right, with what became of it.
    package struct GrantUse: Sendable {
        package let grant: HeldAccess.Grant
        package let uses: Int
        package let lastUsedAt: Int64?
        package let used: [String]
        package let unused: [String]
        package let deployments: [DeploymentID]
        package let proposal: Proposal
    }

    package enum Proposal: Sendable, Hashable {
        /// All of it is used.
        case keep
        /// Nothing of it was used.
        case remove
        /// A smaller role would have done, at these scopes. `exact` is a role of one's own with what was used and nothing else.
        case narrow(role: Role, scopes: [AccessScope], exact: [String])
    }

    package struct Report: Sendable {
        package let holder: PrincipalReference
        package let grants: [GrantUse]
        /// Actions asked for in vain, with how often.
        package let denied: [(action: String, count: Int)]
        package let isBreakGlass: Bool
    }

    /// Below so many days of observation a proposal says so little that it is marked.
    package static let leastDays: Int64 = 30
    /// More scopes than these are not worth listing one by one.
    private static let mostScopes = 8

    private let held: HeldAccess
    private let now: Int64
    private let days: Int

    package init(_ held: HeldAccess, lookBackDays days: Int, at now: Int64) {
        self.held = held
        self.now = now
        self.days = days
    }

    /// How many days the log tells of, at most the look-back.
    package var observedDays: Int64 { held.observedSince.map { min(Int64(days), max(0, (now - $0) / 86_400)) } ?? 0 }
    package var isLearning: Bool { observedDays < Self.leastDays }

    package func report(on holder: PrincipalReference) -> Report {
        let grants = held.grants(to: holder, at: now)
        var denied: [String: Int] = [:]
        for use in held.uses where use.denied > 0 && held.concerns(use, holder) { denied[use.action, default: 0] += use.denied }
        return Report(
            holder: holder, grants: grants.map(use), denied: denied.sorted { $0.key < $1.key }.map { (action: $0.key, count: $0.value) },
            isBreakGlass: held.breakGlass.contains(holder))
    }

    private func use(of grant: HeldAccess.Grant) -> GrantUse {
        let uses = held.uses(of: grant)
        let given = held.actions(of: grant.role)
        let used = Set(uses.map(\.action)).intersection(given)
        let places = Set(uses.compactMap(\.deployment))
        return GrantUse(
            grant: grant, uses: uses.reduce(0) { $0 + $1.allowed }, lastUsedAt: uses.map(\.lastAt).max(), used: used.sorted(),
            unused: given.subtracting(used).sorted(), deployments: places.sorted(),
            proposal: proposal(grant, given: given, used: used, places: places, hasPlaceless: uses.contains { $0.deployment == nil }))
    }

    private func proposal(
        _ grant: HeldAccess.Grant, given: Set<String>, used: Set<String>, places: Set<DeploymentID>, hasPlaceless: Bool
    ) -> Proposal {
        guard !used.isEmpty else { return .remove }
        let role = smallestRole(giving: used, at: grant.scope) ?? grant.role
        let isSmaller = held.actions(of: role).count < given.count
        var scopes = [grant.scope]
        if case .deployment = grant.scope {
        } else if !hasPlaceless, !places.isEmpty, places.count <= Self.mostScopes, grant.deployments.map({ $0 != places }) ?? true {
            scopes = places.sorted().map { .deployment($0) }
        }
        // A smaller role of one's own is always possible; it is said when it takes something away.
        guard isSmaller || scopes != [grant.scope] || used.count < given.count else { return .keep }
        return .narrow(role: isSmaller ? role : grant.role, scopes: scopes, exact: used.sorted())
    }

    /// Of the roles that give all of it, the one that gives least.
    private func smallestRole(giving used: Set<String>, at scope: AccessScope) -> Role? {
        held.catalog.definitions.filter { $0.isAssignable(at: scope) }
            .map { (role: $0.role, actions: held.actions(of: $0.role)) }
            .filter { $0.actions.isSuperset(of: used) }
            .min { ($0.actions.count, $0.role) < ($1.actions.count, $1.role) }?.role
    }
}
