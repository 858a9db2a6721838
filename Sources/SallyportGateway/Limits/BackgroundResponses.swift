import NIOConcurrencyHelpers
import SallyportCore

/// Responses whose tokens nobody has counted in full, because they go on after their caller's request has ended. In memory, and written
/// behind: a restart takes up what was written.
package final class BackgroundResponses: Sendable {
    /// What is to be written.
    package struct Changes: Sendable {
        package let noted: [BackgroundResponse]
        package let taken: [BackgroundResponse.Key]
        package var isEmpty: Bool { noted.isEmpty && taken.isEmpty }
    }

    private typealias Key = BackgroundResponse.Key

    private struct State {
        var counted: [Key: StreamGate.Usage] = [:]
        /// Oldest first; those that were taken too.
        var order: [Key] = []
        /// What is not written as it is here.
        var changed: Set<Key> = []
    }
    private let state = NIOLockedValueBox(State())
    private static let most = 10_000

    package init() {}

    /// - Parameter counted: what the caller has paid already.
    func note(_ id: String, of tenant: TenantID, counted: StreamGate.Usage) {
        state.withLockedValue { state in
            let key = Key(tenant: tenant, id: id)
            Self.note(key, counted, &state)
            state.changed.insert(key)
        }
    }

    private static func note(_ key: Key, _ counted: StreamGate.Usage, _ state: inout State) {
        if state.counted.updateValue(counted, forKey: key) == nil { state.order.append(key) }
        guard state.order.count > most else { return }
        for old in state.order.prefix(most / 8) where state.counted.removeValue(forKey: old) != nil { state.changed.insert(old) }
        state.order.removeFirst(most / 8)
    }

    /// - Returns: nil when there is nothing (more) to count.
    func take(_ id: String, of tenant: TenantID) -> StreamGate.Usage? {
        state.withLockedValue { state in
            let key = Key(tenant: tenant, id: id)
            guard let counted = state.counted.removeValue(forKey: key) else { return nil }
            state.changed.insert(key)
            return counted
        }
    }

    // MARK: Keeping

    /// What was written before a restart, oldest first.
    package func restore(_ responses: [BackgroundResponse]) {
        state.withLockedValue { state in
            for response in responses {
                Self.note(response.key, .init(prompt: response.prompt, completion: response.completion), &state)
            }
        }
    }

    /// What has changed since the last call.
    package func takeChanges() -> Changes {
        state.withLockedValue { state in
            defer { state.changed = [] }
            var noted: [BackgroundResponse] = []
            var taken: [Key] = []
            for key in state.changed {
                if let counted = state.counted[key] {
                    noted.append(BackgroundResponse(key: key, prompt: counted.prompt, completion: counted.completion))
                } else {
                    taken.append(key)
                }
            }
            return Changes(noted: noted, taken: taken)
        }
    }

    /// They could not be written: they are given out again the next time, as things are then.
    package func giveBack(_ changes: Changes) {
        state.withLockedValue { $0.changed.formUnion(changes.noted.map(\.key) + changes.taken) }
    }
}
