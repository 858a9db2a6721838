import Foundation
import SallyportCore
import SallyportGateway
import SallyportIdentity
import SallyportStorage

/// What the command line does with roles, assignments and revocations: over the configuration and the database together. Blocks.
package struct AccessAdministration: Sendable {
    package let catalog: RoleCatalog
    private let plan: ServerPlan?
    private let store: any AccessStore

    /// - Parameter plan: nil: without a configuration there are the built-in roles and what is stored.
    package init(plan: ServerPlan?, store: any AccessStore) {
        self.plan = plan
        self.store = store
        catalog = RoleCatalog(custom: plan?.access.roles ?? [])
    }

    /// Names of operations, for the confinement of keys.
    package static let operations = Set(RouteRow.all.map(\.operation) + ["CognitiveServices_Call"])

    package func assignments() throws -> [RoleAssignment] { (plan?.access.assignments ?? []) + (try store.allAssignments()) }

    /// - Throws: ``Fault`` `.invalidRequest` for a role, scope or condition that cannot be.
    package func add(_ assignment: RoleAssignment, at now: Int64) throws {
        if let expiry = assignment.expiresAt, expiry <= now { throw Fault(.invalidRequest, "The assignment would have expired already.") }
        if let plan, case .deployment(let id) = assignment.scope, !plan.deployments.contains(where: { $0.id == id }) {
            throw Fault(.invalidRequest, "The deployment '\(id)' is not configured.")
        }
        do { try AccessSnapshot.check(assignment, in: catalog) } catch { throw Fault(.invalidRequest, "\(error.description).") }
        try store.insert(assignment)
    }

    package func remove(_ id: String) throws {
        guard !id.hasPrefix("config-") else {
            throw Fault(.invalidRequest, "'\(id)' stands in the configuration file: take it out there.")
        }
        guard try store.removeAssignment(id, tenant: .default) else { throw Fault(.notFound, "There is no assignment with this id.") }
    }

    package func revocations() throws -> [Revocation] { try store.allRevocations() }
    package func revoke(_ revocation: Revocation) throws { try store.put(revocation) }
    package func restore(_ kind: Revocation.Kind, subject: String) throws {
        guard try store.removeRevocation(kind, subject: subject, tenant: .default) else {
            throw Fault(.notFound, "There is no such revocation.")
        }
    }

    /// The principal that a key speaks for, or one that a token would name.
    /// - Parameter text: `key:ID`, `user:ID` or `service:ID`.
    package func principal(_ text: String, groups: [String], roles: [String], keys: any KeyStore) throws -> Principal {
        guard let reference = PrincipalReference(text), reference.kind != .group else {
            throw Fault(.invalidRequest, "Say whom you mean: key:ID, user:ID or service:ID.")
        }
        if reference.kind == .key {
            guard let record = try keys.keys(of: .default).first(where: { $0.id.rawValue == reference.id }) else {
                throw Fault(.notFound, "There is no key with this id.")
            }
            return Principal(
                tenant: record.tenant, project: record.project, id: record.principal, key: record.id, team: record.team, groups: groups,
                roles: record.roles.union(roles.map { Role($0) }), deployments: record.deployments,
                scope: CredentialScope(
                    operations: record.operations, labels: record.labels,
                    addresses: record.addresses.map { $0.compactMap { AddressRange($0) } }),
                expiresAt: record.expiresAt)
        }
        return Principal(
            id: PrincipalID(reference.id), credential: .token(issuer: "any"), isService: reference.kind == .service, groups: groups,
            roles: Set(roles.map { Role($0) }))
    }

    package struct Question: Sendable {
        package var action: String
        package var scope: AccessScope
        package var operation: String
        package var address: IPAddress?
        package var now: Int64
        package init(action: String, scope: AccessScope, operation: String = "", address: IPAddress? = nil, now: Int64) {
            self.action = action
            self.scope = scope
            self.operation = operation
            self.address = address
            self.now = now
        }
    }

    package func explain(_ principal: Principal, _ question: Question) throws -> AccessExplanation {
        let snapshot = AccessSnapshot(catalog: catalog, assignments: try assignments(), actions: RouteRow.actions)
        var context = AccessContext(
            project: principal.project, operation: question.operation, address: question.address, now: question.now)
        switch question.scope {
        case .organisation: break
        case .project(let id): context.project = id
        case .index(let name): context.index = name
        case .deployment(let id):
            context.deployment = id
            if let deployment = plan?.deployments.first(where: { $0.id == id }) {
                context.project = deployment.project
                context.label = deployment.label
            }
        }
        return AccessExplanation(of: question.action, for: principal, in: context, by: snapshot)
    }

    // MARK: The matrix

    /// The page `docs/access-matrix.md`.
    package static var matrix: String {
        let roles = BuiltInRoles.all.filter { role in RouteRow.actions.contains { role.permitsData($0) } }
        let without = BuiltInRoles.all.filter { role in !RouteRow.actions.contains { role.permitsData($0) } }
        var page = """
            # Access matrix

            Printed by `sallyport access matrix` from the route table and the built-in roles; a test asks the running gateway for every cell,
            with an API key, a token and a client certificate that hold the role, and without a credential.

            `yes`: the role, held at the organisation, lets the request in; what comes then depends on the request. `–`: 401 `PermissionDenied` naming the
            data action. The credential makes no difference: a key, a token and a certificate with the same role may do the same. Without a credential every
            route is answered 401, but those marked `open`. Paths that are not listed are 404 for whoever may call anything, and 401 for who may not sign in.

            Roles without any data action are denied everywhere here: \(without.map { "`\($0.role)`" }.joined(separator: ", ")).

            | route | data action |\(roles.map { " \($0.role) |" }.joined())
            |---|---|\(roles.map { _ in "---|" }.joined())

            """
        for row in RouteRow.all {
            let cells = roles.map { role in row.action.map { role.permitsData($0) ? " yes |" : " – |" } ?? " open |" }.joined()
            page += "| `\(row.method) \(row.path)` | \(row.action.map { "`\($0)`" } ?? "none") |\(cells)\n"
        }
        return page + """

            ## Roles

            | role | Azure name | id | what for |
            |---|---|---|---|

            """ + BuiltInRoles.all.map { "| `\($0.role)` | \($0.name) | `\($0.id)` | \($0.description) |\n" }.joined()
    }

    private struct MatrixRow: Encodable {
        let operation: String
        let method: String
        let path: String
        let action: String?
        let scope: String
        let allowed: [String]
    }

    package static func matrixJSON() throws -> String {
        let rows = RouteRow.all.map { row in
            MatrixRow(
                operation: row.operation, method: row.method, path: row.path, action: row.action, scope: row.scope.rawValue,
                allowed: BuiltInRoles.all.filter { role in row.action.map { role.permitsData($0) } ?? true }.map(\.role.rawValue))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }
}
