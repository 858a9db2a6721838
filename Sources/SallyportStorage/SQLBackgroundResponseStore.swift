import SallyportCore

/// Responses whose tokens are still to be counted, so that a restart does not forget them.
package struct SQLBackgroundResponseStore: Sendable {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    /// Oldest first.
    package func all() throws -> [BackgroundResponse] {
        try database.read { db in
            try db.rows(
                "SELECT tenant, id, prompt_tokens, completion_tokens FROM background_response ORDER BY noted_at, tenant, id", []
            ).map {
                BackgroundResponse(
                    key: .init(tenant: TenantID(try $0.text(0)), id: try $0.text(1)), prompt: Int(try $0.integer(2)),
                    completion: Int(try $0.integer(3)))
            }
        }
    }

    /// In one transaction.
    package func update(noted: [BackgroundResponse], taken: [BackgroundResponse.Key], at now: Int64) throws {
        guard !noted.isEmpty || !taken.isEmpty else { return }
        try database.write { db in
            for response in noted {
                try db.execute(
                    """
                    INSERT INTO background_response (tenant, id, prompt_tokens, completion_tokens, noted_at) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (tenant, id) DO UPDATE
                    SET prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens
                    """,
                    [
                        .text(response.key.tenant), .text(response.key.id), .integer(response.prompt), .integer(response.completion),
                        .integer(now),
                    ])
            }
            for key in taken {
                try db.execute("DELETE FROM background_response WHERE tenant = $1 AND id = $2", [.text(key.tenant), .text(key.id)])
            }
        }
    }

    /// Forgets those that nobody has asked for since: providers keep responses for thirty days.
    package func remove(before time: Int64) throws {
        _ = try database.write { db in try db.execute("DELETE FROM background_response WHERE noted_at < $1", [.integer(time)]) }
    }
}
