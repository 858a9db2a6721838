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

    /// What was valid when it was asked for may not be any more; and what was asked for in view of one document is not done to another.
    package func check(_ change: PendingChange, _ content: [UInt8]) throws {
        let target = change.target
        let current: Int64? =
            switch change.act {
            case "policies.put", "policies.delete": try policies.policies(of: .default).first { $0.name.rawValue == target }?.createdAt
            case "conditional-access.put", "conditional-access.delete":
                try conditional.store.policies().first { $0.name == target && $0.tenant == change.tenant }?.createdAt
            default: nil
            }
        if let current, current > change.requestedAt {
            throw Fault(.conflict, "'\(target)' was changed since this was asked for: reject it, and let it be asked for anew.")
        }
        switch change.act {
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

    package func apply(_ change: PendingChange, _ content: [UInt8], at now: Int64) throws {
        let target = change.target
        switch change.act {
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
        default: throw Fault(.invalidRequest, "Nobody knows how to do '\(change.act)'.")
        }
    }
}
