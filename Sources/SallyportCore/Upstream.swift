import NIOCore

/// Header fields in order of arrival. Names keep their spelling; every look-up ignores case (ASCII only).
package struct HeaderFields: Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var fields: [(name: String, value: String)]

    package init() { fields = [] }
    package init(_ fields: [(name: String, value: String)]) { self.fields = fields }
    package init(dictionaryLiteral elements: (String, String)...) { fields = elements.map { (name: $0.0, value: $0.1) } }

    package mutating func reserveCapacity(_ count: Int) { fields.reserveCapacity(count) }
    package mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }
    package mutating func append(contentsOf others: HeaderFields) { fields.append(contentsOf: others.fields) }
    /// Removes every field of that name, then adds one.
    package mutating func set(_ name: String, _ value: String) {
        remove(name)
        fields.append((name, value))
    }
    package mutating func remove(_ name: String) { fields.removeAll { HeaderFields.sameName($0.name, name) } }

    package func first(_ name: String) -> String? {
        for field in fields where HeaderFields.sameName(field.name, name) { return field.value }
        return nil
    }
    package func all(_ name: String) -> [String] {
        fields.lazy.filter { HeaderFields.sameName($0.name, name) }.map(\.value)
    }
    package func contains(_ name: String) -> Bool {
        fields.contains { HeaderFields.sameName($0.name, name) }
    }

    /// ASCII case-insensitive equality of two field names, without an allocation.
    package static func sameName(_ a: String, _ b: String) -> Bool {
        let x = a.utf8, y = b.utf8
        guard x.count == y.count else { return false }
        var i = x.startIndex, j = y.startIndex
        while i != x.endIndex {
            var p = x[i], q = y[j]
            if p &- 65 < 26 { p |= 0x20 }
            if q &- 65 < 26 { q |= 0x20 }
            guard p == q else { return false }
            i = x.index(after: i)
            j = y.index(after: j)
        }
        return true
    }
}

extension HeaderFields: RandomAccessCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { fields.count }
    package subscript(position: Int) -> (name: String, value: String) { fields[position] }
}

extension HeaderFields: Equatable {
    /// Same fields, same order, same spelling.
    package static func == (a: HeaderFields, b: HeaderFields) -> Bool {
        a.fields.count == b.fields.count && zip(a.fields, b.fields).allSatisfy { $0.name == $1.name && $0.value == $1.value }
    }
}

/// When a request that got no answer may be sent again.
package enum RetrySafety: Sendable, Hashable {
    /// Only when not one byte of it left this machine.
    case never
    /// As long as no byte of an answer came: on a stale connection by the client itself, on another target by the gateway.
    case beforeFirstByte
    /// Idempotent: also after an answer that says "later" (429, 502, 503, 504).
    case always
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

/// Chooses where an attempt goes: the lowest priority number with a target that may receive, and by weight among those.
package enum TargetSelector {
    /// - Parameters:
    ///   - tried: indices that were tried for this request and are left out.
    /// - Returns: an index into `targets`; nil when none is left. A weight of 0 takes a target out of service.
    package static func next(
        in targets: [DeploymentTarget], tried: [Int] = [], health: (UpstreamID) -> UpstreamHealth,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        var chosen: Int?
        var priority = Int.max
        var total: UInt64 = 0
        for (index, target) in targets.enumerated() {
            guard target.weight > 0, target.priority <= priority, !tried.contains(index), health(target.upstream).mayReceive
            else { continue }
            if target.priority < priority {
                priority = target.priority
                total = 0
            }
            // One pass (reservoir): the newcomer replaces the choice with probability weight ÷ total.
            total += UInt64(clamping: target.weight)
            if total == UInt64(clamping: target.weight) || UInt64.random(in: 0..<total, using: &random) < UInt64(clamping: target.weight) {
                chosen = index
            }
        }
        return chosen
    }
}

/// How many retries may be made: a share of the requests, plus a small floor, so that retries cannot multiply an outage.
package struct RetryBudget: Sendable {
    private let ratio: Double
    private let floorPerSecond: Double
    private let capacity: Double
    private var tokens: Double
    private var refilledAt: NIODeadline

    /// - Parameters:
    ///   - ratio: retries earned by a request.
    ///   - floorPerSecond: retries earned by time, so that a quiet service may retry too.
    ///   - capacity: what can be saved up; it is also the amount at the start.
    package init(ratio: Double = 0.2, floorPerSecond: Double = 1, capacity: Double = 20, now: NIODeadline) {
        self.ratio = max(0, ratio)
        self.floorPerSecond = max(0, floorPerSecond)
        self.capacity = max(1, capacity)
        tokens = self.capacity
        refilledAt = now
    }

    /// Call once per request (not per attempt).
    package mutating func recordRequest() { tokens = min(capacity, tokens + ratio) }

    /// - Returns: false when the budget is spent: answer with the failure at hand.
    package mutating func takeRetry(now: NIODeadline) -> Bool {
        if now > refilledAt {
            tokens = min(capacity, tokens + floorPerSecond * Double((now - refilledAt).nanoseconds) / 1e9)
            refilledAt = now
        }
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
