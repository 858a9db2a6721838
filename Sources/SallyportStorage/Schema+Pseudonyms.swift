/// What pseudonyms stand for. The conversation is a fingerprint; label and value are sealed under the principal's key.
extension Schema {
    static let pseudonyms = Migration(
        name: "0012-pseudonyms",
        statements: [
            """
            CREATE TABLE pseudonym (
                tenant TEXT NOT NULL,
                principal TEXT NOT NULL,
                conversation TEXT NOT NULL,
                code TEXT NOT NULL,
                content TEXT NOT NULL,
                used_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, principal, conversation, code)
            )
            """,
            "CREATE INDEX pseudonym_use ON pseudonym (used_at)",
        ])
}
