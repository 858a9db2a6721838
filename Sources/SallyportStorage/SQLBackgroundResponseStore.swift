import SallyportCore

/// Responses whose tokens are still to be counted, so that a restart does not forget them.
package struct SQLBackgroundResponseStore: Sendable {
    package struct Entry: Sendable, Hashable {
        package let tenant: TenantID
        package let id: String
        /// What was counted of it already.
        package let prompt: Int
        package let completion: Int
        package init(tenant: TenantID, id: String, prompt: Int, completion: Int) {
            self.tenant = tenant
            self.id = id
            self.prompt = prompt
            self.completion = completion
        }
    }

    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    /// Oldest first.
    package func all() throws -> [Entry] {
        try database.read { db in
            try db.rows(
                "SELECT tenant, id, prompt_tokens, completion_tokens FROM background_response ORDER BY noted_at, tenant, id", []
            ).map {
                Entry(
                    tenant: TenantID(try $0.text(0)), id: try $0.text(1), prompt: Int(try $0.integer(2)), completion: Int(try $0.integer(3))
                )
            }
        }
    }

    /// In one transaction.
    package func update(noted: [Entry], taken: [(tenant: TenantID, id: String)], at now: Int64) throws {
        guard !noted.isEmpty || !taken.isEmpty else { return }
        try database.write { db in
            for entry in noted {
                try db.execute(
                    """
                    INSERT INTO background_response (tenant, id, prompt_tokens, completion_tokens, noted_at) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (tenant, id) DO UPDATE
                    SET prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens
                    """,
                    [.text(entry.tenant), .text(entry.id), .integer(entry.prompt), .integer(entry.completion), .integer(now)])
            }
            for (tenant, id) in taken {
                try db.execute("DELETE FROM background_response WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
            }
        }
    }

    /// Forgets those that nobody has asked for since: providers keep responses for thirty days.
    package func remove(before time: Int64) throws {
        _ = try database.write { db in try db.execute("DELETE FROM background_response WHERE noted_at < $1", [.integer(time)]) }
    }
}
