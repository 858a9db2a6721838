extension Schema {
    static let accounts = Migration(
        name: "0013-accounts",
        statements: [
            """
            CREATE TABLE account (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                display_name TEXT NOT NULL,
                password_hash TEXT,
                created_at BIGINT NOT NULL,
                disabled_at BIGINT,
                PRIMARY KEY (tenant, name)
            )
            """,
            // What is secret in it is sealed.
            """
            CREATE TABLE account_factor (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                account TEXT NOT NULL,
                kind TEXT NOT NULL CHECK (kind IN ('totp', 'passkey', 'recovery')),
                name TEXT NOT NULL,
                secret BLOB NOT NULL,
                counter BIGINT NOT NULL,
                created_at BIGINT NOT NULL,
                last_used_at BIGINT,
                PRIMARY KEY (tenant, id),
                FOREIGN KEY (tenant, account) REFERENCES account (tenant, name) ON DELETE CASCADE
            )
            """,
            "CREATE INDEX account_factor_owner ON account_factor (tenant, account)",
            """
            CREATE TABLE one_time_link (
                tenant TEXT NOT NULL,
                hash BLOB NOT NULL CHECK (length(hash) = 32),
                account TEXT NOT NULL,
                created_at BIGINT NOT NULL,
                expires_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, hash),
                FOREIGN KEY (tenant, account) REFERENCES account (tenant, name) ON DELETE CASCADE
            )
            """,
            """
            CREATE TABLE sign_in_failure (
                tenant TEXT NOT NULL,
                subject TEXT NOT NULL,
                failures BIGINT NOT NULL,
                last_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, subject)
            )
            """,
            """
            CREATE TABLE console_session (
                hash BLOB NOT NULL CHECK (length(hash) = 32),
                id TEXT NOT NULL,
                tenant TEXT NOT NULL,
                principal TEXT NOT NULL,
                account TEXT,
                content BLOB NOT NULL,
                created_at BIGINT NOT NULL,
                last_used_at BIGINT NOT NULL,
                expires_at BIGINT NOT NULL,
                PRIMARY KEY (hash),
                UNIQUE (tenant, id)
            )
            """,
            "CREATE INDEX console_session_principal ON console_session (tenant, principal)",
        ])
}
