/// The tables, as steps that are only ever added to. Plain SQL: another database needs other words for `BLOB` at most.
enum Schema {
    struct Migration: Sendable {
        let name: String
        let statements: [String]
    }

    static let migrations: [Migration] = [first]

    private static let first = Migration(
        name: "0001-gateway",
        statements: [
            """
            CREATE TABLE revision (
                store TEXT NOT NULL PRIMARY KEY,
                number BIGINT NOT NULL
            )
            """,
            "INSERT INTO revision (store, number) VALUES ('keys', 0), ('blocklists', 0), ('policies', 0)",
            // The hash is unique across tenants: a secret names one principal, before its tenant is known.
            """
            CREATE TABLE api_key (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                project TEXT NOT NULL,
                principal TEXT NOT NULL,
                name TEXT NOT NULL,
                team TEXT,
                roles TEXT NOT NULL,
                deployments TEXT,
                granted_policies TEXT NOT NULL,
                limits TEXT NOT NULL,
                secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
                created_at BIGINT NOT NULL,
                expires_at BIGINT,
                revoked_at BIGINT,
                PRIMARY KEY (tenant, id),
                UNIQUE (secret_hash)
            )
            """,
            """
            CREATE TABLE blocklist (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                description TEXT,
                PRIMARY KEY (tenant, name)
            )
            """,
            """
            CREATE TABLE blocklist_item (
                tenant TEXT NOT NULL,
                list TEXT NOT NULL,
                id TEXT NOT NULL,
                position BIGINT NOT NULL,
                content TEXT NOT NULL,
                description TEXT,
                is_regex BIGINT NOT NULL CHECK (is_regex IN (0, 1)),
                PRIMARY KEY (tenant, list, id),
                FOREIGN KEY (tenant, list) REFERENCES blocklist (tenant, name) ON DELETE CASCADE
            )
            """,
            "CREATE INDEX blocklist_item_order ON blocklist_item (tenant, list, position)",
            // Versions stay when a policy is deleted: a record names the version that it was judged by.
            """
            CREATE TABLE policy_version (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                document BLOB NOT NULL,
                created_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, name, version)
            )
            """,
            """
            CREATE TABLE policy (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                PRIMARY KEY (tenant, name),
                FOREIGN KEY (tenant, name, version) REFERENCES policy_version (tenant, name, version)
            )
            """,
            """
            CREATE TABLE ownership (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                project TEXT NOT NULL,
                principal TEXT NOT NULL,
                kind TEXT NOT NULL,
                upstream TEXT NOT NULL,
                deployment TEXT,
                created_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, id)
            )
            """,
            "CREATE INDEX ownership_list ON ownership (tenant, project, kind, created_at, id)",
            // `window` is a word of SQL:2003, hence `period`.
            """
            CREATE TABLE usage_counter (
                tenant TEXT NOT NULL,
                period TEXT NOT NULL,
                scope TEXT NOT NULL,
                tokens BIGINT NOT NULL,
                cost_micros BIGINT NOT NULL,
                PRIMARY KEY (tenant, period, scope)
            )
            """,
            """
            CREATE TABLE subject_key (
                tenant TEXT NOT NULL,
                subject TEXT NOT NULL,
                secret BLOB NOT NULL CHECK (length(secret) = 32),
                PRIMARY KEY (tenant, subject)
            )
            """,
        ])
}
