extension Schema {
    static let conditional = Migration(
        name: "0014-conditional-access",
        statements: [
            "INSERT INTO revision (store, number) VALUES ('conditional', 0)",
            """
            CREATE TABLE conditional_policy (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                document BLOB NOT NULL,
                created_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, name)
            )
            """,
            // The last number given: stays when a policy goes, so that a number never means two.
            """
            CREATE TABLE conditional_policy_number (
                tenant TEXT NOT NULL,
                name TEXT NOT NULL,
                version BIGINT NOT NULL,
                PRIMARY KEY (tenant, name)
            )
            """,
            """
            CREATE TABLE device_posture (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                platform TEXT,
                is_compliant BIGINT NOT NULL CHECK (is_compliant IN (0, 1)),
                owner TEXT,
                reported_at BIGINT NOT NULL,
                valid_until BIGINT,
                PRIMARY KEY (tenant, id)
            )
            """,
            """
            CREATE TABLE principal_risk (
                tenant TEXT NOT NULL,
                principal TEXT NOT NULL,
                level TEXT NOT NULL CHECK (level IN ('none', 'low', 'medium', 'high')),
                reason TEXT,
                set_at BIGINT NOT NULL,
                expires_at BIGINT,
                PRIMARY KEY (tenant, principal)
            )
            """,
            """
            CREATE TABLE eligible_assignment (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                principal TEXT NOT NULL,
                role TEXT NOT NULL,
                scope TEXT NOT NULL,
                maximum_duration BIGINT NOT NULL,
                needs_approval BIGINT NOT NULL CHECK (needs_approval IN (0, 1)),
                needs_mfa BIGINT NOT NULL CHECK (needs_mfa IN (0, 1)),
                approvers TEXT NOT NULL,
                created_at BIGINT NOT NULL,
                note TEXT,
                PRIMARY KEY (tenant, id)
            )
            """,
            """
            CREATE TABLE elevation (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                eligible TEXT NOT NULL,
                principal TEXT NOT NULL,
                role TEXT NOT NULL,
                scope TEXT NOT NULL,
                reason TEXT NOT NULL,
                duration BIGINT NOT NULL,
                requested_at BIGINT NOT NULL,
                state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'denied', 'ended')),
                decided_by TEXT,
                decided_at BIGINT,
                ends_at BIGINT,
                PRIMARY KEY (tenant, id)
            )
            """,
            "CREATE INDEX elevation_order ON elevation (tenant, requested_at)",
            """
            CREATE TABLE pending_change (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                act TEXT NOT NULL,
                target TEXT NOT NULL,
                content BLOB NOT NULL,
                requested_by TEXT NOT NULL,
                requested_at BIGINT NOT NULL,
                state TEXT NOT NULL CHECK (state IN ('pending', 'applied', 'rejected')),
                decided_by TEXT,
                decided_at BIGINT,
                PRIMARY KEY (tenant, id)
            )
            """,
            "CREATE INDEX pending_change_order ON pending_change (tenant, requested_at)",
        ])
}
