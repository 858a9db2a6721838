import NIOCore

/// Stops asking an upstream that fails, and tries it again with a few probes. Pure: the clock comes in.
package struct CircuitBreaker: Sendable {
    package struct Policy: Sendable, Hashable {
        /// Opens at this share of failures …
        package var failureRatio: Double
        /// … among at least so many requests …
        package var minimumRequests: Int
        /// … within this time,
        package var window: Duration
        /// or after so many failures in a row.
        package var consecutiveFailures: Int
        /// How long it stays open at first; each failed probe doubles it, up to `maximumOpen`.
        package var openFor: Duration
        package var maximumOpen: Duration
        /// Probes at a time, and successes that close the circuit.
        package var probes: Int
        package init(
            failureRatio: Double = 0.5, minimumRequests: Int = 20, window: Duration = .seconds(10), consecutiveFailures: Int = 5,
            openFor: Duration = .seconds(5), maximumOpen: Duration = .seconds(60), probes: Int = 1
        ) {
            self.failureRatio = failureRatio
            self.minimumRequests = minimumRequests
            self.window = window
            self.consecutiveFailures = consecutiveFailures
            self.openFor = openFor
            self.maximumOpen = maximumOpen
            self.probes = probes
        }
    }

    package enum State: Sendable, Hashable {
        case closed
        case open(until: NIODeadline)
        case halfOpen
    }

    /// Given to an admitted request, handed back with its outcome.
    package struct Permit: Sendable, Hashable {
        let epoch: UInt64
        let isProbe: Bool
    }

    package enum Outcome: Sendable, Hashable {
        case success, failure
        /// Says nothing about the upstream (the caller left).
        case neutral
    }

    private struct Bucket {
        var index: UInt64 = 0
        var requests = 0
        var failures = 0
    }

    private static let bucketCount = 10
    private let policy: Policy
    private let bucketLength: UInt64
    private var buckets = [Bucket](repeating: Bucket(), count: CircuitBreaker.bucketCount)
    private var consecutive = 0
    private var openings = 0
    private var probesInFlight = 0
    private var probeSuccesses = 0
    /// Grows with every change of state: outcomes of requests from before the change count no more.
    private var epoch: UInt64 = 0
    package private(set) var state: State = .closed

    package init(policy: Policy = Policy()) {
        self.policy = policy
        bucketLength = UInt64(max(1, TimeAmount(policy.window).nanoseconds / Int64(CircuitBreaker.bucketCount)))
    }

    /// - Returns: nil when the request must not be sent.
    package mutating func admit(now: NIODeadline) -> Permit? {
        switch state {
        case .closed: return Permit(epoch: epoch, isProbe: false)
        case .open(let until):
            guard now >= until else { return nil }
            change(to: .halfOpen)
            fallthrough
        case .halfOpen:
            guard probesInFlight < max(1, policy.probes) else { return nil }
            probesInFlight += 1
            return Permit(epoch: epoch, isProbe: true)
        }
    }

    package mutating func record(_ outcome: Outcome, permit: Permit, now: NIODeadline) {
        guard permit.epoch == epoch else { return }
        switch state {
        case .closed: recordClosed(outcome, now: now)
        case .halfOpen:
            guard permit.isProbe else { return }
            probesInFlight = max(0, probesInFlight - 1)
            switch outcome {
            case .neutral: break
            case .failure: open(now: now)
            case .success:
                probeSuccesses += 1
                if probeSuccesses >= max(1, policy.probes) {
                    openings = 0
                    change(to: .closed)
                }
            }
        case .open: break
        }
    }

    /// How long it will stay open; nil when requests are let through.
    package func remainingOpen(now: NIODeadline) -> Duration? {
        guard case .open(let until) = state, until > now else { return nil }
        return .nanoseconds((until - now).nanoseconds)
    }

    private mutating func recordClosed(_ outcome: Outcome, now: NIODeadline) {
        guard outcome != .neutral else { return }
        let index = now.uptimeNanoseconds / bucketLength
        let slot = Int(index % UInt64(CircuitBreaker.bucketCount))
        if buckets[slot].index != index { buckets[slot] = Bucket(index: index) }
        buckets[slot].requests += 1
        guard outcome == .failure else {
            consecutive = 0
            return
        }
        buckets[slot].failures += 1
        consecutive += 1
        var requests = 0, failures = 0
        for bucket in buckets where index - min(index, bucket.index) < UInt64(CircuitBreaker.bucketCount) {
            requests += bucket.requests
            failures += bucket.failures
        }
        let tooMany = requests >= max(1, policy.minimumRequests) && Double(failures) >= policy.failureRatio * Double(requests)
        if tooMany || consecutive >= max(1, policy.consecutiveFailures) { open(now: now) }
    }

    private mutating func open(now: NIODeadline) {
        var length = TimeAmount(policy.openFor)
        for _ in 0..<min(openings, 16) where length < TimeAmount(policy.maximumOpen) { length = length * 2 }
        openings += 1
        change(to: .open(until: now + min(length, max(TimeAmount(policy.openFor), TimeAmount(policy.maximumOpen)))))
    }

    private mutating func change(to new: State) {
        state = new
        epoch += 1
        consecutive = 0
        probesInFlight = 0
        probeSuccesses = 0
        if new == .closed { buckets = [Bucket](repeating: Bucket(), count: CircuitBreaker.bucketCount) }
    }
}
