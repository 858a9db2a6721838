/// The tables, as steps that are only ever added to. Plain SQL: another database needs other words for `BLOB` at most.
enum Schema {
    struct Migration: Sendable {
        let name: String
        let statements: [String]
    }

    static let migrations: [Migration] = [
        first, access, categories, documents, governance, privacy, provisioning, labels, accounts, conditional, pseudonyms,
        storedExchanges, provenance, backgroundResponses,
    ]

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

    private static let access = Migration(
        name: "0002-access",
        statements: [
            "INSERT INTO revision (store, number) VALUES ('access', 0)",
            """
            CREATE TABLE role_assignment (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                principal TEXT NOT NULL,
                role TEXT NOT NULL,
                scope TEXT NOT NULL,
                effect TEXT NOT NULL CHECK (effect IN ('allow', 'deny')),
                hold_condition TEXT,
                expires_at BIGINT,
                created_at BIGINT NOT NULL,
                note TEXT,
                PRIMARY KEY (tenant, id)
            )
            """,
            // What is no longer trusted: tokens by id, principals as a whole, principals' tokens before a moment.
            """
            CREATE TABLE revocation (
                tenant TEXT NOT NULL,
                kind TEXT NOT NULL CHECK (kind IN ('token', 'issued-before', 'principal')),
                subject TEXT NOT NULL,
                not_before BIGINT,
                created_at BIGINT NOT NULL,
                note TEXT,
                PRIMARY KEY (tenant, kind, subject)
            )
            """,
            "ALTER TABLE api_key ADD COLUMN operations TEXT",
            "ALTER TABLE api_key ADD COLUMN labels TEXT",
            "ALTER TABLE api_key ADD COLUMN addresses TEXT",
            "ALTER TABLE api_key ADD COLUMN is_honey BIGINT NOT NULL DEFAULT 0 CHECK (is_honey IN (0, 1))",
            // Apart from the keys: it changes often, and is no change that anybody must reload for.
            """
            CREATE TABLE key_use (
                tenant TEXT NOT NULL,
                key_id TEXT NOT NULL,
                last_used_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, key_id)
            )
            """,
        ])

    private static let categories = Migration(
        name: "0003-categories",
        statements: [
            """
            CREATE TABLE custom_category (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                definition TEXT NOT NULL,
                created_at BIGINT NOT NULL,
                status TEXT NOT NULL,
                error TEXT,
                classifier BLOB,
                PRIMARY KEY (tenant, name, version)
            )
            """,
            // The last number given: stays when a category goes, so that a number never means two.
            """
            CREATE TABLE custom_category_number (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                PRIMARY KEY (tenant, name)
            )
            """,
            """
            CREATE TABLE custom_category_sample (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                position BIGINT NOT NULL,
                content TEXT NOT NULL,
                is_positive BIGINT NOT NULL CHECK (is_positive IN (0, 1)),
                PRIMARY KEY (tenant, name, version, position)
            )
            """,
            """
            CREATE TABLE safety_operation (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                status TEXT NOT NULL,
                error TEXT,
                started_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, id)
            )
            """,
            """
            CREATE TABLE text_incident (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                definition TEXT,
                created_at BIGINT NOT NULL,
                updated_at BIGINT NOT NULL,
                vectors BLOB,
                PRIMARY KEY (tenant, name)
            )
            """,
            """
            CREATE TABLE text_incident_sample (
                tenant TEXT NOT NULL,
                incident TEXT NOT NULL,
                id TEXT NOT NULL,
                position BIGINT NOT NULL,
                content TEXT NOT NULL,
                PRIMARY KEY (tenant, incident, id)
            )
            """,
        ])
}
