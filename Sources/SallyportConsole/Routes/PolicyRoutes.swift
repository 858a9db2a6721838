import SallyportCore
import SallyportGuard
import SallyportIdentity

/// Guard policies: what `sallyport policies` does.
package struct PolicyRoutes: ConsoleRouteGroup {
    let store: any PolicyStore
    let changes: ChangeDesk

    package init(store: any PolicyStore, changes: ChangeDesk) {
        self.store = store
        self.changes = changes
    }

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Policies_List", "GET", "/api/policies", .action("Sallyport/policies/read"), list),
        .init("Policies_Show", "GET", "/api/policies/{name}", .action("Sallyport/policies/read"), show),
        .init(
            "Policies_Put", "PUT", "/api/policies/{name}", .action("Sallyport/policies/write"), act: "policies.put", maximumBody: 1 << 20,
            put),
        .init("Policies_Delete", "DELETE", "/api/policies/{name}", .action("Sallyport/policies/delete"), act: "policies.delete", delete),
    ]

    private struct Listed: Encodable {
        let name: String
        let version: Int?
        let builtIn: Bool
        let createdAt: String?
    }

    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let store = store
        let stored = try await call.blocking { try store.policies(of: .default) }
        return try .list(
            GuardPolicy.builtIn(learned: true).map { Listed(name: $0.id.rawValue, version: nil, builtIn: true, createdAt: nil) }
                + stored.map {
                    Listed(name: $0.name.rawValue, version: $0.version, builtIn: false, createdAt: Moments.date($0.createdAt))
                })
    }

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        let store = store
        let stored = try await call.blocking { try store.policies(of: .default).first { $0.name.rawValue == name } }
        guard let stored else { throw Fault(.notFound, "There is no policy of this name in the database.") }
        return .json(bytes: stored.document)
    }

    private struct Version: Encodable, Sendable {
        let name: String
        let version: Int
    }

    private func put(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        try Texts.check(name, "name", maximum: 128, mayBeEmpty: false)
        let document = call.body
        let policy: GuardPolicy
        do { policy = try PolicyDocument.policy(from: document, named: name) } catch let mistake as PolicyDocument.Mistake {
            throw Fault(.invalidRequest, "\(mistake)")
        }
        guard policy.id.rawValue == name else { throw Fault(.invalidRequest, "The document's name is '\(policy.id)', not '\(name)'.") }
        if let waiting = try await changes.ask(.policies, "policies.put", target: name, content: document, call) { return waiting }
        let store = store
        let version = try await call.act(on: name, made: { "\($0)" }) {
            try store.put(policy.id, document: document, of: .default, at: call.now)
        }
        return try .json(Version(name: name, version: version))
    }

    private func delete(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        if let waiting = try await changes.ask(.policies, "policies.delete", target: name, content: [], call) { return waiting }
        let store = store
        try await call.act(on: name) {
            guard try store.delete(PolicyID(name), of: .default) else {
                throw Fault(.notFound, "There is no policy of this name in the database.")
            }
        }
        return .empty
    }
}
