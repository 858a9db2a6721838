import SallyportCore

/// How an upstream knows us.
package enum UpstreamCredential: Sendable, Equatable {
    case none
    /// Azure's `api-key` and its like.
    case header(name: String, value: Redacted<String>)
    case bearer(Redacted<String>)
    case entra(EntraCredential)
}

/// A header field that an upstream is always sent; its value may be a secret.
package struct UpstreamHeader: Sendable, Equatable {
    package var name: String
    package var value: Redacted<String>
    package init(name: String, value: Redacted<String>) {
        self.name = name
        self.value = value
    }
}

/// A service principal's client credentials.
package struct EntraCredential: Sendable, Equatable {
    package var authority: EndpointURL
    package var tenant: String
    package var clientID: String
    package var clientSecret: Redacted<String>
    /// Instead of a secret (workload identity): a file with a token of the workload's own, read anew for every request; it changes there.
    package var federatedTokenFile: String?
    package var scope: String
    /// Rules for the authority's address.
    package var egress: EgressPolicy
    package var tls: UpstreamTLS
    package init(
        authority: EndpointURL, tenant: String, clientID: String, clientSecret: Redacted<String>, federatedTokenFile: String? = nil,
        scope: String = "https://cognitiveservices.azure.com/.default", egress: EgressPolicy = EgressPolicy(),
        tls: UpstreamTLS = UpstreamTLS()
    ) {
        self.authority = authority
        self.tenant = tenant
        self.clientID = clientID
        self.clientSecret = clientSecret
        self.federatedTokenFile = federatedTokenFile
        self.scope = scope
        self.egress = egress
        self.tls = tls
    }
}

/// Limits in time. nil: none.
package struct UpstreamTimeouts: Sendable, Hashable {
    /// From the wish for a connection to its use: waiting in the queue, name resolution, TCP and TLS.
    package var connect: Duration
    /// From `send` to the answer's head.
    package var firstByte: Duration?
    /// Between two pieces of the answer.
    package var idle: Duration?
    /// From `send` to the answer's end.
    package var total: Duration?
    package init(
        connect: Duration = .seconds(5), firstByte: Duration? = .seconds(120), idle: Duration? = .seconds(60),
        total: Duration? = .seconds(600)
    ) {
        self.connect = connect
        self.firstByte = firstByte
        self.idle = idle
        self.total = total
    }
}

/// Limits of one event loop's connections to one upstream.
package struct UpstreamPoolLimits: Sendable, Hashable {
    package var maxConnections: Int
    /// Requests that may wait for a connection.
    package var maxWaiting: Int
    /// How long an unused connection is kept.
    package var idleTimeout: Duration
    /// Streams on one HTTP/2 connection, if the peer allows as many.
    package var maxStreamsPerConnection: Int
    /// How often an HTTP/2 connection is pinged, and how long the answer may take.
    package var pingInterval: Duration
    package init(
        maxConnections: Int = 256, maxWaiting: Int = 1024, idleTimeout: Duration = .seconds(60), maxStreamsPerConnection: Int = 100,
        pingInterval: Duration = .seconds(20)
    ) {
        self.maxConnections = maxConnections
        self.maxWaiting = maxWaiting
        self.idleTimeout = idleTimeout
        self.maxStreamsPerConnection = maxStreamsPerConnection
        self.pingInterval = pingInterval
    }
}

/// TLS towards an upstream. Verification cannot be turned off.
package struct UpstreamTLS: Sendable, Equatable {
    package enum MinimumVersion: String, Sendable {
        case tls12, tls13
    }
    package var minimumVersion: MinimumVersion
    /// A PEM file with the authorities to trust instead of the system's.
    package var authoritiesFile: String?
    /// SHA-256 over the certificate, or over its public key (SPKI), in lower-case hex; one of them must match. Empty: no pinning.
    package var pins: Set<String>
    /// PEM files for mutual TLS; both or none.
    package var certificateFile: String?
    package var privateKeyFile: String?
    /// Sent and verified instead of the endpoint's host.
    package var serverName: String?
    package init(
        minimumVersion: MinimumVersion = .tls12, authoritiesFile: String? = nil, pins: Set<String> = [], certificateFile: String? = nil,
        privateKeyFile: String? = nil, serverName: String? = nil
    ) {
        self.minimumVersion = minimumVersion
        self.authoritiesFile = authoritiesFile
        self.pins = pins
        self.certificateFile = certificateFile
        self.privateKeyFile = privateKeyFile
        self.serverName = serverName
    }
}

/// Which HTTP is spoken.
package enum UpstreamHTTPVersion: String, Sendable, CaseIterable {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    case automatic
    case http1
    /// Over plaintext: with prior knowledge.
    case http2
}

/// A request that is sent now and then to see whether an upstream is alive.
package struct UpstreamProbe: Sendable, Hashable {
    package var path: String
    package var interval: Duration
    package var timeout: Duration
    /// Failures in a row after which the upstream counts as down.
    package var failuresToFail: Int
    package init(path: String, interval: Duration = .seconds(10), timeout: Duration = .seconds(3), failuresToFail: Int = 2) {
        self.path = path
        self.interval = interval
        self.timeout = timeout
        self.failuresToFail = failuresToFail
    }
}

/// One upstream, as the operator configured it.
package struct UpstreamConfiguration: Sendable, Equatable {
    package var id: UpstreamID
    package var kind: UpstreamKind
    package var endpoint: EndpointURL
    package var credential: UpstreamCredential
    /// Sent with every request; a caller's of the same names are not.
    package var headers: [UpstreamHeader]
    package var timeouts: UpstreamTimeouts
    package var pool: UpstreamPoolLimits
    package var tls: UpstreamTLS
    package var http: UpstreamHTTPVersion
    package var egress: EgressPolicy
    package var breaker: CircuitBreaker.Policy
    package var probe: UpstreamProbe?
    /// Why this upstream cannot be used (an unset variable); requests fail with it.
    package var unavailableReason: String?

    package init(
        id: UpstreamID, kind: UpstreamKind, endpoint: EndpointURL, credential: UpstreamCredential = .none,
        headers: [UpstreamHeader] = [], timeouts: UpstreamTimeouts = UpstreamTimeouts(), pool: UpstreamPoolLimits = UpstreamPoolLimits(),
        tls: UpstreamTLS = UpstreamTLS(),
        http: UpstreamHTTPVersion = .automatic, egress: EgressPolicy = EgressPolicy(),
        breaker: CircuitBreaker.Policy = CircuitBreaker.Policy(),
        probe: UpstreamProbe? = nil, unavailableReason: String? = nil
    ) {
        self.id = id
        self.kind = kind
        self.endpoint = endpoint
        self.credential = credential
        self.headers = headers
        self.timeouts = timeouts
        self.pool = pool
        self.tls = tls
        self.http = http
        self.egress = egress
        self.breaker = breaker
        self.probe = probe
        self.unavailableReason = unavailableReason
    }
}

extension UpstreamConfiguration {
    /// Authorities and client certificate, also of where tokens come from.
    var tlsFiles: [String] {
        var all = [tls]
        if case .entra(let credential) = credential { all.append(credential.tls) }
        return all.flatMap { [$0.authoritiesFile, $0.certificateFile, $0.privateKeyFile] }.compactMap { $0 }
    }
}
