import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// Custom categories: kept with their samples, built into classifiers on this machine, and asked about texts. What blocks is to be
/// called on a pool; what needs vectors calls back when they are there.
package struct CategoryOperations: Sendable {
    package enum Limit {
        package static let nameLength = 64
        package static let definitionLength = 1000
        package static let leastSamples = 5
        package static let samples = 5000
        package static let sampleLength = 10_000
        /// A build that takes longer was cut off with the process that ran it.
        package static let longestBuild: Int64 = 600
    }

    private let store: any CategoryStore
    private let embedder: (any TextEmbedder)?
    private let clock: @Sendable () -> Int64

    /// - Parameters:
    ///   - embedder: nil: nothing can be built or asked here.
    ///   - clock: seconds since 1970.
    package init(store: any CategoryStore, embedder: (any TextEmbedder)?, clock: @escaping @Sendable () -> Int64) {
        self.store = store
        self.embedder = embedder
        self.clock = clock
    }

    // MARK: Keeping

    package static func validateName(_ name: String, field: String) throws {
        let isAllowed = name.utf8.allSatisfy {
            ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2D
        }
        guard isAllowed, !name.isEmpty, name.utf8.count <= Limit.nameLength, name.utf8.first != 0x2D, name.utf8.last != 0x2D else {
            throw Fault(
                .invalidRequest,
                "The field '\(field)' has 1 to \(Limit.nameLength) letters, digits and '-', with a letter or digit at both ends.",
                param: field, inner: "InvalidResourceName")
        }
    }

    package func add(_ name: String, definition: String, samples: [CategorySample], of tenant: TenantID) throws -> CustomCategory {
        try Self.validateName(name, field: "categoryName")
        guard !definition.isEmpty, definition.unicodeScalars.count <= Limit.definitionLength else {
            throw Fault(
                .invalidRequest, "The field 'definition' has 1 to \(Limit.definitionLength) characters.", param: "definition")
        }
        guard samples.count(where: \.isPositive) >= Limit.leastSamples else {
            throw Fault(
                .invalidRequest, "A category needs at least \(Limit.leastSamples) samples that are examples of it.", param: "samples")
        }
        guard samples.count <= Limit.samples else {
            throw Fault(.invalidRequest, "A category has at most \(Limit.samples) samples.", param: "samples")
        }
        for sample in samples where sample.text.isEmpty || sample.text.unicodeScalars.count > Limit.sampleLength {
            throw Fault(.invalidRequest, "A sample has 1 to \(Limit.sampleLength) characters.", param: "samples")
        }
        return try store.add(name, definition: definition, samples: samples, of: tenant, at: clock())
    }

    package func all(of tenant: TenantID) throws -> [CustomCategory] { try store.categories(of: tenant).map(aged) }

    /// - Parameter version: nil: the newest.
    package func category(_ name: String, version: Int?, of tenant: TenantID) throws -> CustomCategory {
        let versions = try store.versions(of: name, tenant: tenant)
        guard let found = version.map({ wanted in versions.first { $0.version == wanted } }) ?? versions.last else {
            throw Fault(.notFound, "The custom category '\(name)' does not exist\(version.map { " in version \($0)" } ?? "").")
        }
        return aged(found)
    }

    package func delete(_ name: String, version: Int?, of tenant: TenantID) throws {
        guard try store.delete(name, version: version, of: tenant) else {
            throw Fault(.notFound, "The custom category '\(name)' does not exist\(version.map { " in version \($0)" } ?? "").")
        }
    }

    package func operation(_ id: String, of tenant: TenantID) throws -> SafetyOperation {
        guard var found = try store.operation(id, of: tenant) else { throw Fault(.notFound, "The operation does not exist.") }
        if found.status == .running, clock() - found.startedAt > Limit.longestBuild {
            found.status = .failed
            found.error = Self.cutOff
        }
        return found
    }

    private static let cutOff = "The gateway was stopped before this was done. Start it again."

    private func aged(_ category: CustomCategory) -> CustomCategory {
        guard category.status == .running, clock() - category.createdAt > Limit.longestBuild else { return category }
        var category = category
        category.status = .failed
        category.error = Self.cutOff
        return category
    }

    // MARK: Building

    /// Notes that a build begins; ``build(_:operation:of:)`` does it. Both under the operation's id.
    package func begin(_ name: String, version: Int?, operation id: String, of tenant: TenantID) throws -> (CustomCategory, SafetyOperation)
    {
        guard embedder?.digest.isEmpty == false else { throw Self.noModel }
        let category = try category(name, version: version, of: tenant)
        try Self.validateOperation(id)
        guard try store.operation(id, of: tenant) == nil else { throw Fault(.conflict, "An operation with this id exists already.") }
        let operation = SafetyOperation(id: id, status: .running, startedAt: clock())
        try store.put(operation, of: tenant)
        try store.setStatus(.running, error: nil, classifier: nil, of: name, version: category.version, tenant: tenant)
        return (category, operation)
    }

    package static func validateOperation(_ id: String) throws {
        guard (1...64).contains(id.utf8.count), id.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F && $0 != 0x3F && $0 != 0x23 })
        else { throw Fault(.invalidRequest, "The header 'Operation-Id' has 1 to 64 printable characters.", param: "Operation-Id") }
    }

    /// Trains the classifier. Calls back where the vectors are made; `finish` runs what must be done on a pool.
    package func build(
        _ category: CustomCategory, operation: SafetyOperation, of tenant: TenantID,
        finish: @escaping @Sendable (@escaping @Sendable () throws -> Void) -> Void
    ) throws {
        guard let embedder else { throw Self.noModel }
        let samples = try store.samples(of: category.name, version: category.version, tenant: tenant)
        let positive = [category.definition] + samples.filter(\.isPositive).map(\.text)
        let negative = samples.filter { !$0.isPositive }.map(\.text) + CategoryBackground.texts
        embedder.embed((positive + negative).map { ByteBuffer(string: $0) }) { result in
            finish {
                func end(_ status: BuildStatus, _ error: String?, _ classifier: [UInt8]? = nil) throws {
                    try store.setStatus(
                        status, error: error, classifier: classifier, of: category.name, version: category.version, tenant: tenant)
                    var operation = operation
                    operation.status = status
                    operation.error = error
                    try store.put(operation, of: tenant)
                }
                guard case .success(let vectors) = result, vectors.count == positive.count + negative.count else {
                    return try end(.failed, "The samples could not be read. Try again later.")
                }
                let classifier = LinearClassifier.trained(
                    positive: Array(vectors.prefix(positive.count)), negative: Array(vectors.dropFirst(positive.count)),
                    digest: embedder.digest)
                guard classifier.accuracy >= LinearClassifier.leastAccuracy else {
                    return try end(
                        .failed, "The samples cannot be told from other texts: give more of them, and some that are no examples.")
                }
                try end(.succeeded, nil, classifier.encoded)
            }
        }
    }

    // MARK: Asking

    /// The classifier of a version, or of the newest that was built. Blocks.
    package func classifier(of name: String, version: Int?, tenant: TenantID) throws -> LinearClassifier {
        guard let embedder, !embedder.digest.isEmpty else { throw Self.noModel }
        let versions = try store.versions(of: name, tenant: tenant)
        guard !versions.isEmpty else { throw Fault(.notFound, "The custom category '\(name)' does not exist.") }
        let wanted = version.map { number in versions.first { $0.version == number } } ?? versions.last { $0.status == .succeeded }
        guard let wanted, let bytes = try store.classifier(of: name, version: wanted.version, tenant: tenant) else {
            throw Fault(
                version == nil || versions.contains { $0.version == version } ? .conflict : .notFound,
                "The custom category '\(name)' was not built\(version.map { " in version \($0)" } ?? "").")
        }
        guard let classifier = LinearClassifier(encoded: bytes), classifier.digest == embedder.digest else {
            throw Fault(.conflict, "The custom category '\(name)' was built for another model: build it again.")
        }
        return classifier
    }

    static let noModel = Fault(.guardUnavailable, "This installation runs without the model that this call needs.")
}
