import SallyportCore

/// How access is written in JSON, on the command line and on the administrative surface.
package enum AccessDocuments {
    /// Azure's role definition.
    package struct Definition: Codable {
        package struct Permissions: Codable {
            package let actions: [String]
            package let notActions: [String]
            package let dataActions: [String]
            package let notDataActions: [String]
        }
        package let id: String
        package let name: String
        package let roleName: String
        package let type: String
        package let description: String
        package let assignableScopes: [String]
        package let permissions: [Permissions]

        package init(_ role: RoleDefinition) {
            id = role.id
            name = role.role.rawValue
            roleName = role.name
            type = role.isBuiltIn ? "BuiltInRole" : "CustomRole"
            description = role.description
            assignableScopes = role.assignableScopes.map(\.description)
            permissions = [
                Permissions(
                    actions: role.actions.map(\.description), notActions: role.notActions.map(\.description),
                    dataActions: role.dataActions.map(\.description), notDataActions: role.notDataActions.map(\.description))
            ]
        }
    }

    package struct Assignment: Codable {
        package let id: String
        package let principal: String
        package let role: String
        package let scope: String
        package let effect: String
        package let condition: String?
        package let expiresAt: String?
        package let createdAt: String?
        package let note: String?
        package let source: String

        package init(_ assignment: RoleAssignment) {
            id = assignment.id
            principal = assignment.principal.description
            role = assignment.role.rawValue
            scope = assignment.scope.description
            effect = assignment.effect.rawValue
            condition = assignment.condition
            expiresAt = assignment.expiresAt.map(Moments.date)
            createdAt = assignment.createdAt > 0 ? Moments.date(assignment.createdAt) : nil
            note = assignment.note
            source = assignment.id.hasPrefix("config-") ? "configuration" : "store"
        }
    }

    package struct Revoked: Codable {
        package let kind: String
        package let subject: String
        package let before: String?
        package let createdAt: String
        package let note: String?

        package init(_ revocation: Revocation) {
            kind = revocation.kind.rawValue
            subject = revocation.subject
            before = revocation.before.map(Moments.date)
            createdAt = Moments.date(revocation.createdAt)
            note = revocation.note
        }
    }

    package struct Explained: Encodable {
        package struct Line: Encodable {
            package let source: String
            package let principal: String?
            package let role: String
            package let scope: String
            package let effect: String
            package let outcome: String
            package let condition: String?
        }
        package let allowed: Bool
        package let reason: String
        package let considered: [Line]

        package init(_ explanation: AccessExplanation) {
            allowed = explanation.decision.isAllowed
            reason = AccessDocuments.reason(explanation.decision)
            considered = explanation.lines.map {
                Line(
                    source: $0.source, principal: $0.principal?.description, role: $0.role.rawValue, scope: $0.scope.description,
                    effect: $0.effect.rawValue, outcome: $0.outcome.rawValue, condition: $0.condition)
            }
        }
    }

    package static func reason(_ decision: AccessDecision) -> String {
        switch decision {
        case .allowedByCredential(let role): "the credential carries the role '\(role)'"
        case .allowedByAssignment(let id): "the assignment \(id) gives it"
        case .lacking: "no role gives it here"
        case .deniedByAssignment(let id): "the assignment \(id) denies it"
        case .outsideCredential(let what): "the credential is confined to other \(what.rawValue)"
        }
    }
}
