import Foundation
import SallyportCore
import SallyportIdentity

/// How the access commands print.
enum AccessOutput {
    /// Azure's role definition.
    struct Definition: Encodable {
        struct Permissions: Encodable {
            let actions: [String]
            let notActions: [String]
            let dataActions: [String]
            let notDataActions: [String]
        }
        let id: String
        let name: String
        let roleName: String
        let type: String
        let description: String
        let assignableScopes: [String]
        let permissions: [Permissions]

        init(_ role: RoleDefinition) {
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

    struct Assignment: Encodable {
        let id: String
        let principal: String
        let role: String
        let scope: String
        let effect: String
        let condition: String?
        let expiresAt: String?
        let createdAt: String?
        let note: String?
        let source: String

        init(_ assignment: RoleAssignment) {
            id = assignment.id
            principal = assignment.principal.description
            role = assignment.role.rawValue
            scope = assignment.scope.description
            effect = assignment.effect.rawValue
            condition = assignment.condition
            expiresAt = assignment.expiresAt.map(KeyOptions.date)
            createdAt = assignment.createdAt > 0 ? KeyOptions.date(assignment.createdAt) : nil
            note = assignment.note
            source = assignment.id.hasPrefix("config-") ? "configuration" : "store"
        }
    }

    struct Revoked: Encodable {
        let kind: String
        let subject: String
        let before: String?
        let createdAt: String
        let note: String?

        init(_ revocation: Revocation) {
            kind = revocation.kind.rawValue
            subject = revocation.subject
            before = revocation.before.map(KeyOptions.date)
            createdAt = KeyOptions.date(revocation.createdAt)
            note = revocation.note
        }
    }

    struct Explained: Encodable {
        struct Line: Encodable {
            let source: String
            let principal: String?
            let role: String
            let scope: String
            let effect: String
            let outcome: String
            let condition: String?
        }
        let allowed: Bool
        let reason: String
        let considered: [Line]

        init(_ explanation: AccessExplanation) {
            allowed = explanation.decision.isAllowed
            reason = AccessOutput.reason(explanation.decision)
            considered = explanation.lines.map {
                Line(
                    source: $0.source, principal: $0.principal?.description, role: $0.role.rawValue, scope: $0.scope.description,
                    effect: $0.effect.rawValue, outcome: $0.outcome.rawValue, condition: $0.condition)
            }
        }
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    static func line(_ role: RoleDefinition) -> String {
        "\(role.role)  \(role.id)  \(role.name)\(role.description.isEmpty ? "" : ": \(role.description)")"
    }

    static func line(_ assignment: RoleAssignment) -> String {
        var parts = [
            assignment.id, assignment.effect == .deny ? "DENY" : "allow", assignment.principal.description, assignment.role.rawValue,
            "at \(assignment.scope)",
        ]
        if let condition = assignment.condition { parts.append("when \(condition)") }
        if let expiry = assignment.expiresAt { parts.append("until \(KeyOptions.date(expiry))") }
        if let note = assignment.note { parts.append("(\(note))") }
        return parts.joined(separator: "  ")
    }

    static func line(_ revocation: Revocation) -> String {
        switch revocation.kind {
        case .principal: "disabled  \(revocation.subject)  since \(KeyOptions.date(revocation.createdAt))"
        case .token: "token  \(revocation.subject)  revoked \(KeyOptions.date(revocation.createdAt))"
        case .issuedBefore: "tokens of  \(revocation.subject)  issued before \(revocation.before.map(KeyOptions.date) ?? "")"
        }
    }

    static func reason(_ decision: AccessDecision) -> String {
        switch decision {
        case .allowedByCredential(let role): "the credential carries the role '\(role)'"
        case .allowedByAssignment(let id): "the assignment \(id) gives it"
        case .lacking: "no role gives it here"
        case .deniedByAssignment(let id): "the assignment \(id) denies it"
        case .outsideCredential(let what): "the credential is confined to other \(what.rawValue)"
        }
    }

    static func text(_ explanation: AccessExplanation) -> String {
        let verdict = explanation.decision.isAllowed ? "Allowed" : "Denied"
        return "\(verdict): \(reason(explanation.decision)).\n"
            + explanation.lines.map { line in
                "  \(line.source)  \(line.effect.rawValue) \(line.role) at \(line.scope)"
                    + (line.principal.map { " for \($0)" } ?? "") + ": \(line.outcome.rawValue)"
            }.joined(separator: "\n")
    }
}
