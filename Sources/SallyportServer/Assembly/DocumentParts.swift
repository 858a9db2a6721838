import Foundation
import NIOCore
import SallyportCore
import SallyportGuard
import SallyportPatterns
import SallyportRetrieval
import SallyportSandbox
import SallyportStorage

/// On your data, put together: store, search, answers, ingest.
package struct DocumentParts: Sendable {
    package let store: any DocumentStore
    package let search: DocumentSearch
    package let answerer: GroundedAnswerer
    package let retriever: DocumentRetriever
    private let engine: GuardEngine
    private let read: DocumentGuard.Reading?
    private let embedder: (any TextEmbedder)?

    package struct Mistake: Error, CustomStringConvertible {
        package let description: String
    }

    /// - Parameter eventLoop: where the encoder's answers come; never the calling thread's own.
    package init(
        database: SQLiteDatabase, engine: GuardEngine, learned: LearnedParts?, embedder: (any TextEmbedder)? = nil,
        eventLoop: any EventLoop
    ) {
        store = SQLDocumentStore(database)
        search = DocumentSearch(store)
        self.embedder = embedder
        answerer = GroundedAnswerer(store: store, search: search, embedder: embedder)
        retriever = DocumentRetriever(store: store, search: search, embedder: embedder)
        self.engine = engine
        if let meaning = learned?.meaning {
            read = { requests in try meaning.read(requests, for: TenantID.default, on: eventLoop).wait() }
        } else {
            read = nil
        }
    }

    /// For the command line: loads the guards and, where they are configured, the models.
    package init(database: SQLiteDatabase, plan: ServerPlan.Learned, eventLoop: any EventLoop) throws {
        let learned = try LearnedParts(plan)
        let engine = try GuardEngine(
            detectors: DetectorCatalog.all(), compiler: try HyperscanCompiler(), normaliser: Normaliser(), learned: learned?.guards)
        var embedder: (any TextEmbedder)?
        if learned != nil { embedder = try LearnedParts.embedder(plan) }
        self.init(database: database, engine: engine, learned: learned, embedder: embedder, eventLoop: eventLoop)
    }

    /// Starts the sandbox.
    /// - Returns: how documents are taken in, and how far their parsers are shut in.
    package func ingest() throws -> (DocumentIngest, isolation: SandboxedParser.Isolation) {
        let worker = SandboxedParser.workerBesideThisProgram()
        let parser: SandboxedParser
        do { parser = try SandboxedParser(worker: worker) } catch {
            throw Mistake(description: "documents cannot be read: the program \(worker) is not there; build it too")
        }
        let ingest = DocumentIngest(
            store: store, parser: parser, inspector: DocumentGuard(engine: engine, read: read), embedder: embedder,
            clock: { ServerProcess.wallTime().seconds })
        return (ingest, parser.isolation)
    }

    /// Brings the embedded upstreams' folders into indexes of their names: everyone who may call the upstream may read them.
    func takeIn(_ folders: [UpstreamID: String], labels: ServerPlan.Labels) throws -> [(
        upstream: UpstreamID, report: DocumentIngest.Report, isolation: String
    )] {
        var reports: [(upstream: UpstreamID, report: DocumentIngest.Report, isolation: String)] = []
        if !folders.isEmpty {
            let (ingest, isolation) = try ingest()
            for (upstream, folder) in folders.sorted(by: { $0.key < $1.key }) {
                var settings = DocumentIngest.Settings(
                    index: DocumentParts.index(of: upstream), owner: "system:configuration", access: AccessList([.everyone]))
                settings.prunes = true
                settings.standardLabel = labels.standard
                settings.labelRules = labels.rules
                settings.replacesOrigins = true
                reports.append((upstream, try ingest.add([folder], settings), isolation.rawValue))
            }
        }
        try search.refresh()
        return reports
    }

    /// The index that an upstream's own folder is kept in; the colon keeps it apart from those that people name.
    static func index(of upstream: UpstreamID) -> IndexID { IndexID("upstream:\(upstream)") }
}
