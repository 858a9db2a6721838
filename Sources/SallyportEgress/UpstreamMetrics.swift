import SallyportCore

/// What happened towards one upstream since the start, over all event loops.
package struct UpstreamMetrics: Sendable, Equatable {
    package var upstream: UpstreamID
    package var requests = 0
    /// Answers that arrived whole, whatever their status.
    package var finished = 0
    package var failures: [UpstreamFailure.Kind: Int] = [:]
    package var connectionsOpened = 0
    package var retriedOnFreshConnection = 0
    /// Now, not since the start.
    package var connectionsOpen = 0
    package var connectionsIdle = 0
    package var waiting = 0

    package init(upstream: UpstreamID) { self.upstream = upstream }

    mutating func add(_ other: UpstreamMetrics) {
        requests += other.requests
        finished += other.finished
        failures.merge(other.failures, uniquingKeysWith: +)
        connectionsOpened += other.connectionsOpened
        retriedOnFreshConnection += other.retriedOnFreshConnection
        connectionsOpen += other.connectionsOpen
        connectionsIdle += other.connectionsIdle
        waiting += other.waiting
    }
}
