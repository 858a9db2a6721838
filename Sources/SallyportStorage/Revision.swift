import SallyportCore

/// Counts a store's changes within the transactions that make them, so that another process sees that something changed.
enum Revision: String {
    case keys, blocklists, policies, access, documents, privacy, conditional, vault, secrets

    func bump(_ db: any SQLConnection) throws {
        try db.execute("UPDATE revision SET number = number + 1 WHERE store = $1", [.text(rawValue)])
    }

    func number(_ db: any SQLConnection) throws -> Int64 {
        // A missing counter would hide every change: that is a damaged store, not revision zero.
        guard let row = try db.rows("SELECT number FROM revision WHERE store = $1", [.text(rawValue)]).first else {
            throw SQLColumnError(column: 0, expected: "the counter of \(rawValue)")
        }
        return try row.integer(0)
    }
}
