import SallyportCore

/// Provisioned people and groups in SQL. Whoever leaves loses everything in the transaction that says so.
package struct SQLProvisioningStore: ProvisioningStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    // MARK: Users

    private static let userColumns =
        "id, user_name, external_id, is_active, principal, attributes, version, created_at, modified_at"

    private func find(_ condition: String, _ arguments: [SQLValue], _ tenant: TenantID) throws -> [ProvisionedUser] {
        try database.read { db in
            try db.rows(
                "SELECT \(Self.userColumns) FROM provisioned_user WHERE tenant = $1\(condition) ORDER BY created_at, id",
                [.text(tenant)] + arguments
            ).map { try Self.user($0, tenant) }
        }
    }

    package func users(of tenant: TenantID) throws -> [ProvisionedUser] { try find("", [], tenant) }
    package func user(_ id: String, tenant: TenantID) throws -> ProvisionedUser? { try find(" AND id = $2", [.text(id)], tenant).first }
    package func user(named userName: String, tenant: TenantID) throws -> ProvisionedUser? {
        try find(" AND folded_name = $2", [.text(userName.lowercased())], tenant).first
    }
    package func user(externalID: String, tenant: TenantID) throws -> ProvisionedUser? {
        try find(" AND external_id = $2", [.text(externalID)], tenant).first
    }

    package func insert(_ user: ProvisionedUser, departing: Departure?) throws {
        try database.write { db in
            try Self.checkFree(user, db)
            try db.execute(
                """
                INSERT INTO provisioned_user
                (tenant, id, user_name, folded_name, external_id, is_active, principal, attributes, version, created_at, modified_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                """,
                [
                    .text(user.tenant), .text(user.id), .text(user.userName), .text(user.userName.lowercased()), .text(user.externalID),
                    .integer(user.isActive ? 1 : 0), .text(user.principal), .text(user.attributes), .integer(user.version),
                    .integer(user.createdAt), .integer(user.modifiedAt),
                ])
            if let departing { _ = try AccessEnd.end(departing, user.tenant, db) }
        }
    }

    package func update(_ user: ProvisionedUser, from version: Int, departing: Departure?, returning: String?) throws -> DepartureOutcome? {
        try database.write { db in
            try Self.checkFree(user, db)
            let changed = try db.execute(
                """
                UPDATE provisioned_user SET user_name = $1, folded_name = $2, external_id = $3, is_active = $4, principal = $5,
                    attributes = $6, version = $7, modified_at = $8
                WHERE tenant = $9 AND id = $10 AND version = $11
                """,
                [
                    .text(user.userName), .text(user.userName.lowercased()), .text(user.externalID), .integer(user.isActive ? 1 : 0),
                    .text(user.principal), .text(user.attributes), .integer(user.version), .integer(user.modifiedAt), .text(user.tenant),
                    .text(user.id), .integer(version),
                ])
            guard changed == 1 else { return nil }
            if let returning { try AccessEnd.giveBack(returning, user.tenant, db) }
            return try departing.map { try AccessEnd.end($0, user.tenant, db) } ?? DepartureOutcome()
        }
    }

    package func removeUser(_ id: String, tenant: TenantID, version: Int?, departing: Departure) throws -> DepartureOutcome? {
        let outcome = try database.write { db -> DepartureOutcome? in
            let condition = version == nil ? "" : " AND version = $3"
            let removed = try db.execute(
                "DELETE FROM provisioned_user WHERE tenant = $1 AND id = $2\(condition)",
                [.text(tenant), .text(id)] + (version.map { [.integer($0)] } ?? []))
            guard removed == 1 else { return nil }
            try db.execute(
                "DELETE FROM provisioned_member WHERE tenant = $1 AND member = $2", [.text(tenant), .text(id)])
            return try AccessEnd.end(departing, tenant, db)
        }
        return outcome
    }

    /// A name and a principal are one user's.
    private static func checkFree(_ user: ProvisionedUser, _ db: any SQLConnection) throws {
        let others = try db.rows(
            "SELECT id FROM provisioned_user WHERE tenant = $1 AND id <> $2 AND (folded_name = $3 OR principal = $4)",
            [.text(user.tenant), .text(user.id), .text(user.userName.lowercased()), .text(user.principal)])
        guard others.isEmpty else { throw Fault(.conflict, "Another user has this userName or externalId.") }
    }

    private static func user(_ row: SQLRow, _ tenant: TenantID) throws -> ProvisionedUser {
        ProvisionedUser(
            tenant: tenant, id: try row.text(0), userName: try row.text(1), externalID: try row.optionalText(2),
            isActive: try row.integer(3) != 0, principal: try row.text(4), attributes: try row.text(5), version: Int(try row.integer(6)),
            createdAt: try row.integer(7), modifiedAt: try row.integer(8))
    }

    // MARK: Groups

    package func groups(of tenant: TenantID) throws -> [ProvisionedGroup] { try findGroups("", [], tenant) }
    package func group(_ id: String, tenant: TenantID) throws -> ProvisionedGroup? {
        try findGroups(" AND id = $2", [.text(id)], tenant).first
    }
    package func groups(of member: String, tenant: TenantID) throws -> [ProvisionedGroup] {
        try findGroups(
            " AND id IN (SELECT group_id FROM provisioned_member WHERE tenant = $1 AND member = $2)", [.text(member)], tenant)
    }

    /// The ids in role assignments of the groups that a principal is in, directly or by another group.
    package func groups(holding principal: String, tenant: TenantID = .default) throws -> [String] {
        try database.read { db in
            try db.rows(
                """
                WITH RECURSIVE holding (id) AS (
                    SELECT member.group_id FROM provisioned_user AS person
                    JOIN provisioned_member AS member ON member.tenant = person.tenant AND member.member = person.id
                    WHERE person.tenant = $1 AND person.principal = $2 AND person.is_active = 1
                    UNION
                    SELECT member.group_id FROM provisioned_member AS member JOIN holding ON member.member = holding.id
                    WHERE member.tenant = $1
                )
                SELECT reference FROM provisioned_group WHERE tenant = $1 AND id IN (SELECT id FROM holding) ORDER BY reference
                """, [.text(tenant), .text(principal)]
            ).map { try $0.text(0) }
        }
    }

    private func findGroups(_ condition: String, _ arguments: [SQLValue], _ tenant: TenantID) throws -> [ProvisionedGroup] {
        try database.read { db in
            let rows = try db.rows(
                """
                SELECT id, display_name, external_id, reference, version, created_at, modified_at FROM provisioned_group
                WHERE tenant = $1\(condition) ORDER BY created_at, id
                """, [.text(tenant)] + arguments)
            return try rows.map { row in
                let id = try row.text(0)
                let members = try db.rows(
                    "SELECT member FROM provisioned_member WHERE tenant = $1 AND group_id = $2 ORDER BY position",
                    [.text(tenant), .text(id)]
                ).map { try $0.text(0) }
                return ProvisionedGroup(
                    tenant: tenant, id: id, displayName: try row.text(1), externalID: try row.optionalText(2), reference: try row.text(3),
                    members: members, version: Int(try row.integer(4)), createdAt: try row.integer(5), modifiedAt: try row.integer(6))
            }
        }
    }

    package func insert(_ group: ProvisionedGroup) throws {
        try database.write { db in
            try Self.checkFree(group, db)
            try db.execute(
                """
                INSERT INTO provisioned_group (tenant, id, display_name, external_id, reference, version, created_at, modified_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                [
                    .text(group.tenant), .text(group.id), .text(group.displayName), .text(group.externalID), .text(group.reference),
                    .integer(group.version), .integer(group.createdAt), .integer(group.modifiedAt),
                ])
            try Self.write(group.members, of: group, db)
        }
    }

    package func update(_ group: ProvisionedGroup, from version: Int) throws -> Bool {
        try database.write { db in
            try Self.checkFree(group, db)
            let changed = try db.execute(
                """
                UPDATE provisioned_group SET display_name = $1, external_id = $2, reference = $3, version = $4, modified_at = $5
                WHERE tenant = $6 AND id = $7 AND version = $8
                """,
                [
                    .text(group.displayName), .text(group.externalID), .text(group.reference), .integer(group.version),
                    .integer(group.modifiedAt), .text(group.tenant), .text(group.id), .integer(version),
                ])
            guard changed == 1 else { return false }
            try db.execute(
                "DELETE FROM provisioned_member WHERE tenant = $1 AND group_id = $2", [.text(group.tenant), .text(group.id)])
            try Self.write(group.members, of: group, db)
            return true
        }
    }

    package func removeGroup(_ id: String, tenant: TenantID, version: Int?) throws -> Bool {
        try database.write { db in
            let condition = version == nil ? "" : " AND version = $3"
            let removed = try db.execute(
                "DELETE FROM provisioned_group WHERE tenant = $1 AND id = $2\(condition)",
                [.text(tenant), .text(id)] + (version.map { [.integer($0)] } ?? []))
            guard removed == 1 else { return false }
            try db.execute(
                "DELETE FROM provisioned_member WHERE tenant = $1 AND (group_id = $2 OR member = $2)", [.text(tenant), .text(id)])
            try Revision.access.bump(db)
            return true
        }
    }

    private static func write(_ members: [String], of group: ProvisionedGroup, _ db: any SQLConnection) throws {
        for (position, member) in members.enumerated() {
            try db.execute(
                """
                INSERT INTO provisioned_member (tenant, group_id, member, position) VALUES ($1, $2, $3, $4)
                ON CONFLICT DO NOTHING
                """, [.text(group.tenant), .text(group.id), .text(member), .integer(position)])
        }
        // Who is in a group decides what he may do.
        try Revision.access.bump(db)
    }

    private static func checkFree(_ group: ProvisionedGroup, _ db: any SQLConnection) throws {
        let others = try db.rows(
            "SELECT id FROM provisioned_group WHERE tenant = $1 AND id <> $2 AND reference = $3",
            [.text(group.tenant), .text(group.id), .text(group.reference)])
        guard others.isEmpty else { throw Fault(.conflict, "Another group has this externalId, or this name.") }
    }
}
