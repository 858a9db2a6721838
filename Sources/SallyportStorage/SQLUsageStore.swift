import SallyportCore

/// Long-window usage of one tenant in SQL. Sums are made by the database, so that several processes may add at once.
package struct SQLUsageStore: UsageStore {
    private let database: any SQLDatabase
    private let tenant: TenantID
    package init(_ database: any SQLDatabase, tenant: TenantID = .default) {
        self.database = database
        self.tenant = tenant
    }

    /// One counter's increase.
    package struct Increase: Sendable, Hashable {
        package var scope: String
        package var window: String
        package var tokens: Int
        package var costMicros: Int64
        package init(scope: String, window: String, tokens: Int, costMicros: Int64) {
            self.scope = scope
            self.window = window
            self.tokens = tokens
            self.costMicros = costMicros
        }
    }

    package func add(tokens: Int, costMicros: Int64, scope: String, window: String) throws {
        try add([Increase(scope: scope, window: window, tokens: tokens, costMicros: costMicros)])
    }

    /// Adds to many counters in one transaction (one sync to disk for all that has gathered).
    package func add(_ increases: [Increase]) throws {
        guard !increases.isEmpty else { return }
        try database.write { db in
            for increase in increases {
                try db.execute(
                    """
                    INSERT INTO usage_counter (tenant, period, scope, tokens, cost_micros) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (tenant, period, scope) DO UPDATE
                    SET tokens = usage_counter.tokens + excluded.tokens,
                        cost_micros = usage_counter.cost_micros + excluded.cost_micros
                    """,
                    [
                        .text(tenant), .text(increase.window), .text(increase.scope), .integer(increase.tokens),
                        .integer(increase.costMicros),
                    ])
            }
        }
    }

    package func usage(scope: String, window: String) throws -> (tokens: Int, costMicros: Int64) {
        try database.read { db in
            let row = try db.rows(
                "SELECT tokens, cost_micros FROM usage_counter WHERE tenant = $1 AND period = $2 AND scope = $3",
                [.text(tenant), .text(window), .text(scope)]
            ).first
            guard let row else { return (0, 0) }
            return (Int(try row.integer(0)), try row.integer(1))
        }
    }

    package func all(window: String) throws -> [(scope: String, tokens: Int, costMicros: Int64)] {
        try database.read { db in
            try db.rows(
                "SELECT scope, tokens, cost_micros FROM usage_counter WHERE tenant = $1 AND period = $2 ORDER BY scope",
                [.text(tenant), .text(window)]
            ).map { (try $0.text(0), Int(try $0.integer(1)), try $0.integer(2)) }
        }
    }

    /// Forgets windows that ended before `window` (of the same form), as they sort by time.
    package func removeWindows(before window: String) throws {
        _ = try database.write { db in
            try db.execute(
                "DELETE FROM usage_counter WHERE tenant = $1 AND period < $2 AND length(period) = $3",
                [.text(tenant), .text(window), .integer(window.utf8.count)])
        }
    }
}
