import SallyportCore

/// Per-subject secrets in SQL, in the clear: where they lay before there was a vault. Destroying one also removes it from the database's own files.
package struct SQLSubjectKeyStore: SubjectKeyStore {
    static let length = 32

    private let database: any SQLDatabase
    private let random: @Sendable (Int) -> [UInt8]

    /// - Parameter random: gives that many unpredictable bytes.
    package init(_ database: any SQLDatabase, random: @escaping @Sendable (Int) -> [UInt8] = Self.systemRandom) {
        self.database = database
        self.random = random
    }

    package func key(forSubject subject: String, tenant: TenantID) throws -> [UInt8] {
        if let key = try database.read({ try Self.find(subject, tenant, $0) }) { return key }
        let fresh = random(Self.length)
        return try database.write { db in
            try db.execute(
                "INSERT INTO subject_key (tenant, subject, secret) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                [.text(tenant), .text(subject), .blob(fresh)])
            // Another writer may have been first: its key is the subject's.
            guard let key = try Self.find(subject, tenant, db) else {
                throw SQLColumnError(column: 0, expected: "the key just made")
            }
            return key
        }
    }

    /// - Throws: ``Fault`` `.storeUnavailable` when the key is gone from the table but not yet from the files; call again.
    package func destroyKey(ofSubject subject: String, tenant: TenantID) throws -> Bool {
        let destroyed = try database.write { db in
            try db.execute("DELETE FROM subject_key WHERE tenant = $1 AND subject = $2", [.text(tenant), .text(subject)])
        }
        try database.scrubDeleted()
        return destroyed > 0
    }

    /// Every secret, for the vault that takes them over.
    package func all() throws -> [(tenant: TenantID, subject: String, secret: [UInt8])] {
        try database.read { db in
            try db.rows("SELECT tenant, subject, secret FROM subject_key ORDER BY tenant, subject", []).map {
                (TenantID(try $0.text(0)), try $0.text(1), try $0.blob(2))
            }
        }
    }

    /// Removes every secret from the table and from the files.
    package func removeAll() throws {
        _ = try database.write { try $0.execute("DELETE FROM subject_key", []) }
        try database.scrubDeleted()
    }

    private static func find(_ subject: String, _ tenant: TenantID, _ db: any SQLConnection) throws -> [UInt8]? {
        try db.rows("SELECT secret FROM subject_key WHERE tenant = $1 AND subject = $2", [.text(tenant), .text(subject)])
            .first?.blob(0)
    }

    @Sendable package static func systemRandom(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
