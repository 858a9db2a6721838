import SallyportCore

/// Uses of permissions in SQL, by day.
package struct SQLAccessUseStore: AccessUseStore {
    private let database: any SQLDatabase
    private let reader: String

    /// - Parameter reader: whose log is counted: each has a place of its own.
    package init(_ database: any SQLDatabase, reader: String = "audit") {
        self.database = database
        self.reader = reader
    }

    package func place() throws -> (cursor: String, observedSince: Int64)? {
        let found = try database.read { db in
            try db.rows("SELECT place, observed_since FROM access_use_place WHERE reader = $1", [.text(reader)]).first
        }
        return try found.map { (try $0.text(0), try $0.integer(1)) }
    }

    package func add(_ uses: [AccessUse], from old: String?, to new: String, observedSince: Int64) throws -> Bool {
        try database.write { db in
            let moved =
                if let old {
                    try db.execute(
                        "UPDATE access_use_place SET place = $1 WHERE reader = $2 AND place = $3",
                        [.text(new), .text(reader), .text(old)])
                } else {
                    try db.execute(
                        "INSERT INTO access_use_place (reader, place, observed_since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                        [.text(reader), .text(new), .integer(observedSince)])
                }
            guard moved == 1 else { return false }
            for use in uses {
                try db.execute(
                    """
                    INSERT INTO access_use
                    (tenant, principal, key_id, action, deployment, granted_by, day, allowed, denied, last_at)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                    ON CONFLICT (tenant, principal, key_id, action, deployment, granted_by, day) DO UPDATE SET
                        allowed = access_use.allowed + excluded.allowed, denied = access_use.denied + excluded.denied,
                        last_at = CASE WHEN excluded.last_at > access_use.last_at THEN excluded.last_at ELSE access_use.last_at END
                    """,
                    [
                        .text(use.tenant), .text(use.principal), .text(use.key?.rawValue ?? ""), .text(use.action),
                        .text(use.deployment?.rawValue ?? ""), .text(use.grant ?? ""), .integer(use.day), .integer(use.allowed),
                        .integer(use.denied), .integer(use.lastAt),
                    ])
            }
            return true
        }
    }

    package func uses(of tenant: TenantID, since day: Int64) throws -> [AccessUse] {
        try database.read { db in
            try db.rows(
                """
                SELECT principal, key_id, action, deployment, granted_by, day, allowed, denied, last_at FROM access_use
                WHERE tenant = $1 AND day >= $2 ORDER BY principal, key_id, action, deployment, granted_by, day
                """, [.text(tenant), .integer(day)]
            ).map { row in
                func named(_ column: Int) throws -> String? {
                    let text = try row.text(column)
                    return text.isEmpty ? nil : text
                }
                return AccessUse(
                    tenant: tenant, principal: PrincipalID(try row.text(0)), key: try named(1).map { KeyID($0) }, action: try row.text(2),
                    deployment: try named(3).map { DeploymentID($0) }, grant: try named(4), day: try row.integer(5),
                    allowed: Int(try row.integer(6)), denied: Int(try row.integer(7)), lastAt: try row.integer(8))
            }
        }
    }

    package func removeUses(before day: Int64) throws -> Int {
        try database.write { db in try db.execute("DELETE FROM access_use WHERE day < $1", [.integer(day)]) }
    }
}
