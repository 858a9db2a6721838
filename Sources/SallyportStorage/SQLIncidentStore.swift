import SallyportCore

/// Text incidents in SQL, with the vectors that were deployed of them.
package struct SQLIncidentStore: IncidentStore {
    package static let maximumSamples = 1000

    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func incidents(of tenant: TenantID) throws -> [TextIncident] {
        try database.read { db in
            try db.rows(
                "SELECT name, definition, created_at, updated_at FROM text_incident WHERE tenant = $1 ORDER BY name", [.text(tenant)]
            ).map { try incident($0, tenant) }
        }
    }

    package func incident(_ name: String, of tenant: TenantID) throws -> TextIncident? {
        try database.read { db in
            try db.rows(
                "SELECT name, definition, created_at, updated_at FROM text_incident WHERE tenant = $1 AND name = $2",
                [.text(tenant), .text(name)]
            ).first.map { try incident($0, tenant) }
        }
    }

    package func upsert(_ incident: TextIncident, of tenant: TenantID) throws -> Bool {
        let definition = try database.sealed(incident.definition, .incidentDefinition, of: tenant, row: [incident.name])
        return try database.write { db in
            let added = try db.execute(
                """
                INSERT INTO text_incident (tenant, name, definition, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT DO NOTHING
                """,
                [
                    .text(tenant), .text(incident.name), definition, .integer(incident.createdAt),
                    .integer(incident.updatedAt),
                ])
            if added == 0 {
                try db.execute(
                    "UPDATE text_incident SET definition = $1, updated_at = $2 WHERE tenant = $3 AND name = $4",
                    [definition, .integer(incident.updatedAt), .text(tenant), .text(incident.name)])
            }
            return added > 0
        }
    }

    package func deleteIncident(_ name: String, of tenant: TenantID) throws -> Bool {
        try database.write { db in
            try db.execute("DELETE FROM text_incident_sample WHERE tenant = $1 AND incident = $2", [.text(tenant), .text(name)])
            return try db.execute("DELETE FROM text_incident WHERE tenant = $1 AND name = $2", [.text(tenant), .text(name)]) > 0
        }
    }

    package func samples(of incident: String, tenant: TenantID) throws -> [IncidentSample] {
        try database.read { db in
            try db.rows(
                "SELECT id, content FROM text_incident_sample WHERE tenant = $1 AND incident = $2 ORDER BY position",
                [.text(tenant), .text(incident)]
            ).map { row in
                let id = try row.text(0)
                return IncidentSample(id: id, text: try database.opened(row, 1, .incidentSample, of: tenant, row: [incident, id]))
            }
        }
    }

    package func add(_ samples: [IncidentSample], to incident: String, tenant: TenantID, at now: Int64) throws {
        let contents = try samples.map { try database.sealed($0.text, .incidentSample, of: tenant, row: [incident, $0.id]) }
        try database.write { db in
            try Self.touch(incident, tenant, now, db)
            var position =
                try db.rows(
                    "SELECT coalesce(max(position), -1) FROM text_incident_sample WHERE tenant = $1 AND incident = $2",
                    [.text(tenant), .text(incident)]
                ).first?.integer(0) ?? -1
            for (sample, content) in zip(samples, contents) {
                position += 1
                try db.execute(
                    "INSERT INTO text_incident_sample (tenant, incident, id, position, content) VALUES ($1, $2, $3, $4, $5)",
                    [.text(tenant), .text(incident), .text(sample.id), .integer(position), content])
            }
            let count =
                try db.rows(
                    "SELECT count(*) FROM text_incident_sample WHERE tenant = $1 AND incident = $2", [.text(tenant), .text(incident)]
                ).first?.integer(0) ?? 0
            guard count <= Self.maximumSamples else {
                throw Fault(.quotaExceeded, "An incident can hold at most \(Self.maximumSamples) samples.")
            }
        }
    }

    package func removeSamples(_ ids: [String], from incident: String, tenant: TenantID, at now: Int64) throws {
        try database.write { db in
            try Self.touch(incident, tenant, now, db)
            for id in Set(ids) {
                let removed = try db.execute(
                    "DELETE FROM text_incident_sample WHERE tenant = $1 AND incident = $2 AND id = $3",
                    [.text(tenant), .text(incident), .text(id)])
                guard removed > 0 else { throw Fault(.notFound, "A sample with one of these ids does not exist.") }
            }
        }
    }

    package func deploy(_ vectors: [UInt8], of incident: String, tenant: TenantID) throws {
        let sealed = try database.sealed(vectors, .incidentVectors, of: tenant, row: [incident])
        try database.write { db in
            let changed = try db.execute(
                "UPDATE text_incident SET vectors = $1 WHERE tenant = $2 AND name = $3", [sealed, .text(tenant), .text(incident)])
            guard changed > 0 else { throw Fault(.notFound, "The incident does not exist.") }
        }
    }

    package func deployed(_ incident: String, tenant: TenantID) throws -> [UInt8]? {
        try database.read { db in
            try db.rows(
                "SELECT vectors FROM text_incident WHERE tenant = $1 AND name = $2 AND vectors IS NOT NULL",
                [.text(tenant), .text(incident)]
            ).first.map { try database.openedBytes($0, 0, .incidentVectors, of: tenant, row: [incident]) }
        }
    }

    private static func touch(_ name: String, _ tenant: TenantID, _ now: Int64, _ db: any SQLConnection) throws {
        let changed = try db.execute(
            "UPDATE text_incident SET updated_at = $1 WHERE tenant = $2 AND name = $3", [.integer(now), .text(tenant), .text(name)])
        guard changed > 0 else { throw Fault(.notFound, "The incident does not exist.") }
    }

    private func incident(_ row: SQLRow, _ tenant: TenantID) throws -> TextIncident {
        TextIncident(
            name: try row.text(0),
            definition: try database.openedIfPresent(row, 1, .incidentDefinition, of: tenant, row: [row.text(0)]),
            createdAt: try row.integer(2), updatedAt: try row.integer(3))
    }
}
