import NIOConcurrencyHelpers
import SallyportCore

/// Responses whose tokens nobody has counted in full, because they go on after their caller's request has ended. In memory: what a restart forgets is
/// not counted.
final class BackgroundResponses: Sendable {
    private struct Key: Hashable {
        let tenant: TenantID
        let id: String
    }
    private struct State {
        var counted: [Key: StreamGate.Usage] = [:]
        /// Oldest first; those that were taken too.
        var order: [Key] = []
    }
    private let state = NIOLockedValueBox(State())
    private static let most = 10_000

    /// - Parameter counted: what the caller has paid already.
    func note(_ id: String, of tenant: TenantID, counted: StreamGate.Usage) {
        let key = Key(tenant: tenant, id: id)
        state.withLockedValue { state in
            if state.counted.updateValue(counted, forKey: key) == nil { state.order.append(key) }
            guard state.order.count > Self.most else { return }
            for old in state.order.prefix(Self.most / 8) { state.counted[old] = nil }
            state.order.removeFirst(Self.most / 8)
        }
    }

    /// - Returns: nil when there is nothing (more) to count.
    func take(_ id: String, of tenant: TenantID) -> StreamGate.Usage? {
        state.withLockedValue { $0.counted.removeValue(forKey: Key(tenant: tenant, id: id)) }
    }
}
