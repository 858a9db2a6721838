import NIOCore
import SallyportCore

/// A connection as the pool sees it.
protocol PooledConnection: AnyObject {
    func close()
}

/// The connections of one event loop to one upstream, and who waits for one.
final class UpstreamPool {
    let endpoint: UpstreamEndpoint
    let loop: LoopClient
    var counters: UpstreamMetrics
    /// The most recently used one is last, and is used first: the others may grow old and be closed.
    private var idle: [HTTP1Connection] = []
    private var multiplexed: [HTTP2Connection] = []
    private var open: [ObjectIdentifier: any PooledConnection] = [:]
    private var waiters = CircularBuffer<Exchange>()
    private var connecting = 0
    private var peerSpeaksHTTP2: Bool
    private(set) var isDraining = false

    private var limits: UpstreamPoolLimits { endpoint.configuration.pool }
    var isConnecting: Bool { connecting > 0 }
    var isEmpty: Bool { open.isEmpty && waiters.isEmpty && connecting == 0 }

    init(endpoint: UpstreamEndpoint, loop: LoopClient) {
        self.endpoint = endpoint
        self.loop = loop
        counters = UpstreamMetrics(upstream: endpoint.id)
        peerSpeaksHTTP2 = endpoint.configuration.http == .http2 || (endpoint.tls != nil && endpoint.configuration.http == .automatic)
    }

    var metrics: UpstreamMetrics {
        var metrics = counters
        metrics.connectionsOpen = open.count
        metrics.connectionsIdle = idle.count + multiplexed.count { $0.isIdle }
        metrics.waiting = waiters.count
        return metrics
    }

    // MARK: Requests

    func dispatch(_ exchange: Exchange) {
        if !exchange.needsFreshConnection {
            while let connection = idle.popLast() {
                if connection.isUsable { return connection.carry(exchange, isReused: true) }
                connection.close()
            }
            if let connection = multiplexed.last(where: { $0.canOpenStream }) { return connection.carry(exchange) }
        }
        guard waiters.count < limits.maxWaiting else {
            return exchange.fail(.poolExhausted, "too many requests wait for a connection")
        }
        exchange.didQueue()
        if exchange.needsFreshConnection { waiters.prepend(exchange) } else { waiters.append(exchange) }
        makeConnections()
    }

    func removeWaiter(_ exchange: Exchange) {
        if let index = waiters.firstIndex(where: { $0 === exchange }) { waiters.remove(at: index) }
    }

    // MARK: Connections

    func isFree(_ connection: HTTP1Connection) {
        if let waiter = waiters.popFirst() { return connection.carry(waiter, isReused: true) }
        if isDraining { return connection.close() }
        connection.idleSince = loop.now
        idle.append(connection)
    }

    func hasFreeStream(_ connection: HTTP2Connection) {
        while connection.canOpenStream, let waiter = waiters.popFirst() { connection.carry(waiter) }
        if isDraining, connection.isIdle { connection.close() }
    }

    /// No further requests go there (GOAWAY).
    func isLeaving(_ connection: HTTP2Connection) {
        multiplexed.removeAll { $0 === connection }
        makeConnections()
    }

    func didClose(_ connection: some PooledConnection) {
        guard open.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        idle.removeAll { $0 === connection }
        multiplexed.removeAll { $0 === connection }
        makeConnections()
        loop.poolMayBeEmpty(self)
    }

    private func makeConnections() {
        while waiters.count > connecting, open.count + connecting < max(1, limits.maxConnections) {
            // One HTTP/2 connection serves many: wait for it before making another.
            if peerSpeaksHTTP2, connecting > 0 { return }
            connect()
        }
        // Somebody needs a fresh connection and idle ones fill the pool.
        if connecting == 0, !waiters.isEmpty, !idle.isEmpty { idle.removeFirst().close() }
    }

    private func connect() {
        connecting += 1
        loop.connector.connect(for: self) { result in
            self.connecting -= 1
            switch result {
            case .success(.http1(let connection)):
                self.peerSpeaksHTTP2 = false
                self.didOpen(connection)
                if let waiter = self.waiters.popFirst() {
                    connection.carry(waiter, isReused: false)
                } else {
                    self.isFree(connection)
                }
            case .success(.http2(let connection)):
                self.peerSpeaksHTTP2 = true
                self.didOpen(connection)
                self.multiplexed.append(connection)
                self.hasFreeStream(connection)
            case .failure(let failure): self.connectFailed(failure)
            }
            self.makeConnections()
            self.loop.poolMayBeEmpty(self)
        }
    }

    private func didOpen(_ connection: some PooledConnection) {
        counters.connectionsOpened += 1
        open[ObjectIdentifier(connection)] = connection
    }

    private func connectFailed(_ failure: ConnectFailure) {
        waiters.popFirst()?.didFailToConnect(failure)
        // Nothing is open and nothing on its way: the others would only learn the same, one after the other.
        guard open.isEmpty, connecting == 0 else { return }
        let others = waiters
        waiters.removeAll()
        for exchange in others { exchange.didFailToConnect(failure) }
    }

    // MARK: Time

    func closeIdle(before now: NIODeadline) {
        let timeout = TimeAmount(limits.idleTimeout)
        let kept = idle.firstIndex { $0.idleSince + timeout > now } ?? idle.count
        let old = idle.prefix(kept)
        idle.removeFirst(kept)
        for connection in old { connection.close() }
        for connection in multiplexed where connection.isIdle && connection.idleSince + timeout <= now { connection.close() }
    }

    /// No new requests come; those under way go on.
    func drain() {
        isDraining = true
        let unused = idle
        idle.removeAll()
        for connection in unused { connection.close() }
        for connection in multiplexed where connection.isIdle { connection.close() }
        loop.poolMayBeEmpty(self)
    }

    func closeAll() {
        for connection in open.values { connection.close() }
    }
}
