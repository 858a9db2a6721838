import NIOCore
import SallyportCore

/// Everything that one event loop needs to reach upstreams. Used on its event loop only.
final class LoopClient {
    let eventLoop: any EventLoop
    let sweeper: DeadlineSweeper
    let connector: Connector
    /// The time as last read: near enough for what tolerates milliseconds.
    private(set) var now = NIODeadline.now()
    private(set) var generation = 0
    private var pools: [UpstreamID: UpstreamPool] = [:]
    /// Replaced or removed, with requests still under way.
    private var draining: [ObjectIdentifier: UpstreamPool] = [:]
    private var retired: [UpstreamID: UpstreamMetrics] = [:]
    private var housekeeping: Scheduled<Void>?
    private var isShutDown = false
    private var whenQuiet: [() -> Void] = []

    init(eventLoop: any EventLoop, resolver: any HostResolver) {
        self.eventLoop = eventLoop
        sweeper = DeadlineSweeper(eventLoop: eventLoop)
        connector = Connector(eventLoop: eventLoop, resolver: resolver)
    }

    func tick() -> NIODeadline {
        now = .now()
        return now
    }

    func pool(for upstream: UpstreamID) -> UpstreamPool? { pools[upstream] }

    func adopt(_ endpoints: [UpstreamID: UpstreamEndpoint], generation: Int) {
        guard generation > self.generation, !isShutDown else { return }
        self.generation = generation
        var next: [UpstreamID: UpstreamPool] = [:]
        for (id, endpoint) in endpoints {
            if let pool = pools[id], pool.endpoint === endpoint {
                next[id] = pool
            } else {
                next[id] = UpstreamPool(endpoint: endpoint, loop: self)
            }
        }
        let replaced = pools.values.filter { next[$0.endpoint.id] !== $0 }
        pools = next
        for pool in replaced {
            draining[ObjectIdentifier(pool)] = pool
            pool.drain()
        }
        keepHouse()
    }

    func poolMayBeEmpty(_ pool: UpstreamPool) {
        guard pool.isDraining, pool.isEmpty, draining.removeValue(forKey: ObjectIdentifier(pool)) != nil else { return }
        retired[pool.endpoint.id, default: UpstreamMetrics(upstream: pool.endpoint.id)].add(pool.counters)
    }

    var metrics: [UpstreamMetrics] {
        pools.map { id, pool in
            var sum = pool.metrics
            if let old = retired[id] { sum.add(old) }
            for other in draining.values where other.endpoint.id == id { sum.add(other.metrics) }
            return sum
        }
    }

    // MARK: Shutdown

    func exchangeEnded() {
        guard isShutDown, sweeper.exchanges.isEmpty else { return }
        let waiting = whenQuiet
        whenQuiet = []
        for done in waiting { done() }
    }

    /// Lets what runs go on until `grace` is over, then cancels it. No new request is taken.
    func shutDown(grace: TimeAmount, done: @escaping () -> Void) {
        if !isShutDown {
            isShutDown = true
            housekeeping?.cancel()
            for pool in Array(pools.values) {
                draining[ObjectIdentifier(pool)] = pool
                pool.drain()
            }
            pools = [:]
        }
        let timer = eventLoop.assumeIsolated().scheduleTask(in: grace) {
            for exchange in self.sweeper.exchanges { exchange.fail(.cancelled, "the client is shut down") }
            self.exchangeEnded()
        }
        whenQuiet.append {
            timer.cancel()
            for pool in Array(self.draining.values) { pool.closeAll() }
            done()
        }
        exchangeEnded()
    }

    // MARK: Housekeeping

    private func keepHouse() {
        guard housekeeping == nil, !isShutDown, !pools.isEmpty else { return }
        let shortest = pools.values.map { TimeAmount($0.endpoint.configuration.pool.idleTimeout) }.min() ?? .seconds(1)
        let interval = max(.milliseconds(10), min(.seconds(1), TimeAmount.nanoseconds(shortest.nanoseconds / 2)))
        housekeeping = eventLoop.assumeIsolated().scheduleTask(in: interval) { [weak self] in
            guard let self else { return }
            self.housekeeping = nil
            let now = self.tick()
            for pool in self.pools.values { pool.closeIdle(before: now) }
            self.keepHouse()
        }
    }
}
