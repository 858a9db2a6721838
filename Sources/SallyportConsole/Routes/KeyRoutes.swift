import SallyportCore
import SallyportIdentity

/// API keys: what `sallyport keys` does.
package struct KeyRoutes: ConsoleRouteGroup {
    let store: any KeyStore
    let access: @Sendable () -> AccessOperations
    /// Names of operations that a key can be confined to.
    let operations: Set<String>

    package init(
        store: any KeyStore, access: @escaping @Sendable () -> AccessOperations, operations: Set<String>
    ) {
        self.store = store
        self.access = access
        self.operations = operations
    }

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Keys_List", "GET", "/api/keys", .action("Sallyport/keys/read"), list),
        .init("Keys_Create", "POST", "/api/keys", .action("Sallyport/keys/write"), act: "keys.create", create),
        .init("Keys_Rotate", "POST", "/api/keys/{id}/rotate", .action("Sallyport/keys/rotate/action"), act: "keys.rotate", rotate),
        .init("Keys_Revoke", "POST", "/api/keys/{id}/revoke", .action("Sallyport/keys/revoke/action"), act: "keys.revoke", revoke),
    ]

    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let store = store
        let documents = try await call.blocking {
            let uses = Dictionary(try store.uses(of: .default).map { ($0.key, $0.at) }) { first, _ in first }
            return try KeyOperations(store: store).list().map { KeyDocument($0, lastUsedAt: uses[$0.id]) }
        }
        return try .list(documents)
    }

    private struct NewKey: Decodable {
        let name: String
        let principal: String?
        let project: String?
        let team: String?
        let roles: [String]?
        let deployments: [String]?
        let policies: [String]?
        let operations: [String]?
        let labels: [String]?
        let from: [String]?
        let expires: String?
        let honey: Bool?
        let requestsPerMinute: Int?
        let tokensPerMinute: Int?
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let wanted: NewKey = try call.json(allowing: [
            "name", "principal", "project", "team", "roles", "deployments", "policies", "operations", "labels", "from", "expires", "honey",
            "requestsPerMinute", "tokensPerMinute",
        ])
        let access = access()
        let roles = try Set(
            (wanted.roles ?? [Role.modelUser.rawValue]).map { name in
                guard let definition = access.catalog.definition(of: Role(name)) else {
                    throw Fault(.invalidRequest, "'\(name.prefix(64))' is not a role.")
                }
                guard definition.isAssignable(at: .organisation) else {
                    throw Fault(
                        .invalidRequest, "'\(name.prefix(64))' cannot be held in the whole organisation: assign it at a scope instead.")
                }
                return definition.role
            })
        for name in wanted.operations ?? [] where !operations.contains(name) {
            throw Fault(.invalidRequest, "'\(name.prefix(64))' is not an operation.")
        }
        for (field, text) in [("principal", wanted.principal), ("project", wanted.project), ("team", wanted.team)] {
            try Texts.check(text, field, maximum: 256, mayBeEmpty: false)
        }
        for count in [wanted.requestsPerMinute, wanted.tokensPerMinute] {
            guard count.map({ $0 >= 0 && $0 <= 1_000_000_000 }) ?? true else { throw Fault(.invalidRequest, "Limits are not negative.") }
        }
        let expiry = try wanted.expires.map { text in
            guard let end = Moments.end(text, from: call.now) else {
                throw Fault(.invalidRequest, "'expires' is a span such as 30d or an ISO 8601 date.")
            }
            return end
        }
        let settings = KeyOperations<SystemRandomNumberGenerator>.Settings(
            name: wanted.name, principal: wanted.principal.map { PrincipalID($0) }, project: ProjectID(wanted.project ?? "default"),
            team: wanted.team, roles: roles, deployments: wanted.deployments.map { Set($0.map { DeploymentID($0) }) },
            grantedPolicies: Set((wanted.policies ?? []).map { PolicyID($0) }),
            limits: LimitSet(requestsPerMinute: wanted.requestsPerMinute, tokensPerMinute: wanted.tokensPerMinute),
            operations: wanted.operations.map { Set($0) }, labels: wanted.labels.map { Set($0) }, addresses: wanted.from,
            isHoney: wanted.honey ?? false, expiresAt: expiry)
        let (store, guarding) = (store, GrantGuard(access))
        try await call.blocking {
            try guarding.checkOwnKey(principal: settings.principal, roles: roles, by: call)
            try guarding.checkKey(principal: settings.principal, roles: roles, by: call)
        }
        let issued = try await call.act(on: wanted.name, made: { $0.record.id.rawValue }) {
            try KeyOperations(store: store).create(settings, at: call.now)
        }
        return try .json(KeyDocument(issued.record, secret: issued.key.reveal()), status: 201)
    }

    private struct Rotation: Decodable { let overlap: String? }

    private func rotate(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = KeyID(try call.parameter("id"))
        let text = call.body.isEmpty ? nil : try call.json(Rotation.self, allowing: ["overlap"]).overlap
        guard let overlap = Moments.span(text ?? "24h") else { throw Fault(.invalidRequest, "'overlap' is a span such as 24h, 30m or 0s.") }
        let (store, guarding) = (store, GrantGuard(access()))
        try await call.blocking {
            // Whoever rotates a key gets the new one in his hands.
            let record = try KeyOperations(store: store).record(id)
            try guarding.checkKey(principal: record.principal, roles: record.roles, by: call)
        }
        let rotation = try await call.act(on: id.rawValue, made: { $0.issued.record.id.rawValue }) {
            try KeyOperations(store: store).rotate(id, overlap: overlap, at: call.now)
        }
        return try .json(KeyDocument(rotation.issued.record, secret: rotation.issued.key.reveal()), status: 201)
    }

    private func revoke(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = KeyID(try call.parameter("id"))
        let store = store
        try await call.act(on: id.rawValue) { try KeyOperations(store: store).revoke(id, at: call.now) }
        return .empty
    }
}
