/// What the governance of access keeps: uses of permissions, access reviews.
extension Schema {
    static let governance = Migration(
        name: "0020-access-governance",
        statements: [
            // No nulls: they would count as different in the key.
            """
            CREATE TABLE access_use (
                tenant TEXT NOT NULL,
                principal TEXT NOT NULL,
                key_id TEXT NOT NULL,
                action TEXT NOT NULL,
                deployment TEXT NOT NULL,
                granted_by TEXT NOT NULL,
                day BIGINT NOT NULL,
                allowed BIGINT NOT NULL,
                denied BIGINT NOT NULL,
                last_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, principal, key_id, action, deployment, granted_by, day)
            )
            """,
            "CREATE INDEX access_use_day ON access_use (tenant, day)",
            // How far a reader has come in the audit log.
            """
            CREATE TABLE access_use_place (
                reader TEXT NOT NULL PRIMARY KEY,
                place TEXT NOT NULL,
                observed_since BIGINT NOT NULL
            )
            """,
            """
            CREATE TABLE review_campaign (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                status TEXT NOT NULL,
                created_at BIGINT NOT NULL,
                ends_at BIGINT NOT NULL,
                definition TEXT NOT NULL,
                PRIMARY KEY (tenant, id)
            )
            """,
            // Subject, principal and reviewer stand beside the content so that a person can be found.
            """
            CREATE TABLE review_item (
                tenant TEXT NOT NULL,
                campaign TEXT NOT NULL,
                id TEXT NOT NULL,
                position BIGINT NOT NULL,
                subject TEXT NOT NULL,
                principal TEXT,
                reviewed_by TEXT,
                content TEXT NOT NULL,
                PRIMARY KEY (tenant, campaign, id),
                FOREIGN KEY (tenant, campaign) REFERENCES review_campaign (tenant, id) ON DELETE CASCADE
            )
            """,
            // What reports are signed with, and what pseudonyms are made with.
            """
            CREATE TABLE tenant_secret (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                secret BLOB NOT NULL,
                PRIMARY KEY (tenant, name)
            )
            """,
        ])
}
