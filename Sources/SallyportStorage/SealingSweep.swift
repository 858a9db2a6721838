import SallyportCore

/// Goes over all sealed columns and brings each value under the newest key: after a rotation, and over data from before there was a vault.
/// Batches are short transactions; each value is replaced only if it is still what was read. May be broken off anywhere.
package struct SealingSweep: Sendable {
    package struct Position: Sendable {
        fileprivate var column = 0
        fileprivate var after: [SQLValue]?
        package var isAtEnd: Bool { column >= SealedColumn.all.count }
        package init() {}
        fileprivate init(column: Int) { self.column = column }
    }

    package struct Step: Sendable {
        package var seen: Int
        package var changed: Int
        /// Values that neither open nor are clear text of old; they were left as they are.
        package var unreadable: Int
        /// Values whose key was destroyed.
        package var erased = 0
        package var next: Position
    }

    private let database: any SQLDatabase
    /// Whether values may be clear text that is to be sealed.
    private let adoptsClear: Bool
    private let places: Set<String>?

    /// - Parameter places: the columns to go over; nil: all.
    package init(_ database: any SQLDatabase, adoptsClear: Bool, only places: Set<String>? = nil) {
        self.database = database
        self.adoptsClear = adoptsClear
        self.places = places
    }

    /// How many values there are in all columns.
    package func count() throws -> Int {
        try SealedColumn.all.reduce(0) { sum, column in
            try sum
                + database.read { db in
                    Int(try db.rows("SELECT count(*) FROM \(column.table) WHERE \(column.column) IS NOT NULL", []).first?.integer(0) ?? 0)
                }
        }
    }

    /// Opens values and changes nothing.
    package func check(_ position: Position, limit: Int) throws -> Step { try step(position, limit: limit, changesNothing: true) }

    package func step(_ position: Position, limit: Int) throws -> Step { try step(position, limit: limit, changesNothing: false) }

    private func step(_ position: Position, limit: Int, changesNothing: Bool) throws -> Step {
        guard !position.isAtEnd else { return Step(seen: 0, changed: 0, unreadable: 0, erased: 0, next: position) }
        let column = SealedColumn.all[position.column]
        guard places?.contains(column.place) ?? true else {
            return Step(seen: 0, changed: 0, unreadable: 0, erased: 0, next: Position(column: position.column + 1))
        }
        let keys = ["tenant"] + column.keys
        var sql = "SELECT \(keys.joined(separator: ", ")), \(column.subjectColumn ?? "NULL"), \(column.column) FROM \(column.table)"
        var arguments: [SQLValue] = []
        sql += " WHERE \(column.column) IS NOT NULL"
        if let after = position.after {
            sql += " AND (\(keys.joined(separator: ", "))) > (\((1...keys.count).map { "$\($0)" }.joined(separator: ", ")))"
            arguments = after
        }
        sql += " ORDER BY \(keys.joined(separator: ", ")) LIMIT \(limit)"
        let rows = try database.read { try $0.rows(sql, arguments) }
        var step = Step(seen: rows.count, changed: 0, unreadable: 0, erased: 0, next: position)
        var updates: [(fresh: SQLValue, old: SQLValue, keys: [SQLValue])] = []
        for row in rows {
            let key = Array(row.values[..<keys.count])
            let context = column.context(
                TenantID(try row.text(0)), try (1..<keys.count).map { try Self.spelled(row, $0) }, subject: try row.optionalText(keys.count)
            )
            do {
                if changesNothing {
                    try open(row, keys.count + 1, column, context)
                } else if let fresh = try fresh(row, keys.count + 1, column, context) {
                    updates.append((fresh, row.values[keys.count + 1], key))
                }
            } catch let fault as Fault {
                switch fault.cause as? SealError {
                case .destroyed: step.erased += 1
                case .damaged: step.unreadable += 1
                default: throw fault
                }
            }
        }
        let filter = keys.enumerated().map { "\($0.element) = $\($0.offset + 2)" }.joined(separator: " AND ")
        let update = "UPDATE \(column.table) SET \(column.column) = $1 WHERE \(filter) AND \(column.column) = $\(keys.count + 2)"
        if !updates.isEmpty {
            step.changed = try database.write { db in
                try updates.reduce(0) { sum, change in try sum + db.execute(update, [change.fresh] + change.keys + [change.old]) }
            }
        }
        if rows.count < limit {
            step.next = Position(column: position.column + 1)
        } else if let last = rows.last {
            step.next.after = Array(last.values[..<keys.count])
        }
        return step
    }

    private func open(_ row: SQLRow, _ index: Int, _ column: SealedColumn, _ context: SealContext) throws {
        switch column.kind {
        case .text: _ = try database.sealer.openText(row.text(index), for: context)
        case .blob: _ = try database.sealer.open(row.blob(index), for: context)
        }
    }

    /// nil: it is sealed under the newest key.
    private func fresh(_ row: SQLRow, _ index: Int, _ column: SealedColumn, _ context: SealContext) throws -> SQLValue? {
        let sealer = database.sealer
        switch column.kind {
        case .text:
            let text = try row.text(index)
            if let sealed = SealedText.decode(text) {
                do {
                    if try !sealer.isOutdated(sealed, for: context) { return nil }
                    return .text(try sealer.sealText(try sealer.openText(text, for: context), for: context))
                } catch let fault as Fault where adoptsClear && fault.isDamage {
                    // Clear text that begins like a sealed one.
                    return .text(try sealer.sealText(text, for: context))
                }
            }
            guard adoptsClear else { throw Fault.sealing(.damaged("it is not sealed")) }
            return try sealer.isOutdated(Array(text.utf8), for: context) ? .text(try sealer.sealText(text, for: context)) : nil
        case .blob:
            let bytes = try row.blob(index)
            guard try sealer.isOutdated(bytes, for: context) else { return nil }
            do { return .blob(try sealer.seal(try sealer.open(bytes, for: context), for: context)) } catch let fault as Fault
                where adoptsClear && fault.isDamage
            { return .blob(try sealer.seal(bytes, for: context)) }
        }
    }

    private static func spelled(_ row: SQLRow, _ column: Int) throws -> String {
        switch row.values[column] {
        case .text(let text): text
        case .integer(let number): "\(number)"
        default: throw SQLColumnError(column: column, expected: "a key")
        }
    }
}

extension Fault {
    fileprivate var isDamage: Bool {
        if case .damaged = cause as? SealError { return true }
        return false
    }
}
