import Foundation
import SallyportCore
import SallyportIdentity

/// Roles and assignments.
extension ConfigurationMapping {
    mutating func access() -> ServerPlan.Access {
        var access = ServerPlan.Access()
        let builtIn = RoleCatalog()
        for entry in tree.names["access.roles"] ?? [] {
            if builtIn.definition(of: Role(entry.name)) != nil {
                report("'\(entry.name)' is a built-in role and cannot be defined anew", line: entry.line, column: entry.column)
            }
            access.roles.append(role(entry.name))
        }
        for text in tree.values["access.fourEyes"]?.texts ?? [] {
            guard let area = FourEyes.Area(rawValue: text) else {
                report(
                    "'\(text.prefix(32))' is not one of \(FourEyes.Area.allCases.map(\.rawValue).joined(separator: ", "))",
                    at: "access.fourEyes")
                continue
            }
            access.fourEyes.insert(area)
        }
        let catalog = RoleCatalog(custom: access.roles)
        governance(&access)
        guard let list = tree.values["access.assignments"] else { return access }
        for index in 0..<list.count {
            if let assignment = assignment(index, list.line, list.column, catalog) { access.assignments.append(assignment) }
        }
        return access
    }

    private mutating func governance(_ access: inout ServerPlan.Access) {
        for text in tree.values["access.breakGlass"]?.texts ?? [] {
            guard let principal = PrincipalReference(text), principal.kind != .group else {
                report("must list user:ID, service:ID or key:ID", at: "access.breakGlass")
                continue
            }
            access.breakGlass.insert(principal)
        }
        for entry in tree.names["access.separation"] ?? [] {
            let base = "access.separation.\(entry.name)"
            let (first, second) = (tree.values["\(base).first"]?.texts ?? [], tree.values["\(base).second"]?.texts ?? [])
            guard !first.isEmpty, !second.isEmpty else {
                report("'\(base)' needs 'first' and 'second'", line: entry.line, column: entry.column)
                continue
            }
            access.separation.append(
                SeparationRule(id: entry.name, reason: text("\(base).reason") ?? "", first: first, second: second))
        }
    }

    private mutating func role(_ name: String) -> RoleDefinition {
        let base = "access.roles.\(name)"
        func texts(_ key: String) -> [String] { tree.values["\(base).\(key)"]?.texts ?? [] }
        var scopes: [AccessScope] = []
        for text in texts("assignableScopes") {
            guard let scope = AccessScope(text) else {
                report("must list scopes such as / or /projects/NAME", at: "\(base).assignableScopes")
                continue
            }
            scopes.append(scope)
        }
        return RoleDefinition(
            id: name, role: Role(name), name: name, description: text("\(base).description") ?? "", actions: texts("actions"),
            notActions: texts("notActions"), dataActions: texts("dataActions"), notDataActions: texts("notDataActions"),
            assignableScopes: scopes.isEmpty ? [.organisation] : scopes)
    }

    private mutating func assignment(_ index: Int, _ line: Int, _ column: Int, _ catalog: RoleCatalog) -> RoleAssignment? {
        let base = "access.assignments[\(index)]"
        guard let principalText = text("\(base).principal"), let roleText = text("\(base).role") else {
            report("'\(base)' needs 'principal' and 'role'", line: line, column: column)
            return nil
        }
        guard let principal = PrincipalReference(principalText) else {
            report("must be user:ID, group:ID, service:ID or key:ID", at: "\(base).principal")
            return nil
        }
        guard let scope = AccessScope(text("\(base).scope") ?? "/") else {
            report("must be /, /projects/NAME, /deployments/NAME or /indexes/NAME", at: "\(base).scope")
            return nil
        }
        if case .deployment(let id) = scope, !(tree.names["deployments"] ?? []).contains(where: { $0.name == id.rawValue }) {
            report("the deployment '\(id)' is not configured", at: "\(base).scope")
        }
        var expiry: Int64?
        if let written = text("\(base).expires") {
            guard let moment = Self.moment(written) else {
                report("must be an ISO 8601 date such as 2027-01-31 or 2027-01-31T12:00:00Z", at: "\(base).expires")
                return nil
            }
            expiry = moment
        }
        let assignment = RoleAssignment(
            id: "config-\(index + 1)", principal: principal, role: Role(roleText), scope: scope,
            effect: text("\(base).effect") == "deny" ? .deny : .allow, condition: text("\(base).condition"), expiresAt: expiry,
            note: text("\(base).note"))
        do { try AccessSnapshot.check(assignment, in: catalog) } catch {
            report(error.description, at: assignment.condition == nil ? "\(base).role" : "\(base).condition")
            return nil
        }
        return assignment
    }

    static func moment(_ text: String) -> Int64? {
        let formatter = ISO8601DateFormatter()
        if let date = formatter.date(from: text) { return Int64(date.timeIntervalSince1970) }
        formatter.formatOptions = [.withFullDate]
        return formatter.date(from: text).map { Int64($0.timeIntervalSince1970) }
    }
}
