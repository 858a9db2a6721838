import SallyportCore

/// Everything in the database that is about somebody, found by the columns that name people.
package struct SQLSubjectIndex: SubjectIndex {
    private let database: any SQLDatabase
    private let elsewhere: [(store: String, why: String)]

    /// - Parameter elsewhere: what is about people and is not in this database.
    package init(_ database: any SQLDatabase, elsewhere: [(store: String, why: String)] = []) {
        self.database = database
        self.elsewhere = elsewhere
    }

    package var unsearched: [(store: String, why: String)] {
        let known = Set(SubjectTable.all.map(\.table)).union(SubjectTable.impersonal.keys)
        let unlisted = ((try? tables()) ?? []).filter { !known.contains($0) }
        return SubjectTable.impersonal.filter { $0.value.contains("mentions") || $0.value.contains("samples") }
            .map { (store: $0.key, why: $0.value) }.sorted { $0.store < $1.store }
            + unlisted.sorted().map { (store: $0, why: "not indexed by subject") } + elsewhere
    }

    /// Tables that there are.
    package func tables() throws -> [String] {
        try database.read { db in
            try db.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name", [])
                .map { try $0.text(0) }
        }
    }

    /// Tables that nobody has said anything about.
    package func unlisted() throws -> [String] {
        let known = Set(SubjectTable.all.map(\.table)).union(SubjectTable.impersonal.keys)
        return try tables().filter { !known.contains($0) }
    }

    package func subjects(of tenant: TenantID) throws -> Set<String> {
        try database.read { db in
            var subjects: Set<String> = []
            for table in SubjectTable.all {
                for column in table.columns {
                    let rows = try db.rows(
                        "SELECT DISTINCT \(column.name) FROM \(table.table) WHERE tenant = $1 AND \(column.name) IS NOT NULL",
                        [.text(tenant)])
                    for row in rows {
                        let text = try row.text(0)
                        switch column.form {
                        case .principal: subjects.insert(text)
                        case .reference, .scope:
                            if text.hasPrefix("user:") || text.hasPrefix("service:") {
                                subjects.insert(String(text[text.index(after: text.firstIndex(of: ":") ?? text.startIndex)...]))
                            }
                        case .account: subjects.insert("local:\(text)")
                        case .key: continue
                        }
                    }
                }
            }
            return subjects.filter { !$0.isEmpty }
        }
    }

    package func findings(about subject: String, tenant: TenantID) throws -> [SubjectRequest.Finding] {
        try database.read { db in
            let keys = try Self.keys(of: subject, tenant, db)
            return try SubjectTable.all.map { table in
                let (condition, arguments) = Self.condition(table, subject, keys, tenant)
                let count = try db.rows("SELECT count(*) FROM \(table.table) WHERE \(condition)", arguments).first?.integer(0) ?? 0
                return SubjectRequest.Finding(store: table.table, count: Int(count))
            }
        }
    }

    package func rows(about subject: String, tenant: TenantID, limit: Int) throws -> [SubjectRow] {
        try database.read { db in
            let keys = try Self.keys(of: subject, tenant, db)
            var found: [SubjectRow] = []
            for table in SubjectTable.all {
                let (condition, arguments) = Self.condition(table, subject, keys, tenant)
                let rows = try db.rows(
                    "SELECT \(table.shown.joined(separator: ", ")) FROM \(table.table) WHERE \(condition) LIMIT \(max(0, limit))", arguments
                )
                for row in rows {
                    var values: [String: String] = [:]
                    for (name, value) in zip(table.shown, row.values) {
                        switch value {
                        case .text(let text): values[name] = text
                        case .integer(let number): values[name] = "\(number)"
                        case .null, .blob: continue
                        }
                    }
                    found.append(SubjectRow(store: table.table, values: values))
                }
            }
            return found
        }
    }

    package func erase(_ subject: String, tenant: TenantID, at now: Int64) throws -> [SubjectRequest.Outcome] {
        let outcomes = try database.write { db in
            let keys = try Self.keys(of: subject, tenant, db)
            var outcomes: [SubjectRequest.Outcome] = []
            for table in SubjectTable.all {
                let (condition, arguments) = Self.condition(table, subject, keys, tenant)
                switch table.erasure {
                case .delete:
                    let removed = try db.execute("DELETE FROM \(table.table) WHERE \(condition)", arguments)
                    if removed > 0 { outcomes.append(.init(store: table.table, removed: removed)) }
                case .rename(let column):
                    let removed = try db.execute("UPDATE \(table.table) SET \(column) = 'erased' WHERE \(condition)", arguments)
                    if removed > 0 { outcomes.append(.init(store: table.table, removed: removed, why: "the row stays and names nobody")) }
                case .keep(let why):
                    let kept = try Self.count(table, condition, arguments, db)
                    if kept > 0 { outcomes.append(.init(store: table.table, kept: kept, why: why)) }
                case .deleteBut(let held, let why):
                    let removed = try db.execute("DELETE FROM \(table.table) WHERE \(condition) AND NOT (\(held(now)))", arguments)
                    let kept = try Self.count(table, condition, arguments, db)
                    if removed + kept > 0 {
                        outcomes.append(.init(store: table.table, removed: removed, kept: kept, why: kept > 0 ? why : nil))
                    }
                }
            }
            // The running gateway must notice that keys and assignments have gone.
            for revision in [Revision.keys, .access, .privacy, .documents, .conditional] { try revision.bump(db) }
            return outcomes
        }
        try database.scrubDeleted()
        return outcomes
    }

    package func correct(_ subject: String, tenant: TenantID, _ corrections: [SubjectCorrection]) throws -> [SubjectRequest.Outcome] {
        try database.write { db in
            let keys = try Self.keys(of: subject, tenant, db)
            var outcomes: [SubjectRequest.Outcome] = []
            for correction in corrections {
                guard let table = SubjectTable.all.first(where: { $0.table == correction.store }),
                    SubjectTable.correctable[table.table]?.contains(correction.field) ?? false
                else {
                    let known = SubjectTable.correctable.flatMap { store, fields in fields.map { "\(store).\($0)" } }.sorted()
                    throw Fault(
                        .invalidRequest,
                        "'\(correction.store).\(correction.field)' cannot be put right in place; these can: \(known.joined(separator: ", ")).",
                        param: "corrections")
                }
                let (condition, arguments) = Self.condition(table, subject, keys, tenant, after: [.text(correction.value)])
                let changed = try db.execute("UPDATE \(table.table) SET \(correction.field) = $1 WHERE \(condition)", arguments)
                guard changed > 0 else { throw Fault(.notFound, "Nothing is kept of the subject in '\(table.table)'.") }
                outcomes.append(.init(store: table.table, corrected: changed, why: "\(correction.field) was put right"))
            }
            for revision in [Revision.keys, .access, .conditional] { try revision.bump(db) }
            return outcomes
        }
    }

    private static func count(_ table: SubjectTable, _ condition: String, _ arguments: [SQLValue], _ db: any SQLConnection) throws -> Int {
        Int(try db.rows("SELECT count(*) FROM \(table.table) WHERE \(condition)", arguments).first?.integer(0) ?? 0)
    }

    // MARK: Finding

    private static func keys(of subject: String, _ tenant: TenantID, _ db: any SQLConnection) throws -> [String] {
        try db.rows("SELECT id FROM api_key WHERE tenant = $1 AND principal = $2 ORDER BY id", [.text(tenant), .text(subject)])
            .map { try $0.text(0) }
    }

    /// Names of tables and columns are this program's own; everything else is bound.
    /// - Parameter before: arguments of what stands before the condition: they are bound in the order in which they first appear.
    private static func condition(
        _ table: SubjectTable, _ subject: String, _ keys: [String], _ tenant: TenantID, after before: [SQLValue] = []
    ) -> (String, [SQLValue]) {
        var arguments: [SQLValue] = before + [.text(tenant)]
        func bound(_ value: String) -> String {
            arguments.append(.text(value))
            return "$\(arguments.count)"
        }
        var parts: [String] = []
        for column in table.columns {
            let names: [String] =
                switch column.form {
                case .principal: [subject]
                case .reference: ["user:\(subject)", "service:\(subject)"] + keys.map { "key:\($0)" }
                case .key: keys
                case .account: subject.hasPrefix("local:") ? [String(subject.dropFirst(6))] : []
                case .scope: ["user:\(subject)"] + keys.map { "key:\($0)" }
                }
            guard !names.isEmpty else { continue }
            parts.append("\(column.name) IN (\(names.map(bound).joined(separator: ", ")))")
        }
        return ("tenant = $\(before.count + 1) AND (\(parts.isEmpty ? "1 = 0" : parts.joined(separator: " OR ")))", arguments)
    }
}
