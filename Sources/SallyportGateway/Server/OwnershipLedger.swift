import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore

/// Who made which upstream resource. Reads come from memory where they can; writes are durable before their future completes.
package final class OwnershipLedger: Sendable {
    private struct Key: Hashable {
        let tenant: TenantID
        let id: String
    }
    private let store: any OwnershipStore
    private let pool: NIOThreadPool
    private let known = NIOLockedValueBox<[Key: Ownership]>([:])
    private static let maximumKnown = 20_000

    package init(store: any OwnershipStore, pool: NIOThreadPool) {
        self.store = store
        self.pool = pool
    }

    func owner(of ids: [String], for principal: Principal, on eventLoop: any EventLoop) -> EventLoopFuture<[Ownership?]> {
        let tenant = principal.tenant
        let cached = known.withLockedValue { known in ids.map { known[Key(tenant: tenant, id: $0)] } }
        if cached.allSatisfy({ $0 != nil }) { return eventLoop.makeSucceededFuture(cached) }
        return pool.runIfActive(eventLoop: eventLoop) { [store] in try ids.map { try store.ownership(of: $0, tenant: tenant) } }
            .map { found in
                for case .some(let ownership) in found { self.remember(ownership) }
                return found
            }
    }

    func record(_ ownership: Ownership, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        pool.runIfActive(eventLoop: eventLoop) { [store] in try store.record(ownership) }.map { self.remember(ownership) }
    }

    func remove(_ id: String, for principal: Principal, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        let tenant = principal.tenant
        _ = known.withLockedValue { $0.removeValue(forKey: Key(tenant: tenant, id: id)) }
        return pool.runIfActive(eventLoop: eventLoop) { [store] in try store.remove(id, tenant: tenant) }
    }

    /// The ids of one kind that the caller may see.
    func ids(of kind: OwnedResource, for principal: Principal, on eventLoop: any EventLoop) -> EventLoopFuture<Set<String>> {
        pool.runIfActive(eventLoop: eventLoop) { [store] in
            Set(
                try store.ownerships(of: kind, tenant: principal.tenant, project: principal.project).filter { $0.belongs(to: principal) }
                    .map(\.id))
        }
    }

    private func remember(_ ownership: Ownership) {
        known.withLockedValue { known in
            if known.count >= OwnershipLedger.maximumKnown { known.removeAll(keepingCapacity: true) }
            known[Key(tenant: ownership.tenant, id: ownership.id)] = ownership
        }
    }
}

extension Ownership {
    /// A resource belongs to the principal that made it, and to its project where there is one: the `default` project is no project, since
    /// every key without one is in it.
    func belongs(to principal: Principal) -> Bool {
        tenant == principal.tenant && (self.principal == principal.id || (project == principal.project && project != .default))
    }
}
