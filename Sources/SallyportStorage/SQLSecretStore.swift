import SallyportCore

/// Secrets in SQL, in the vault's own database.
package struct SQLSecretStore: SecretStore {
    private let database: any SQLDatabase
    private let sealer: any Sealer

    package init(_ database: any SQLDatabase, sealer: any Sealer) {
        self.database = database
        self.sealer = sealer
    }

    private static func context(_ name: String, _ tenant: TenantID) -> SealContext {
        SealContext(tenant: tenant, place: "vault_secret.value", row: [name])
    }

    package func secret(_ name: String, of tenant: TenantID) throws -> StoredSecret? {
        let row = try database.read { db in
            try db.rows("SELECT value, note, changed_at FROM vault_secret WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)])
                .first
        }
        return try row.map { row in
            StoredSecret(
                name: name, value: Redacted(try sealer.openText(row.text(0), for: Self.context(name, tenant))), note: try row.text(1),
                changedAt: try row.integer(2))
        }
    }

    package func list(of tenant: TenantID) throws -> [(name: String, note: String, changedAt: Int64)] {
        try database.read { db in
            try db.rows("SELECT name, note, changed_at FROM vault_secret WHERE tenant = $1 ORDER BY name", [.text(tenant)]).map {
                (try $0.text(0), try $0.text(1), try $0.integer(2))
            }
        }
    }

    package func put(_ secret: StoredSecret, of tenant: TenantID) throws {
        let value = try sealer.sealText(secret.value.reveal(), for: Self.context(secret.name, tenant))
        try database.write { db in
            try db.execute(
                """
                INSERT INTO vault_secret (tenant, name, value, note, changed_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value, note = excluded.note, changed_at = excluded.changed_at
                """, [.text(tenant), .text(secret.name), .text(value), .text(secret.note), .integer(secret.changedAt)])
            try Revision.secrets.bump(db)
        }
        // The old value must not stay behind in the log.
        try database.scrubDeleted()
    }

    package func remove(_ name: String, of tenant: TenantID) throws -> Bool {
        let removed = try database.write { db in
            let removed = try db.execute("DELETE FROM vault_secret WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)])
            if removed > 0 { try Revision.secrets.bump(db) }
            return removed
        }
        try database.scrubDeleted()
        return removed > 0
    }

    package func revision() throws -> Int64 { try database.read(Revision.secrets.number) }

    /// Brings every secret under the newest key.
    package func reseal(of tenant: TenantID) throws {
        for entry in try list(of: tenant) {
            guard let secret = try secret(entry.name, of: tenant) else { continue }
            let old = try database.read { db in
                try db.rows("SELECT value FROM vault_secret WHERE tenant = $1 AND name = $2", [.text(tenant), .text(entry.name)]).first?
                    .text(0)
            }
            guard let old, try sealer.isOutdated(SealedText.decode(old) ?? Array(old.utf8), for: Self.context(entry.name, tenant)) else {
                continue
            }
            let fresh = try sealer.sealText(secret.value.reveal(), for: Self.context(entry.name, tenant))
            _ = try database.write { db in
                try db.execute(
                    "UPDATE vault_secret SET value = $1 WHERE tenant = $2 AND name = $3 AND value = $4",
                    [.text(fresh), .text(tenant), .text(entry.name), .text(old)])
            }
        }
    }
}
