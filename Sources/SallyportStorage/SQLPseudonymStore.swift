import SallyportCore

/// Pseudonyms in SQL.
package struct SQLPseudonymStore: PseudonymStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func put(_ records: [PseudonymRecord], at now: Int64) throws {
        guard !records.isEmpty else { return }
        let rows = try records.map { record -> [SQLValue] in
            let (conversation, code) = (try conversation(record.scope), String(record.code, radix: 16))
            let subject = record.scope.principal.rawValue
            return [
                .text(record.scope.tenant), .text(record.scope.principal), .text(conversation), .text(code),
                try database.sealed(
                    Self.content(record), .pseudonym, of: record.scope.tenant, row: [subject, conversation, code], subject: subject),
                .integer(now),
            ]
        }
        try database.write { db in
            for row in rows {
                // What is under a key that was destroyed since is written anew: the caller has the value.
                try db.execute(
                    """
                    INSERT INTO pseudonym (tenant, principal, conversation, code, content, used_at) VALUES ($1, $2, $3, $4, $5, $6)
                    ON CONFLICT (tenant, principal, conversation, code)
                    DO UPDATE SET content = excluded.content, used_at = excluded.used_at
                    """, row)
            }
        }
    }

    package func records(in scope: PseudonymScope, limit: Int) throws -> [PseudonymRecord] {
        let conversation = try conversation(scope)
        let rows = try database.read { db in
            try db.rows(
                """
                SELECT code, content FROM pseudonym WHERE tenant = $1 AND principal = $2 AND conversation = $3
                ORDER BY used_at DESC LIMIT $4
                """, [.text(scope.tenant), .text(scope.principal), .text(conversation), .integer(limit)])
        }
        let subject = scope.principal.rawValue
        return try rows.compactMap { row in
            guard let code = UInt64(try row.text(0), radix: 16) else { throw SQLColumnError(column: 0, expected: "a pseudonym's code") }
            do {
                let content = try database.opened(
                    row, 1, .pseudonym, of: scope.tenant, row: [subject, conversation, row.text(0)], subject: subject)
                return Self.record(content, code, scope)
            } catch let fault as Fault where fault.isErased { return nil }
        }
    }

    package func remove(of principal: PrincipalID, tenant: TenantID) throws -> Int {
        try database.write { db in
            try db.execute("DELETE FROM pseudonym WHERE tenant = $1 AND principal = $2", [.text(tenant), .text(principal)])
        }
    }

    package func removeUnused(since moment: Int64) throws -> Int {
        try database.write { db in try db.execute("DELETE FROM pseudonym WHERE used_at < $1", [.integer(moment)]) }
    }

    private func conversation(_ scope: PseudonymScope) throws -> String {
        Base64.encode(
            try database.sealer.fingerprint(Array(scope.conversation.utf8), of: scope.tenant, purpose: "conversation"), alphabet: .urlSafe)
    }

    /// Label, a line's end, value.
    private static func content(_ record: PseudonymRecord) -> String {
        String(decoding: record.label + [0x0A] + record.value, as: UTF8.self)
    }

    private static func record(_ content: String, _ code: UInt64, _ scope: PseudonymScope) -> PseudonymRecord? {
        let bytes = Array(content.utf8)
        guard let end = bytes.firstIndex(of: 0x0A) else { return nil }
        return PseudonymRecord(scope: scope, code: code, label: Array(bytes[..<end]), value: Array(bytes[(end + 1)...]))
    }
}
