import SallyportCore

/// The ownership ledger in SQL.
package struct SQLOwnershipStore: OwnershipStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = "tenant, project, principal, kind, id, upstream, deployment, created_at"

    package func record(_ ownership: Ownership) throws {
        try database.write { db in
            let added = try db.execute(
                """
                INSERT INTO ownership (\(Self.columns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (tenant, id) DO NOTHING
                """,
                [
                    .text(ownership.tenant), .text(ownership.project), .text(ownership.principal), .text(ownership.kind.rawValue),
                    .text(ownership.id), .text(ownership.upstream), .text(ownership.deployment?.rawValue),
                    .integer(ownership.createdAt),
                ])
            guard added == 0 else { return }
            let owner = try Self.find(ownership.id, ownership.tenant, db)
            guard owner?.project == ownership.project else { throw Fault(.conflict, "This id belongs to another project.") }
        }
    }

    package func ownership(of id: String, tenant: TenantID) throws -> Ownership? {
        try database.read { try Self.find(id, tenant, $0) }
    }

    package func ownerships(of kind: OwnedResource, tenant: TenantID, project: ProjectID) throws -> [Ownership] {
        try database.read { db in
            try db.rows(
                """
                SELECT \(Self.columns) FROM ownership
                WHERE tenant = $1 AND project = $2 AND kind = $3 ORDER BY created_at, id
                """, [.text(tenant), .text(project), .text(kind.rawValue)]
            ).map(Self.ownership)
        }
    }

    package func remove(_ id: String, tenant: TenantID) throws {
        _ = try database.write { db in
            try db.execute("DELETE FROM ownership WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
        }
    }

    private static func find(_ id: String, _ tenant: TenantID, _ db: any SQLConnection) throws -> Ownership? {
        try db.rows("SELECT \(columns) FROM ownership WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
            .first.map(ownership)
    }

    private static func ownership(_ row: SQLRow) throws -> Ownership {
        guard let kind = OwnedResource(rawValue: try row.text(3)) else {
            throw SQLColumnError(column: 3, expected: "a kind of resource that this version knows")
        }
        return Ownership(
            tenant: TenantID(try row.text(0)), project: ProjectID(try row.text(1)), principal: PrincipalID(try row.text(2)), kind: kind,
            id: try row.text(4), upstream: UpstreamID(try row.text(5)), deployment: try row.optionalText(6).map { DeploymentID($0) },
            createdAt: try row.integer(7))
    }
}
