import SallyportConsole
import SallyportCore
import SallyportGuard
import SallyportIdentity

/// What an approved change does. Blocks.
package struct ChangeApplication: Sendable {
    private let policies: any PolicyStore
    private let desk: any PolicyDesk
    private let conditional: ConditionalOperations

    package init(policies: any PolicyStore, desk: any PolicyDesk, conditional: ConditionalOperations) {
        self.policies = policies
        self.desk = desk
        self.conditional = conditional
    }

    /// What was valid when it was asked for may not be any more.
    package func check(_ act: String, _ target: String, _ content: [UInt8]) throws {
        switch act {
        case "policies.put": _ = try desk.check(target, content)
        case "policies.delete":
            guard try policies.policies(of: .default).contains(where: { $0.name.rawValue == target }) else {
                throw Fault(.notFound, "The policy is gone already.")
            }
            try desk.checkRemoval(target)
        case "conditional-access.put": _ = try ConditionalOperations.check(target, content)
        case "conditional-access.delete": _ = try conditional.policy(target)
        default: break
        }
    }

    package func apply(_ act: String, _ target: String, _ content: [UInt8], at now: Int64) throws {
        switch act {
        case "policies.put":
            _ = try policies.put(PolicyID(target), document: content, of: .default, at: now)
        case "policies.delete":
            try desk.checkRemoval(target)
            guard try policies.delete(PolicyID(target), of: .default) else { throw Fault(.notFound, "The policy is gone already.") }
        case "conditional-access.put": _ = try conditional.put(target, document: content, at: now)
        case "conditional-access.delete": try conditional.delete(target)
        // Settings of the file and acts of the command line: whoever does them looks for the approval.
        case "configuration.audit": break
        case let act where act.hasPrefix("vault."): break
        default: throw Fault(.invalidRequest, "Nobody knows how to do '\(act)'.")
        }
    }
}
