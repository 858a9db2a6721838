import Foundation
import SallyportCore
import SallyportIdentity

/// Roles, assignments, principals, tokens: what `sallyport access` does.
package struct AccessRoutes: ConsoleRouteGroup {
    /// As the configuration is now.
    let operations: @Sendable () -> AccessOperations
    let keys: any KeyStore

    package init(operations: @escaping @Sendable () -> AccessOperations, keys: any KeyStore) {
        self.operations = operations
        self.keys = keys
    }

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Roles_List", "GET", "/api/roles", .action("Sallyport/access/read"), roles),
        .init("RoleAssignments_List", "GET", "/api/role-assignments", .action("Sallyport/access/read"), assignments),
        .init(
            "RoleAssignments_Create", "POST", "/api/role-assignments", .action("Sallyport/access/write"), act: "access.assignments.add", add
        ),
        .init(
            "RoleAssignments_Delete", "DELETE", "/api/role-assignments/{id}", .action("Sallyport/access/delete"),
            act: "access.assignments.remove", remove),
        .init("Access_Explain", "POST", "/api/access/explain", .action("Sallyport/access/read"), explain),
        .init("Principals_List", "GET", "/api/principals/disabled", .action("Sallyport/access/read"), disabled),
        .init(
            "Principals_Disable", "POST", "/api/principals/{id}/disable", .action("Sallyport/principals/disable/action"),
            act: "access.principals.disable", disable),
        .init(
            "Principals_Enable", "POST", "/api/principals/{id}/enable", .action("Sallyport/principals/enable/action"),
            act: "access.principals.enable", enable),
        // The same with the principal in the body: a SPIFFE id has slashes, which no segment of a path may hold.
        .init(
            "Principals_Disable", "POST", "/api/principals/disable", .action("Sallyport/principals/disable/action"),
            act: "access.principals.disable", disable),
        .init(
            "Principals_Enable", "POST", "/api/principals/enable", .action("Sallyport/principals/enable/action"),
            act: "access.principals.enable", enable),
        .init(
            "Tokens_Revoke", "POST", "/api/tokens/revoke", .action("Sallyport/tokens/revoke/action"), act: "access.tokens.revoke", revoke),
    ]

    private var guarding: GrantGuard { GrantGuard(operations()) }

    private func roles(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try .list(operations().catalog.definitions.map(AccessDocuments.Definition.init))
    }

    private func assignments(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let operations = operations()
        return try .list(try await call.blocking { try operations.assignments() }.map(AccessDocuments.Assignment.init))
    }

    private struct NewAssignment: Decodable {
        let principal: String
        let role: String
        let scope: String?
        let effect: String?
        let condition: String?
        let expires: String?
        let note: String?
    }

    private func add(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let wanted: NewAssignment = try call.json(
            allowing: ["principal", "role", "scope", "effect", "condition", "expires", "note"])
        guard let principal = PrincipalReference(wanted.principal) else {
            throw Fault(.invalidRequest, "'principal' is user:ID, group:ID, service:ID or key:ID.")
        }
        guard let scope = AccessScope(wanted.scope ?? "/") else {
            throw Fault(.invalidRequest, "'scope' is /, /projects/NAME, /deployments/NAME or /indexes/NAME.")
        }
        guard let effect = RoleAssignment.Effect(rawValue: wanted.effect ?? "allow") else {
            throw Fault(.invalidRequest, "'effect' is allow or deny.")
        }
        let expiry = try wanted.expires.map { text in
            guard let end = Moments.end(text, from: call.now) else {
                throw Fault(.invalidRequest, "'expires' is a span such as 30d or an ISO 8601 date.")
            }
            return end
        }
        try Texts.check(wanted.note, "note")
        let (operations, guarding) = (operations(), guarding)
        guard let role = operations.catalog.definition(of: Role(wanted.role))?.role else {
            throw Fault(.invalidRequest, "there is no role '\(wanted.role.prefix(64))'.")
        }
        try await call.blocking { try guarding.check(role, for: principal, by: call) }
        let assignment = RoleAssignment(
            id: UUID().uuidString.lowercased(), principal: principal, role: role, scope: scope, effect: effect, condition: wanted.condition,
            expiresAt: expiry, createdAt: call.now, note: wanted.note)
        try await call.act(on: "\(principal) \(role) \(scope)", made: { _ in assignment.id }) {
            try operations.add(assignment, at: call.now)
        }
        return try .json(AccessDocuments.Assignment(assignment), status: 201)
    }

    private func remove(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let (operations, guarding) = (operations(), guarding)
        try await call.blocking {
            // Unknown ids go on to the operation, which says so.
            guard let known = try operations.assignments().first(where: { $0.id == id }) else { return }
            try guarding.check(known.role, for: known.principal, by: call)
        }
        try await call.act(on: id) { try operations.remove(id) }
        return .empty
    }

    private struct Question: Decodable {
        let principal: String
        let action: String
        let plane: String?
        let scope: String?
        let operation: String?
        let from: String?
        let groups: [String]?
        let roles: [String]?
    }

    private func explain(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let asked: Question = try call.json()
        guard let scope = AccessScope(asked.scope ?? "/") else {
            throw Fault(.invalidRequest, "'scope' is /, /projects/NAME, /deployments/NAME or /indexes/NAME.")
        }
        let address = try asked.from.map { text in
            guard let address = IPAddress(text) else { throw Fault(.invalidRequest, "'from' is no address.") }
            return address
        }
        let (operations, keys) = (operations(), keys)
        let explanation = try await call.blocking {
            let principal = try operations.principal(asked.principal, groups: asked.groups ?? [], roles: asked.roles ?? [], keys: keys)
            return try operations.explain(
                principal,
                .init(
                    action: asked.action, asked.plane == "management" ? .management : .data, scope: scope, operation: asked.operation ?? "",
                    address: address, now: call.now))
        }
        return try .json(AccessDocuments.Explained(explanation))
    }

    private func disabled(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let operations = operations()
        return try .list(try await call.blocking { try operations.revocations() }.map(AccessDocuments.Revoked.init))
    }

    private struct Named: Decodable {
        let principal: String?
        let note: String?
    }

    /// Whom the path or the body names.
    private func named(_ call: ConsoleCall) throws -> (id: String, note: String?) {
        let body: Named? = call.body.isEmpty ? nil : try call.json(allowing: ["principal", "note"])
        try Texts.check(body?.note, "note")
        guard let id = call.parameters["id"] ?? body?.principal, call.parameters["id"] == nil || body?.principal == nil else {
            throw Fault(.invalidRequest, "Say once whom you mean: 'principal'.", param: "principal")
        }
        try Texts.check(id, "principal", maximum: 256, mayBeEmpty: false)
        return (id, body?.note)
    }

    private func disable(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (id, note) = try named(call)
        guard try call.caller().id.rawValue != id else {
            throw ConsoleRefusal(409, "Conflict", "You would lock yourself out: let somebody else do it.")
        }
        let operations = operations()
        try await call.act(on: id) { try operations.revoke(Revocation(kind: .principal, subject: id, createdAt: call.now, note: note)) }
        return .empty
    }

    private func enable(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try named(call).id
        let (operations, guarding) = (operations(), guarding)
        try await call.blocking { try guarding.checkKey(principal: PrincipalID(id), roles: [], by: call) }
        try await call.act(on: id) { try operations.restore(.principal, subject: id) }
        return .empty
    }

    private struct WhichTokens: Decodable {
        let jti: String?
        let principal: String?
        let issuedBefore: String?
        let note: String?
    }

    private func revoke(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let which: WhichTokens = try call.json(allowing: ["jti", "principal", "issuedBefore", "note"])
        try Texts.check(which.note, "note")
        try Texts.check(which.jti, "jti")
        try Texts.check(which.principal, "principal")
        let revocation: Revocation
        switch (which.jti, which.principal) {
        case (let id?, nil): revocation = Revocation(kind: .token, subject: id, createdAt: call.now, note: which.note)
        case (nil, let principal?):
            let before = try which.issuedBefore.map { text in
                guard let moment = Moments.moment(text) else { throw Fault(.invalidRequest, "'issuedBefore' is an ISO 8601 date.") }
                return moment
            }
            revocation = Revocation(
                kind: .issuedBefore, subject: principal, before: before ?? call.now, createdAt: call.now, note: which.note)
        default: throw Fault(.invalidRequest, "Say which: 'jti' or 'principal'.")
        }
        let operations = operations()
        try await call.act(on: "\(revocation.kind.rawValue) \(revocation.subject)") { try operations.revoke(revocation) }
        return .empty
    }
}

/// What people may write into names and notes.
package enum Texts {
    /// - Throws: ``Fault`` `.invalidRequest` for what is too long or would not show in a list as it is.
    package static func check(_ text: String?, _ field: String, maximum: Int = 512, mayBeEmpty: Bool = true) throws {
        guard let text else { return }
        guard mayBeEmpty || !text.isEmpty, text.utf8.count <= maximum else {
            throw Fault(.invalidRequest, "'\(field)' has \(mayBeEmpty ? "at most" : "1 to") \(maximum) bytes.", param: field)
        }
        guard text.unicodeScalars.allSatisfy({ !isHidden($0) }) else {
            throw Fault(.invalidRequest, "'\(field)' must not hold control or invisible characters.", param: field)
        }
    }

    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
        default: false
        }
    }
}
