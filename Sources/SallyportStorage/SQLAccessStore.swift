import SallyportCore

/// Role assignments and revocations in SQL.
package struct SQLAccessStore: AccessStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func allAssignments() throws -> [RoleAssignment] {
        try database.read { db in
            try db.rows(
                """
                SELECT tenant, id, principal, role, scope, effect, hold_condition, expires_at, created_at, note
                FROM role_assignment ORDER BY tenant, created_at, id
                """, []
            ).map(Self.assignment)
        }
    }

    package func insert(_ assignment: RoleAssignment) throws {
        try database.write { db in
            try Self.add(assignment, db)
            try Revision.access.bump(db)
        }
    }

    /// Within somebody's transaction, who counts the change as well.
    static func add(_ assignment: RoleAssignment, _ db: any SQLConnection) throws {
        let added = try db.execute(
            """
            INSERT INTO role_assignment
            (tenant, id, principal, role, scope, effect, hold_condition, expires_at, created_at, note)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT DO NOTHING
            """,
            [
                .text(assignment.tenant), .text(assignment.id), .text(assignment.principal.description), .text(assignment.role),
                .text(assignment.scope.description), .text(assignment.effect.rawValue), .text(assignment.condition),
                .integer(assignment.expiresAt), .integer(assignment.createdAt), .text(assignment.note),
            ])
        guard added == 1 else { throw Fault(.conflict, "An assignment with this id exists already.") }
    }

    package func removeAssignment(_ id: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            let removed = try db.execute("DELETE FROM role_assignment WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
            if removed > 0 { try Revision.access.bump(db) }
            return removed > 0
        }
    }

    package func allRevocations() throws -> [Revocation] {
        try database.read { db in
            try db.rows(
                "SELECT tenant, kind, subject, not_before, created_at, note FROM revocation ORDER BY tenant, kind, subject", []
            ).map { row in
                guard let kind = Revocation.Kind(rawValue: try row.text(1)) else {
                    throw SQLColumnError(column: 1, expected: "a kind of revocation")
                }
                return Revocation(
                    tenant: TenantID(try row.text(0)), kind: kind, subject: try row.text(2), before: try row.optionalInteger(3),
                    createdAt: try row.integer(4), note: try row.optionalText(5))
            }
        }
    }

    package func put(_ revocation: Revocation) throws {
        try database.write { db in
            try db.execute(
                """
                INSERT INTO revocation (tenant, kind, subject, not_before, created_at, note) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (tenant, kind, subject) DO UPDATE SET
                    not_before = CASE WHEN excluded.not_before > revocation.not_before THEN excluded.not_before
                                      ELSE revocation.not_before END,
                    created_at = excluded.created_at, note = excluded.note
                """,
                [
                    .text(revocation.tenant), .text(revocation.kind.rawValue), .text(revocation.subject), .integer(revocation.before),
                    .integer(revocation.createdAt), .text(revocation.note),
                ])
            try Revision.access.bump(db)
        }
    }

    package func removeRevocation(_ kind: Revocation.Kind, subject: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            let removed = try db.execute(
                "DELETE FROM revocation WHERE tenant = $1 AND kind = $2 AND subject = $3",
                [.text(tenant), .text(kind.rawValue), .text(subject)])
            if removed > 0 { try Revision.access.bump(db) }
            return removed > 0
        }
    }

    package func revision() throws -> Int64 { try database.read(Revision.access.number) }

    /// A row that cannot be read stops the reading: rights that are not understood must not be left out, some of them are denials.
    private static func assignment(_ row: SQLRow) throws -> RoleAssignment {
        guard let principal = PrincipalReference(try row.text(2)) else { throw SQLColumnError(column: 2, expected: "a principal") }
        guard let scope = AccessScope(try row.text(4)) else { throw SQLColumnError(column: 4, expected: "a scope") }
        guard let effect = RoleAssignment.Effect(rawValue: try row.text(5)) else { throw SQLColumnError(column: 5, expected: "an effect") }
        return RoleAssignment(
            id: try row.text(1), tenant: TenantID(try row.text(0)), principal: principal, role: Role(try row.text(3)), scope: scope,
            effect: effect, condition: try row.optionalText(6), expiresAt: try row.optionalInteger(7), createdAt: try row.integer(8),
            note: try row.optionalText(9))
    }
}
