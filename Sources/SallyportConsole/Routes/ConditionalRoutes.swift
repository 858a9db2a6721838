import NIOCore
import SallyportCore
import SallyportIdentity
import SallyportWire

/// Conditional access: policies, what is known of devices and risks, and what would be decided.
package struct ConditionalRoutes: ConsoleRouteGroup {
    let operations: ConditionalOperations
    let access: @Sendable () -> AccessOperations
    let keys: any KeyStore
    let changes: ChangeDesk

    package init(
        _ operations: ConditionalOperations, access: @escaping @Sendable () -> AccessOperations, keys: any KeyStore, changes: ChangeDesk
    ) {
        self.operations = operations
        self.access = access
        self.keys = keys
        self.changes = changes
    }

    private static let read = ConsoleRow.Access.action("Sallyport/conditionalAccess/read")
    private static let write = ConsoleRow.Access.action("Sallyport/conditionalAccess/write")

    package static let routes: [ConsoleRoute<Self>] = [
        .init("ConditionalAccess_List", "GET", "/api/conditional-access/policies", read, list),
        .init("ConditionalAccess_Show", "GET", "/api/conditional-access/policies/{name}", read, show),
        .init(
            "ConditionalAccess_Put", "PUT", "/api/conditional-access/policies/{name}", write, act: "conditional-access.put",
            maximumBody: ConditionalPolicy.maximumBytes, put),
        .init(
            "ConditionalAccess_Delete", "DELETE", "/api/conditional-access/policies/{name}", .action("Sallyport/conditionalAccess/delete"),
            act: "conditional-access.delete", delete),
        .init("ConditionalAccess_Evaluate", "POST", "/api/conditional-access/evaluate", read, evaluate),
        .init("Devices_List", "GET", "/api/devices", .action("Sallyport/devices/read"), devices),
        .init("Devices_Put", "PUT", "/api/devices/{id}", .action("Sallyport/devices/write"), act: "devices.put", putDevice),
        .init("Devices_Delete", "DELETE", "/api/devices/{id}", .action("Sallyport/devices/write"), act: "devices.remove", deleteDevice),
        .init("Risks_List", "GET", "/api/risks", .action("Sallyport/risks/read"), risks),
        .init("Risks_Put", "PUT", "/api/risks/{principal}", .action("Sallyport/risks/write"), act: "risks.put", putRisk),
        .init("Risks_Delete", "DELETE", "/api/risks/{principal}", .action("Sallyport/risks/write"), act: "risks.clear", deleteRisk),
    ]

    // MARK: Policies

    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let operations = operations
        return try .list(try await call.blocking { try operations.store.policies() }.map(ConditionalDocuments.Policy.init))
    }

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        let operations = operations
        let stored = try await call.blocking { try operations.policy(name) }
        return ConsoleAnswer.json(bytes: stored.document).tagged(stored.version)
    }

    private func put(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (name, document, known) = (try call.parameter("name"), call.body, try call.expectedVersion())
        try call.checkOneMeaning()
        _ = try ConditionalOperations.check(name, document)
        let operations = operations
        if let known {
            let current = try await call.blocking { try operations.store.policies().first { $0.name == name }?.version ?? 0 }
            guard current == known else { throw ConsoleRefusal.changed }
        }
        if let waiting = try await changes.ask(.policies, "conditional-access.put", target: name, content: document, call) {
            return waiting
        }
        let version = try await call.act(on: name, made: { "\($0)" }) {
            try operations.put(name, document: document, at: call.now, replacing: known)
        }
        return try ConsoleAnswer.json(DocumentVersion(name: name, version: version)).tagged(version)
    }

    private func delete(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        if let waiting = try await changes.ask(.policies, "conditional-access.delete", target: name, content: [], call) { return waiting }
        let operations = operations
        try await call.act(on: name) { try operations.delete(name) }
        return .empty
    }

    private struct Question: Decodable {
        let principal: String
        let surface: String?
        let deployment: String?
        let label: String?
        let client: String?
        let from: String?
        let methods: [String]?
        let device: String?
        let groups: [String]?
        let roles: [String]?
        let signedInSecondsAgo: Int64?
        let at: String?
        let without: [String]?
    }

    /// A policy as it might be: `"with": {"name": "…", "policy": {…}}`.
    private static func draft(_ call: ConsoleCall) throws -> ConditionalPolicy? {
        guard let document = try? JSONDocument(parsing: ByteBuffer(bytes: call.body)), let member = document.member("with", of: 0) else {
            return nil
        }
        guard let name = document.member("name", of: member).flatMap({ document.string($0) }),
            let policy = document.member("policy", of: member)
        else { throw Fault(.invalidRequest, "'with' has the 'name' of a policy and the 'policy' itself.") }
        return try ConditionalOperations.check(name, Array(document.raw(policy).readableBytesView))
    }

    /// What would be decided, by the policies that there are; or by what they would be with one more (`with`), or without some (`without`).
    private func evaluate(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let asked: Question = try call.json(allowing: [
            "principal", "surface", "deployment", "label", "client", "from", "methods", "device", "groups", "roles", "signedInSecondsAgo",
            "at", "with", "without",
        ])
        let draft = try Self.draft(call)
        guard asked.from == nil || asked.from.flatMap({ IPAddress($0) }) != nil else {
            throw Fault(.invalidRequest, "'from' is no address.")
        }
        let now = try asked.at.map { text in
            guard let moment = Moments.moment(text) else { throw Fault(.invalidRequest, "'at' is an ISO 8601 date.") }
            return moment
        }
        guard let surface = ConditionalContext.Surface(rawValue: asked.surface ?? "data") else {
            throw Fault(.invalidRequest, "'surface' is data or console.")
        }
        let (operations, access, keys) = (operations, access(), keys)
        let outcome = try await call.blocking {
            let snapshot = try ConditionalAccessDirectory.read(operations.store, catalog: access.catalog)
                .changed(adding: draft, removing: Set(asked.without ?? []))
            let found = try access.principal(asked.principal, groups: asked.groups ?? [], roles: asked.roles ?? [], keys: keys)
            let moment = now ?? call.now
            let principal = found.with(
                methods: Set(asked.methods ?? []), authenticatedAt: asked.signedInSecondsAgo.map { moment - $0 }, device: asked.device)
            var context = AccessContext(
                deployment: asked.deployment.map { DeploymentID($0) }, project: principal.project, label: asked.label, client: asked.client,
                address: asked.from.flatMap { IPAddress($0) }, now: moment)
            context.label = asked.label ?? asked.deployment.flatMap { access.label(of: DeploymentID($0)) }
            let roles = try access.snapshot().roles(of: principal, in: context)
            return snapshot.outcome(for: principal, roles: roles, in: ConditionalContext(surface, context))
        }
        return try .json(ConditionalDocuments.Outcome(outcome, at: now ?? call.now))
    }

    // MARK: Devices

    private func devices(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let operations = operations
        return try .list(try await call.blocking { try operations.store.devices() }.map(ConditionalDocuments.Device.init))
    }

    private struct NewDevice: Decodable {
        let compliant: Bool
        let platform: String?
        let owner: String?
        let expires: String?
    }

    private func putDevice(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let wanted: NewDevice = try call.json(allowing: ["compliant", "platform", "owner", "expires"])
        let platform = try wanted.platform.map { text in
            guard let platform = DevicePosture.Platform(rawValue: text) else {
                throw Fault(
                    .invalidRequest, "'platform' is one of \(DevicePosture.Platform.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return platform
        }
        try Texts.check(wanted.owner, "owner", maximum: 256, mayBeEmpty: false)
        let device = DevicePosture(
            id: id, platform: platform, isCompliant: wanted.compliant, owner: wanted.owner.map { PrincipalID($0) }, reportedAt: call.now,
            validUntil: try end(wanted.expires, call))
        let operations = operations
        try await checkOthers(id, owner: device.owner, call)
        try await call.act(on: id, details: [(name: "compliant", value: "\(wanted.compliant)")]) { try operations.setDevice(device) }
        return try .json(ConditionalDocuments.Device(device))
    }

    private func deleteDevice(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let operations = operations
        try await checkOthers(id, owner: nil, call)
        try await call.act(on: id) { try operations.removeDevice(id) }
        return .empty
    }

    /// - Throws: ``ConsoleRefusal`` for the device that the caller works with, and for any that is, or would be, the caller's own.
    private func checkOthers(_ id: String, owner: PrincipalID?, _ call: ConsoleCall) async throws {
        let (operations, caller) = (operations, try call.caller())
        let known = try await call.blocking { try operations.store.devices().first { $0.id == id && $0.tenant == caller.tenant }?.owner }
        guard caller.device != id, owner != caller.id, known != caller.id else { throw Self.himself }
    }

    private static let himself = ConsoleRefusal(403, "SelfAssignment", "Nobody judges himself: somebody else must do it.")

    // MARK: Risks

    private func risks(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let operations = operations
        return try .list(try await call.blocking { try operations.store.risks() }.map(ConditionalDocuments.Risk.init))
    }

    private struct NewRisk: Decodable {
        let level: String
        let reason: String?
        let expires: String?
    }

    private func putRisk(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let principal = try call.parameter("principal")
        let wanted: NewRisk = try call.json(allowing: ["level", "reason", "expires"])
        guard let level = PrincipalRisk.Level(rawValue: wanted.level) else {
            throw Fault(.invalidRequest, "'level' is none, low, medium or high.")
        }
        try Texts.check(wanted.reason, "reason")
        try Texts.check(principal, "principal", maximum: 256)
        guard try call.caller().id.rawValue != principal else {
            throw Self.himself
        }
        let risk = PrincipalRisk(
            principal: PrincipalID(principal), level: level, reason: wanted.reason, setAt: call.now,
            expiresAt: try end(wanted.expires, call))
        let operations = operations
        try await call.act(on: principal, details: [(name: "level", value: level.rawValue)]) { try operations.setRisk(risk) }
        return try .json(ConditionalDocuments.Risk(risk))
    }

    private func deleteRisk(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let principal = try call.parameter("principal")
        guard try call.caller().id.rawValue != principal else {
            throw Self.himself
        }
        let operations = operations
        try await call.act(on: principal) { try operations.clearRisk(of: PrincipalID(principal)) }
        return .empty
    }

    private func end(_ text: String?, _ call: ConsoleCall) throws -> Int64? {
        try text.map { text in
            guard let end = Moments.end(text, from: call.now) else {
                throw Fault(.invalidRequest, "'expires' is a span such as 30d or an ISO 8601 date.")
            }
            return end
        }
    }
}
