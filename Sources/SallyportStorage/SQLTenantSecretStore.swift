import SallyportCore

/// Secrets that a tenant has one of: the key that reports are signed with, the key that pseudonyms are made with.
package struct SQLTenantSecretStore: Sendable {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    /// The secret, made on first use: of two that are made at once, the first one stays.
    package func secret(_ name: String, of tenant: TenantID, make: () throws -> [UInt8]) throws -> [UInt8] {
        if let secret = try database.read({ try Self.find(name, tenant, $0) }) { return secret }
        let fresh = try make()
        return try database.write { db in
            try db.execute(
                "INSERT INTO tenant_secret (tenant, name, secret) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                [.text(tenant), .text(name), .blob(fresh)])
            guard let secret = try Self.find(name, tenant, db) else { throw SQLColumnError(column: 0, expected: "the secret just made") }
            return secret
        }
    }

    private static func find(_ name: String, _ tenant: TenantID, _ db: any SQLConnection) throws -> [UInt8]? {
        try db.rows("SELECT secret FROM tenant_secret WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]).first?.blob(0)
    }
}
