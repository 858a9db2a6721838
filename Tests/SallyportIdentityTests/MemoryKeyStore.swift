import NIOConcurrencyHelpers
import SallyportCore

/// Keys in memory, as the contract asks for; fails on demand.
final class MemoryKeyStore: KeyStore {
    struct Unreachable: Error {}

    private struct State {
        var keys: [KeyRecord] = []
        var revision: Int64 = 0
        var isReachable = true
        var canRevoke = true
        var reads = 0
        var uses: [KeyID: KeyUse] = [:]
    }
    private let state = NIOLockedValueBox(State())

    func setReachable(_ isReachable: Bool) { state.withLockedValue { $0.isReachable = isReachable } }
    func setCanRevoke(_ canRevoke: Bool) { state.withLockedValue { $0.canRevoke = canRevoke } }
    var reads: Int { state.withLockedValue { $0.reads } }

    private func locked<T>(_ body: (inout State) throws -> T) throws -> T {
        try state.withLockedValue { state in
            guard state.isReachable else { throw Unreachable() }
            return try body(&state)
        }
    }

    func keys(of tenant: TenantID) throws -> [KeyRecord] { try locked { $0.keys.filter { $0.tenant == tenant } } }

    func allKeys() throws -> [KeyRecord] {
        try locked {
            $0.reads += 1
            return $0.keys
        }
    }

    func insert(_ key: KeyRecord) throws {
        try locked { state in
            guard !state.keys.contains(where: { ($0.tenant, $0.id) == (key.tenant, key.id) || $0.secretHash == key.secretHash }) else {
                throw Fault(.conflict, "exists")
            }
            state.keys.append(key)
            state.revision += 1
        }
    }

    func insert(_ key: KeyRecord, within room: KeyRoom) throws -> Bool {
        let live = try keys(of: key.tenant).filter {
            $0.principal == key.principal && $0.id != room.replaced && room.now < min($0.expiresAt ?? .max, $0.revokedAt ?? .max)
        }
        guard live.count < room.most else { return false }
        try insert(key)
        return true
    }

    func revoke(_ id: KeyID, tenant: TenantID, at now: Int64) throws -> Bool {
        try locked { state in
            guard state.canRevoke else { throw Unreachable() }
            guard let index = state.keys.firstIndex(where: { ($0.tenant, $0.id) == (tenant, id) }) else { return false }
            if now < state.keys[index].revokedAt ?? .max {
                state.keys[index].revokedAt = now
                state.revision += 1
            }
            return true
        }
    }

    func revision() throws -> Int64 { try locked { $0.revision } }

    func noteUses(_ uses: [KeyUse]) throws {
        try locked { state in for use in uses where use.at > state.uses[use.key]?.at ?? .min { state.uses[use.key] = use } }
    }

    func uses(of tenant: TenantID) throws -> [KeyUse] {
        try locked { $0.uses.values.filter { $0.tenant == tenant }.sorted { $0.key < $1.key } }
    }
}
