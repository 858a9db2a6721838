import Foundation
import Logging
import NIOCore
import NIOPosix
import SallyportCore
import SallyportOversight
import SallyportRetrieval

/// The folders of the embedded upstreams, taken in at the start and when the configuration changes.
extension ServerProcess {
    /// What is in the database and was not put there by this gateway, or is damaged, is not searched: on record once, and its operator is told.
    func noteDoubtful(_ documents: DocumentParts, told: Set<String>) async throws -> Set<String> {
        let doubtful = Set(documents.search.doubtful)
        for source in doubtful.subtracting(told).sorted() {
            var record = AuditRecord(.adminAct, id: UUID().uuidString.lowercased())
            record.tenant = .default
            record.principal = "system:index"
            record.operation = "data.doubtful"
            record.details = [(name: "target", value: source)]
            _ = try await audit.append(record.encoded())
        }
        if !doubtful.isSubset(of: told) {
            logger.warning(
                "documents are damaged or not as they were taken in, and are not searched: sallyport data verify",
                metadata: ["documents.count": "\(doubtful.count)"])
        }
        return doubtful
    }

    static func takeIn(
        _ folders: [UpstreamID: String], _ documents: DocumentParts, labels: ServerPlan.Labels, audit: AuditLog, pool: NIOThreadPool,
        eventLoop: any EventLoop,
        logger: Logger
    ) async throws {
        let reports = try await pool.runIfActive(eventLoop: eventLoop) { try documents.takeIn(folders, labels: labels) }.get()
        for (upstream, report, isolation) in reports {
            let done = report.counts.filter { $0.key != "unchanged" && $0.key != "refused" }
            if !done.isEmpty {
                var record = AuditRecord(.adminAct, id: UUID().uuidString.lowercased())
                record.tenant = .default
                record.principal = "system:configuration"
                record.operation = "data.add"
                record.details =
                    [(name: "target", value: "upstream:\(upstream)")] + done.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
                _ = try await audit.append(record.encoded())
            }
            logger.notice(
                "documents are ready",
                metadata: [
                    "upstream.name": "\(upstream)", "documents.count": "\(report.counts.values.reduce(0, +) - report.refused.count)",
                    "documents.isolation": "\(isolation)",
                ])
            for (source, problem) in report.refused {
                logger.warning("a document was refused", metadata: ["document.source": "\(source)", "document.problem": "\(problem)"])
            }
            if report.quarantined > 0 {
                logger.warning(
                    "parts of documents wait for a reviewer: sallyport data quarantine list",
                    metadata: ["upstream.name": "\(upstream)", "chunks.count": "\(report.quarantined)"])
            }
        }
    }
}
