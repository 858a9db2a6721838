import SallyportCore

/// Sessions in SQL: hashes of tokens, and sealed content.
package struct SQLSessionStore: SessionStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = "hash, id, tenant, principal, account, content, created_at, last_used_at, expires_at"

    package func insert(_ session: SessionRecord) throws {
        try database.write { db in
            _ = try db.execute(
                "INSERT INTO console_session (\(Self.columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                [
                    .blob(session.hash), .text(session.id), .text(session.tenant), .text(session.principal), .text(session.account),
                    .blob(session.content), .integer(session.createdAt), .integer(session.lastUsedAt), .integer(session.expiresAt),
                ])
        }
    }

    package func session(_ hash: [UInt8]) throws -> SessionRecord? {
        try database.read { db in
            try db.rows("SELECT \(Self.columns) FROM console_session WHERE hash = $1", [.blob(hash)]).first.map(Self.session)
        }
    }

    package func sessions(of principal: PrincipalID?, tenant: TenantID) throws -> [SessionRecord] {
        try database.read { db in
            if let principal {
                return try db.rows(
                    "SELECT \(Self.columns) FROM console_session WHERE tenant = $1 AND principal = $2 ORDER BY created_at, id",
                    [.text(tenant), .text(principal)]
                ).map(Self.session)
            }
            return try db.rows("SELECT \(Self.columns) FROM console_session WHERE tenant = $1 ORDER BY created_at, id", [.text(tenant)])
                .map(Self.session)
        }
    }

    package func noteUse(_ hash: [UInt8], at now: Int64) throws {
        try database.write { db in
            _ = try db.execute("UPDATE console_session SET last_used_at = $1 WHERE hash = $2", [.integer(now), .blob(hash)])
        }
    }

    package func remove(_ hash: [UInt8]) throws -> Bool {
        try database.write { db in try db.execute("DELETE FROM console_session WHERE hash = $1", [.blob(hash)]) > 0 }
    }

    package func removeSession(id: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            try db.execute("DELETE FROM console_session WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]) > 0
        }
    }

    package func removeSessions(of principal: PrincipalID, tenant: TenantID) throws -> Int {
        try database.write { db in
            try db.execute("DELETE FROM console_session WHERE tenant = $1 AND principal = $2", [.text(tenant), .text(principal)])
        }
    }

    package func removeSessions(endedBefore now: Int64, unusedSince: Int64) throws {
        try database.write { db in
            _ = try db.execute(
                "DELETE FROM console_session WHERE expires_at <= $1 OR last_used_at <= $2", [.integer(now), .integer(unusedSince)])
        }
    }

    private static func session(_ row: SQLRow) throws -> SessionRecord {
        SessionRecord(
            hash: try row.blob(0), id: try row.text(1), tenant: TenantID(try row.text(2)), principal: PrincipalID(try row.text(3)),
            account: try row.optionalText(4), content: try row.blob(5), createdAt: try row.integer(6), lastUsedAt: try row.integer(7),
            expiresAt: try row.integer(8))
    }
}
