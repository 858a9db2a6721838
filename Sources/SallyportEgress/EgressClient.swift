import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import Synchronization

/// The only way out: pooled HTTP/1.1 and HTTP/2 connections per event loop, to configured upstreams and nowhere else. Redirects are
/// answers, never followed.
package final class EgressClient: UpstreamClient {
    // SAFETY: a loop client is touched on its own event loop only: `send` checks it, everything else is executed there.
    private struct Loops: @unchecked Sendable {
        let byLoop: [ObjectIdentifier: LoopClient]
    }

    private let loops: Loops
    private let logger: Logger
    private let endpoints = NIOLockedValueBox<[UpstreamID: UpstreamEndpoint]>([:])
    private struct Files {
        var wanted: [UpstreamConfiguration] = []
        /// Of each upstream's certificate files, as they were when they were last read.
        var stamps: [UpstreamID: String] = [:]
    }
    /// Held while certificate files are read: never by an event loop.
    private let files = NIOLockedValueBox(Files())
    private let generation = Atomic<Int>(0)
    private let isShutDown = Atomic<Bool>(false)
    private let probes: ProbeSchedule

    /// - Parameter group: its event loops are those that `send` may be called with.
    package init(
        group: any EventLoopGroup, resolver: any HostResolver = SystemResolver(), logger: Logger = Logger(label: "sallyport.egress")
    ) {
        var byLoop: [ObjectIdentifier: LoopClient] = [:]
        for eventLoop in group.makeIterator() {
            byLoop[ObjectIdentifier(eventLoop)] = LoopClient(eventLoop: eventLoop, resolver: resolver)
        }
        loops = Loops(byLoop: byLoop)
        probes = ProbeSchedule(eventLoop: group.next())
        self.logger = logger
    }

    /// Swaps the set of upstreams. Unchanged ones keep their connections and state; requests under way go on. Reads certificate
    /// files: call it off the event loops. An upstream whose TLS files cannot be used stays, and is unavailable with the reason.
    package func update(_ configurations: [UpstreamConfiguration]) {
        files.withLockedValue { files in
            files.wanted = configurations
            apply(&files)
        }
    }

    /// Takes changed certificate files into use. Reads them: call it off the event loops. Files that cannot be used are told of, and the
    /// former certificates stay.
    /// - Returns: whether there was a change.
    @discardableResult
    package func refreshFiles() -> Bool {
        files.withLockedValue { files in
            let isChanged = files.wanted.contains { files.stamps[$0.id] != FileStamp.of($0.tlsFiles) }
            if isChanged { apply(&files) }
            return isChanged
        }
    }

    private func apply(_ files: inout Files) {
        let known = endpoints.withLockedValue { $0 }
        var next: [UpstreamID: UpstreamEndpoint] = [:]
        var stamps: [UpstreamID: String] = [:]
        for configuration in files.wanted {
            // Before the files are read: what changes meanwhile is found the next time.
            let stamp = FileStamp.of(configuration.tlsFiles)
            stamps[configuration.id] = stamp
            for endpoint in endpoints(of: configuration, known, isReadAnew: files.stamps[configuration.id] != stamp) {
                next[endpoint.id] = endpoint
            }
        }
        files.stamps = stamps
        adopt(next)
    }

    /// The endpoints of an upstream: those that there are when neither its configuration nor a file that it names has changed.
    private func endpoints(
        of configuration: UpstreamConfiguration, _ known: [UpstreamID: UpstreamEndpoint], isReadAnew: Bool
    ) -> [UpstreamEndpoint] {
        guard let same = known[configuration.id], same.configuration == configuration else { return makeEndpoints(for: configuration) }
        let kept = [same] + (same.tokens.flatMap { known[$0.upstream] }.map { [$0] } ?? [])
        guard isReadAnew else { return kept }
        let made = makeEndpoints(for: configuration)
        // A certificate may be there before its key: the next change brings the other one.
        guard let reason = made.lazy.compactMap(\.unavailableReason).first, kept.allSatisfy({ $0.unavailableReason == nil }) else {
            return made
        }
        logger.error(
            "an upstream's certificates stay as they were", metadata: ["upstream.id": "\(configuration.id)", "reason": "\(reason)"])
        return kept
    }

    private func adopt(_ current: [UpstreamID: UpstreamEndpoint]) {
        let number = endpoints.withLockedValue { endpoints in
            endpoints = current
            return generation.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
        }
        for endpoint in current.values {
            if let reason = endpoint.unavailableReason {
                logger.warning("upstream unavailable", metadata: ["upstream.id": "\(endpoint.id)", "reason": "\(reason)"])
            }
        }
        for (key, loop) in loops.byLoop {
            loop.eventLoop.execute { [loops] in loops.byLoop[key]?.adopt(current, generation: number) }
        }
        probes.replace(with: current.values.filter { $0.configuration.probe != nil && $0.unavailableReason == nil }, client: self)
    }

    package func send(
        _ request: UpstreamRequest, on eventLoop: any EventLoop, delegate: any UpstreamResponseDelegate
    ) -> any UpstreamCall {
        send(request, on: eventLoop, delegate: delegate, isProbe: false)
    }

    func send(
        _ request: UpstreamRequest, on eventLoop: any EventLoop, delegate: any UpstreamResponseDelegate, isProbe: Bool
    ) -> any UpstreamCall {
        eventLoop.preconditionInEventLoop()
        guard let loop = loops.byLoop[ObjectIdentifier(eventLoop)] else {
            return RefusedCall(UpstreamFailure(.unavailable, "this event loop has no upstream connections"), eventLoop, delegate)
        }
        if loop.generation != generation.load(ordering: .acquiring) {
            let (current, number) = endpoints.withLockedValue { ($0, generation.load(ordering: .acquiring)) }
            loop.adopt(current, generation: number)
        }
        guard let pool = loop.pool(for: request.upstream) else {
            let reason = isShutDown.load(ordering: .relaxed) ? "the client is shut down" : "no upstream of that name is configured"
            return RefusedCall(UpstreamFailure(.unavailable, reason), eventLoop, delegate)
        }
        let endpoint = pool.endpoint
        pool.counters.requests += 1
        let now = loop.tick()
        if let reason = endpoint.unavailableReason { return refuse(.unavailable, reason, pool, delegate) }
        var permit: CircuitBreaker.Permit?
        if !isProbe {
            permit = endpoint.admit(now: now)
            if permit == nil { return refuse(.circuitOpen, "too many requests to this upstream failed", pool, delegate) }
        }
        let exchange = Exchange(request, pool: pool, delegate: delegate, permit: permit, now: now)
        loop.sweeper.add(exchange)
        defer { exchange.didStart() }
        guard let tokens = endpoint.tokens else {
            exchange.credential = request.credential
            pool.dispatch(exchange)
            return exchange
        }
        if let ready = tokens.current(on: eventLoop, now: now) {
            exchange.credential = ready
            pool.dispatch(exchange)
            return exchange
        }
        tokens.headers(on: eventLoop).assumeIsolated().whenComplete { result in
            guard !exchange.hasEnded else { return }
            switch result {
            case .success(let fields):
                exchange.credential = fields
                pool.dispatch(exchange)
            case .failure(let error):
                exchange.fail(.unavailable, (error as? UpstreamFailure)?.message ?? "no credential was to be had", blameless: true)
            }
        }
        return exchange
    }

    package func health(of upstream: UpstreamID) -> UpstreamHealth {
        guard let endpoint = endpoints.withLockedValue({ $0[upstream] }) else {
            return UpstreamHealth(.unavailable, reason: "no upstream of that name is configured")
        }
        return endpoint.health(now: .now())
    }

    /// What `send` adds by itself; for those who speak to an upstream in another way.
    package var authorizer: UpstreamAuthorizer {
        UpstreamAuthorizer { [endpoints] id in endpoints.withLockedValue { $0[id] } }
    }

    /// Sums over all event loops, sorted by name.
    package func metrics(on eventLoop: any EventLoop) -> EventLoopFuture<[UpstreamMetrics]> {
        let parts = loops.byLoop.keys.map { key in
            loops.byLoop[key]?.eventLoop.submit { [loops] in loops.byLoop[key]?.metrics ?? [] } ?? eventLoop.makeSucceededFuture([])
        }
        return EventLoopFuture.reduce(into: [UpstreamID: UpstreamMetrics](), parts, on: eventLoop) { sums, part in
            for one in part { sums[one.upstream, default: UpstreamMetrics(upstream: one.upstream)].add(one) }
        }.map { $0.values.sorted { $0.upstream < $1.upstream } }
    }

    /// Takes no new request, lets those under way end within `grace`, then cancels them and closes every connection.
    package func shutDown(grace: Duration, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        isShutDown.store(true, ordering: .relaxed)
        probes.replace(with: [], client: self)
        let parts = loops.byLoop.keys.compactMap { key -> EventLoopFuture<Void>? in
            guard let target = loops.byLoop[key]?.eventLoop else { return nil }
            let promise = target.makePromise(of: Void.self)
            target.execute { [loops] in
                loops.byLoop[key]?.shutDown(grace: TimeAmount(grace)) { promise.succeed(()) }
            }
            return promise.futureResult
        }
        return EventLoopFuture.andAllComplete(parts, on: eventLoop)
    }

    private func refuse(
        _ kind: UpstreamFailure.Kind, _ message: String, _ pool: UpstreamPool, _ delegate: any UpstreamResponseDelegate
    ) -> any UpstreamCall {
        pool.counters.failures[kind, default: 0] += 1
        return RefusedCall(UpstreamFailure(kind, message), pool.loop.eventLoop, delegate)
    }

    /// The upstream itself, and the authority that its tokens come from.
    private func makeEndpoints(for configuration: UpstreamConfiguration) -> [UpstreamEndpoint] {
        guard case .entra(let credential) = configuration.credential, configuration.unavailableReason == nil else {
            return [UpstreamEndpoint(configuration, tokens: nil)]
        }
        let authority = UpstreamConfiguration(
            id: UpstreamID("\(configuration.id)#authority"), kind: .azureAI, endpoint: credential.authority,
            timeouts: UpstreamTimeouts(connect: .seconds(5), firstByte: .seconds(10), idle: .seconds(10), total: .seconds(15)),
            pool: UpstreamPoolLimits(maxConnections: 2, maxWaiting: 16), tls: credential.tls, egress: credential.egress)
        let tokens = EntraTokenSource(
            upstream: authority.id,
            fetch: { [weak self] eventLoop in
                guard let self else { return eventLoop.makeFailedFuture(UpstreamFailure(.unavailable, "the client is gone")) }
                return EntraTokenRequest.send(credential, to: authority.id, through: self, on: eventLoop)
            })
        return [UpstreamEndpoint(configuration, tokens: tokens), UpstreamEndpoint(authority, tokens: nil)]
    }
}

/// A request that was not sent; its delegate hears of it in the event loop's next turn.
private final class RefusedCall: UpstreamCall {
    private var delegate: (any UpstreamResponseDelegate)?

    init(_ failure: UpstreamFailure, _ eventLoop: any EventLoop, _ delegate: any UpstreamResponseDelegate) {
        self.delegate = delegate
        eventLoop.assumeIsolated().execute { self.end(failure) }
    }

    func cancel() { end(UpstreamFailure(.cancelled, "the caller cancelled")) }
    func pauseReading() {}
    func resumeReading() {}

    private func end(_ failure: UpstreamFailure) {
        let listener = delegate
        delegate = nil
        listener?.upstreamDidFail(failure)
    }
}
