import NIOCore
import SallyportCore

/// What carries an exchange: an HTTP/1.1 connection or an HTTP/2 stream.
protocol ExchangeTransport: AnyObject {
    /// Ends it at once; the exchange hears nothing more from it.
    func abort()
    func pauseReading()
    func resumeReading()
}

/// One request and its answer, from `send` to the last call of its delegate. Lives on one event loop.
final class Exchange: UpstreamCall {
    enum Phase {
        case authorizing, queued, sent, streaming, ended
    }

    let request: UpstreamRequest
    let pool: UpstreamPool
    let startedAt: NIODeadline
    /// A credential that changes (a token); the fixed one is the endpoint's.
    var credential = HeaderFields()
    var sweepSlot = -1
    /// Whether it must not go on a connection that was idle: it failed on one already.
    private(set) var needsFreshConnection = false
    private(set) var phase = Phase.authorizing
    private var delegate: (any UpstreamResponseDelegate)?
    private var transport: (any ExchangeTransport)?
    private var permit: CircuitBreaker.Permit?
    private var queuedAt: NIODeadline
    private var lastActivity: NIODeadline
    private let firstByteDeadline: NIODeadline
    private let totalDeadline: NIODeadline
    private var isPaused = false
    private var bytesSent = false
    private var headReceived = false
    /// Within `send`: the delegate must not be called yet.
    private var isStarting = true

    init(
        _ request: UpstreamRequest, pool: UpstreamPool, delegate: any UpstreamResponseDelegate, permit: CircuitBreaker.Permit?,
        now: NIODeadline
    ) {
        self.request = request
        self.pool = pool
        self.delegate = delegate
        self.permit = permit
        startedAt = now
        queuedAt = now
        lastActivity = now
        let endpoint = pool.endpoint
        firstByteDeadline = Exchange.deadline(from: now, request.attemptTimeout.map { TimeAmount($0) } ?? endpoint.firstByteTimeout)
        totalDeadline = Exchange.deadline(from: now, request.totalTimeout.map { TimeAmount($0) } ?? endpoint.totalTimeout)
    }

    private static func deadline(from now: NIODeadline, _ timeout: TimeAmount?) -> NIODeadline {
        timeout.map { now + $0 } ?? .distantFuture
    }

    var hasEnded: Bool { phase == .ended }
    func didStart() { isStarting = false }

    // MARK: The caller's side

    func cancel() { fail(.cancelled, "the caller cancelled") }

    func pauseReading() {
        guard !isPaused, phase != .ended else { return }
        isPaused = true
        transport?.pauseReading()
    }

    func resumeReading() {
        guard isPaused, phase != .ended else { return }
        isPaused = false
        lastActivity = .now()
        pool.loop.sweeper.note(nextDeadline)
        transport?.resumeReading()
    }

    // MARK: Deadlines

    var nextDeadline: NIODeadline {
        switch phase {
        case .authorizing, .queued: min(totalDeadline, firstByteDeadline, queuedAt + pool.endpoint.connectTimeout)
        case .sent: min(totalDeadline, firstByteDeadline)
        case .streaming:
            if !isPaused, let idle = pool.endpoint.idleTimeout { min(totalDeadline, lastActivity + idle) } else { totalDeadline }
        case .ended: .distantFuture
        }
    }

    func expire(now: NIODeadline) {
        if now >= totalDeadline {
            return fail(.timeoutTotal, "the answer was not complete in time")
        }
        switch phase {
        case .authorizing: fail(.unavailable, "no credential was to be had in time")
        case .queued:
            if pool.isConnecting {
                fail(.timeoutConnect, "no connection was made in time")
            } else {
                fail(.poolExhausted, "no connection became free in time")
            }
        case .sent: fail(.timeoutFirstByte, "no answer began in time")
        case .streaming: fail(.timeoutIdle, "the answer stalled")
        case .ended: break
        }
    }

    // MARK: The pool's and the transport's side

    func didQueue() {
        phase = .queued
    }

    /// The request is about to be written.
    func willSend(on transport: any ExchangeTransport) {
        phase = .sent
        bytesSent = true
        self.transport = transport
        if isPaused { transport.pauseReading() }
    }

    func didReceiveHead(status: Int, headers: HeaderFields) {
        guard phase == .sent else { return }
        phase = .streaming
        headReceived = true
        let now = pool.loop.tick()
        lastActivity = now
        if let permit {
            // 501 and 505 are about the request. An outcome counts once: what breaks later counts as a failure of its own.
            pool.endpoint.record(status >= 500 && status != 501 && status != 505 ? .failure : .success, permit: permit, now: now)
        }
        pool.loop.sweeper.note(nextDeadline)
        delegate?.upstreamDidReceiveHead(status: status, headers: headers)
    }

    func didReceiveBody(_ chunk: ByteBuffer) {
        guard phase == .streaming else { return }
        delegate?.upstreamDidReceiveBody(chunk)
    }

    func didCompleteRead() {
        guard phase == .streaming else { return }
        lastActivity = pool.loop.tick()
        delegate?.upstreamDidCompleteRead()
    }

    func didFinish(trailers: HeaderFields) {
        guard phase == .streaming else { return }
        transport = nil
        end()
        pool.counters.finished += 1
        delegate?.upstreamDidFinish(trailers: trailers)
        delegate = nil
    }

    func didFailToConnect(_ failure: ConnectFailure) { fail(failure.kind, failure.message) }

    /// The connection or stream went away by itself.
    /// - Parameters:
    ///   - unprocessed: the peer said that it never looked at the request (REFUSED_STREAM, GOAWAY).
    ///   - stale: the connection had been idle before, and not one byte came back on it.
    func connectionLost(_ kind: UpstreamFailure.Kind, _ message: String, stale: Bool, unprocessed: Bool = false) {
        transport = nil
        let safe = unprocessed || (stale && request.retrySafety != .never)
        guard phase == .sent, safe, !needsFreshConnection else { return fail(kind, message) }
        needsFreshConnection = true
        bytesSent = !unprocessed
        queuedAt = pool.loop.tick()
        pool.counters.retriedOnFreshConnection += 1
        pool.dispatch(self)
        if phase == .queued { pool.loop.sweeper.note(nextDeadline) }
    }

    /// - Parameter blameless: the upstream had no part in it.
    func fail(_ kind: UpstreamFailure.Kind, _ message: String, blameless: Bool = false) {
        guard phase != .ended else { return }
        if phase == .queued { pool.removeWaiter(self) }
        let failure = UpstreamFailure(kind, message, bytesSent: bytesSent, headReceived: headReceived)
        let carrier = transport
        transport = nil
        end()
        carrier?.abort()
        recordFailure(kind, blameless: blameless)
        if isStarting {
            // A request that fails within `send` is heard of afterwards.
            pool.loop.eventLoop.assumeIsolated().execute { self.deliver(failure) }
        } else {
            deliver(failure)
        }
    }

    private func deliver(_ failure: UpstreamFailure) {
        delegate?.upstreamDidFail(failure)
        delegate = nil
    }

    private func end() {
        phase = .ended
        pool.loop.sweeper.remove(self)
        pool.loop.exchangeEnded()
    }

    private func recordFailure(_ kind: UpstreamFailure.Kind, blameless: Bool) {
        pool.counters.failures[kind, default: 0] += 1
        let outcome: CircuitBreaker.Outcome =
            switch kind {
            case _ where blameless: .neutral
            case .connect, .tls, .reset, .timeoutConnect, .timeoutFirstByte, .timeoutIdle, .protocolViolation: .failure
            // A slow answer is the upstream's doing only when it did not begin: long answers run into the total timeout too.
            case .timeoutTotal: headReceived ? .neutral : .failure
            case .egressDenied, .circuitOpen, .poolExhausted, .unavailable, .cancelled: .neutral
            }
        guard let permit, !(headReceived && outcome == .neutral) else { return }
        // After the head the probe's permit is used up: what follows counts in the window only.
        let counted = headReceived ? CircuitBreaker.Permit(epoch: permit.epoch, isProbe: false) : permit
        pool.endpoint.record(outcome, permit: counted, now: pool.loop.tick())
    }
}
