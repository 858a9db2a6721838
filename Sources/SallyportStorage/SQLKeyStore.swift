import Foundation
import SallyportCore

/// API keys in SQL: hashes and settings, never secrets.
package struct SQLKeyStore: KeyStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = """
        tenant, id, project, principal, name, team, roles, deployments, granted_policies, limits, secret_hash, \
        created_at, expires_at, revoked_at, operations, labels, addresses, is_honey
        """

    package func keys(of tenant: TenantID) throws -> [KeyRecord] {
        try database.read { db in
            try Self.records(db.rows("SELECT \(Self.columns) FROM api_key WHERE tenant = $1 ORDER BY created_at, id", [.text(tenant)]))
        }
    }

    package func allKeys() throws -> [KeyRecord] {
        try database.read { db in
            try Self.records(db.rows("SELECT \(Self.columns) FROM api_key ORDER BY tenant, created_at, id", []))
        }
    }

    package func insert(_ key: KeyRecord) throws {
        let arguments = try Self.arguments(key)
        try database.write { db in try Self.insert(arguments, db) }
    }

    package func insert(_ key: KeyRecord, within room: KeyRoom) throws -> Bool {
        let arguments = try Self.arguments(key)
        return try database.write { db in
            let live = try db.rows(
                """
                SELECT count(*) FROM api_key WHERE tenant = $1 AND principal = $2 AND id <> $3
                    AND (expires_at IS NULL OR expires_at > $4) AND (revoked_at IS NULL OR revoked_at > $4)
                """, [.text(key.tenant), .text(key.principal), .text(room.replaced?.rawValue ?? ""), .integer(room.now)]
            ).first?.integer(0)
            guard Int(live ?? 0) < room.most else { return false }
            try Self.insert(arguments, db)
            return true
        }
    }

    private static func insert(_ arguments: [SQLValue], _ db: any SQLConnection) throws {
        let added = try db.execute(
            """
            INSERT INTO api_key (\(columns))
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
            ON CONFLICT DO NOTHING
            """, arguments)
        guard added == 1 else { throw Fault(.conflict, "A key with this id exists already.") }
        try Revision.keys.bump(db)
    }

    /// A time in the future lets the key work until then. A time once set only ever moves forward to an earlier one.
    package func revoke(_ id: KeyID, tenant: TenantID, at now: Int64) throws -> Bool {
        try database.write { db in
            let known = try db.rows("SELECT 1 FROM api_key WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
            guard !known.isEmpty else { return false }
            let changed = try db.execute(
                """
                UPDATE api_key SET revoked_at = $1
                WHERE tenant = $2 AND id = $3 AND (revoked_at IS NULL OR revoked_at > $1)
                """, [.integer(now), .text(tenant), .text(id)])
            if changed > 0 { try Revision.keys.bump(db) }
            return true
        }
    }

    /// Keys that were revoked at or after a moment (seconds since 1970).
    package func revocations(since moment: Int64) throws -> [(tenant: TenantID, key: KeyID, at: Int64)] {
        try database.read { db in
            try db.rows("SELECT tenant, id, revoked_at FROM api_key WHERE revoked_at >= $1", [.integer(moment)]).map {
                (TenantID(try $0.text(0)), KeyID(try $0.text(1)), try $0.integer(2))
            }
        }
    }

    package func noteUses(_ uses: [KeyUse]) throws {
        guard !uses.isEmpty else { return }
        try database.write { db in
            for use in uses {
                try db.execute(
                    """
                    INSERT INTO key_use (tenant, key_id, last_used_at) VALUES ($1, $2, $3)
                    ON CONFLICT (tenant, key_id) DO UPDATE SET last_used_at = excluded.last_used_at
                    WHERE excluded.last_used_at > key_use.last_used_at
                    """, [.text(use.tenant), .text(use.key), .integer(use.at)])
            }
        }
    }

    package func uses(of tenant: TenantID) throws -> [KeyUse] {
        try database.read { db in
            try db.rows("SELECT tenant, key_id, last_used_at FROM key_use WHERE tenant = $1 ORDER BY key_id", [.text(tenant)]).map {
                KeyUse(tenant: TenantID(try $0.text(0)), key: KeyID(try $0.text(1)), at: try $0.integer(2))
            }
        }
    }

    package func revision() throws -> Int64 { try database.read(Revision.keys.number) }

    private static func arguments(_ key: KeyRecord) throws -> [SQLValue] {
        [
            .text(key.tenant), .text(key.id), .text(key.project), .text(key.principal), .text(key.name), .text(key.team),
            .text(try JSONColumn.text(key.roles.map(\.rawValue).sorted())),
            .text(try key.deployments.map { try JSONColumn.text($0.map(\.rawValue).sorted()) }),
            .text(try JSONColumn.text(key.grantedPolicies.map(\.rawValue).sorted())),
            .text(try JSONColumn.text(key.limits)), .blob(key.secretHash), .integer(key.createdAt), .integer(key.expiresAt),
            .integer(key.revokedAt), .text(try key.operations.map { try JSONColumn.text($0.sorted()) }),
            .text(try key.labels.map { try JSONColumn.text($0.sorted()) }), .text(try key.addresses.map { try JSONColumn.text($0) }),
            .integer(key.isHoney ? 1 : 0),
        ]
    }

    /// What many keys have in common is read once: of 100,000 keys, decoding was half of the time.
    private struct Common {
        var roles: [String: Set<Role>] = [:]
        var policies: [String: Set<PolicyID>] = [:]
        var limits: [String: LimitSet] = [:]

        static func value<T: Decodable>(of row: SQLRow, _ column: Int, _ known: inout [String: T]) throws -> T {
            let text = try row.text(column)
            if let value = known[text] { return value }
            let value: T = try JSONColumn.value(of: row, column)
            if known.count < 256 { known[text] = value }
            return value
        }
    }

    private static func records(_ rows: [SQLRow]) throws -> [KeyRecord] {
        var common = Common()
        return try rows.map { try record($0, &common) }
    }

    private static func record(_ row: SQLRow, _ common: inout Common) throws -> KeyRecord {
        KeyRecord(
            id: KeyID(try row.text(1)), tenant: TenantID(try row.text(0)), project: ProjectID(try row.text(2)),
            principal: PrincipalID(try row.text(3)), name: try row.text(4), team: try row.optionalText(5),
            roles: try Common.value(of: row, 6, &common.roles),
            deployments: try row.optionalText(7).map { _ in try JSONColumn.value(of: row, 7) },
            grantedPolicies: try Common.value(of: row, 8, &common.policies), limits: try Common.value(of: row, 9, &common.limits),
            operations: try row.optionalText(14).map { _ in try JSONColumn.value(of: row, 14) },
            labels: try row.optionalText(15).map { _ in try JSONColumn.value(of: row, 15) },
            addresses: try row.optionalText(16).map { _ in try JSONColumn.value(of: row, 16) }, isHoney: try row.integer(17) != 0,
            secretHash: try row.blob(10), createdAt: try row.integer(11), expiresAt: try row.optionalInteger(12),
            revokedAt: try row.optionalInteger(13))
    }
}

/// Small sets and records that are read and written as a whole.
enum JSONColumn {
    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func value<T: Decodable>(of row: SQLRow, _ column: Int) throws -> T {
        do {
            return try JSONDecoder().decode(T.self, from: Data(try row.text(column).utf8))
        } catch is DecodingError {
            // A role that this version does not know: refusing is safer than a key with other rights than it was given.
            throw SQLColumnError(column: column, expected: "what this version of Sallyport writes")
        }
    }
}
