/// What privacy needs to remember.
extension Schema {
    static let privacy = Migration(
        name: "0021-privacy",
        statements: [
            "INSERT INTO revision (store, number) VALUES ('privacy', 0)",
            """
            CREATE TABLE privacy_consent (
                tenant TEXT NOT NULL,
                subject TEXT NOT NULL,
                kind TEXT NOT NULL,
                purpose TEXT NOT NULL,
                given_at BIGINT NOT NULL,
                number BIGINT NOT NULL,
                version TEXT NOT NULL,
                withdrawn_at BIGINT,
                evidence TEXT NOT NULL,
                PRIMARY KEY (tenant, subject, kind, purpose, number)
            )
            """,
            """
            CREATE TABLE privacy_notice (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                content TEXT NOT NULL,
                published_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, name, version)
            )
            """,
            """
            CREATE TABLE privacy_acknowledgement (
                tenant TEXT NOT NULL,
                notice TEXT NOT NULL,
                version BIGINT NOT NULL,
                subject TEXT NOT NULL,
                at BIGINT NOT NULL,
                PRIMARY KEY (tenant, notice, version, subject)
            )
            """,
            """
            CREATE TABLE legal_hold (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                subject TEXT,
                policy TEXT,
                reason TEXT NOT NULL,
                placed_by TEXT NOT NULL,
                placed_at BIGINT NOT NULL,
                review_at BIGINT NOT NULL,
                released_at BIGINT,
                PRIMARY KEY (tenant, id)
            )
            """,
            """
            CREATE TABLE subject_request (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                subject TEXT NOT NULL,
                status TEXT NOT NULL,
                received_at BIGINT NOT NULL,
                content TEXT NOT NULL,
                PRIMARY KEY (tenant, id)
            )
            """,
        ])
}
