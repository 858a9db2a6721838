import NIOCore

/// When a request may be sent again.
package enum RetrySafety: Sendable, Hashable {
    /// Only when not one byte of it left this machine.
    case never
    /// As long as the caller got no byte of an answer: the client itself does it on a stale connection, the gateway after a failure and
    /// after an answer that says "not now, not here".
    case beforeFirstByte
}

/// One request to one upstream. The client adds `host`, `content-length` and the upstream's credentials; what stands in `headers`
/// under those names, and every hop-by-hop field, is dropped.
package struct UpstreamRequest: Sendable {
    package var upstream: UpstreamID
    /// Upper case.
    package var method: String
    /// The target with its query, beginning with `/`; the upstream's base path is put before it.
    package var path: String
    package var headers: HeaderFields
    /// Written in order.
    package var body: [ByteBuffer]
    /// From `send` to the answer's head; nil: the upstream's own setting.
    package var attemptTimeout: Duration?
    /// From `send` to the answer's end; nil: the upstream's own setting.
    package var totalTimeout: Duration?
    package var retrySafety: RetrySafety
    /// Credentials of this request alone, where an upstream has none of its own: signatures over the request.
    package var credential = HeaderFields()

    package init(
        upstream: UpstreamID, method: String, path: String, headers: HeaderFields = HeaderFields(), body: [ByteBuffer] = [],
        attemptTimeout: Duration? = nil, totalTimeout: Duration? = nil, retrySafety: RetrySafety = .beforeFirstByte
    ) {
        self.upstream = upstream
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.attemptTimeout = attemptTimeout
        self.totalTimeout = totalTimeout
        self.retrySafety = retrySafety
    }
}

/// Why there is no (whole) answer.
package struct UpstreamFailure: Error, Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable {
        /// No address could be connected to, or the name could not be resolved.
        case connect
        case tls
        /// The connection or stream ended before the answer did.
        case reset
        case timeoutConnect, timeoutFirstByte, timeoutIdle, timeoutTotal
        case protocolViolation
        case egressDenied
        case circuitOpen
        /// No connection became free, or too many requests wait for one.
        case poolExhausted
        /// Not configured, removed, a variable unset, no credential to be had: `message` says which.
        case unavailable
        case cancelled

        package var isTimeout: Bool {
            switch self {
            case .timeoutConnect, .timeoutFirstByte, .timeoutIdle, .timeoutTotal: true
            default: false
            }
        }
    }
    package let kind: Kind
    /// Whether any byte of the request was handed to the network.
    package let bytesSent: Bool
    /// Whether `upstreamDidReceiveHead` was called.
    package let headReceived: Bool
    /// For operators: never holds request or answer text, nor a secret.
    package let message: String

    package init(_ kind: Kind, _ message: String, bytesSent: Bool = false, headReceived: Bool = false) {
        self.kind = kind
        self.message = message
        self.bytesSent = bytesSent
        self.headReceived = headReceived
    }

    /// Whether the request may be sent again, to this or another target.
    package func permitsRetry(_ safety: RetrySafety) -> Bool {
        guard kind != .cancelled, kind != .timeoutTotal, !headReceived else { return false }
        return safety != .never || !bytesSent
    }
}

/// Who hears the answer. Every call comes on the request's event loop, in order, none before `send` has returned; exactly one of
/// `upstreamDidFinish` and `upstreamDidFail` comes, last. The call holds its delegate until then.
package protocol UpstreamResponseDelegate: AnyObject {
    /// The final head: informational ones are skipped, redirects are answers.
    func upstreamDidReceiveHead(status: Int, headers: HeaderFields)
    func upstreamDidReceiveBody(_ chunk: ByteBuffer)
    /// All that one read brought was delivered: a good moment to flush.
    func upstreamDidCompleteRead()
    func upstreamDidFinish(trailers: HeaderFields)
    func upstreamDidFail(_ failure: UpstreamFailure)
}

extension UpstreamResponseDelegate {
    package func upstreamDidCompleteRead() {}
}

/// A request under way. Use it on its event loop only.
package protocol UpstreamCall: AnyObject {
    /// Ends the call now: the HTTP/1.1 connection is closed, the HTTP/2 stream reset, `upstreamDidFail(.cancelled)` follows at once
    /// (within this very call). After the end it does nothing.
    func cancel()
    /// Stops reading from the upstream; what was read already still arrives. The idle timeout rests meanwhile.
    func pauseReading()
    func resumeReading()
}

/// Whether an upstream can be asked.
package struct UpstreamHealth: Sendable, Hashable {
    package enum State: String, Sendable, CaseIterable {
        case available
        /// The circuit lets probes through.
        case probing
        case circuitOpen
        /// The active probe fails.
        case probeFailed
        /// Misconfigured, without credentials, or not known.
        case unavailable
    }
    package let state: State
    /// For operators; nil when available.
    package let reason: String?
    /// When asking again makes sense.
    package let retryAfter: Duration?
    package init(_ state: State, reason: String? = nil, retryAfter: Duration? = nil) {
        self.state = state
        self.reason = reason
        self.retryAfter = retryAfter
    }
    package var mayReceive: Bool { state == .available || state == .probing }
}

/// The one way out. Thread-safe.
package protocol UpstreamClient: Sendable {
    /// Sends on a connection of this very event loop, on which it must be called.
    func send(
        _ request: UpstreamRequest, on eventLoop: any EventLoop, delegate: any UpstreamResponseDelegate
    ) -> any UpstreamCall
    func health(of upstream: UpstreamID) -> UpstreamHealth
}
