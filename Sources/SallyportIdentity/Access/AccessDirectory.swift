import NIOConcurrencyHelpers
import SallyportCore
import Synchronization

/// Roles, assignments and revocations in memory, replaced as a whole when the store or the configuration changes.
package final class AccessDirectory: Sendable {
    private struct State {
        var snapshot: AccessSnapshot
        var revocations = RevocationList()
        /// Of the store when the revocations were read.
        var revokedAt: Int64?
        var configured: [RoleAssignment] = []
        var catalog = RoleCatalog()
        var revision: Int64?
        var memberships: [String: [String]] = [:]
    }

    private let state: NIOLockedValueBox<State>
    private let actions: [String]
    private let confirmedAt = Synchronization.Atomic<Int64>(.min)
    private let maximumAge: Int64?

    /// - Parameters:
    ///   - actions: the data actions that requests are judged by.
    ///   - maximumAge: seconds after which what no ``refresh(from:at:)`` has confirmed is no longer trusted; nil: always trusted.
    package init(actions: [String] = [], maximumAge: Int64? = nil) {
        self.actions = actions
        self.maximumAge = maximumAge
        state = NIOLockedValueBox(State(snapshot: AccessSnapshot(actions: actions)))
    }

    package var snapshot: AccessSnapshot { state.withLockedValue { $0.snapshot } }

    /// - Throws: ``Fault`` `.unauthenticated` for a disabled principal, `.storeUnavailable` when nobody knows any more who is disabled.
    package func check(_ principal: Principal, at now: Int64) throws -> AccessSnapshot {
        guard isConfirmed(at: now) else { throw Self.stale }
        let (snapshot, isDisabled) = state.withLockedValue { ($0.snapshot, $0.revocations.isDisabled(principal.id, principal.tenant)) }
        guard !isDisabled else { throw Self.disabled }
        return snapshot
    }

    /// Whether what is known was confirmed lately; when not, nobody is let in.
    package func isConfirmed(at now: Int64) -> Bool {
        guard let maximumAge else { return true }
        let confirmed = confirmedAt.load(ordering: .relaxed)
        return confirmed > .min && now - confirmed <= maximumAge
    }

    package var revocations: RevocationList { state.withLockedValue { $0.revocations } }

    /// What the configuration says; takes effect at once.
    package func configure(_ catalog: RoleCatalog, assignments: [RoleAssignment]) {
        state.withLockedValue { state in
            let stored = state.snapshot.assignments.dropFirst(state.configured.count)
            state.catalog = catalog
            state.configured = assignments
            state.snapshot = AccessSnapshot(
                catalog: catalog, assignments: assignments + stored, actions: actions, memberships: state.memberships)
        }
    }

    /// Reads what is stored when it has changed since; else confirms that what is known still holds. Blocks, briefly.
    /// - Parameter provisioning: who is in which group, as an identity provider told us.
    /// - Returns: whether anything was read again.
    @discardableResult
    package func refresh(from store: any AccessStore, provisioning: (any ProvisioningStore)? = nil, at now: Int64) throws -> Bool {
        let known = state.withLockedValue { $0.revision }
        let revision = try store.revision()
        guard revision != known else {
            confirmedAt.store(now, ordering: .relaxed)
            return false
        }
        // First, and at once: reading everybody's assignments and groups takes a while when there are many, and taking back must not wait for it.
        try takeBack(from: store)
        let stored = try store.allAssignments()
        var memberships: [String: [String]] = [:]
        for (group, members) in try provisioning?.members(of: .default) ?? [:] {
            for member in members { memberships[member.id, default: []].append(group) }
        }
        state.withLockedValue { [memberships] state in
            state.memberships = memberships
            state.revision = revision
            state.snapshot = AccessSnapshot(
                catalog: state.catalog, assignments: state.configured + stored, actions: actions, memberships: memberships)
        }
        confirmedAt.store(now, ordering: .relaxed)
        return true
    }

    /// Heeds who was disabled and which tokens were revoked, and nothing else: quick however many assignments there are. Blocks, briefly.
    package func takeBack(from store: any AccessStore) throws {
        let revision = try store.revision()
        guard revision != state.withLockedValue({ $0.revokedAt }) else { return }
        let revocations = RevocationList(try store.allRevocations())
        state.withLockedValue { state in
            // Somebody who began to read later may be done already.
            guard state.revokedAt.map({ $0 < revision }) ?? true else { return }
            state.revocations = revocations
            state.revokedAt = revision
        }
    }

    private static let disabled = Fault(.unauthenticated, "Access denied: this principal is disabled.")
    private static let stale = Fault(
        .storeUnavailable, "The gateway cannot confirm its access rules at the moment. Try again shortly.", retryAfter: .seconds(1))
}

/// What is no longer trusted, for look-ups in constant time.
package struct RevocationList: Sendable {
    private struct Key: Hashable {
        let tenant: TenantID
        let subject: String
    }
    private var tokens: Set<Key> = []
    private var disabled: Set<Key> = []
    private var issuedBefore: [Key: Int64] = [:]

    package init(_ revocations: [Revocation] = []) {
        for revocation in revocations {
            let key = Key(tenant: revocation.tenant, subject: revocation.subject)
            switch revocation.kind {
            case .token: tokens.insert(key)
            case .principal: disabled.insert(key)
            case .issuedBefore: issuedBefore[key] = max(issuedBefore[key] ?? .min, revocation.before ?? .min)
            }
        }
    }

    package func isDisabled(_ principal: PrincipalID, _ tenant: TenantID) -> Bool {
        !disabled.isEmpty && disabled.contains(Key(tenant: tenant, subject: principal.rawValue))
    }

    /// - Parameter issuedAt: seconds since 1970; a token that does not tell is taken to be as old as can be.
    package func revokes(token id: String?, of principal: PrincipalID, issuedAt: Int64?, tenant: TenantID) -> Bool {
        if let id, !tokens.isEmpty, tokens.contains(Key(tenant: tenant, subject: id)) { return true }
        guard !issuedBefore.isEmpty, let moment = issuedBefore[Key(tenant: tenant, subject: principal.rawValue)] else { return false }
        return issuedAt ?? .min < moment
    }
}
