import SallyportCore

/// The vault's wrapped keys in SQL.
package struct SQLVaultKeyStore: VaultKeyStore {
    private let database: any SQLDatabase

    /// - Parameter database: one whose connections are not those of the data: keys are looked for while data is read and written.
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = "tenant, subject, version, key_id, state, provider, wrapping_key, wrapping_version, wrapped, created_at"

    package func keys(ofSubject subject: String, tenant: TenantID) throws -> [VaultKeyRecord] {
        try database.read { try Self.keys(subject, tenant, $0) }
    }

    private static func keys(_ subject: String, _ tenant: TenantID, _ db: any SQLConnection) throws -> [VaultKeyRecord] {
        try db.rows(
            "SELECT \(columns) FROM vault_key WHERE tenant = $1 AND subject = $2 ORDER BY version", [.text(tenant), .text(subject)]
        ).map(record)
    }

    package func tenantKeys() throws -> [VaultKeyRecord] {
        try database.read { db in
            try db.rows("SELECT \(Self.columns) FROM vault_key WHERE subject = '' ORDER BY tenant, version", []).map(Self.record)
        }
    }

    package func insert(_ record: VaultKeyRecord) throws -> Bool {
        try database.write { db in
            let known = try db.rows(
                "SELECT 1 FROM vault_key WHERE tenant = $1 AND subject = $2 AND version >= $3",
                [.text(record.tenant), .text(record.subject), .integer(record.version)])
            guard known.isEmpty else { return false }
            try db.execute(
                "UPDATE vault_key SET state = 'retired' WHERE tenant = $1 AND subject = $2 AND state = 'active'",
                [.text(record.tenant), .text(record.subject)])
            try db.execute(
                "INSERT INTO vault_key (\(Self.columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                [
                    .text(record.tenant), .text(record.subject), .integer(record.version), .text(String(record.id, radix: 16)),
                    .text(record.state.rawValue), .text(record.provider), .text(record.wrappingKey), .text(record.wrappingVersion),
                    .blob(record.wrapped), .integer(record.createdAt),
                ])
            // A subject's first key concerns nobody who has not asked for it yet.
            if record.subject.isEmpty || record.version > 1 { try Revision.vault.bump(db) }
            return true
        }
    }

    package func rewrap(_ record: VaultKeyRecord, replacing old: [UInt8]) throws -> Bool {
        let changed = try database.write { db in
            let changed = try db.execute(
                """
                UPDATE vault_key SET provider = $1, wrapping_key = $2, wrapping_version = $3, wrapped = $4
                WHERE tenant = $5 AND subject = $6 AND version = $7 AND wrapped = $8
                """,
                [
                    .text(record.provider), .text(record.wrappingKey), .text(record.wrappingVersion), .blob(record.wrapped),
                    .text(record.tenant), .text(record.subject), .integer(record.version), .blob(old),
                ])
            if changed > 0 { try Revision.vault.bump(db) }
            return changed > 0
        }
        return changed
    }

    package func setStates(
        ofSubject subject: String, tenant: TenantID, _ change: @Sendable (VaultKeyRecord, _ newest: Int) -> VaultKeyRecord.State?
    ) throws -> Int {
        try database.write { db in
            let records = try Self.keys(subject, tenant, db)
            let newest = records.last?.version ?? 0
            var changed = 0
            for record in records {
                guard let state = change(record, newest) else { continue }
                changed += try db.execute(
                    "UPDATE vault_key SET state = $1 WHERE tenant = $2 AND subject = $3 AND version = $4",
                    [.text(state.rawValue), .text(tenant), .text(subject), .integer(record.version)])
            }
            if changed > 0 { try Revision.vault.bump(db) }
            return changed
        }
    }

    package func destroy(_ subject: String, tombstone: VaultTombstone) throws -> Bool {
        let destroyed = try database.write { db in
            try db.execute(
                """
                INSERT INTO vault_tombstone (tenant, subject, at, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
                """, [.text(tombstone.tenant), .blob(tombstone.subject), .integer(tombstone.at), .text(tombstone.reason)])
            // Nothing stays but the tombstone; what was sealed names the key by its id, which is never given again.
            let changed = try db.execute(
                "DELETE FROM vault_key WHERE tenant = $1 AND subject = $2 AND subject != ''", [.text(tombstone.tenant), .text(subject)])
            if changed > 0 { try Revision.vault.bump(db) }
            return changed
        }
        try database.scrubDeleted()
        return destroyed > 0
    }

    package func subjectKeys(of tenant: TenantID, after: (subject: String, version: Int)?, limit: Int) throws -> [VaultKeyRecord] {
        try database.read { db in
            try db.rows(
                """
                SELECT \(Self.columns) FROM vault_key
                WHERE tenant = $1 AND subject != '' AND (subject > $2 OR (subject = $2 AND version > $3))
                ORDER BY subject, version LIMIT $4
                """, [.text(tenant), .text(after?.subject ?? ""), .integer(after?.version ?? 0), .integer(limit)]
            ).map(Self.record)
        }
    }

    package func tombstones() throws -> [VaultTombstone] {
        try database.read { db in
            try db.rows("SELECT tenant, subject, at, reason FROM vault_tombstone ORDER BY at, tenant, subject", []).map {
                VaultTombstone(tenant: TenantID(try $0.text(0)), subject: try $0.blob(1), at: try $0.integer(2), reason: try $0.text(3))
            }
        }
    }

    package func isErased(_ subject: [UInt8], tenant: TenantID) throws -> Bool {
        try database.read { db in
            try !db.rows("SELECT 1 FROM vault_tombstone WHERE tenant = $1 AND subject = $2 LIMIT 1", [.text(tenant), .blob(subject)])
                .isEmpty
        }
    }

    package func add(_ tombstones: [VaultTombstone]) throws {
        try database.write { db in
            for stone in tombstones {
                try db.execute(
                    "INSERT INTO vault_tombstone (tenant, subject, at, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                    [.text(stone.tenant), .blob(stone.subject), .integer(stone.at), .text(stone.reason)])
            }
        }
    }

    package func remove(_ record: VaultKeyRecord) throws {
        try database.write { db in
            try db.execute(
                "DELETE FROM vault_key WHERE tenant = $1 AND subject = $2 AND version = $3 AND state = 'retired'",
                [.text(record.tenant), .text(record.subject), .integer(record.version)])
            try Revision.vault.bump(db)
        }
        try database.scrubDeleted()
    }

    package func revision() throws -> Int64 { try database.read(Revision.vault.number) }

    package func sealedPlaces() throws -> Set<String> {
        try database.read { db in Set(try db.rows("SELECT place FROM vault_place", []).map { try $0.text(0) }) }
    }

    package func setSealedPlaces(_ places: Set<String>) throws {
        try database.write { db in
            try db.execute("DELETE FROM vault_place", [])
            for place in places.sorted() { try db.execute("INSERT INTO vault_place (place) VALUES ($1)", [.text(place)]) }
        }
    }

    package func task(_ kind: String) throws -> VaultTask? {
        try database.read { db in
            try db.rows("SELECT kind, started_at, total, done, finished_at FROM vault_task WHERE kind = $1", [.text(kind)]).first.map {
                VaultTask(
                    kind: try $0.text(0), startedAt: try $0.integer(1), total: Int(try $0.integer(2)), done: Int(try $0.integer(3)),
                    finishedAt: try $0.optionalInteger(4))
            }
        }
    }

    package func put(_ task: VaultTask) throws {
        _ = try database.write { db in
            try db.execute(
                """
                INSERT INTO vault_task (kind, started_at, total, done, finished_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (kind) DO UPDATE SET started_at = excluded.started_at, total = excluded.total, done = excluded.done,
                    finished_at = excluded.finished_at
                """, [.text(task.kind), .integer(task.startedAt), .integer(task.total), .integer(task.done), .integer(task.finishedAt)])
        }
    }

    private static func record(_ row: SQLRow) throws -> VaultKeyRecord {
        guard let id = UInt64(try row.text(3), radix: 16) else { throw SQLColumnError(column: 3, expected: "a key's id") }
        guard let state = VaultKeyRecord.State(rawValue: try row.text(4)) else { throw SQLColumnError(column: 4, expected: "a state") }
        return VaultKeyRecord(
            tenant: TenantID(try row.text(0)), subject: try row.text(1), version: Int(try row.integer(2)), id: id, state: state,
            provider: try row.text(5), wrappingKey: try row.text(6), wrappingVersion: try row.text(7), wrapped: try row.blob(8),
            createdAt: try row.integer(9))
    }
}
