import SallyportCore
import SallyportIdentity

/// Just-in-time elevation: eligible roles, asking, deciding, ending.
package struct ElevationRoutes: ConsoleRouteGroup {
    let operations: @Sendable () -> ElevationOperations
    let access: @Sendable () -> AccessOperations

    package init(operations: @escaping @Sendable () -> ElevationOperations, access: @escaping @Sendable () -> AccessOperations) {
        self.operations = operations
        self.access = access
    }

    package static let approveAction = "Sallyport/elevations/approve/action"

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Eligible_Own", "GET", "/api/elevations/eligible/own", .known, ownEligible),
        .init("Eligible_List", "GET", "/api/elevations/eligible", .action("Sallyport/elevations/read"), eligible),
        .init(
            "Eligible_Create", "POST", "/api/elevations/eligible", .action("Sallyport/elevations/write"), act: "elevations.eligible.add",
            create),
        .init(
            "Eligible_Delete", "DELETE", "/api/elevations/eligible/{id}", .action("Sallyport/elevations/write"),
            act: "elevations.eligible.remove", delete),
        .init("Elevations_List", "GET", "/api/elevations", .known, list),
        .init("Elevations_Request", "POST", "/api/elevations", .known, act: "elevations.request", proving: true, request),
        .init("Elevations_Approve", "POST", "/api/elevations/{id}/approve", .known, act: "elevations.approve", proving: true, approve),
        .init("Elevations_Deny", "POST", "/api/elevations/{id}/deny", .known, act: "elevations.deny", proving: true, deny),
        .init("Elevations_End", "POST", "/api/elevations/{id}/end", .known, act: "elevations.end", end),
    ]

    private func ownEligible(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (operations, who) = (operations(), try call.caller())
        return try .list(try await call.blocking { try operations.eligible(for: who) }.map(ConditionalDocuments.Eligible.init))
    }

    private func eligible(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let operations = operations()
        return try .list(try await call.blocking { try operations.eligible() }.map(ConditionalDocuments.Eligible.init))
    }

    private struct NewEligible: Decodable {
        let principal: String
        let role: String
        let scope: String?
        let maximumDuration: String?
        let needsApproval: Bool?
        let needsMfa: Bool?
        let approvers: [String]?
        let note: String?
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let wanted: NewEligible = try call.json(allowing: [
            "principal", "role", "scope", "maximumDuration", "needsApproval", "needsMfa", "approvers", "note",
        ])
        guard let principal = PrincipalReference(wanted.principal) else {
            throw Fault(.invalidRequest, "'principal' is user:ID or group:ID.")
        }
        guard let scope = AccessScope(wanted.scope ?? "/") else {
            throw Fault(.invalidRequest, "'scope' is /, /projects/NAME, /deployments/NAME or /indexes/NAME.")
        }
        guard let longest = Moments.span(wanted.maximumDuration ?? "8h") else {
            throw Fault(.invalidRequest, "'maximumDuration' is a span such as 1h.")
        }
        let approvers = try (wanted.approvers ?? []).prefix(32).map { text in
            guard let reference = PrincipalReference(text) else { throw Fault(.invalidRequest, "'approvers' are user:ID or group:ID.") }
            return reference
        }
        try Texts.check(wanted.note, "note")
        let (operations, access) = (operations(), access())
        guard let role = access.catalog.definition(of: Role(wanted.role))?.role else {
            throw Fault(.invalidRequest, "There is no role '\(wanted.role.prefix(64))'.")
        }
        let guarding = GrantGuard(access)
        try await call.blocking { try guarding.check(role, for: principal, by: call) }
        let made = try await call.act(on: "\(principal) \(role) \(scope)", made: { $0.id }) {
            try operations.makeEligible(
                principal, role: role, scope: scope, maximumDuration: longest, needsApproval: wanted.needsApproval ?? true,
                needsMFA: wanted.needsMfa ?? true, approvers: approvers, note: wanted.note, at: call.now)
        }
        return try .json(ConditionalDocuments.Eligible(made), status: 201)
    }

    private func delete(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let operations = operations()
        try await call.act(on: id) { try operations.removeEligible(id) }
        return .empty
    }

    /// Everybody's for who may read them; else one's own, and those that one may decide on.
    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (operations, who) = (operations(), try call.caller())
        let seesAll = call.may("Sallyport/elevations/read") || call.may(Self.approveAction)
        let elevations = try await call.blocking {
            try operations.list(at: call.now).filter { try seesAll || $0.principal == who.id || operations.isApprover(who, of: $0) }
        }
        return try .list(elevations.map(ConditionalDocuments.ElevationShown.init))
    }

    private struct Asked: Decodable {
        let eligible: String
        let reason: String
        let duration: String?
    }

    private func request(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let asked: Asked = try call.json(allowing: ["eligible", "reason", "duration"])
        let duration = try asked.duration.map { text in
            guard let span = Moments.span(text) else { throw Fault(.invalidRequest, "'duration' is a span such as 1h.") }
            return span
        }
        let (operations, who) = (operations(), try call.caller())
        let eligible = try await call.blocking { try operations.eligible(asked.eligible) }
        guard !eligible.needsMFA || who.methods.contains("mfa") else {
            throw ConsoleRefusal(
                401, "InsufficientClaims", "This role is given only after multi-factor authentication.",
                headers: [
                    (
                        "www-authenticate",
                        "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"\(Base64.encode(Array(#"{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}"#.utf8), alphabet: .urlSafe))\""
                    )
                ])
        }
        let made = try await call.act(
            on: "\(eligible.role) \(eligible.scope)", details: [(name: "reason", value: asked.reason)], made: { $0.id }
        ) { try operations.request(asked.eligible, by: who, reason: asked.reason, duration: duration, at: call.now) }
        return try .json(ConditionalDocuments.ElevationShown(made), status: made.state == .active ? 201 : 202)
    }

    private func approve(_ call: ConsoleCall) async throws -> ConsoleAnswer { try await decide(call, approve: true) }
    private func deny(_ call: ConsoleCall) async throws -> ConsoleAnswer { try await decide(call, approve: false) }

    private func decide(_ call: ConsoleCall, approve: Bool) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let (operations, who) = (operations(), try call.caller())
        let isNamed = try await call.blocking { try operations.isApprover(who, of: try operations.elevation(id, at: call.now)) }
        if !isNamed { try call.require(Self.approveAction) }
        let decided = try await call.act(on: id) { try operations.decide(id, approve: approve, by: who, at: call.now) }
        return try .json(ConditionalDocuments.ElevationShown(decided))
    }

    private func end(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let (operations, who) = (operations(), try call.caller())
        let elevation = try await call.blocking { try operations.elevation(id, at: call.now) }
        if elevation.principal != who.id { try call.require(Self.approveAction) }
        let ended = try await call.act(on: id) { try operations.end(id, by: who.id, at: call.now) }
        return try .json(ConditionalDocuments.ElevationShown(ended))
    }
}
