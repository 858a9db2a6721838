import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportEgress
import SallyportGateway
import SallyportIdentity
import SallyportOversight

/// What the parts have to show beside the exchanges, and the way of spans to their collector.
enum Observability {
    /// The collector is an upstream like any other: allowed because it is configured, with pooled connections and time limits.
    static let collector: UpstreamID = "otlp-collector"

    static func collectorConfiguration(_ tracing: ServerPlan.Tracing) throws -> UpstreamConfiguration {
        let (origin, _) = split(tracing.endpoint)
        let url = try EndpointURL(parsing: origin)
        return UpstreamConfiguration(
            id: collector, kind: .openAI, endpoint: url,
            timeouts: UpstreamTimeouts(connect: .seconds(2), firstByte: .seconds(5), idle: .seconds(5), total: .seconds(10)),
            egress: EgressPolicy(allowPrivate: true))
    }

    /// `http://host:4318/v1/traces` as origin and target: the target is sent as it was written.
    private static func split(_ endpoint: String) -> (origin: String, target: String) {
        guard let scheme = endpoint.range(of: "://"), let slash = endpoint[scheme.upperBound...].firstIndex(of: "/") else {
            return (endpoint, "/v1/traces")
        }
        return (String(endpoint[..<slash]), String(endpoint[slash...]))
    }

    static func sender(_ tracing: ServerPlan.Tracing, _ egress: EgressClient, group: any EventLoopGroup)
        -> @Sendable (ByteBuffer) -> EventLoopFuture<Void>
    {
        let target = split(tracing.endpoint).target
        return { batch in
            let eventLoop = group.next()
            return eventLoop.flatSubmit {
                let promise = eventLoop.makePromise(of: Void.self)
                let request = UpstreamRequest(
                    upstream: collector, method: "POST", path: target, headers: ["content-type": TraceExporter.contentType], body: [batch],
                    retrySafety: .beforeFirstByte)
                _ = egress.send(request, on: eventLoop, delegate: StatusOnly(promise))
                return promise.futureResult
            }
        }
    }

    static func audit(_ log: AuditLog, into exposition: inout Exposition) {
        let figures = log.statistics
        exposition.counter("sallyport_audit_records_total", help: "Records in the audit log since the start.", Double(figures.records))
        exposition.counter("sallyport_audit_batches_total", help: "Group commits.", Double(figures.batches))
        exposition.counter("sallyport_audit_failures_total", help: "Records that could not be written.", Double(figures.failures))
        exposition.gauge("sallyport_audit_healthy", help: "1 while records are accepted.", log.isHealthy ? 1 : 0)
    }

    static func log(_ log: LogOutput, into exposition: inout Exposition) {
        exposition.counter(
            "sallyport_log_lines_dropped_total", help: "Log lines that were left out because nobody took them.", Double(log.dropped))
    }

    static func identity(_ figures: IdentityCounters.Figures, into exposition: inout Exposition) {
        exposition.counter("sallyport_honey_key_uses_total", help: "Uses of honey keys: each is an alarm.", Double(figures.honeyKeyUses))
        exposition.counter(
            "sallyport_network_denials_total", help: "Requests from networks that may not call.", Double(figures.networkDenials))
        for refusal in TokenRefusal.allCases {
            exposition.counter(
                "sallyport_token_refusals_total", help: "Tokens that were not accepted.", Double(figures.tokenRefusals[refusal] ?? 0),
                labels: [("reason", "\(refusal)")])
        }
    }

    static func upstreams(_ egress: EgressClient, _ upstreams: [UpstreamID], into exposition: inout Exposition) {
        for upstream in upstreams {
            exposition.gauge(
                "sallyport_upstream_available", help: "1 while the upstream may be asked.", egress.health(of: upstream).mayReceive ? 1 : 0,
                labels: [("upstream", upstream.rawValue)])
        }
    }
}

/// Waits for an answer's status and forgets the rest.
private final class StatusOnly: UpstreamResponseDelegate {
    private struct Refused: Error { let status: Int }
    private let promise: EventLoopPromise<Void>
    private var status = 0

    init(_ promise: EventLoopPromise<Void>) { self.promise = promise }

    func upstreamDidReceiveHead(status: Int, headers: HeaderFields) { self.status = status }
    func upstreamDidReceiveBody(_ chunk: ByteBuffer) {}
    func upstreamDidFinish(trailers: HeaderFields) {
        if (200..<300).contains(status) { promise.succeed() } else { promise.fail(Refused(status: status)) }
    }
    func upstreamDidFail(_ failure: UpstreamFailure) { promise.fail(failure) }
}
