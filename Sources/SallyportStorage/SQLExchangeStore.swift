import SallyportCore

/// Stored exchanges in SQL. Their texts are sealed under the subject's own key and bound to the row.
package struct SQLExchangeStore: ExchangeStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = """
        id, subject, deployment, operation, policy, policy_version, purpose, legal_basis, stored_at, expires_at, is_truncated
        """

    package func insert(_ exchange: StoredExchange) throws {
        let prompt = try database.sealed(
            exchange.prompt, .exchangePrompt, of: exchange.tenant, row: [exchange.id], subject: exchange.subject)
        let answer = try database.sealed(
            exchange.answer, .exchangeAnswer, of: exchange.tenant, row: [exchange.id], subject: exchange.subject)
        try database.write { db in
            let added = try db.execute(
                """
                INSERT INTO stored_exchange
                (tenant, \(Self.columns), prompt, answer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                ON CONFLICT DO NOTHING
                """,
                [
                    .text(exchange.tenant), .text(exchange.id), .text(exchange.subject), .text(exchange.deployment),
                    .text(exchange.operation), .text(exchange.policy), .integer(exchange.policyVersion), .text(exchange.purpose),
                    .text(exchange.legalBasis), .integer(exchange.storedAt), .integer(exchange.expiresAt),
                    .integer(exchange.isTruncated ? 1 : 0), prompt, answer,
                ])
            guard added == 1 else { throw Fault(.conflict, "This exchange is stored already.") }
        }
    }

    package func exchange(_ id: String, tenant: TenantID) throws -> StoredExchange? {
        let row = try database.read { db in
            try db.rows(
                "SELECT \(Self.columns), prompt, answer FROM stored_exchange WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]
            )
            .first
        }
        guard let row else { return nil }
        var exchange = try Self.exchange(row, tenant)
        if case .blob = row.values[11] {
            exchange.prompt = try database.openedBytes(row, 11, .exchangePrompt, of: tenant, row: [id], subject: exchange.subject)
        }
        if case .blob = row.values[12] {
            exchange.answer = try database.openedBytes(row, 12, .exchangeAnswer, of: tenant, row: [id], subject: exchange.subject)
        }
        return exchange
    }

    package func list(of tenant: TenantID, subject: String?, limit: Int) throws -> [StoredExchange] {
        try database.read { db in
            let condition = subject == nil ? "" : " AND subject = $2"
            return try db.rows(
                "SELECT \(Self.columns) FROM stored_exchange WHERE tenant = $1\(condition) ORDER BY stored_at DESC, id LIMIT \(max(0, limit))",
                [.text(tenant)] + (subject.map { [.text($0)] } ?? [])
            ).map { try Self.exchange($0, tenant) }
        }
    }

    package func expired(at now: Int64, tenant: TenantID, after: (expiresAt: Int64, id: String)?, limit: Int) throws -> [StoredExchange] {
        try database.read { db in
            let condition = after == nil ? "" : " AND (expires_at > $3 OR (expires_at = $3 AND id > $4))"
            return try db.rows(
                """
                SELECT \(Self.columns) FROM stored_exchange WHERE tenant = $1 AND expires_at <= $2\(condition)
                ORDER BY expires_at, id LIMIT \(max(0, limit))
                """, [.text(tenant), .integer(now)] + (after.map { [.integer($0.expiresAt), .text($0.id)] } ?? [])
            ).map { try Self.exchange($0, tenant) }
        }
    }

    package func remove(_ ids: [String], tenant: TenantID, batch: String, reason: String, at now: Int64) throws -> Int {
        let removed = try database.write { db in
            var count = 0
            for id in ids {
                let isThere = try db.execute("DELETE FROM stored_exchange WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
                guard isThere == 1 else { continue }
                count += 1
                try db.execute(
                    """
                    INSERT INTO stored_exchange_removal (tenant, id, removed_at, batch, reason) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT DO NOTHING
                    """, [.text(tenant), .text(id), .integer(now), .text(batch), .text(reason)])
            }
            return count
        }
        try database.scrubDeleted()
        return removed
    }

    package func remaining(of ids: [String], tenant: TenantID) throws -> Int {
        try database.read { db in
            try ids.filter { id in
                try !db.rows("SELECT 1 FROM stored_exchange WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]).isEmpty
            }.count
        }
    }

    package func removal(of id: String, tenant: TenantID) throws -> StoredExchangeRemoval? {
        try removals("id = $2", id, tenant).first
    }

    package func removals(in batch: String, tenant: TenantID) throws -> [StoredExchangeRemoval] {
        try removals("batch = $2", batch, tenant)
    }

    private func removals(_ condition: String, _ value: String, _ tenant: TenantID) throws -> [StoredExchangeRemoval] {
        try database.read { db in
            try db.rows(
                "SELECT id, removed_at, batch, reason FROM stored_exchange_removal WHERE tenant = $1 AND \(condition) ORDER BY id",
                [.text(tenant), .text(value)]
            ).map {
                StoredExchangeRemoval(
                    id: try $0.text(0), removedAt: try $0.integer(1), batch: try $0.text(2), reason: try $0.text(3))
            }
        }
    }

    private static func exchange(_ row: SQLRow, _ tenant: TenantID) throws -> StoredExchange {
        StoredExchange(
            tenant: tenant, id: try row.text(0), subject: try row.text(1), deployment: try row.text(2), operation: try row.text(3),
            policy: try row.text(4), policyVersion: Int(try row.integer(5)), purpose: try row.text(6), legalBasis: try row.text(7),
            storedAt: try row.integer(8), expiresAt: try row.integer(9), isTruncated: try row.integer(10) != 0)
    }
}

extension SealedColumn {
    static let exchangePrompt = SealedColumn("stored_exchange", "prompt", keys: ["id"], .blob, subjectColumn: "subject")
    static let exchangeAnswer = SealedColumn("stored_exchange", "answer", keys: ["id"], .blob, subjectColumn: "subject")
    static let tenantSecret = SealedColumn("tenant_secret", "secret", keys: ["name"], .blob)
}
