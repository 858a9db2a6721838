import SallyportCore

/// Labels of conversations in SQL.
package struct SQLConversationLabelStore: ConversationLabelStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func label(of key: String, tenant: TenantID) throws -> SensitivityLabel? {
        try database.read { db in
            try db.rows("SELECT label FROM conversation_label WHERE tenant = $1 AND conversation = $2", [.text(tenant), .text(key)]).first
                .map {
                    row in
                    // A label that this version does not know is not a lower one.
                    guard let label = SensitivityLabel(rawValue: Int(try row.integer(0))) else {
                        throw SQLColumnError(column: 0, expected: "a label that this version knows")
                    }
                    return label
                }
        }
    }

    package func raise(_ key: String, to label: SensitivityLabel, tenant: TenantID, at now: Int64) throws {
        _ = try database.write { db in
            try db.execute(
                """
                INSERT INTO conversation_label (tenant, conversation, label, used_at) VALUES ($1, $2, $3, $4)
                ON CONFLICT (tenant, conversation) DO UPDATE SET
                    label = CASE WHEN excluded.label > conversation_label.label THEN excluded.label ELSE conversation_label.label END,
                    used_at = excluded.used_at
                """, [.text(tenant), .text(key), .integer(label.rawValue), .integer(now)])
        }
    }

    package func isEmpty() throws -> Bool {
        try database.read { db in try db.rows("SELECT 1 FROM conversation_label LIMIT 1", []).isEmpty }
    }

    package func forget(before: Int64) throws {
        _ = try database.write { db in
            try db.execute("DELETE FROM conversation_label WHERE used_at < $1 AND conversation NOT LIKE 'resource:%'", [.integer(before)])
        }
    }
}
