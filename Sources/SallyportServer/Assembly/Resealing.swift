import NIOConcurrencyHelpers
import SallyportCore
import SallyportStorage
import SallyportVault

/// Brings everything under the newest keys, a little at a time, beside the traffic. What remains to be done stands in the vault's
/// database; whoever finds it there goes on, from the beginning: what is done already is passed over quickly.
package final class Resealing: Sendable {
    package static let kind = "reseal"
    /// Another process may seal under the old key for so long after a rotation.
    private static let settling: Int64 = 3

    private struct Pass {
        var startedAt: Int64
        var tenants: [TenantID]
        var subject: (subject: String, version: Int)?
        var position = SealingSweep.Position()
        var seen = 0
        var changed = 0
    }

    private let database: SQLiteDatabase
    private let vault: Vault
    private let secrets: SQLSecretStore
    private let clock: @Sendable () -> Int64
    private let pass = NIOLockedValueBox<Pass?>(nil)

    package init(
        _ database: SQLiteDatabase, _ vault: Vault, _ secrets: SQLSecretStore,
        clock: @escaping @Sendable () -> Int64 = { ServerProcess.wallTime().seconds }
    ) {
        self.database = database
        self.vault = vault
        self.secrets = secrets
        self.clock = clock
    }

    /// Puts the work on the list: durable when it returns.
    package func begin() throws -> VaultTask {
        let task = VaultTask(kind: Self.kind, startedAt: clock(), total: try SealingSweep(database, adoptsClear: false).count())
        try vault.store.put(task)
        pass.withLockedValue { $0 = nil }
        return task
    }

    /// Does a piece of it. Blocks for milliseconds.
    /// - Returns: how far it is; nil when there is nothing to do.
    package func step(limit: Int = 100) throws -> VaultTask? {
        guard var task = try vault.store.task(Self.kind), task.finishedAt == nil else {
            pass.withLockedValue { $0 = nil }
            return nil
        }
        let now = clock()
        var pass =
            try self.pass.withLockedValue { $0 } ?? Pass(startedAt: now, tenants: Set(vault.store.tenantKeys().map(\.tenant)).sorted())
        if let tenant = pass.tenants.last {
            let step = try vault.rewrapSubjects(of: tenant, after: pass.subject, limit: limit)
            pass.subject = step.next
            if step.next == nil {
                try secrets.reseal(of: tenant)
                pass.tenants.removeLast()
            }
        } else {
            // Switched off, the sweep brings everything into the clear instead, and finds some there.
            let step = try SealingSweep(database, adoptsClear: vault.mode == .off).step(pass.position, limit: limit)
            pass.position = step.next
            pass.seen += step.seen
            pass.changed += step.changed
            task.done = min(task.total, max(task.done, pass.seen))
            if step.next.isAtEnd {
                // What was sealed under the old key behind our back is found by one more pass.
                if pass.changed == 0, pass.startedAt >= task.startedAt + Self.settling {
                    task.finishedAt = now
                    task.done = task.total
                    try database.scrubDeleted()
                }
                try vault.store.put(task)
                self.pass.withLockedValue { $0 = nil }
                return task
            }
            if step.seen > 0 { try vault.store.put(task) }
        }
        self.pass.withLockedValue { [pass] in $0 = pass }
        return task
    }
}
