import Foundation
import SallyportCore
import SallyportIdentity

/// How the access commands print.
enum AccessOutput {
    typealias Definition = AccessDocuments.Definition
    typealias Assignment = AccessDocuments.Assignment
    typealias Revoked = AccessDocuments.Revoked
    typealias Explained = AccessDocuments.Explained

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
}
