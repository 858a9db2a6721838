import SallyportCore
import SallyportGuard
import SallyportIdentity

/// Guard policies: what `sallyport policies` does.
package struct PolicyRoutes: ConsoleRouteGroup {
    let store: any PolicyStore
    /// As the configuration is now.
    let desk: @Sendable () -> any PolicyDesk
    let changes: ChangeDesk

    package init(store: any PolicyStore, desk: @escaping @Sendable () -> any PolicyDesk, changes: ChangeDesk) {
        self.store = store
        self.desk = desk
        self.changes = changes
    }

    static let largest = 1 << 20
    private static let read = ConsoleRow.Access.action("Sallyport/policies/read")

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Policies_List", "GET", "/api/policies", read, list),
        .init("Policies_Show", "GET", "/api/policies/{name}", read, show),
        .init("Policies_Versions", "GET", "/api/policies/{name}/versions", read, versions),
        .init("Policies_Version", "GET", "/api/policies/{name}/versions/{version}", read, version),
        // Says nothing of what is in force but what a reader may know.
        .init("Policies_Check", "POST", "/api/policies/{name}/check", read, maximumBody: largest, check),
        .init(
            "Policies_Put", "PUT", "/api/policies/{name}", .action("Sallyport/policies/write"), act: "policies.put", maximumBody: largest,
            put),
        .init("Policies_Delete", "DELETE", "/api/policies/{name}", .action("Sallyport/policies/delete"), act: "policies.delete", delete),
    ]

    struct Listed: Codable {
        let name: String
        let version: Int?
        let builtIn: Bool
        /// `builtIn`, `file`, `store`.
        let source: String
        let createdAt: String?
    }

    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, desk) = (store, desk())
        let (stored, files) = try await call.blocking { (try store.policies(of: .default), try desk.files()) }
        func plain(_ names: [PolicyID], _ source: String) -> [Listed] {
            names.map { Listed(name: $0.rawValue, version: nil, builtIn: source == "builtIn", source: source, createdAt: nil) }
        }
        return try .list(
            plain(GuardPolicy.builtIn(learned: true).map(\.id), "builtIn") + plain(files, "file")
                + stored.map {
                    Listed(
                        name: $0.name.rawValue, version: $0.version, builtIn: false, source: "store", createdAt: Moments.date($0.createdAt))
                })
    }

    private func stored(_ name: String, _ call: ConsoleCall) async throws -> StoredPolicy? {
        let store = store
        return try await call.blocking { try store.policies(of: .default).first { $0.name.rawValue == name } }
    }

    private static let nothing = Fault(.notFound, "There is no policy of this name in the database.")

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        guard let stored = try await stored(name, call) else {
            // A file of that name is in force instead of what is built in.
            let desk = desk()
            guard let document = GuardPolicy.builtInDocument(named: name),
                try await call.blocking({ !(try desk.files()).contains(PolicyID(name)) })
            else { throw Self.nothing }
            return .json(bytes: document)
        }
        return ConsoleAnswer.json(bytes: stored.document).tagged(stored.version)
    }

    // MARK: Former versions

    struct Former: Codable {
        let version: Int
        let createdAt: String
        /// Whether it is the one in force.
        let current: Bool
    }

    private func versions(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, name) = (store, PolicyID(try call.parameter("name")))
        let (versions, current) = try await call.blocking {
            (try store.versions(of: name, tenant: .default), try store.policies(of: .default).first { $0.name == name }?.version)
        }
        guard !versions.isEmpty else { throw Self.nothing }
        return try .list(
            versions.map { Former(version: $0.version, createdAt: Moments.date($0.createdAt), current: $0.version == current) })
    }

    private func version(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (store, name) = (store, PolicyID(try call.parameter("name")))
        guard let version = Int(try call.parameter("version")), version > 0 else {
            throw Fault(.invalidRequest, "A version is a number from 1 on.")
        }
        let found = try await call.blocking { try store.policy(name, version: version, of: .default) }
        guard let found else { throw Fault(.notFound, "There is no such version of this policy.") }
        return .json(bytes: found.document)
    }

    // MARK: Changes

    private func checked(_ call: ConsoleCall) async throws -> PolicyFindings {
        let (name, document, desk) = (try call.parameter("name"), call.body, desk())
        try Texts.check(name, "name", maximum: 128, mayBeEmpty: false)
        guard document.count <= Self.largest else { throw Fault(.payloadTooLarge, "The document is longer than \(Self.largest) bytes.") }
        try call.checkOneMeaning()
        return try await call.blocking { try desk.check(name, document) }
    }

    /// What `policies check` says; nothing is changed.
    private func check(_ call: ConsoleCall) async throws -> ConsoleAnswer { try .json(try await checked(call)) }

    private func put(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (name, document, known) = (try call.parameter("name"), call.body, try call.expectedVersion())
        _ = try await checked(call)
        if let known, try await stored(name, call)?.version ?? 0 != known { throw ConsoleRefusal.changed }
        if let waiting = try await changes.ask(.policies, "policies.put", target: name, content: document, call) { return waiting }
        let store = store
        let version = try await call.act(on: name, made: { "\($0)" }) { () throws -> Int in
            guard let version = try store.put(PolicyID(name), document: document, of: .default, at: call.now, replacing: known) else {
                throw ConsoleRefusal.changed
            }
            return version
        }
        return try ConsoleAnswer.json(DocumentVersion(name: name, version: version)).tagged(version)
    }

    private func delete(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (name, desk) = (try call.parameter("name"), desk())
        guard try await stored(name, call) != nil else { throw Self.nothing }
        try await call.blocking { try desk.checkRemoval(name) }
        if let waiting = try await changes.ask(.policies, "policies.delete", target: name, content: [], call) { return waiting }
        let store = store
        try await call.act(on: name) {
            guard try store.delete(PolicyID(name), of: .default) else { throw Self.nothing }
        }
        return .empty
    }
}
