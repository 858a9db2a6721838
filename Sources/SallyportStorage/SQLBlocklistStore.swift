import SallyportCore

/// Blocklists in SQL. Items keep the order in which they were added.
package struct SQLBlocklistStore: BlocklistStore {
    /// Content Safety's limit for one resource.
    package static let maximumItems = 10_000

    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func blocklists(of tenant: TenantID) throws -> [Blocklist] {
        try database.read { db in
            try db.rows("SELECT name, description FROM blocklist WHERE tenant = $1 ORDER BY name", [.text(tenant)])
                .map { Blocklist(name: try $0.text(0), description: try $0.optionalText(1)) }
        }
    }

    package func blocklist(_ name: String, of tenant: TenantID) throws -> Blocklist? {
        try database.read { db in
            try db.rows("SELECT name, description FROM blocklist WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)])
                .first.map { Blocklist(name: try $0.text(0), description: try $0.optionalText(1)) }
        }
    }

    package func upsert(_ list: Blocklist, of tenant: TenantID) throws -> Bool {
        try database.write { db in
            let values: [SQLValue] = [.text(list.description), .text(tenant), .text(list.name)]
            let added = try db.execute(
                "INSERT INTO blocklist (description, tenant, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", values)
            if added == 0 { try db.execute("UPDATE blocklist SET description = $1 WHERE tenant = $2 AND name = $3", values) }
            try Revision.blocklists.bump(db)
            return added > 0
        }
    }

    package func deleteBlocklist(_ name: String, of tenant: TenantID) throws -> Bool {
        try database.write { db in
            guard try db.execute("DELETE FROM blocklist WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]) > 0 else {
                return false
            }
            try Revision.blocklists.bump(db)
            return true
        }
    }

    package func items(of list: String, tenant: TenantID) throws -> [BlocklistItem] {
        try database.read { db in
            try db.rows(
                """
                SELECT id, content, description, is_regex FROM blocklist_item
                WHERE tenant = $1 AND list = $2 ORDER BY position
                """, [.text(tenant), .text(list)]
            ).map {
                let row = [list, try $0.text(0)]
                return BlocklistItem(
                    id: row[1], text: try database.opened($0, 1, .blocklistContent, of: tenant, row: row),
                    description: try database.openedIfPresent($0, 2, .blocklistDescription, of: tenant, row: row),
                    isRegex: try $0.integer(3) != 0)
            }
        }
    }

    package func add(_ items: [BlocklistItem], to list: String, tenant: TenantID) throws {
        let contents = try items.map { item in
            let row = [list, item.id]
            return (
                text: try database.sealed(item.text, .blocklistContent, of: tenant, row: row),
                description: try database.sealed(item.description, .blocklistDescription, of: tenant, row: row)
            )
        }
        try database.write { db in
            try Self.requireList(list, tenant, db)
            var position = try Self.number(
                db, "SELECT coalesce(max(position), -1) FROM blocklist_item WHERE tenant = $1 AND list = $2",
                [.text(tenant), .text(list)])
            for (item, content) in zip(items, contents) {
                position += 1
                try db.execute(
                    """
                    INSERT INTO blocklist_item (tenant, list, id, position, content, description, is_regex)
                    VALUES ($1, $2, $3, $4, $5, $6, $7)
                    ON CONFLICT (tenant, list, id) DO UPDATE
                    SET content = excluded.content, description = excluded.description, is_regex = excluded.is_regex
                    """,
                    [
                        .text(tenant), .text(list), .text(item.id), .integer(position), content.text, content.description,
                        .integer(item.isRegex ? 1 : 0),
                    ])
            }
            let count = try Self.number(db, "SELECT count(*) FROM blocklist_item WHERE tenant = $1", [.text(tenant)])
            guard count <= Self.maximumItems else {
                throw Fault(.quotaExceeded, "A resource can hold at most 10000 blocklist items.")
            }
            if !items.isEmpty { try Revision.blocklists.bump(db) }
        }
    }

    package func removeItems(_ ids: [String], from list: String, tenant: TenantID) throws {
        try database.write { db in
            try Self.requireList(list, tenant, db)
            for id in Set(ids) {
                let removed = try db.execute(
                    "DELETE FROM blocklist_item WHERE tenant = $1 AND list = $2 AND id = $3", [.text(tenant), .text(list), .text(id)])
                guard removed > 0 else { throw Fault(.notFound, "A blocklist item with one of these ids does not exist.") }
            }
            if !ids.isEmpty { try Revision.blocklists.bump(db) }
        }
    }

    package func revision() throws -> Int64 { try database.read(Revision.blocklists.number) }

    private static func requireList(_ name: String, _ tenant: TenantID, _ db: any SQLConnection) throws {
        let found = try db.rows("SELECT 1 FROM blocklist WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)])
        guard !found.isEmpty else { throw Fault(.notFound, "The blocklist does not exist.") }
    }

    private static func number(_ db: any SQLConnection, _ sql: String, _ arguments: [SQLValue]) throws -> Int64 {
        try db.rows(sql, arguments).first?.integer(0) ?? 0
    }
}
