import Foundation
import NIOCore
import SallyportCore
import SallyportIdentity
import SallyportRetrieval

/// Documents that answers come from, over the administrative surface: bring, list, remove, and what waits for a reviewer.
///
/// An assignment at the scope `/indexes/NAME` gives these rights in one index.
package struct DataRoutes: ConsoleRouteGroup {
    let store: any DocumentStore
    let desk: IngestDesk
    /// What every document is taken in with; labels and their rules are the configuration's.
    let settings: @Sendable (IndexID, PrincipalID, AccessList) -> DocumentIngest.Settings

    package init(
        store: any DocumentStore, desk: IngestDesk,
        settings: @escaping @Sendable (IndexID, PrincipalID, AccessList) -> DocumentIngest.Settings
    ) {
        self.store = store
        self.desk = desk
        self.settings = settings
    }

    static let largest = 64 << 20
    /// An answer is waited for so long; later the operation's own address has it.
    private static let patience = Duration.seconds(8)
    /// A lower label lets more people and upstreams have a document.
    package static let lowerAction = "Sallyport/indexes/labels/lower/action"
    private static let noPiece = Fault(.notFound, "There is no such piece in quarantine.")

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Indexes_List", "GET", "/api/indexes", .action("Sallyport/indexes/read"), indexes),
        .init("Documents_List", "GET", "/api/indexes/{index}/documents", .action("Sallyport/indexes/read"), documents),
        .init(
            "Documents_Put", "PUT", "/api/indexes/{index}/documents", .action("Sallyport/indexes/documents/write"), act: "data.add",
            maximumBody: largest, put),
        .init(
            "Documents_Delete", "DELETE", "/api/indexes/{index}/documents", .action("Sallyport/indexes/documents/delete"),
            act: "data.remove", remove),
        .init(
            "Documents_Label", "POST", "/api/indexes/{index}/documents/label", .action("Sallyport/indexes/labels/write"), act: "data.label",
            label),
        .init(
            "Documents_Operation", "GET", "/api/indexes/{index}/operations/{id}", .action("Sallyport/indexes/documents/write"), operation),
        .init("Quarantine_List", "GET", "/api/indexes/{index}/quarantine", .action("Sallyport/indexes/quarantine/read"), quarantine),
        .init(
            "Quarantine_Show", "GET", "/api/indexes/{index}/quarantine/{piece}", .action("Sallyport/content/quarantine/read"), show),
        .init(
            "Quarantine_Release", "POST", "/api/indexes/{index}/quarantine/{piece}/release",
            .action("Sallyport/indexes/quarantine/release/action"), act: "data.release", release),
        .init("Quarantine_Own", "GET", "/api/my/quarantine", .known, own),
    ]

    private func index(_ call: ConsoleCall) throws -> IndexID {
        let name = try call.parameter("index")
        guard (1...128).contains(name.utf8.count), !name.contains(":"),
            name.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value < 0x7F })
        else { throw Fault(.invalidRequest, "The name of an index has up to 128 signs, no colon and no blank.") }
        return IndexID(name)
    }

    // MARK: Documents

    struct Index: Codable {
        let name: String
        let documents: Int
        let chunks: Int
        let quarantined: Int
        let addedAt: String
    }

    private func indexes(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, tenant) = (store, try call.caller().tenant)
        return try .list(
            try await call.blocking { try store.sizes(of: tenant) }.map {
                Index(
                    name: $0.index.rawValue, documents: $0.documents, chunks: $0.chunks, quarantined: $0.quarantined,
                    addedAt: Moments.date($0.addedAt))
            })
    }

    private func documents(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, tenant, index) = (store, try call.caller().tenant, try index(call))
        return try .list(
            try await call.blocking { try store.documents(in: index, of: tenant) }.map {
                DocumentShown($0, addedAt: Moments.date($0.addedAt))
            })
    }

    private func source(_ call: ConsoleCall) throws -> String {
        let named = call.query.filter { $0.name == "source" }
        guard named.count == 1, let source = named.first?.value, !source.isEmpty, source.utf8.count <= 512 else {
            throw Fault(.invalidRequest, "'source' is the document's name: give it once.", param: "source")
        }
        return source
    }

    private func put(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let caller = try call.caller()
        let (index, source) = (try index(call), try source(call))
        guard DocumentIngest.isPlain(source) else {
            throw Fault(.invalidRequest, "'source' is a plain relative path, such as 'rules/leave.pdf'.", param: "source")
        }
        for (name, _) in call.query where !["source", "allow", "label"].contains(name) {
            throw Fault(.invalidRequest, "'\(name.prefix(64))' is not known here; there are allow, label, source.")
        }
        let names = call.query.filter { $0.name == "allow" }.map(\.value)
        let grantees = names.compactMap { Grantee($0) }
        guard !names.isEmpty, names.count <= 256, grantees.count == names.count else {
            throw Fault(.invalidRequest, "'allow' says who may read it: everyone, user:NAME or group:NAME; repeat it.", param: "allow")
        }
        var settings = settings(index, caller.id, AccessList(Set(grantees)))
        settings.tenant = caller.tenant
        if let text = call.queryValue("label") {
            guard let label = SensitivityLabel(text) else { throw Fault(.invalidRequest, "'label' is not a label.", param: "label") }
            settings.label = label
        }
        guard !call.body.isEmpty else { throw Fault(.invalidRequest, "The body is the document; there is none.") }
        let content = ByteBuffer(bytes: call.body)
        let operation = try desk.admit(content.readableBytes, for: caller.id, index, now: call.now)
        let target = "\(index)/\(source)"
        do {
            try await call.record(
                "data.add", target: target, details: [(name: "access", value: AccessList(Set(grantees)).text.replacing("\n", with: ","))])
        } catch {
            desk.end(failed(operation, error), at: call.now)
            throw error
        }
        // Not a child of this call: the caller may leave, and what is on record as begun must be recorded as ended. It ends by itself, with the
        // document, whose parser and guards have limits.
        let (desk, origin) = (desk, "api:\(caller.id)")
        _ = Task { [settings] in
            let ended = await desk.run(operation, content, source: source, origin: origin, settings)
            var final = ended
            do {
                try await call.record("data.add", target: target, details: [(name: "result", value: DataRoutes.summary(ended))])
            } catch { final = failed(ended, error) }
            desk.end(final, at: call.now)
        }
        // Looked at now and then, so that the limit of this wait is none of the work's.
        let end = ContinuousClock.now + DataRoutes.patience
        var seen = desk.operation(operation.id, of: caller.id, in: index)
        while seen?.endedAt == nil, ContinuousClock.now < end, !Task.isCancelled {
            // Cut short only when the caller leaves; then nobody reads the answer.
            try? await Task.sleep(for: .milliseconds(20))
            seen = desk.operation(operation.id, of: caller.id, in: index)
        }
        guard let ended = seen, ended.endedAt != nil else {
            return try ConsoleAnswer.json(OperationShown(operation), status: 202).adding(
                "location", "/api/indexes/\(index)/operations/\(operation.id)")
        }
        if case .failed(let fault) = ended.status { throw fault }
        let shown = OperationShown(ended)
        let isRefused = shown.documents?.count == 1 && shown.documents?.first?.outcome == "refused"
        return try .json(shown, status: isRefused ? 422 : 200)
    }

    private func failed(_ operation: IngestDesk.Operation, _ error: any Error) -> IngestDesk.Operation {
        var failed = operation
        failed.status = .failed(error as? Fault ?? Fault(.auditUnavailable, "The act could not be put on record.", cause: error))
        return failed
    }

    private static func summary(_ operation: IngestDesk.Operation) -> String {
        switch operation.status {
        case .running: "running"
        case .failed: "failed"
        case .done(let steps): steps.map(\.outcome.name).joined(separator: ",")
        }
    }

    private func operation(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        guard let found = desk.operation(try call.parameter("id"), of: try call.caller().id, in: try index(call)) else {
            throw Fault(.notFound, "There is no such operation, or it is over for more than an hour.")
        }
        return try .json(OperationShown(found))
    }

    private func remove(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, tenant, index, source) = (store, try call.caller().tenant, try index(call), try source(call))
        try await call.act(on: "\(index)/\(source)") {
            guard let document = try store.document(source: source, in: index, of: tenant) else {
                throw Fault(.notFound, "There is no such document.")
            }
            // The container goes last: a run that is cut short is run again.
            if document.format.isContainer {
                for part in try store.documents(in: index, of: tenant) where DocumentIngest.containers(of: part.source).contains(source) {
                    _ = try store.remove(part.id, in: index, of: tenant)
                }
            }
            _ = try store.remove(document.id, in: index, of: tenant)
        }
        return .empty
    }

    private struct NewLabel: Decodable {
        let label: String
        let reason: String?
    }

    private func label(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let caller = try call.caller()
        let (store, index, source) = (store, try index(call), try source(call))
        let wanted: NewLabel = try call.json(allowing: ["label", "reason"])
        guard let label = SensitivityLabel(wanted.label) else {
            throw Fault(.invalidRequest, "'label' is one of \(SensitivityLabel.allCases.map(\.description).joined(separator: ", ")).")
        }
        try Texts.check(wanted.reason, "reason", maximum: 500)
        let found = try await call.blocking { try store.document(source: source, in: index, of: caller.tenant) }
        guard var document = found else { throw Fault(.notFound, "There is no such document.") }
        let before = document.label
        let isLower = label < before
        if isLower {
            try call.require(DataRoutes.lowerAction)
            guard document.owner != caller.id else {
                throw ConsoleRefusal(403, "OwnDocument", "Labels of one's own documents are lowered by somebody else.")
            }
            guard wanted.reason?.contains(where: { !$0.isWhitespace }) ?? false else {
                throw Fault(.invalidRequest, "'reason' says why a lower label than '\(before)' will do.", param: "reason")
            }
        }
        (document.label, document.isLabelDeclared, document.labelOrigin) = (label, true, isLower ? .lowered : .declared)
        try await call.act(
            on: "\(index)/\(source)", as: isLower ? "data.label.lower" : "data.label",
            details: [(name: "label", value: "\(before) to \(label)")] + (wanted.reason.map { [(name: "reason", value: $0)] } ?? [])
        ) { [document] in try store.update(document) }
        return try .json(DocumentShown(document, addedAt: Moments.date(document.addedAt)))
    }

    // MARK: Quarantine

    private func quarantine(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, tenant, index) = (store, try call.caller().tenant, try index(call))
        return try .list(try await call.blocking { try store.quarantined(in: index, of: tenant) }.map { PieceShown($0) })
    }

    /// Of documents that the caller owns: where and why, in all indexes.
    private func own(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, caller) = (store, try call.caller())
        return try .list(try await call.blocking { try store.quarantined(ownedBy: caller.id, of: caller.tenant) }.map { PieceShown($0) })
    }

    private func piece(_ call: ConsoleCall) throws -> ChunkID {
        guard let id = ChunkID(try call.parameter("piece")) else { throw DataRoutes.noPiece }
        return id
    }

    /// What a reviewer decides about. Whoever reads it is on record.
    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, tenant, index, id) = (store, try call.caller().tenant, try index(call), try piece(call))
        try await call.record("data.quarantine.show", target: "\(index)/\(id)")
        let found = try await call.blocking {
            try store.quarantined(id, in: index, of: tenant).map { waiting in
                (
                    waiting,
                    try store.chunks(of: id.document, in: index, of: tenant, searchableOnly: false).first { $0.position == id.position }
                )
            }
        }
        guard let (waiting, chunk) = found, let chunk else { throw DataRoutes.noPiece }
        return try .json(PieceShown(waiting, text: chunk.text))
    }

    private struct Release: Decodable { let reason: String }

    private func release(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let caller = try call.caller()
        let (store, index, id) = (store, try index(call), try piece(call))
        let wanted: Release = try call.json(allowing: ["reason"])
        guard (1...500).contains(wanted.reason.utf8.count), wanted.reason.contains(where: { !$0.isWhitespace }) else {
            throw Fault(.invalidRequest, "'reason' says why it may be found, in up to 500 bytes.", param: "reason")
        }
        let waiting = try await call.blocking { try store.quarantined(id, in: index, of: caller.tenant) }
        guard let waiting else { throw DataRoutes.noPiece }
        // Two pairs of eyes: who brought it does not let it through.
        guard waiting.owner != caller.id else {
            throw ConsoleRefusal(403, "OwnDocument", "Pieces of one's own documents are released by somebody else.")
        }
        try await call.act(on: "\(index)/\(id)", details: [(name: "reason", value: wanted.reason)]) {
            guard try store.release(id, in: index, of: caller.tenant, by: caller.id, at: call.now) else {
                throw DataRoutes.noPiece
            }
        }
        return .empty
    }
}

struct OperationShown: Codable {
    struct Document: Codable {
        let source, outcome: String
        let problem: String?
        let quarantined: Int
        /// Set: rules or what was found raised it to this.
        let raisedLabel: String?

        init(_ step: DocumentIngest.Step) {
            source = step.source
            quarantined = step.quarantined
            raisedLabel = step.raised?.description
            outcome = step.outcome.name
            if case .refused(let found) = step.outcome { problem = "\(found)" } else { problem = nil }
        }
    }
    let id, status: String
    /// The document itself comes last where others are in it.
    let documents: [Document]?
    let error: String?

    init(_ operation: IngestDesk.Operation) {
        id = operation.id
        switch operation.status {
        case .running: (status, documents, error) = ("running", nil, nil)
        case .failed(let fault): (status, documents, error) = ("failed", nil, fault.message)
        case .done(let steps): (status, documents, error) = ("done", steps.map(Document.init), nil)
        }
    }
}

struct PieceShown: Codable {
    let piece, index, source, owner, reason: String
    let page: Int?
    let text: String?

    init(_ waiting: QuarantinedChunk, text: String? = nil) {
        piece = waiting.id.description
        index = waiting.index.rawValue
        source = waiting.source
        owner = waiting.owner.rawValue
        reason = waiting.reason
        page = waiting.pages.first?.page
        self.text = text
    }
}
