import SallyportCore

/// Just-in-time elevation: who may take up what, asking, approving, ending. Every method blocks.
package struct ElevationOperations: Sendable {
    package let store: any ElevationStore
    private let catalog: RoleCatalog
    private let tenant: TenantID
    private let newID: @Sendable () -> String

    package static let longest: Int64 = 86_400
    /// A question that nobody answers is none any more.
    package static let patience: Int64 = 86_400

    package init(
        store: any ElevationStore, catalog: RoleCatalog, tenant: TenantID = .default,
        newID: @escaping @Sendable () -> String = { Base64.encode(AccountOperations.systemRandom(9), alphabet: .urlSafe) }
    ) {
        self.store = store
        self.catalog = catalog
        self.tenant = tenant
        self.newID = newID
    }

    // MARK: Who may

    package func makeEligible(
        _ principal: PrincipalReference, role: Role, scope: AccessScope, maximumDuration: Int64, needsApproval: Bool, needsMFA: Bool,
        approvers: [PrincipalReference], note: String?, at now: Int64
    ) throws -> EligibleAssignment {
        guard principal.kind == .user || principal.kind == .group else {
            throw Fault(.invalidRequest, "People and groups can be eligible, programs cannot: there is nobody to ask.", param: "principal")
        }
        guard let definition = catalog.definition(of: role), definition.isAssignable(at: scope) else {
            throw Fault(.invalidRequest, "There is no role '\(role)' that can be assigned at '\(scope)'.", param: "role")
        }
        guard (60...Self.longest).contains(maximumDuration) else {
            throw Fault(.invalidRequest, "An elevation lasts between a minute and a day.", param: "maximumDuration")
        }
        let eligible = EligibleAssignment(
            id: newID(), tenant: tenant, principal: principal, role: definition.role, scope: scope, maximumDuration: maximumDuration,
            needsApproval: needsApproval, needsMFA: needsMFA, approvers: approvers, createdAt: now, note: note)
        try store.insert(eligible)
        return eligible
    }

    package func removeEligible(_ id: String) throws {
        guard try store.removeEligible(id, tenant: tenant) else { throw Fault(.notFound, "There is no such eligible assignment.") }
    }

    package func eligible(for principal: Principal? = nil) throws -> [EligibleAssignment] {
        let references = principal.map { Set($0.references) }
        return try store.eligible().filter { references?.contains($0.principal) ?? true }
    }

    package func eligible(_ id: String) throws -> EligibleAssignment {
        guard let found = try store.eligible().first(where: { $0.id == id }) else {
            throw Fault(.notFound, "There is no such eligible assignment.")
        }
        return found
    }

    // MARK: Asking

    package func list(at now: Int64) throws -> [Elevation] { try store.elevations(limit: 500).map { Self.asItIs($0, at: now) } }

    package func elevation(_ id: String, at now: Int64) throws -> Elevation {
        guard let found = try store.elevation(id, tenant: tenant) else { throw Fault(.notFound, "There is no such elevation.") }
        return Self.asItIs(found, at: now)
    }

    /// What time has done to it.
    static func asItIs(_ elevation: Elevation, at now: Int64) -> Elevation {
        var elevation = elevation
        switch elevation.state {
        case .active where (elevation.endsAt ?? .max) <= now: elevation.state = .ended
        case .pending where now - elevation.requestedAt >= patience: elevation.state = .denied
        default: break
        }
        return elevation
    }

    /// - Throws: ``Fault`` `.permissionDenied` without MFA where that is needed: sign in anew with it.
    package func request(
        _ id: String, by principal: Principal, reason: String, duration: Int64?, at now: Int64
    ) throws -> Elevation {
        let eligible = try eligible(id)
        guard Set(principal.references).contains(eligible.principal), !principal.isService else {
            throw Fault(.notFound, "There is no such eligible assignment.")
        }
        guard (3...512).contains(reason.utf8.count),
            reason.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F && $0.properties.generalCategory != .format })
        else {
            throw Fault(.invalidRequest, "Say why, in 3 to 512 characters.", param: "reason")
        }
        let duration = duration ?? eligible.maximumDuration
        guard (60...eligible.maximumDuration).contains(duration) else {
            throw Fault(.invalidRequest, "This role is held for \(eligible.maximumDuration / 60) minutes at most.", param: "duration")
        }
        guard !eligible.needsMFA || principal.methods.contains("mfa") else {
            throw Fault(.permissionDenied, "This role is given only after multi-factor authentication.")
        }
        let isOpen = try list(at: now).contains {
            $0.eligible == id && $0.principal == principal.id && ($0.state == .pending || $0.state == .active)
        }
        guard !isOpen else { throw Fault(.conflict, "You hold this role already, or wait for it.") }
        let elevation = Elevation(
            id: newID(), tenant: tenant, eligible: id, principal: principal.id, role: eligible.role, scope: eligible.scope, reason: reason,
            duration: duration, requestedAt: now)
        try store.insert(elevation)
        return eligible.needsApproval ? elevation : try activate(elevation, by: principal.id, at: now)
    }

    // MARK: Deciding

    /// Whether somebody is named as an approver; who holds the action may decide as well.
    package func isApprover(_ principal: Principal, of elevation: Elevation) throws -> Bool {
        guard let eligible = try store.eligible().first(where: { $0.id == elevation.eligible }) else { return false }
        return !Set(principal.references).isDisjoint(with: eligible.approvers)
    }

    package func decide(_ id: String, approve: Bool, by principal: Principal, at now: Int64) throws -> Elevation {
        var elevation = try elevation(id, at: now)
        guard elevation.principal != principal.id else { throw Fault(.permissionDenied, "Nobody decides on his own elevation.") }
        guard elevation.state == .pending else { throw Fault(.conflict, "This elevation is \(elevation.state.rawValue) already.") }
        if approve {
            // Who lost his eligibility meanwhile gets nothing.
            guard try store.eligible().contains(where: { $0.id == elevation.eligible }) else {
                throw Fault(.conflict, "The eligible assignment is gone.")
            }
            return try activate(elevation, by: principal.id, at: now)
        }
        elevation.state = .denied
        elevation.decidedBy = principal.id
        elevation.decidedAt = now
        guard try store.move(elevation, from: .pending, giving: nil, taking: nil) else {
            throw Fault(.conflict, "Somebody else has decided already.")
        }
        return elevation
    }

    private func activate(_ pending: Elevation, by decider: PrincipalID, at now: Int64) throws -> Elevation {
        var elevation = pending
        elevation.state = .active
        elevation.decidedBy = decider
        elevation.decidedAt = now
        let end = now + elevation.duration
        elevation.endsAt = end
        // The assignment carries its own end: it holds no longer, whether or not anybody takes it away.
        let assignment = RoleAssignment(
            id: elevation.assignmentID, tenant: tenant, principal: PrincipalReference(.user, elevation.principal.rawValue),
            role: elevation.role, scope: elevation.scope, expiresAt: end, createdAt: now, note: "elevation: \(elevation.reason.prefix(200))"
        )
        guard try store.move(elevation, from: .pending, giving: assignment, taking: nil) else {
            throw Fault(.conflict, "Somebody else has decided already.")
        }
        return elevation
    }

    /// Before its time, by whoever holds it or may decide.
    package func end(_ id: String, by principal: PrincipalID, at now: Int64) throws -> Elevation {
        var elevation = try elevation(id, at: now)
        guard elevation.state == .active || elevation.state == .pending else {
            throw Fault(.conflict, "This elevation is \(elevation.state.rawValue) already.")
        }
        let former = elevation.state
        elevation.state = .ended
        elevation.decidedBy = principal
        elevation.decidedAt = now
        elevation.endsAt = now
        guard try store.move(elevation, from: former, giving: nil, taking: elevation.assignmentID) else {
            throw Fault(.conflict, "Somebody else has decided already.")
        }
        return elevation
    }

    /// Takes away the assignments of elevations that are over. They hold no longer anyway.
    /// - Returns: those that ended.
    package func tidy(at now: Int64) throws -> [Elevation] {
        var ended: [Elevation] = []
        for stored in try store.elevations(limit: 500) where stored.state == .active && (stored.endsAt ?? .max) <= now {
            var over = stored
            over.state = .ended
            if try store.move(over, from: .active, giving: nil, taking: over.assignmentID) { ended.append(over) }
        }
        return ended
    }
}
