/// A role that somebody may take up for a while, and does not hold otherwise.
package struct EligibleAssignment: Sendable, Hashable {
    package var id: String
    package var tenant: TenantID
    /// A user or a group.
    package var principal: PrincipalReference
    package var role: Role
    package var scope: AccessScope
    /// Seconds; the longest time at once.
    package var maximumDuration: Int64
    package var needsApproval: Bool
    package var needsMFA: Bool
    /// Who may approve besides those who hold the action; never the one who asks.
    package var approvers: [PrincipalReference]
    package var createdAt: Int64
    package var note: String?

    package init(
        id: String, tenant: TenantID = .default, principal: PrincipalReference, role: Role, scope: AccessScope, maximumDuration: Int64,
        needsApproval: Bool, needsMFA: Bool, approvers: [PrincipalReference] = [], createdAt: Int64, note: String? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.principal = principal
        self.role = role
        self.scope = scope
        self.maximumDuration = maximumDuration
        self.needsApproval = needsApproval
        self.needsMFA = needsMFA
        self.approvers = approvers
        self.createdAt = createdAt
        self.note = note
    }
}

/// One taking up of an eligible role, from the question to its end.
package struct Elevation: Sendable, Hashable {
    package enum State: String, Sendable, CaseIterable { case pending, active, denied, ended }
    package var id: String
    package var tenant: TenantID
    package var eligible: String
    package var principal: PrincipalID
    package var role: Role
    package var scope: AccessScope
    package var reason: String
    /// Seconds.
    package var duration: Int64
    package var requestedAt: Int64
    package var state: State
    package var decidedBy: PrincipalID?
    package var decidedAt: Int64?
    /// When it ends by itself.
    package var endsAt: Int64?

    package init(
        id: String, tenant: TenantID = .default, eligible: String, principal: PrincipalID, role: Role, scope: AccessScope, reason: String,
        duration: Int64, requestedAt: Int64, state: State = .pending, decidedBy: PrincipalID? = nil, decidedAt: Int64? = nil,
        endsAt: Int64? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.eligible = eligible
        self.principal = principal
        self.role = role
        self.scope = scope
        self.reason = reason
        self.duration = duration
        self.requestedAt = requestedAt
        self.state = state
        self.decidedBy = decidedBy
        self.decidedAt = decidedAt
        self.endsAt = endsAt
    }

    /// The assignment that it gives while it is active.
    package var assignmentID: String { "elevation-\(id)" }
}

/// Elevations at rest. Every method blocks.
package protocol ElevationStore: Sendable {
    func eligible() throws -> [EligibleAssignment]
    func insert(_ eligible: EligibleAssignment) throws
    func removeEligible(_ id: String, tenant: TenantID) throws -> Bool
    /// The newest first.
    func elevations(limit: Int) throws -> [Elevation]
    func elevation(_ id: String, tenant: TenantID) throws -> Elevation?
    func insert(_ elevation: Elevation) throws
    /// Moves it on, and gives or takes the assignment, in one transaction.
    /// - Returns: false when it is no longer in the state `from`.
    func move(_ elevation: Elevation, from: Elevation.State, giving: RoleAssignment?, taking: String?) throws -> Bool
}

/// A change that waits for a second person.
package struct PendingChange: Sendable, Hashable {
    package enum State: String, Sendable, CaseIterable { case pending, applied, rejected }
    package var id: String
    package var tenant: TenantID
    /// The act that will be done (`policies.put`).
    package var act: String
    package var target: String
    /// What it takes: a document, settings.
    package var content: [UInt8]
    package var requestedBy: PrincipalID
    package var requestedAt: Int64
    package var state: State
    package var decidedBy: PrincipalID?
    package var decidedAt: Int64?

    package init(
        id: String, tenant: TenantID = .default, act: String, target: String, content: [UInt8], requestedBy: PrincipalID,
        requestedAt: Int64, state: State = .pending, decidedBy: PrincipalID? = nil, decidedAt: Int64? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.act = act
        self.target = target
        self.content = content
        self.requestedBy = requestedBy
        self.requestedAt = requestedAt
        self.state = state
        self.decidedBy = decidedBy
        self.decidedAt = decidedAt
    }
}

/// Changes that wait, at rest. Every method blocks.
package protocol ChangeStore: Sendable {
    /// The newest first.
    func changes(limit: Int) throws -> [PendingChange]
    func change(_ id: String, tenant: TenantID) throws -> PendingChange?
    func insert(_ change: PendingChange) throws
    /// - Returns: false when somebody has decided already.
    func decide(_ id: String, tenant: TenantID, _ state: PendingChange.State, by: PrincipalID, at now: Int64) throws -> Bool
    /// The newest one that was applied.
    func lastApplied(_ act: String, target: String, tenant: TenantID) throws -> PendingChange?
}
