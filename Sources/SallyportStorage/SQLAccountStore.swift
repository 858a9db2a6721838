import SallyportCore

/// Local accounts, their factors, links and failures in SQL.
package struct SQLAccountStore: AccountStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let accountColumns = "tenant, name, display_name, password_hash, created_at, disabled_at"
    private static let factorColumns = "tenant, id, account, kind, name, secret, counter, created_at, last_used_at"

    // MARK: Accounts

    package func accounts(of tenant: TenantID) throws -> [AccountRecord] {
        try database.read { db in
            try db.rows("SELECT \(Self.accountColumns) FROM account WHERE tenant = $1 ORDER BY name", [.text(tenant)]).map(Self.account)
        }
    }

    package func account(_ name: String, tenant: TenantID) throws -> AccountRecord? {
        try database.read { db in
            try db.rows("SELECT \(Self.accountColumns) FROM account WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)])
                .first.map(Self.account)
        }
    }

    package func insert(_ account: AccountRecord) throws {
        try database.write { db in
            let added = try db.execute(
                "INSERT INTO account (\(Self.accountColumns)) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                [
                    .text(account.tenant), .text(account.name), .text(account.displayName), .text(account.passwordHash),
                    .integer(account.createdAt), .integer(account.disabledAt),
                ])
            guard added == 1 else { throw Fault(.conflict, "An account of this name exists already.") }
        }
    }

    package func setPassword(_ hash: String, of name: String, tenant: TenantID, replacing known: String?) throws -> Bool {
        try database.write { db in
            try db.execute(
                """
                UPDATE account SET password_hash = $1
                WHERE tenant = $2 AND name = $3 AND disabled_at IS NULL AND coalesce(password_hash, '') = $4
                """, [.text(hash), .text(tenant), .text(name), .text(known ?? "")]) > 0
        }
    }

    package func setDisabled(_ moment: Int64?, of name: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            if let moment {
                return try db.execute(
                    "UPDATE account SET disabled_at = coalesce(disabled_at, $1) WHERE tenant = $2 AND name = $3",
                    [.integer(moment), .text(tenant), .text(name)]) > 0
            }
            return try db.execute("UPDATE account SET disabled_at = NULL WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]) > 0
        }
    }

    package func reset(_ name: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            let account: [SQLValue] = [.text(tenant), .text(name)]
            for table in ["account_factor", "one_time_link", "console_session"] {
                try db.execute("DELETE FROM \(table) WHERE tenant = $1 AND account = $2", account)
            }
            return try db.execute("UPDATE account SET password_hash = NULL WHERE tenant = $1 AND name = $2", account) > 0
        }
    }

    package func removeAccount(_ name: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            try db.execute("DELETE FROM console_session WHERE tenant = $1 AND account = $2", [.text(tenant), .text(name)])
            return try db.execute("DELETE FROM account WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]) > 0
        }
    }

    private static func account(_ row: SQLRow) throws -> AccountRecord {
        AccountRecord(
            tenant: TenantID(try row.text(0)), name: try row.text(1), displayName: try row.text(2), passwordHash: try row.optionalText(3),
            createdAt: try row.integer(4), disabledAt: try row.optionalInteger(5))
    }

    // MARK: Factors

    package func factors(of account: String, tenant: TenantID) throws -> [AccountFactor] {
        try database.read { db in
            try db.rows(
                "SELECT \(Self.factorColumns) FROM account_factor WHERE tenant = $1 AND account = $2 ORDER BY created_at, id",
                [.text(tenant), .text(account)]
            ).map(Self.factor)
        }
    }

    package func factor(_ id: String, tenant: TenantID) throws -> AccountFactor? {
        try database.read { db in
            try db.rows("SELECT \(Self.factorColumns) FROM account_factor WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
                .first.map(Self.factor)
        }
    }

    package func insert(_ factor: AccountFactor) throws { try database.write { db in try Self.add(factor, db) } }

    package func replace(_ kind: AccountFactor.Kind, of account: String, tenant: TenantID, with factors: [AccountFactor]) throws {
        try database.write { db in
            try db.execute(
                "DELETE FROM account_factor WHERE tenant = $1 AND account = $2 AND kind = $3",
                [.text(tenant), .text(account), .text(kind.rawValue)])
            for factor in factors { try Self.add(factor, db) }
        }
    }

    package func advance(_ id: String, tenant: TenantID, to counter: Int64, at now: Int64) throws -> Bool {
        try database.write { db in
            // An authenticator that does not count stays at zero.
            try db.execute(
                """
                UPDATE account_factor SET counter = $1, last_used_at = $2
                WHERE tenant = $3 AND id = $4 AND (counter < $1 OR ($1 = 0 AND counter = 0))
                """, [.integer(counter), .integer(now), .text(tenant), .text(id)]) > 0
        }
    }

    package func removeFactor(_ id: String, tenant: TenantID) throws -> Bool {
        try database.write { db in
            try db.execute("DELETE FROM account_factor WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]) > 0
        }
    }

    private static func add(_ factor: AccountFactor, _ db: any SQLConnection) throws {
        let added = try db.execute(
            "INSERT INTO account_factor (\(factorColumns)) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            [
                .text(factor.tenant), .text(factor.id), .text(factor.account), .text(factor.kind.rawValue), .text(factor.name),
                .blob(factor.secret), .integer(factor.counter), .integer(factor.createdAt), .integer(factor.lastUsedAt),
            ])
        guard added == 1 else { throw Fault(.conflict, "This factor is registered already.") }
    }

    private static func factor(_ row: SQLRow) throws -> AccountFactor {
        guard let kind = AccountFactor.Kind(rawValue: try row.text(3)) else {
            throw SQLColumnError(column: 3, expected: "a kind of factor")
        }
        return AccountFactor(
            id: try row.text(1), tenant: TenantID(try row.text(0)), account: try row.text(2), kind: kind, name: try row.text(4),
            secret: try row.blob(5), counter: try row.integer(6), createdAt: try row.integer(7), lastUsedAt: try row.optionalInteger(8))
    }

    // MARK: Links

    package func put(_ link: OneTimeLink) throws {
        try database.write { db in
            try db.execute("DELETE FROM one_time_link WHERE tenant = $1 AND account = $2", [.text(link.tenant), .text(link.account)])
            try db.execute(
                "INSERT INTO one_time_link (tenant, hash, account, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
                [.text(link.tenant), .blob(link.hash), .text(link.account), .integer(link.createdAt), .integer(link.expiresAt)])
        }
    }

    package func link(_ hash: [UInt8], tenant: TenantID) throws -> OneTimeLink? {
        try database.read { db in
            try db.rows(
                "SELECT tenant, hash, account, created_at, expires_at FROM one_time_link WHERE tenant = $1 AND hash = $2",
                [.text(tenant), .blob(hash)]
            ).first.map { row in
                OneTimeLink(
                    tenant: TenantID(try row.text(0)), hash: try row.blob(1), account: try row.text(2), createdAt: try row.integer(3),
                    expiresAt: try row.integer(4))
            }
        }
    }

    package func removeLink(_ hash: [UInt8], tenant: TenantID) throws -> Bool {
        try database.write { db in
            try db.execute("DELETE FROM one_time_link WHERE tenant = $1 AND hash = $2", [.text(tenant), .blob(hash)]) > 0
        }
    }

    // MARK: Failures

    package func failures(of subject: String, tenant: TenantID) throws -> SignInFailures {
        try database.read { db in
            try db.rows(
                "SELECT failures, last_at FROM sign_in_failure WHERE tenant = $1 AND subject = $2", [.text(tenant), .text(subject)]
            )
            .first.map { SignInFailures(count: Int(try $0.integer(0)), lastAt: try $0.integer(1)) } ?? SignInFailures()
        }
    }

    package func addFailure(of subject: String, tenant: TenantID, at now: Int64, since: Int64) throws {
        try database.write { db in
            try db.execute("DELETE FROM sign_in_failure WHERE last_at < $1", [.integer(since)])
            try db.execute(
                """
                INSERT INTO sign_in_failure (tenant, subject, failures, last_at) VALUES ($1, $2, 1, $3)
                ON CONFLICT (tenant, subject) DO UPDATE SET failures = sign_in_failure.failures + 1, last_at = excluded.last_at
                """, [.text(tenant), .text(subject), .integer(now)])
        }
    }

    package func clearFailures(beginning prefix: String, tenant: TenantID) throws {
        try database.write { db in
            _ = try db.execute(
                "DELETE FROM sign_in_failure WHERE tenant = $1 AND substr(subject, 1, length($2)) = $2", [.text(tenant), .text(prefix)])
        }
    }

    package func clearFailures(of subject: String, tenant: TenantID) throws {
        try database.write { db in
            _ = try db.execute("DELETE FROM sign_in_failure WHERE tenant = $1 AND subject = $2", [.text(tenant), .text(subject)])
        }
    }
}
