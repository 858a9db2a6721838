/// People and groups that identity providers tell us of.
extension Schema {
    static let provisioning = Migration(
        name: "0022-provisioning",
        statements: [
            """
            CREATE TABLE provisioned_user (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                user_name TEXT NOT NULL,
                folded_name TEXT NOT NULL,
                external_id TEXT,
                is_active BIGINT NOT NULL CHECK (is_active IN (0, 1)),
                principal TEXT NOT NULL,
                attributes TEXT NOT NULL,
                version BIGINT NOT NULL,
                created_at BIGINT NOT NULL,
                modified_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, id),
                UNIQUE (tenant, folded_name),
                UNIQUE (tenant, principal)
            )
            """,
            "CREATE INDEX provisioned_user_external ON provisioned_user (tenant, external_id)",
            """
            CREATE TABLE provisioned_group (
                tenant TEXT NOT NULL,
                id TEXT NOT NULL,
                display_name TEXT NOT NULL,
                external_id TEXT,
                reference TEXT NOT NULL,
                version BIGINT NOT NULL,
                created_at BIGINT NOT NULL,
                modified_at BIGINT NOT NULL,
                PRIMARY KEY (tenant, id),
                UNIQUE (tenant, reference)
            )
            """,
            """
            CREATE TABLE provisioned_member (
                tenant TEXT NOT NULL,
                group_id TEXT NOT NULL,
                member TEXT NOT NULL,
                position BIGINT NOT NULL,
                PRIMARY KEY (tenant, group_id, member)
            )
            """,
            "CREATE INDEX provisioned_member_of ON provisioned_member (tenant, member)",
        ])
}
