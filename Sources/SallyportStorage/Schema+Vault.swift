/// The vault's keys, in a database of their own (`vault.sqlite`).
extension Schema {
    static let vaultMigrations: [Migration] = [vault]

    private static let vault = Migration(
        name: "0001-vault",
        statements: [
            """
            CREATE TABLE revision (
                store TEXT NOT NULL PRIMARY KEY,
                number BIGINT NOT NULL
            )
            """, "INSERT INTO revision (store, number) VALUES ('vault', 0), ('secrets', 0)",
            // The key of a tenant has an empty subject. `key_id` in hex: 64 bits without a sign.
            """
            CREATE TABLE vault_key (
                tenant TEXT NOT NULL,
                subject TEXT NOT NULL,
                version BIGINT NOT NULL,
                key_id TEXT NOT NULL,
                state TEXT NOT NULL CHECK (state IN ('active', 'retired', 'revoked', 'destroyed')),
                provider TEXT NOT NULL,
                wrapping_key TEXT NOT NULL,
                wrapping_version TEXT NOT NULL,
                wrapped BLOB NOT NULL,
                created_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, subject, version)
            )
            """,
            """
            CREATE TABLE vault_tombstone (
                tenant TEXT NOT NULL,
                subject BLOB NOT NULL,
                at BIGINT NOT NULL,
                reason TEXT NOT NULL,
                PRIMARY KEY (tenant, subject, at)
            )
            """,
            """
            CREATE TABLE vault_place (
                place TEXT NOT NULL PRIMARY KEY
            )
            """,
            """
            CREATE TABLE vault_secret (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                value TEXT NOT NULL,
                note TEXT NOT NULL,
                changed_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, name)
            )
            """,
            """
            CREATE TABLE vault_task (
                kind TEXT NOT NULL PRIMARY KEY,
                started_at BIGINT NOT NULL,
                total BIGINT NOT NULL,
                done BIGINT NOT NULL,
                finished_at BIGINT
            )
            """,
        ])
}
