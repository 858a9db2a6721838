import SallyportCore

/// Custom categories in SQL, with what was built of them.
package struct SQLCategoryStore: CategoryStore {
    package static let maximumVersions = 1000

    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    private static let columns = "name, version, definition, created_at, status, error"

    package func categories(of tenant: TenantID) throws -> [CustomCategory] {
        try database.read { db in
            try db.rows(
                """
                SELECT \(Self.columns) FROM custom_category c WHERE tenant = $1 AND version =
                (SELECT max(version) FROM custom_category n WHERE n.tenant = c.tenant AND n.name = c.name) ORDER BY name
                """, [.text(tenant)]
            ).map { try category($0, tenant) }
        }
    }

    package func versions(of name: String, tenant: TenantID) throws -> [CustomCategory] {
        try database.read { db in
            try db.rows(
                "SELECT \(Self.columns) FROM custom_category WHERE tenant = $1 AND name = $2 ORDER BY version",
                [.text(tenant), .text(name)]
            ).map { try category($0, tenant) }
        }
    }

    package func add(
        _ name: String, definition: String, samples: [CategorySample], of tenant: TenantID, at now: Int64
    ) throws -> CustomCategory {
        // The number is bound to what is sealed, so it is taken first; one that is not used after all is no loss.
        let number = try database.write { db -> Int64 in
            let count = try db.rows("SELECT count(*) FROM custom_category WHERE tenant = $1", [.text(tenant)]).first?.integer(0) ?? 0
            guard count < Self.maximumVersions else {
                throw Fault(.quotaExceeded, "A resource can hold at most \(Self.maximumVersions) versions of custom categories.")
            }
            try db.execute(
                """
                INSERT INTO custom_category_number (tenant, name, version) VALUES ($1, $2, 1)
                ON CONFLICT (tenant, name) DO UPDATE SET version = custom_category_number.version + 1
                """, [.text(tenant), .text(name)])
            guard
                let number = try db.rows(
                    "SELECT version FROM custom_category_number WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]
                ).first?.integer(0)
            else { throw SQLColumnError(column: 0, expected: "a version") }
            return number
        }
        let row = [name, "\(number)"]
        let sealedDefinition = try database.sealed(definition, .categoryDefinition, of: tenant, row: row)
        let contents = try samples.enumerated().map {
            try database.sealed($0.element.text, .categorySample, of: tenant, row: row + ["\($0.offset)"])
        }
        return try database.write { db in
            let category = CustomCategory(name: name, version: Int(number), definition: definition, createdAt: now)
            try db.execute(
                """
                INSERT INTO custom_category (tenant, name, version, definition, created_at, status, error, classifier)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                [
                    .text(tenant), .text(name), .integer(number), sealedDefinition, .integer(now), .text(category.status.rawValue), .null,
                    .null,
                ])
            for (position, sample) in samples.enumerated() {
                try db.execute(
                    """
                    INSERT INTO custom_category_sample (tenant, name, version, position, content, is_positive)
                    VALUES ($1, $2, $3, $4, $5, $6)
                    """,
                    [
                        .text(tenant), .text(name), .integer(number), .integer(position), contents[position],
                        .integer(sample.isPositive ? 1 : 0),
                    ])
            }
            return category
        }
    }

    package func samples(of name: String, version: Int, tenant: TenantID) throws -> [CategorySample] {
        try database.read { db in
            try db.rows(
                """
                SELECT content, is_positive, position FROM custom_category_sample
                WHERE tenant = $1 AND name = $2 AND version = $3 ORDER BY position
                """, [.text(tenant), .text(name), .integer(version)]
            ).map { row in
                let place = [name, "\(version)", "\(try row.integer(2))"]
                return CategorySample(
                    text: try database.opened(row, 0, .categorySample, of: tenant, row: place), isPositive: try row.integer(1) != 0)
            }
        }
    }

    package func setStatus(
        _ status: BuildStatus, error: String?, classifier: [UInt8]?, of name: String, version: Int, tenant: TenantID
    ) throws {
        let classifier = try database.sealed(classifier, .categoryClassifier, of: tenant, row: [name, "\(version)"])
        _ = try database.write { db in
            try db.execute(
                """
                UPDATE custom_category SET status = $1, error = $2, classifier = coalesce($3, classifier)
                WHERE tenant = $4 AND name = $5 AND version = $6
                """,
                [
                    .text(status.rawValue), .text(error), classifier, .text(tenant), .text(name),
                    .integer(version),
                ])
        }
    }

    package func classifier(of name: String, version: Int, tenant: TenantID) throws -> [UInt8]? {
        try database.read { db in
            try db.rows(
                """
                SELECT classifier FROM custom_category
                WHERE tenant = $1 AND name = $2 AND version = $3 AND classifier IS NOT NULL
                """, [.text(tenant), .text(name), .integer(version)]
            ).first.map { try database.openedBytes($0, 0, .categoryClassifier, of: tenant, row: [name, "\(version)"]) }
        }
    }

    package func delete(_ name: String, version: Int?, of tenant: TenantID) throws -> Bool {
        let isDeleted = try database.write { db in
            var filter = "tenant = $1 AND name = $2"
            var arguments: [SQLValue] = [.text(tenant), .text(name)]
            if let version {
                filter += " AND version = $3"
                arguments.append(.integer(version))
            }
            try db.execute("DELETE FROM custom_category_sample WHERE \(filter)", arguments)
            return try db.execute("DELETE FROM custom_category WHERE \(filter)", arguments) > 0
        }
        return isDeleted
    }

    package func put(_ operation: SafetyOperation, of tenant: TenantID) throws {
        try database.write { db in
            // What nobody will ask for any more goes, so that the table stays small.
            try db.execute(
                "DELETE FROM safety_operation WHERE tenant = $1 AND started_at < $2",
                [.text(tenant), .integer(operation.startedAt - 30 * 86_400)])
            try db.execute(
                """
                INSERT INTO safety_operation (tenant, id, status, error, started_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (tenant, id) DO UPDATE SET status = excluded.status, error = excluded.error, started_at = excluded.started_at
                """,
                [
                    .text(tenant), .text(operation.id), .text(operation.status.rawValue), .text(operation.error),
                    .integer(operation.startedAt),
                ])
        }
    }

    package func operation(_ id: String, of tenant: TenantID) throws -> SafetyOperation? {
        try database.read { db in
            try db.rows(
                "SELECT status, error, started_at FROM safety_operation WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)]
            ).first.map {
                SafetyOperation(
                    id: id, status: try Self.status($0.text(0)), error: try $0.optionalText(1), startedAt: try $0.integer(2))
            }
        }
    }

    private func category(_ row: SQLRow, _ tenant: TenantID) throws -> CustomCategory {
        let version = Int(try row.integer(1))
        return CustomCategory(
            name: try row.text(0), version: version,
            definition: try database.opened(row, 2, .categoryDefinition, of: tenant, row: [row.text(0), "\(version)"]),
            createdAt: try row.integer(3), status: try Self.status(row.text(4)), error: try row.optionalText(5))
    }

    private static func status(_ text: String) throws -> BuildStatus {
        guard let status = BuildStatus(rawValue: text) else { throw SQLColumnError(column: 0, expected: "a status") }
        return status
    }
}
