import NIOConcurrencyHelpers
import NIOCore

/// One issuer's keys: fetched before they are needed, kept over an outage, fetched once more when a token names a key that is not known.
package final class IssuerKeys: Sendable {
    package struct Policy: Sendable, Hashable {
        /// How often the keys are fetched anew.
        package var refreshInterval: TimeAmount = .minutes(60)
        /// The least time between two fetches, whatever tokens say.
        package var cooldown: TimeAmount = .seconds(30)
        /// How long keys are trusted when they cannot be fetched.
        package var grace: TimeAmount = .hours(24)
        package init() {}
    }

    private struct State {
        var keys: KeySet?
        var fetchedAt = NIODeadline.uptimeNanoseconds(0)
        var triedAt: NIODeadline?
        var isFetching = false
        var failure: String?
        var waiting: [EventLoopPromise<Void>] = []
    }

    private static let maximumWaiting = 4096
    private let policy: Policy
    private let clock: @Sendable () -> NIODeadline
    private let fetch: @Sendable (any EventLoop) -> EventLoopFuture<KeySet>
    private let didLose: @Sendable () -> Void
    private let state = NIOLockedValueBox(State())

    /// - Parameters:
    ///   - didLose: called when a key is no longer among the issuer's: what was verified with it is not trusted any more.
    ///   - fetch: asks the issuer; on the event loop that it is given.
    package init(
        policy: Policy = Policy(), clock: @escaping @Sendable () -> NIODeadline = { .now() }, didLose: @escaping @Sendable () -> Void = {},
        fetch: @escaping @Sendable (any EventLoop) -> EventLoopFuture<KeySet>
    ) {
        self.policy = policy
        self.clock = clock
        self.didLose = didLose
        self.fetch = fetch
    }

    /// The keys, unless they are too old to be trusted.
    package var current: KeySet? {
        let now = clock()
        return state.withLockedValue { $0.keys != nil && now - $0.fetchedAt <= policy.grace ? $0.keys : nil }
    }

    /// Why the last fetch failed; nil when it did not.
    package var failure: String? { state.withLockedValue { $0.failure } }

    /// Fetches when that is due. Called now and then.
    package func keepFresh(on eventLoop: any EventLoop) {
        let now = clock()
        let isDue = state.withLockedValue { state in
            guard !state.isFetching, state.triedAt.map({ now - $0 >= policy.cooldown }) ?? true,
                state.keys == nil || now - state.fetchedAt >= policy.refreshInterval
            else { return false }
            begin(&state, now)
            return true
        }
        if isDue { start(on: eventLoop) }
    }

    /// Completes when keys were fetched, or could not be; nil when it is too early to ask again.
    package func refetch(on eventLoop: any EventLoop) -> EventLoopFuture<Void>? {
        let now = clock()
        let promise = eventLoop.makePromise(of: Void.self)
        let (isWaiting, starts) = state.withLockedValue { state -> (Bool, Bool) in
            guard state.waiting.count < Self.maximumWaiting else { return (false, false) }
            if state.isFetching {
                state.waiting.append(promise)
                return (true, false)
            }
            guard state.triedAt.map({ now - $0 >= policy.cooldown }) ?? true else { return (false, false) }
            state.waiting.append(promise)
            begin(&state, now)
            return (true, true)
        }
        guard isWaiting else {
            promise.succeed()
            return nil
        }
        if starts { start(on: eventLoop) }
        return promise.futureResult
    }

    private func begin(_ state: inout State, _ now: NIODeadline) {
        state.isFetching = true
        state.triedAt = now
    }

    private func start(on eventLoop: any EventLoop) {
        eventLoop.flatSubmit { self.fetch(eventLoop) }.whenComplete { result in
            let now = self.clock()
            var hasLost = false
            let waiting = self.state.withLockedValue { state in
                state.isFetching = false
                switch result {
                case .success(let keys):
                    hasLost =
                        state.keys.map { former in !former.entries.allSatisfy { entry in keys.entries.contains { $0.id == entry.id } } }
                        ?? false
                    state.keys = keys
                    state.fetchedAt = now
                    state.failure = nil
                case .failure(let error): state.failure = "\(error)"
                }
                defer { state.waiting = [] }
                return state.waiting
            }
            if hasLost { self.didLose() }
            for promise in waiting { promise.succeed() }
        }
    }
}
