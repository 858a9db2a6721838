import NIOConcurrencyHelpers
import SallyportConsole
import SallyportCore
import SallyportRetrieval

/// Documents on the administrative surface: the same parsers in the same cage, the same guards and rules as on the command line.
extension ConsoleSurface {
    static func dataRoutes(_ parts: Parts, _ plan: NIOLockedValueBox<ServerPlan>) -> DataRoutes {
        let documents = parts.documents
        let desk = IngestDesk { content, source, origin, settings in
            let ingest: DocumentIngest
            do { ingest = try documents.ingest().0 } catch {
                throw Fault(.guardUnavailable, "Documents cannot be read here: their parser is not there.", cause: error)
            }
            return try ingest.add(content, named: source, origin: origin, settings)
        }
        return DataRoutes(store: documents.store, desk: desk) { index, owner, access in
            let labels = plan.withLockedValue { $0.labels }
            var settings = DocumentIngest.Settings(index: index, owner: owner, access: access)
            settings.standardLabel = labels.standard
            settings.labelRules = labels.rules
            return settings
        }
    }
}
