import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// An access token as the authority gave it.
package struct EntraToken: Sendable {
    package let value: Redacted<String>
    package let lifetime: Duration
    package init(value: Redacted<String>, lifetime: Duration) {
        self.value = value
        self.lifetime = lifetime
    }
}

/// Keeps one access token fresh: fetched once for all who wait, renewed ahead of its end, used until its end when renewal fails.
package final class EntraTokenSource: Sendable {
    private struct State {
        var fields: HeaderFields?
        var refreshAt = NIODeadline.uptimeNanoseconds(0)
        var expiresAt = NIODeadline.uptimeNanoseconds(0)
        var isFetching = false
        var waiting: [EventLoopPromise<HeaderFields>] = []
        var failures = 0
        var failure: String?
        var retryAt = NIODeadline.uptimeNanoseconds(0)
    }

    private static let maxWaiting = 4096
    /// The upstream that tokens come from.
    let upstream: UpstreamID
    private let fetch: @Sendable (any EventLoop) -> EventLoopFuture<EntraToken>
    private let clock: @Sendable () -> NIODeadline
    private let jitter: @Sendable () -> Double
    private let state = NIOLockedValueBox(State())

    /// - Parameter jitter: 0 ..< 1, spreads retries.
    package init(
        upstream: UpstreamID, clock: @escaping @Sendable () -> NIODeadline = { .now() },
        jitter: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) },
        fetch: @escaping @Sendable (any EventLoop) -> EventLoopFuture<EntraToken>
    ) {
        self.upstream = upstream
        self.fetch = fetch
        self.clock = clock
        self.jitter = jitter
    }

    /// The credential if there is one that has not expired; starts its renewal when that is due. nil: ask ``headers(on:)``.
    package func current(on eventLoop: any EventLoop, now: NIODeadline) -> HeaderFields? {
        let (fields, renew) = state.withLockedValue { state -> (HeaderFields?, Bool) in
            guard let fields = state.fields, now < state.expiresAt else { return (nil, false) }
            let renew = now >= state.refreshAt && now >= state.retryAt && !state.isFetching
            if renew { state.isFetching = true }
            return (fields, renew)
        }
        if renew { startFetch(on: eventLoop) }
        return fields
    }

    /// Waits for a token where there is none. Fails with an ``UpstreamFailure`` of kind `unavailable`.
    package func headers(on eventLoop: any EventLoop) -> EventLoopFuture<HeaderFields> {
        let now = clock()
        if let fields = current(on: eventLoop, now: now) { return eventLoop.makeSucceededFuture(fields) }
        let promise = eventLoop.makePromise(of: HeaderFields.self)
        let (refusal, begin) = state.withLockedValue { state -> (String?, Bool) in
            if !state.isFetching, now < state.retryAt, let failure = state.failure { return (failure, false) }
            guard state.waiting.count < EntraTokenSource.maxWaiting else { return ("too many requests wait for a token", false) }
            state.waiting.append(promise)
            defer { state.isFetching = true }
            return (nil, !state.isFetching)
        }
        if let refusal {
            promise.fail(UpstreamFailure(.unavailable, refusal))
        } else if begin {
            startFetch(on: eventLoop)
        }
        return promise.futureResult
    }

    /// Why there is no token, if there is none and fetching failed. `retryAfter` is nil when the next request will try again.
    func failureReason(now: NIODeadline) -> (text: String, retryAfter: Duration?)? {
        state.withLockedValue { state in
            guard let failure = state.failure, state.fields == nil || now >= state.expiresAt else { return nil }
            return (failure, now < state.retryAt ? .nanoseconds((state.retryAt - now).nanoseconds) : nil)
        }
    }

    private func startFetch(on eventLoop: any EventLoop) {
        fetch(eventLoop).whenComplete { result in
            let now = self.clock()
            let (waiting, outcome) = self.state.withLockedValue { state in
                defer { state.waiting = [] }
                state.isFetching = false
                return (state.waiting, self.settle(result, &state, now: now))
            }
            for promise in waiting { promise.completeWith(outcome) }
        }
    }

    private func settle(_ result: Result<EntraToken, any Error>, _ state: inout State, now: NIODeadline) -> Result<HeaderFields, any Error>
    {
        switch result {
        case .success(let token):
            let fields = HeaderFields([(name: "authorization", value: "Bearer \(token.value.reveal())")])
            let lifetime = max(.seconds(1), TimeAmount(token.lifetime))
            // At 80 %, or five minutes before the end, whichever comes first; a very short token lives at least half its time.
            let ahead = TimeAmount.nanoseconds(
                min(max(lifetime.nanoseconds / 5, TimeAmount.minutes(5).nanoseconds), lifetime.nanoseconds / 2))
            state.fields = fields
            state.expiresAt = now + lifetime
            state.refreshAt = now + lifetime - ahead
            state.retryAt = now
            state.failures = 0
            state.failure = nil
            return .success(fields)
        case .failure(let error):
            let message = (error as? UpstreamFailure)?.message ?? "\(type(of: error))"
            state.failures += 1
            state.failure = "no access token: \(message)"
            let step = min(60.0, Double(1 << min(state.failures - 1, 6)))
            state.retryAt = now + .nanoseconds(Int64(step * (0.5 + jitter() / 2) * 1e9))
            if let fields = state.fields, now < state.expiresAt { return .success(fields) }
            return .failure(UpstreamFailure(.unavailable, state.failure ?? message))
        }
    }
}
