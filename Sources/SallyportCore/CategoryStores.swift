/// How far the making of a custom category's classifier is, or an incident's deployment.
package enum BuildStatus: String, Sendable, CaseIterable, Codable {
    case notStarted = "NotStarted"
    case running = "Running"
    case succeeded = "Succeeded"
    case failed = "Failed"
}

/// One version of a custom category (Content Safety `TextCustomCategoryVersion`).
package struct CustomCategory: Sendable, Hashable {
    package var name: String
    package var version: Int
    package var definition: String
    /// Seconds since 1970.
    package var createdAt: Int64
    package var status: BuildStatus
    package var error: String?
    package init(name: String, version: Int, definition: String, createdAt: Int64, status: BuildStatus = .notStarted, error: String? = nil)
    {
        self.name = name
        self.version = version
        self.definition = definition
        self.createdAt = createdAt
        self.status = status
        self.error = error
    }
}

/// A text that a custom category was taught with.
package struct CategorySample: Sendable, Hashable {
    package var text: String
    /// An example of the category; else of what it is not.
    package var isPositive: Bool
    package init(text: String, isPositive: Bool) {
        self.text = text
        self.isPositive = isPositive
    }
}

/// A long-running step (a build, a deployment), by the id that its caller asks with.
package struct SafetyOperation: Sendable, Hashable {
    package var id: String
    package var status: BuildStatus
    package var error: String?
    package var startedAt: Int64
    package init(id: String, status: BuildStatus, error: String? = nil, startedAt: Int64) {
        self.id = id
        self.status = status
        self.error = error
        self.startedAt = startedAt
    }
}

/// Custom categories and operations at rest. Every method blocks. Names are unique within a tenant.
package protocol CategoryStore: Sendable {
    /// The newest version of each, by name.
    func categories(of tenant: TenantID) throws -> [CustomCategory]
    /// Ascending.
    func versions(of name: String, tenant: TenantID) throws -> [CustomCategory]
    /// - Returns: the category with the version that was given to it; versions are never used again.
    /// - Throws: ``Fault`` `.quotaExceeded` above 1,000 versions per tenant.
    func add(
        _ name: String, definition: String, samples: [CategorySample], of tenant: TenantID, at now: Int64
    ) throws -> CustomCategory
    func samples(of name: String, version: Int, tenant: TenantID) throws -> [CategorySample]
    /// - Parameter classifier: what was built; nil keeps what is there.
    func setStatus(
        _ status: BuildStatus, error: String?, classifier: [UInt8]?, of name: String, version: Int, tenant: TenantID
    ) throws
    func classifier(of name: String, version: Int, tenant: TenantID) throws -> [UInt8]?
    /// - Parameter version: nil: all versions.
    /// - Returns: false when there is none.
    func delete(_ name: String, version: Int?, of tenant: TenantID) throws -> Bool
    /// Adds it, or puts it in the place of the one with the same id.
    func put(_ operation: SafetyOperation, of tenant: TenantID) throws
    func operation(_ id: String, of tenant: TenantID) throws -> SafetyOperation?
}

/// A text incident (Content Safety `TextIncident`): samples that texts are compared with.
package struct TextIncident: Sendable, Hashable {
    package var name: String
    package var definition: String?
    package var createdAt: Int64
    package var updatedAt: Int64
    package init(name: String, definition: String? = nil, createdAt: Int64, updatedAt: Int64) {
        self.name = name
        self.definition = definition
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

package struct IncidentSample: Sendable, Hashable {
    package var id: String
    package var text: String
    package init(id: String, text: String) {
        self.id = id
        self.text = text
    }
}

/// Incidents at rest. Every method blocks. Names are unique within a tenant.
package protocol IncidentStore: Sendable {
    func incidents(of tenant: TenantID) throws -> [TextIncident]
    func incident(_ name: String, of tenant: TenantID) throws -> TextIncident?
    /// Keeps an existing incident's time of creation.
    /// - Returns: true when it is new.
    func upsert(_ incident: TextIncident, of tenant: TenantID) throws -> Bool
    func deleteIncident(_ name: String, of tenant: TenantID) throws -> Bool
    func samples(of incident: String, tenant: TenantID) throws -> [IncidentSample]
    /// - Throws: ``Fault`` `.notFound` without the incident, `.quotaExceeded` above 1,000 samples of it.
    func add(_ samples: [IncidentSample], to incident: String, tenant: TenantID, at now: Int64) throws
    /// - Throws: ``Fault`` `.notFound` when the incident or one of the ids does not exist.
    func removeSamples(_ ids: [String], from incident: String, tenant: TenantID, at now: Int64) throws
    /// What texts are compared with from now on.
    func deploy(_ vectors: [UInt8], of incident: String, tenant: TenantID) throws
    func deployed(_ incident: String, tenant: TenantID) throws -> [UInt8]?
}
