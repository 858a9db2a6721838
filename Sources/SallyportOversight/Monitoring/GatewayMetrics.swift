import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Counts exchanges, and shows the counts in Prometheus' text format under Azure's names and our own (`docs/metrics.md`).
///
/// Labels are from closed sets and the configuration; whatever else arrives is bounded and then counted under `other`.
package final class GatewayMetrics: ExchangeObserver {
    private let shards: [NIOLockedValueBox<MetricsShard>]
    private let region: String
    private let version: String?
    private let additional: @Sendable (inout Exposition) -> Void

    /// - Parameters:
    ///   - deployments: those of the configuration, at most 256.
    ///   - region: the `region` label, as Azure's metrics have one.
    ///   - version: shown in `sallyport_build_info`; nil: no such metric.
    ///   - additional: what other parts have to show; called at each scrape.
    package convenience init(
        deployments: [DeploymentID] = [], region: String = "", version: String? = nil,
        additional: @escaping @Sendable (inout Exposition) -> Void = { _ in }
    ) {
        var bounds = MetricsShard.Bounds()
        bounds.deployments = Set(deployments.map(\.rawValue))
        self.init(bounds: bounds, region: region, version: version, additional: additional)
    }

    init(bounds: MetricsShard.Bounds, region: String, version: String?, additional: @escaping @Sendable (inout Exposition) -> Void) {
        self.region = region
        self.version = version
        self.additional = additional
        // Eight, so that event loops seldom meet at one lock.
        shards = (0..<8).map { _ in NIOLockedValueBox(MetricsShard(bounds: bounds)) }
    }

    package func exchangeDidStart() { shard.withLockedValue { $0.noteStart() } }

    package func exchangeDidEnd(_ summary: ExchangeSummary) { shard.withLockedValue { $0.note(summary) } }

    /// The calling thread's own.
    private var shard: NIOLockedValueBox<MetricsShard> {
        #if canImport(Darwin)
            let thread = UInt(bitPattern: pthread_self())
        #else
            let thread = UInt(pthread_self())
        #endif
        // Threads' control blocks are megabytes apart: the low bits say nothing, so they are mixed (Fibonacci hashing).
        return shards[Int((thread &* 0x9E37_79B9_7F4A_7C15) >> 61)]
    }

    /// All metrics as they are now. Reads `/proc`: for a scrape, not for each request.
    package func exposition() -> ByteBuffer {
        var exposition = Exposition()
        let total = MetricsTotal(shards.map { $0.withLockedValue { $0 } })
        total.write(to: &exposition, region: region)
        if let version {
            exposition.gauge("sallyport_build_info", help: "Always 1; the label says which build.", 1, labels: [("version", version)])
        }
        ProcessFigures.now().write(to: &exposition)
        additional(&exposition)
        return exposition.encoded()
    }
}
