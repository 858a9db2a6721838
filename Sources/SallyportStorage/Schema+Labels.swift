extension Schema {
    static let labels = Migration(
        name: "0020-labels",
        statements: [
            "ALTER TABLE document ADD COLUMN label_origin TEXT",
            // The conversation is a keyed hash: the table names nobody.
            """
            CREATE TABLE conversation_label (
                tenant TEXT NOT NULL,
                conversation TEXT NOT NULL,
                label BIGINT NOT NULL,
                used_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, conversation)
            )
            """,
            """
            CREATE TABLE file_report (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                owner TEXT NOT NULL,
                project TEXT NOT NULL,
                report BLOB NOT NULL,
                created_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, id)
            )
            """,
            "CREATE INDEX conversation_label_age ON conversation_label (used_at)",
        ])
}
