import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore

/// The labels of conversations: from memory where they are known, durable before anything that raised one goes on.
package final class LabelLedger: Sendable {
    private struct Key: Hashable {
        let tenant: TenantID
        let conversation: String
    }
    private struct State {
        /// nil: looked for and not there.
        var known: [Key: SensitivityLabel?] = [:]
        /// Nothing was ever kept: nobody need ask.
        var isEmpty: Bool
    }
    private let store: any ConversationLabelStore
    private let pool: NIOThreadPool
    private let clock: @Sendable () -> Int64
    private let state: NIOLockedValueBox<State>
    private static let most = 50_000

    /// Blocks.
    package init(store: any ConversationLabelStore, pool: NIOThreadPool, clock: @escaping @Sendable () -> Int64) throws {
        state = NIOLockedValueBox(State(isEmpty: try store.isEmpty()))
        self.store = store
        self.pool = pool
        self.clock = clock
    }

    var isEmpty: Bool { state.withLockedValue { $0.isEmpty } }

    func label(of conversation: String, tenant: TenantID, on eventLoop: any EventLoop) -> EventLoopFuture<SensitivityLabel?> {
        let key = Key(tenant: tenant, conversation: conversation)
        if let known = state.withLockedValue({ $0.known[key] }) { return eventLoop.makeSucceededFuture(known) }
        return pool.runIfActive(eventLoop: eventLoop) { [store] in try store.label(of: conversation, tenant: tenant) }.map { found in
            self.remember(key, found)
            return self.state.withLockedValue { $0.known[key] ?? nil } ?? found
        }
    }

    func raise(_ conversation: String, to label: SensitivityLabel, tenant: TenantID, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        let key = Key(tenant: tenant, conversation: conversation)
        if let known = state.withLockedValue({ $0.known[key] ?? nil }), known >= label { return eventLoop.makeSucceededVoidFuture() }
        let now = clock()
        state.withLockedValue { $0.isEmpty = false }
        return pool.runIfActive(eventLoop: eventLoop) { [store] in try store.raise(conversation, to: label, tenant: tenant, at: now) }
            .map { self.remember(key, label) }
    }

    /// Never lowers what is known.
    private func remember(_ key: Key, _ label: SensitivityLabel?) {
        state.withLockedValue { state in
            if state.known.count >= LabelLedger.most, state.known[key] == nil { state.known.removeAll(keepingCapacity: true) }
            let before = state.known[key] ?? nil
            if let before, let label, before > label { return }
            if before != nil, label == nil { return }
            state.known.updateValue(label, forKey: key)
        }
    }
}
