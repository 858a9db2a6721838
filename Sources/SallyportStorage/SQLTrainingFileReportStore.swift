import Foundation
import SallyportCore

/// Reports on uploaded files, in SQL, sealed under the owner's key. An upstream may give a deleted file's id again: the owner's newest
/// report counts, and nobody replaces another's.
package struct SQLTrainingFileReportStore: TrainingFileReportStore {
    private let database: any SQLDatabase
    package init(_ database: any SQLDatabase) { self.database = database }

    package func put(
        _ report: TrainingFileReport, id: String, owner: PrincipalID, project: ProjectID, tenant: TenantID, at now: Int64
    ) throws {
        let sealed = try database.sealed(
            Array(try JSONEncoder().encode(report)), .fileReport, of: tenant, row: [id], subject: owner.rawValue)
        _ = try database.write { db in
            try db.execute(
                """
                INSERT INTO file_report (tenant, id, owner, project, report, created_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (tenant, id) DO UPDATE SET report = excluded.report, project = excluded.project, created_at = excluded.created_at
                WHERE file_report.owner = excluded.owner
                """, [.text(tenant), .text(id), .text(owner), .text(project), sealed, .integer(now)])
        }
    }

    package func report(_ id: String, tenant: TenantID) throws -> (report: TrainingFileReport, owner: PrincipalID, project: ProjectID)? {
        try database.read { db in
            let rows = try db.rows(
                "SELECT owner, project, report FROM file_report WHERE tenant = $1 AND id = $2", [.text(tenant), .text(id)])
            guard let row = rows.first else { return nil }
            let owner = try row.text(0)
            let bytes = try database.openedBytes(row, 2, .fileReport, of: tenant, row: [id], subject: owner)
            let report = try JSONDecoder().decode(TrainingFileReport.self, from: Data(bytes))
            return (report, PrincipalID(owner), ProjectID(try row.text(1)))
        }
    }
}
