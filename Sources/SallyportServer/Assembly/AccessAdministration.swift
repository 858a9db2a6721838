import Foundation
import SallyportConsole
import SallyportCore
import SallyportGateway
import SallyportIdentity

/// The access matrix, and what roles and assignments there are over configuration and database together.
package enum AccessAdministration {
    /// Names of operations, for the confinement of keys.
    package static let operations = Set(RouteRow.all.map(\.operation) + ["CognitiveServices_Call"])

    /// - Parameter plan: nil: without a configuration there are the built-in roles and what is stored.
    package static func operations(plan: ServerPlan?, store: any AccessStore, reach: AccessOperations.Reach = .init()) -> AccessOperations {
        AccessOperations(
            catalog: RoleCatalog(custom: plan?.access.roles ?? []), configured: plan?.access.assignments ?? [],
            deployments: plan?.deployments, actions: RouteRow.actions, store: store, reach: reach)
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

            Roles without any data action are denied everywhere in this table: \(without.map { "`\($0.role)`" }.joined(separator: ", ")).

            | route | data action |\(roles.map { " \($0.role) |" }.joined())
            |---|---|\(roles.map { _ in "---|" }.joined())

            """
        for row in RouteRow.all {
            let cells = roles.map { role in row.action.map { role.permitsData($0) ? " yes |" : " – |" } ?? " open |" }.joined()
            page += "| `\(row.method) \(row.path)` | \(row.action.map { "`\($0)`" } ?? "none") |\(cells)\n"
        }
        return page + consoleTable + """

            ## Roles

            | role | Azure name | id | what for |
            |---|---|---|---|

            """ + BuiltInRoles.all.map { "| `\($0.role)` | \($0.name) | `\($0.id)` | \($0.description) |\n" }.joined()
    }

    /// Management actions: another plane, other roles.
    private static var consoleTable: String {
        let roles = BuiltInRoles.all.filter { role in ConsoleRoutes.actions.contains { role.permitsManagement($0) } }
        var table = """

            ## The administrative surface

            `yes` as above; `–`: 403 `AuthorizationFailed` naming the action. `known`: whoever shows a credential; `open`: everybody. Without a credential
            every route that is not open is answered 401. A session holds what its person holds.

            | console route | action |\(roles.map { " \($0.role) |" }.joined())
            |---|---|\(roles.map { _ in "---|" }.joined())

            """
        for row in ConsoleRoutes.rows {
            let name = row.action.map { "`\($0)`" } ?? "none"
            let cells = roles.map { role in " \(cell(row, role)) |" }.joined()
            table += "| `\(row.method) \(row.path)` | \(name) |\(cells)\n"
        }
        return table
    }

    private static func cell(_ row: ConsoleRow, _ role: RoleDefinition) -> String {
        switch row.access {
        case .open: "open"
        case .known: "known"
        case .action(let action): role.permitsManagement(action) ? "yes" : "–"
        }
    }

    private struct MatrixRow: Encodable {
        let surface: String
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
                surface: "data", operation: row.operation, method: row.method, path: row.path, action: row.action,
                scope: row.scope.rawValue,
                allowed: BuiltInRoles.all.filter { role in row.action.map { role.permitsData($0) } ?? true }.map(\.role.rawValue))
        }
        let console = ConsoleRoutes.rows.map { row in
            MatrixRow(
                surface: "console", operation: row.operation, method: row.method, path: row.path, action: row.action,
                scope: row.access == .open ? "open" : row.access == .known ? "known" : "organisation",
                allowed: BuiltInRoles.all.filter { cell(row, $0) != "–" }.map(\.role.rawValue))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(rows + console), as: UTF8.self)
    }
}
