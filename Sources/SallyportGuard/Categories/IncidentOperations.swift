import NIOCore
import SallyportCore

/// Text incidents: samples of what happened are put in force at once, and texts that say the same are found. What blocks is to be called
/// on a pool.
package struct IncidentOperations: Sendable {
    package enum Limit {
        package static let samplesPerCall = 100
        package static let sampleLength = 1000
        package static let definitionLength = 1000
        package static let namesPerCall = 10
    }

    private let store: any IncidentStore
    private let operations: any CategoryStore
    private let embedder: (any TextEmbedder)?
    private let clock: @Sendable () -> Int64

    package init(
        store: any IncidentStore, operations: any CategoryStore, embedder: (any TextEmbedder)?, clock: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.operations = operations
        self.embedder = embedder
        self.clock = clock
    }

    package func all(of tenant: TenantID) throws -> [TextIncident] { try store.incidents(of: tenant) }

    package func incident(_ name: String, of tenant: TenantID) throws -> TextIncident {
        guard let found = try store.incident(name, of: tenant) else { throw Self.missing(name) }
        return found
    }

    /// - Parameter definition: nil keeps what is there.
    package func upsert(_ name: String, definition: String?, of tenant: TenantID) throws -> (TextIncident, isNew: Bool) {
        try CategoryOperations.validateName(name, field: "incidentName")
        guard definition?.unicodeScalars.count ?? 0 <= Limit.definitionLength else {
            throw Fault(
                .invalidRequest, "The field 'incidentDefinition' is longer than \(Limit.definitionLength) characters.",
                param: "incidentDefinition")
        }
        let before = try store.incident(name, of: tenant)
        let now = clock()
        let incident = TextIncident(
            name: name, definition: definition ?? before?.definition, createdAt: before?.createdAt ?? now, updatedAt: now)
        return (incident, try store.upsert(incident, of: tenant))
    }

    package func delete(_ name: String, of tenant: TenantID) throws {
        guard try store.deleteIncident(name, of: tenant) else { throw Self.missing(name) }
    }

    package func samples(of name: String, tenant: TenantID) throws -> [IncidentSample] {
        _ = try incident(name, of: tenant)
        return try store.samples(of: name, tenant: tenant)
    }

    package func sample(_ id: String, of name: String, tenant: TenantID) throws -> IncidentSample {
        guard let found = try samples(of: name, tenant: tenant).first(where: { $0.id == id }) else {
            throw Fault(.notFound, "The sample does not exist.")
        }
        return found
    }

    package func add(_ texts: [String], to name: String, of tenant: TenantID) throws -> [IncidentSample] {
        guard (1...Limit.samplesPerCall).contains(texts.count) else {
            throw Fault(
                .invalidRequest, "The field 'incidentSamples' has 1 to \(Limit.samplesPerCall) samples.", param: "incidentSamples")
        }
        for text in texts where text.isEmpty || text.unicodeScalars.count > Limit.sampleLength {
            throw Fault(.invalidRequest, "A sample has 1 to \(Limit.sampleLength) characters.", param: "incidentSamples")
        }
        let samples = texts.map { IncidentSample(id: BlocklistOperations.randomID(), text: $0) }
        try store.add(samples, to: name, tenant: tenant, at: clock())
        return samples
    }

    package func remove(_ ids: [String], from name: String, of tenant: TenantID) throws {
        guard (1...Limit.samplesPerCall).contains(ids.count) else {
            throw Fault(
                .invalidRequest, "The field 'incidentSampleIds' has 1 to \(Limit.samplesPerCall) ids.", param: "incidentSampleIds")
        }
        try store.removeSamples(ids, from: name, tenant: tenant, at: clock())
    }

    // MARK: Deploying

    package func begin(_ name: String, operation id: String, of tenant: TenantID) throws -> SafetyOperation {
        guard embedder?.digest.isEmpty == false else { throw CategoryOperations.noModel }
        guard try !samples(of: name, tenant: tenant).isEmpty else {
            throw Fault(.invalidRequest, "The incident '\(name)' has no samples yet.")
        }
        try CategoryOperations.validateOperation(id)
        guard try operations.operation(id, of: tenant) == nil else { throw Fault(.conflict, "An operation with this id exists already.") }
        let operation = SafetyOperation(id: id, status: .running, startedAt: clock())
        try operations.put(operation, of: tenant)
        return operation
    }

    package func operation(_ id: String, of tenant: TenantID) throws -> SafetyOperation {
        try CategoryOperations(store: operations, embedder: embedder, clock: clock).operation(id, of: tenant)
    }

    /// Puts the samples of now in force. Calls back where the vectors are made; `finish` runs what must be done on a pool.
    package func deploy(
        _ name: String, operation: SafetyOperation, of tenant: TenantID,
        finish: @escaping @Sendable (@escaping @Sendable () throws -> Void) -> Void
    ) throws {
        guard let embedder else { throw CategoryOperations.noModel }
        let samples = try store.samples(of: name, tenant: tenant)
        embedder.embed(samples.map { ByteBuffer(string: $0.text) }) { result in
            finish {
                var operation = operation
                if case .success(let vectors) = result, vectors.count == samples.count {
                    try store.deploy(IncidentVectors(digest: embedder.digest, vectors: vectors).encoded, of: name, tenant: tenant)
                    operation.status = .succeeded
                } else {
                    operation.status = .failed
                    operation.error = "The samples could not be read. Try again later."
                }
                try operations.put(operation, of: tenant)
            }
        }
    }

    /// What a text is compared with. Blocks.
    package func deployed(_ name: String, of tenant: TenantID) throws -> IncidentVectors {
        guard let embedder, !embedder.digest.isEmpty else { throw CategoryOperations.noModel }
        _ = try incident(name, of: tenant)
        guard let bytes = try store.deployed(name, tenant: tenant) else {
            throw Fault(.conflict, "The incident '\(name)' is not deployed.")
        }
        guard let vectors = IncidentVectors(encoded: bytes), vectors.digest == embedder.digest else {
            throw Fault(.conflict, "The incident '\(name)' was deployed for another model: deploy it again.")
        }
        return vectors
    }

    private static func missing(_ name: String) -> Fault {
        Fault(.notFound, "The incident '\(name)' does not exist.", param: "incidentName")
    }
}
