import SallyportCore

/// Eligible assignments and elevations in SQL.
package struct SQLElevationStore: ElevationStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let eligibleColumns =
        "tenant, id, principal, role, scope, maximum_duration, needs_approval, needs_mfa, approvers, created_at, note"
    private static let columns =
        "tenant, id, eligible, principal, role, scope, reason, duration, requested_at, state, decided_by, decided_at, ends_at"

    package func eligible() throws -> [EligibleAssignment] {
        try database.read { db in
            try db.rows("SELECT \(Self.eligibleColumns) FROM eligible_assignment ORDER BY tenant, created_at, id", []).map(Self.eligible)
        }
    }

    package func insert(_ eligible: EligibleAssignment) throws {
        try database.write { db in
            _ = try db.execute(
                "INSERT INTO eligible_assignment (\(Self.eligibleColumns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                [
                    .text(eligible.tenant), .text(eligible.id), .text(eligible.principal.description), .text(eligible.role),
                    .text(eligible.scope.description), .integer(eligible.maximumDuration), .integer(eligible.needsApproval ? 1 : 0),
                    .integer(eligible.needsMFA ? 1 : 0), .text(eligible.approvers.map(\.description).joined(separator: "\n")),
                    .integer(eligible.createdAt), .text(eligible.note),
                ])
        }
    }

    package func removeEligible(_ id: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            try db.execute("DELETE FROM eligible_assignment WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]) > 0
        }
    }

    package func elevations(limit: Int) throws -> [Elevation] {
        try database.read { db in
            try db.rows("SELECT \(Self.columns) FROM elevation ORDER BY requested_at DESC, id LIMIT $1", [.integer(limit)]).map(
                Self.elevation)
        }
    }

    package func elevation(_ id: String, tenant: TenantID) throws -> Elevation? {
        try database.read { db in
            try db.rows("SELECT \(Self.columns) FROM elevation WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]).first
                .map(Self.elevation)
        }
    }

    package func insert(_ elevation: Elevation) throws {
        try database.write { db in
            _ = try db.execute(
                "INSERT INTO elevation (\(Self.columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                [
                    .text(elevation.tenant), .text(elevation.id), .text(elevation.eligible), .text(elevation.principal),
                    .text(elevation.role), .text(elevation.scope.description), .text(elevation.reason), .integer(elevation.duration),
                    .integer(elevation.requestedAt), .text(elevation.state.rawValue), .text(elevation.decidedBy?.rawValue),
                    .integer(elevation.decidedAt), .integer(elevation.endsAt),
                ])
        }
    }

    package func move(_ elevation: Elevation, from: Elevation.State, giving: RoleAssignment?, taking: String?) throws -> Bool {
        try database.write { db in
            let moved = try db.execute(
                """
                UPDATE elevation SET state = $1, decided_by = $2, decided_at = $3, ends_at = $4
                WHERE tenant = $5 AND id = $6 AND state = $7
                """,
                [
                    .text(elevation.state.rawValue), .text(elevation.decidedBy?.rawValue), .integer(elevation.decidedAt),
                    .integer(elevation.endsAt), .text(elevation.tenant), .text(elevation.id), .text(from.rawValue),
                ])
            guard moved == 1 else { return false }
            if let giving { try SQLAccessStore.add(giving, db) }
            if let taking {
                try db.execute("DELETE FROM role_assignment WHERE tenant = $1 AND id = $2", [.text(elevation.tenant), .text(taking)])
            }
            if giving != nil || taking != nil { try Revision.access.bump(db) }
            return true
        }
    }

    private static func eligible(_ row: SQLRow) throws -> EligibleAssignment {
        guard let principal = PrincipalReference(try row.text(2)) else { throw SQLColumnError(column: 2, expected: "a principal") }
        guard let scope = AccessScope(try row.text(4)) else { throw SQLColumnError(column: 4, expected: "a scope") }
        return EligibleAssignment(
            id: try row.text(1), tenant: TenantID(try row.text(0)), principal: principal, role: Role(try row.text(3)), scope: scope,
            maximumDuration: try row.integer(5), needsApproval: try row.integer(6) == 1, needsMFA: try row.integer(7) == 1,
            approvers: try row.text(8).split(separator: "\n").compactMap { PrincipalReference($0) }, createdAt: try row.integer(9),
            note: try row.optionalText(10))
    }

    private static func elevation(_ row: SQLRow) throws -> Elevation {
        guard let scope = AccessScope(try row.text(5)) else { throw SQLColumnError(column: 5, expected: "a scope") }
        guard let state = Elevation.State(rawValue: try row.text(9)) else { throw SQLColumnError(column: 9, expected: "a state") }
        return Elevation(
            id: try row.text(1), tenant: TenantID(try row.text(0)), eligible: try row.text(2), principal: PrincipalID(try row.text(3)),
            role: Role(try row.text(4)), scope: scope, reason: try row.text(6), duration: try row.integer(7),
            requestedAt: try row.integer(8), state: state, decidedBy: try row.optionalText(10).map { PrincipalID($0) },
            decidedAt: try row.optionalInteger(11), endsAt: try row.optionalInteger(12))
    }
}

/// Changes that wait for a second person, in SQL.
package struct SQLChangeStore: ChangeStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = "tenant, id, act, target, content, requested_by, requested_at, state, decided_by, decided_at"

    package func changes(limit: Int) throws -> [PendingChange] {
        try database.read { db in
            try db.rows("SELECT \(Self.columns) FROM pending_change ORDER BY requested_at DESC, id LIMIT $1", [.integer(limit)])
                .map(Self.change)
        }
    }

    package func change(_ id: String, tenant: TenantID) throws -> PendingChange? {
        try database.read { db in
            try db.rows("SELECT \(Self.columns) FROM pending_change WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]).first
                .map(Self.change)
        }
    }

    package func insert(_ change: PendingChange) throws {
        try database.write { db in
            _ = try db.execute(
                "INSERT INTO pending_change (\(Self.columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                [
                    .text(change.tenant), .text(change.id), .text(change.act), .text(change.target), .blob(change.content),
                    .text(change.requestedBy), .integer(change.requestedAt), .text(change.state.rawValue),
                    .text(change.decidedBy?.rawValue), .integer(change.decidedAt),
                ])
        }
    }

    package func decide(_ id: String, tenant: TenantID, _ state: PendingChange.State, by: PrincipalID, at now: Int64) throws -> Bool {
        try database.write { db in
            try db.execute(
                """
                UPDATE pending_change SET state = $1, decided_by = $2, decided_at = $3
                WHERE tenant = $4 AND id = $5 AND state = 'pending'
                """, [.text(state.rawValue), .text(by), .integer(now), .text(tenant), .text(id)]) == 1
        }
    }

    package func lastApplied(_ act: String, target: String, tenant: TenantID) throws -> PendingChange? {
        try database.read { db in
            try db.rows(
                """
                SELECT \(Self.columns) FROM pending_change
                WHERE tenant = $1 AND act = $2 AND target = $3 AND state = 'applied' ORDER BY decided_at DESC, id LIMIT 1
                """, [.text(tenant), .text(act), .text(target)]
            ).first.map(Self.change)
        }
    }

    private static func change(_ row: SQLRow) throws -> PendingChange {
        guard let state = PendingChange.State(rawValue: try row.text(7)) else { throw SQLColumnError(column: 7, expected: "a state") }
        return PendingChange(
            id: try row.text(1), tenant: TenantID(try row.text(0)), act: try row.text(2), target: try row.text(3), content: try row.blob(4),
            requestedBy: PrincipalID(try row.text(5)), requestedAt: try row.integer(6), state: state,
            decidedBy: try row.optionalText(8).map { PrincipalID($0) }, decidedAt: try row.optionalInteger(9))
    }
}
