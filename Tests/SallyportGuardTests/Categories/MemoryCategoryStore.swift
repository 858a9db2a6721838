import NIOConcurrencyHelpers
import SallyportCore

/// Categories, operations and incidents in memory.
final class MemoryCategoryStore: CategoryStore, IncidentStore {
    private struct State {
        var categories: [CustomCategory] = []
        var samples: [String: [CategorySample]] = [:]
        var classifiers: [String: [UInt8]] = [:]
        var operations: [String: SafetyOperation] = [:]
        var incidents: [TextIncident] = []
        var incidentSamples: [IncidentSample] = []
        var vectors: [UInt8]?
    }
    private let state = NIOLockedValueBox(State())

    func categories(of tenant: TenantID) throws -> [CustomCategory] { state.withLockedValue { $0.categories } }
    func versions(of name: String, tenant: TenantID) throws -> [CustomCategory] {
        state.withLockedValue { $0.categories.filter { $0.name == name } }
    }
    func add(
        _ name: String, definition: String, samples: [CategorySample], of tenant: TenantID, at now: Int64
    ) throws -> CustomCategory {
        state.withLockedValue { state in
            let version = state.categories.count { $0.name == name } + 1
            let category = CustomCategory(name: name, version: version, definition: definition, createdAt: now)
            state.categories.append(category)
            state.samples["\(name) \(version)"] = samples
            return category
        }
    }
    func samples(of name: String, version: Int, tenant: TenantID) throws -> [CategorySample] {
        state.withLockedValue { $0.samples["\(name) \(version)"] ?? [] }
    }
    func setStatus(
        _ status: BuildStatus, error: String?, classifier: [UInt8]?, of name: String, version: Int, tenant: TenantID
    ) throws {
        state.withLockedValue { state in
            guard let index = state.categories.firstIndex(where: { $0.name == name && $0.version == version }) else { return }
            state.categories[index].status = status
            state.categories[index].error = error
            if let classifier { state.classifiers["\(name) \(version)"] = classifier }
        }
    }
    func classifier(of name: String, version: Int, tenant: TenantID) throws -> [UInt8]? {
        state.withLockedValue { $0.classifiers["\(name) \(version)"] }
    }
    func delete(_ name: String, version: Int?, of tenant: TenantID) throws -> Bool { false }
    func put(_ operation: SafetyOperation, of tenant: TenantID) throws { state.withLockedValue { $0.operations[operation.id] = operation } }
    func operation(_ id: String, of tenant: TenantID) throws -> SafetyOperation? { state.withLockedValue { $0.operations[id] } }

    func incidents(of tenant: TenantID) throws -> [TextIncident] { state.withLockedValue { $0.incidents } }
    func incident(_ name: String, of tenant: TenantID) throws -> TextIncident? {
        state.withLockedValue { $0.incidents.first { $0.name == name } }
    }
    func upsert(_ incident: TextIncident, of tenant: TenantID) throws -> Bool {
        state.withLockedValue { state in
            state.incidents.removeAll { $0.name == incident.name }
            state.incidents.append(incident)
            return true
        }
    }
    func deleteIncident(_ name: String, of tenant: TenantID) throws -> Bool { false }
    func samples(of incident: String, tenant: TenantID) throws -> [IncidentSample] { state.withLockedValue { $0.incidentSamples } }
    func add(_ samples: [IncidentSample], to incident: String, tenant: TenantID, at now: Int64) throws {
        state.withLockedValue { $0.incidentSamples += samples }
    }
    func removeSamples(_ ids: [String], from incident: String, tenant: TenantID, at now: Int64) throws {
        state.withLockedValue { $0.incidentSamples.removeAll { ids.contains($0.id) } }
    }
    func deploy(_ vectors: [UInt8], of incident: String, tenant: TenantID) throws { state.withLockedValue { $0.vectors = vectors } }
    func deployed(_ incident: String, tenant: TenantID) throws -> [UInt8]? { state.withLockedValue { $0.vectors } }
}
