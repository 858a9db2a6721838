import SallyportCore

/// Guard policies in SQL. Every version stays, so that a recorded verdict can be replayed with the policy it names.
package struct SQLPolicyStore: PolicyStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func policies(of tenant: TenantID) throws -> [StoredPolicy] {
        try database.read { db in
            try db.rows(
                """
                SELECT v.name, v.version, v.document, v.created_at
                FROM policy p JOIN policy_version v ON v.tenant = p.tenant AND v.name = p.name AND v.version = p.version
                WHERE p.tenant = $1 ORDER BY v.name
                """, [.text(tenant)]
            ).map(Self.policy)
        }
    }

    /// A version that is or was in force, also of a deleted policy.
    package func policy(_ name: PolicyID, version: Int, of tenant: TenantID) throws -> StoredPolicy? {
        try database.read { db in
            try db.rows(
                "SELECT name, version, document, created_at FROM policy_version WHERE tenant = $1 AND name = $2 AND version = $3",
                [.text(tenant), .text(name), .integer(version)]
            ).first.map(Self.policy)
        }
    }

    package func versions(of name: PolicyID, tenant: TenantID) throws -> [(version: Int, createdAt: Int64)] {
        try database.read { db in
            try db.rows(
                "SELECT version, created_at FROM policy_version WHERE tenant = $1 AND name = $2 ORDER BY version DESC",
                [.text(tenant), .text(name)]
            ).map { (version: Int(try $0.integer(0)), createdAt: try $0.integer(1)) }
        }
    }

    package func put(
        _ name: PolicyID, document: [UInt8], of tenant: TenantID, at now: Int64, replacing known: Int?
    ) throws -> Int? {
        try database.write { db in
            guard try db.isCurrent(known, of: name.rawValue, in: "policy", tenant) else { return nil }
            // Counted over all versions ever: a number never means two documents, also after a deletion.
            let last = try db.rows(
                "SELECT coalesce(max(version), 0) FROM policy_version WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]
            ).first?.integer(0)
            let version = (last ?? 0) + 1
            try db.execute(
                "INSERT INTO policy_version (tenant, name, version, document, created_at) VALUES ($1, $2, $3, $4, $5)",
                [.text(tenant), .text(name), .integer(version), .blob(document), .integer(now)])
            try db.execute(
                """
                INSERT INTO policy (tenant, name, version) VALUES ($1, $2, $3)
                ON CONFLICT (tenant, name) DO UPDATE SET version = excluded.version
                """, [.text(tenant), .text(name), .integer(version)])
            try Revision.policies.bump(db)
            return Int(version)
        }
    }

    package func delete(_ name: PolicyID, of tenant: TenantID) throws -> Bool {
        try database.write { db in
            guard try db.execute("DELETE FROM policy WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]) > 0 else {
                return false
            }
            try Revision.policies.bump(db)
            return true
        }
    }

    package func revision() throws -> Int64 { try database.read(Revision.policies.number) }

    private static func policy(_ row: SQLRow) throws -> StoredPolicy {
        StoredPolicy(
            name: PolicyID(try row.text(0)), version: Int(try row.integer(1)), document: try row.blob(2), createdAt: try row.integer(3))
    }
}
