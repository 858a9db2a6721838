/// Texts of exchanges that policies want kept.
extension Schema {
    static let storedExchanges = Migration(
        name: "0023-stored-exchanges",
        statements: [
            """
            CREATE TABLE stored_exchange (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                subject TEXT NOT NULL,
                deployment TEXT NOT NULL,
                operation TEXT NOT NULL,
                policy TEXT NOT NULL,
                policy_version BIGINT NOT NULL,
                purpose TEXT NOT NULL,
                legal_basis TEXT NOT NULL,
                stored_at BIGINT NOT NULL,
                expires_at BIGINT NOT NULL,
                is_truncated BIGINT NOT NULL CHECK (is_truncated IN (0, 1)),
                prompt BLOB,
                answer BLOB,
                PRIMARY KEY (tenant, id)
            )
            """,
            "CREATE INDEX stored_exchange_expiry ON stored_exchange (tenant, expires_at, id)",
            "CREATE INDEX stored_exchange_subject ON stored_exchange (tenant, subject, stored_at)",
            """
            CREATE TABLE stored_exchange_removal (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                removed_at BIGINT NOT NULL,
                batch TEXT NOT NULL,
                reason TEXT NOT NULL,
                PRIMARY KEY (tenant, id)
            )
            """,
            "CREATE INDEX stored_exchange_removal_batch ON stored_exchange_removal (tenant, batch)",
        ])
}
