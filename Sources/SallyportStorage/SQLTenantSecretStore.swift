import SallyportCore

/// Secrets that a tenant has one of: the key that reports are signed with, the key that pseudonyms are made with.
package struct SQLTenantSecretStore: Sendable {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    /// The secret, made on first use: of two that are made at once, the first one stays.
    package func secret(_ name: String, of tenant: TenantID, make: () throws -> [UInt8]) throws -> [UInt8] {
        if let secret = try find(name, tenant) { return secret }
        let fresh = try database.sealed(make(), .tenantSecret, of: tenant, row: [name])
        try database.write { db in
            _ = try db.execute(
                "INSERT INTO tenant_secret (tenant, name, secret) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                [.text(tenant), .text(name), fresh])
        }
        guard let secret = try find(name, tenant) else { throw Fault.database(SQLColumnError(column: 0, expected: "the secret just made")) }
        return secret
    }

    private func find(_ name: String, _ tenant: TenantID) throws -> [UInt8]? {
        let row = try database.read { db in
            try db.rows("SELECT secret FROM tenant_secret WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]).first
        }
        return try row.map { try database.openedBytes($0, 0, .tenantSecret, of: tenant, row: [name]) }
    }
}
