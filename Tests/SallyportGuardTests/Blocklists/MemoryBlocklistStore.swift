import SallyportCore
import Synchronization

/// A store that keeps its promises and nothing else.
final class MemoryBlocklistStore: BlocklistStore {
    private struct State {
        var lists: [TenantID: [(list: Blocklist, items: [BlocklistItem])]] = [:]
        var revision: Int64 = 0
        var writes = 0
    }
    private let state = Mutex(State())

    var writes: Int { state.withLock { $0.writes } }

    func blocklists(of tenant: TenantID) throws -> [Blocklist] { state.withLock { $0.lists[tenant, default: []].map(\.list) } }
    func blocklist(_ name: String, of tenant: TenantID) throws -> Blocklist? { try blocklists(of: tenant).first { $0.name == name } }

    func upsert(_ list: Blocklist, of tenant: TenantID) throws -> Bool {
        state.withLock {
            $0.revision += 1
            if let index = $0.lists[tenant, default: []].firstIndex(where: { $0.list.name == list.name }) {
                $0.lists[tenant]?[index].list = list
                return false
            }
            $0.lists[tenant, default: []].append((list, []))
            return true
        }
    }

    func deleteBlocklist(_ name: String, of tenant: TenantID) throws -> Bool {
        state.withLock {
            $0.revision += 1
            let before = $0.lists[tenant, default: []].count
            $0.lists[tenant]?.removeAll { $0.list.name == name }
            return $0.lists[tenant, default: []].count < before
        }
    }

    func items(of list: String, tenant: TenantID) throws -> [BlocklistItem] {
        state.withLock { $0.lists[tenant, default: []].first { $0.list.name == list }?.items ?? [] }
    }

    func add(_ items: [BlocklistItem], to list: String, tenant: TenantID) throws {
        try state.withLock {
            guard let index = $0.lists[tenant, default: []].firstIndex(where: { $0.list.name == list }) else {
                throw Fault(.notFound, "no list")
            }
            for item in items {
                if let old = $0.lists[tenant]?[index].items.firstIndex(where: { $0.id == item.id }) {
                    $0.lists[tenant]?[index].items[old] = item
                } else {
                    $0.lists[tenant]?[index].items.append(item)
                }
            }
            $0.revision += 1
            $0.writes += 1
        }
    }

    func removeItems(_ ids: [String], from list: String, tenant: TenantID) throws {
        try state.withLock {
            guard let index = $0.lists[tenant, default: []].firstIndex(where: { $0.list.name == list }) else {
                throw Fault(.notFound, "no list")
            }
            let held = Set($0.lists[tenant]?[index].items.map(\.id) ?? [])
            guard held.isSuperset(of: ids) else { throw Fault(.notFound, "no item") }
            $0.lists[tenant]?[index].items.removeAll { ids.contains($0.id) }
            $0.revision += 1
        }
    }

    func revision() throws -> Int64 { state.withLock { $0.revision } }
}
