import SallyportCore

/// A relational database, as far as the stores need one. Stores are written once, in SQL that every driver speaks:
/// placeholders are `$1, $2, …` in the order of their first use, and an upsert is `ON CONFLICT`.
package protocol SQLDatabase: Sendable {
    /// Seals what must not stand in the clear in the database's files.
    var sealer: any Sealer { get }
    /// Runs `body` on a consistent snapshot that it cannot change. Blocks.
    /// - Throws: what `body` throws; ``Fault`` `.storeUnavailable` for what the database throws.
    func read<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T
    /// Runs `body` in one transaction: durable when this returns, undone when it throws. One writer at a time. Blocks.
    func write<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T
    /// Makes sure that what was deleted can no longer be read from the database's own files. Blocks.
    /// - Throws: ``Fault`` `.storeUnavailable` when that cannot be done now; the deletion itself stands.
    func scrubDeleted() throws
}

/// A database within one transaction. Valid only in the closure that it was given to.
package protocol SQLConnection {
    func rows(_ sql: String, _ arguments: [SQLValue]) throws -> [SQLRow]
    /// - Returns: how many rows were inserted, updated or deleted.
    @discardableResult
    func execute(_ sql: String, _ arguments: [SQLValue]) throws -> Int
}

/// A value of a column.
package enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    static func text(_ value: String?) -> SQLValue { value.map { .text($0) } ?? .null }
    static func integer(_ value: Int64?) -> SQLValue { value.map { .integer($0) } ?? .null }
    static func integer(_ value: Int) -> SQLValue { .integer(Int64(value)) }
    static func text(_ value: some Identifier) -> SQLValue { .text(value.rawValue) }
}

/// A result's row; columns are counted from 0 in the order of the query.
package struct SQLRow: Sendable {
    package let values: [SQLValue]
    package init(_ values: [SQLValue]) { self.values = values }

    func text(_ column: Int) throws -> String {
        guard let text = try optionalText(column) else { throw SQLColumnError(column: column, expected: "text") }
        return text
    }

    func optionalText(_ column: Int) throws -> String? {
        switch values[column] {
        case .text(let text): text
        case .null: nil
        default: throw SQLColumnError(column: column, expected: "text")
        }
    }

    func integer(_ column: Int) throws -> Int64 {
        guard let number = try optionalInteger(column) else { throw SQLColumnError(column: column, expected: "an integer") }
        return number
    }

    func optionalInteger(_ column: Int) throws -> Int64? {
        switch values[column] {
        case .integer(let number): number
        case .null: nil
        default: throw SQLColumnError(column: column, expected: "an integer")
        }
    }

    func blob(_ column: Int) throws -> [UInt8] {
        guard case .blob(let bytes) = values[column] else { throw SQLColumnError(column: column, expected: "bytes") }
        return bytes
    }
}

/// A stored value that is not what this version of the program writes. Names the place, never the value.
struct SQLColumnError: Error, CustomStringConvertible {
    let column: Int
    let expected: String
    var description: String { "column \(column) does not hold \(expected)" }
}

extension Fault {
    /// The database could not do its work.
    static func database(_ cause: any Error) -> Fault {
        Fault(.storeUnavailable, "The gateway's database is not available. Try again shortly.", retryAfter: .seconds(1), cause: cause)
    }
}

extension SQLConnection {
    /// Whether the version that somebody has in mind is the one in force, in a table of documents by tenant and name.
    /// - Parameter known: 0: there is to be none; nil: whichever.
    func isCurrent(_ known: Int?, of name: some StringProtocol, in table: String, _ tenant: TenantID) throws -> Bool {
        guard let known else { return true }
        let current = try rows("SELECT version FROM \(table) WHERE tenant = $1 AND name = $2", [.text(tenant), .text(String(name))])
        return Int(try current.first?.integer(0) ?? 0) == known
    }
}
