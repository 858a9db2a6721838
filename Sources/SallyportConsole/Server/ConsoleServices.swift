import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import SallyportCore
import SallyportIdentity
import SallyportOversight

/// What the administrative surface stands on, put together by Server.
package struct ConsoleServices: Sendable {
    package var authenticator: any Authenticator
    package var tokens: TokenGate
    package var certificates: CertificateDirectory
    package var access: AccessDirectory
    package var conditional = ConditionalAccessDirectory()
    package var audit: AuditLog
    /// For stores and password hashing; not the one that guards run on.
    package var pool: NIOThreadPool
    package var eventLoop: any EventLoop
    package var logger: Logger
    /// Seconds since 1970.
    package var clock: @Sendable () -> Int64
    /// Whether API keys are accepted at all.
    package var acceptsKeys: @Sendable () -> Bool
    /// nil: may call; else why not.
    package var refusal: @Sendable (IPAddress?) -> Fault?
    /// The caller's address, from the peer's and what trusted proxies say.
    package var callerAddress: @Sendable (IPAddress?, [String]) throws -> IPAddress?
    /// Called when an act may have changed who may do what: the rest of the process learns of it at once.
    package var didChange: @Sendable () async -> Void
    /// Sessions of people who signed in; nil: there is no sign-in.
    package var sessions: (any SessionKeeping)?
    package var settings: ConsoleSettings

    package init(
        authenticator: any Authenticator, tokens: TokenGate, certificates: CertificateDirectory, access: AccessDirectory, audit: AuditLog,
        pool: NIOThreadPool, eventLoop: any EventLoop, logger: Logger, settings: ConsoleSettings, clock: @escaping @Sendable () -> Int64,
        acceptsKeys: @escaping @Sendable () -> Bool = { true }, refusal: @escaping @Sendable (IPAddress?) -> Fault? = { _ in nil },
        callerAddress: @escaping @Sendable (IPAddress?, [String]) throws -> IPAddress? = { peer, _ in peer },
        didChange: @escaping @Sendable () async -> Void = {}
    ) {
        self.authenticator = authenticator
        self.tokens = tokens
        self.certificates = certificates
        self.access = access
        self.audit = audit
        self.pool = pool
        self.eventLoop = eventLoop
        self.logger = logger
        self.settings = settings
        self.clock = clock
        self.acceptsKeys = acceptsKeys
        self.refusal = refusal
        self.callerAddress = callerAddress
        self.didChange = didChange
    }

    func record(_ record: AuditRecord) async throws { _ = try await audit.append(record.encoded()) }

    func context(of principal: Principal, _ call: ConsoleCall) -> AccessContext {
        context(of: principal, operation: call.row.operation, parameters: call.parameters, address: call.address, now: call.now)
    }

    /// - Parameter parameters: of the path: an index that it names is what rights at one index are for.
    func context(of principal: Principal, operation: String, parameters: [String: String], address: IPAddress?, now: Int64)
        -> AccessContext
    {
        var context = AccessContext(project: principal.project, operation: operation, client: principal.client, address: address, now: now)
        context.index = parameters["index"]
        return context
    }
}

/// How the administrative surface presents itself.
package struct ConsoleSettings: Sendable, Hashable {
    /// Where browsers reach it, without a slash at the end: `https://console.example`. Names the site for cookies, passkeys and links; what a
    /// request says in `Host` is compared with it, never used.
    package var publicURL: String
    /// Other values of `Host` that browsers may use (the same listener by address).
    package var otherHosts: Set<String>
    /// From a connection's beginning, or a request's, to its end.
    package var requestTimeout: Duration
    package var maximumHeaderBytes: Int
    /// Requests at one time; above it 503.
    package var maximumRequests: Int
    /// Whether a session that has shown one factor may do nothing but add a second.
    package var requiresSecondFactor = true

    package init(
        publicURL: String, otherHosts: Set<String> = [], requestTimeout: Duration = .seconds(20), maximumHeaderBytes: Int = 16 << 10,
        maximumRequests: Int = 256
    ) {
        self.publicURL = publicURL
        self.otherHosts = otherHosts
        self.requestTimeout = requestTimeout
        self.maximumHeaderBytes = maximumHeaderBytes
        self.maximumRequests = maximumRequests
    }

    /// Whether a session has shown too little to use a right.
    func lacksFactor(_ session: ConsoleSession?) -> Bool {
        requiresSecondFactor && session.map { !$0.methods.contains("mfa") } ?? false
    }

    package var isHTTPS: Bool { publicURL.hasPrefix("https://") }
    /// `host` or `host:port`, as `Host` says it.
    package var host: String {
        let rest = publicURL.split(separator: "/", omittingEmptySubsequences: true).dropFirst().first
        return rest.map { $0.lowercased() } ?? ""
    }

    func accepts(host: String?) -> Bool { host.map { $0.lowercased() == self.host || otherHosts.contains($0.lowercased()) } ?? false }
    func accepts(origin: String) -> Bool {
        let scheme = isHTTPS ? "https://" : "http://"
        return origin.lowercased() == scheme + host || otherHosts.contains { origin.lowercased() == scheme + $0 }
    }
}
