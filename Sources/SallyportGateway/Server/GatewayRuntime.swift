import Crypto
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard
import SallyportOversight

/// The parts that live as long as the process, shared by all connections.
package final class GatewayRuntime: Sendable {
    package struct Parts: Sendable {
        package var client: any UpstreamClient
        package var authenticator: any Authenticator
        package var audit: AuditLog
        package var limits: LimitLedger
        package var ownership: OwnershipLedger
        package var blocklists: BlocklistLibrary
        package var blocklistStore: any BlocklistStore
        package var compiler: any PatternCompiler
        package var personalData: PersonalDataAnalysis
        package var subjects: SubjectKeyring
        package var pseudonyms = PseudonymVault()
        /// The shared encoder; nil when the engine has no learned guards.
        package var meaning: MeaningReader?
        /// Reads the words in images, in a sandbox; nil where there is none.
        package var imageReader: (any DocumentParser)?
        /// The remote guards; nil when none is configured.
        package var opinions: OpinionReader?
        /// Vectors of texts, for custom categories; nil without a model.
        package var embedder: (any TextEmbedder)?
        /// Works whose copies are looked for in answers.
        package var materials: MaterialLibrary?
        package var categories: CategoryOperations?
        package var incidents: IncidentOperations?
        package var observer: any ExchangeObserver
        package var answerer: (any EmbeddedAnswering)?
        /// Our own indexes; nil without any.
        package var library: (any DocumentLibrary)?
        package var pool: NIOThreadPool
        package var logger: Logger
        /// Share of exchanges without a caller's trace that are traced.
        package var sampling: Double
        /// Seconds since 1970 and their nanoseconds.
        package var clock: @Sendable () -> WallTime
        package var refusals: RefusalAggregator
        package var identity = IdentityServices()
        /// Who has agreed to what.
        package var consents: any ConsentRegister = EmptyConsentRegister()
        /// What was found in uploaded files; nil: it is not kept.
        package var reports: (any TrainingFileReportStore)?
        package var confirmations = ConfirmationDesk()
        package var taints = TaintMemory()
        /// Labels of conversations; nil: they are not kept.
        package var labels: LabelLedger?
        /// Keeps texts where policies want them kept; nil: nothing is.
        package var keeper: (any ExchangeKeeper)?
        /// Prometheus text, for callers with the role `metrics-reader`.
        package var exposition: @Sendable () -> ByteBuffer
        /// One for all requests: looking for an item and writing it are one step.
        let blocklistOperations: BlocklistOperations

        package init(
            client: any UpstreamClient, authenticator: any Authenticator, audit: AuditLog, limits: LimitLedger, ownership: OwnershipLedger,
            blocklists: BlocklistLibrary, blocklistStore: any BlocklistStore, compiler: any PatternCompiler,
            personalData: PersonalDataAnalysis, subjects: SubjectKeyring, observer: any ExchangeObserver,
            answerer: (any EmbeddedAnswering)?, pool: NIOThreadPool, logger: Logger, sampling: Double = 0,
            clock: @escaping @Sendable () -> WallTime, refusals: RefusalAggregator,
            exposition: @escaping @Sendable () -> ByteBuffer
        ) {
            self.client = client
            self.authenticator = authenticator
            self.audit = audit
            self.limits = limits
            self.ownership = ownership
            self.blocklists = blocklists
            self.blocklistStore = blocklistStore
            self.compiler = compiler
            self.personalData = personalData
            self.subjects = subjects
            self.observer = observer
            self.answerer = answerer
            self.pool = pool
            self.logger = logger
            self.sampling = sampling
            self.clock = clock
            self.refusals = refusals
            self.exposition = exposition
            blocklistOperations = BlocklistOperations(store: blocklistStore, compiler: compiler)
        }
    }

    package let parts: Parts
    package let background = BackgroundResponses()
    private let current: NIOLockedValueBox<GatewaySnapshot>
    private let load = NIOLockedValueBox(Load())
    private let retries = NIOLockedValueBox(RetryBudget(now: .now()))
    private let closing = NIOLockedValueBox(Closing.none)

    private enum Closing { case none, draining, cuttingOff }

    private struct Load {
        var connections = 0
        var requests = 0
        var bytes = 0
    }

    package init(_ parts: Parts, snapshot: GatewaySnapshot) {
        self.parts = parts
        current = NIOLockedValueBox(snapshot)
    }

    package var snapshot: GatewaySnapshot { current.withLockedValue { $0 } }

    /// Requests under way keep the snapshot that they began with.
    package func replace(_ snapshot: GatewaySnapshot) { current.withLockedValue { $0 = snapshot } }

    /// From now on `/readyz` says 503 and connections close after their answer.
    package func beginDraining() { closing.withLockedValue { if $0 == .none { $0 = .draining } } }
    package var isDraining: Bool { closing.withLockedValue { $0 != .none } }
    /// Requests under way end now, as if their callers had left: their outcomes are recorded and their use is counted.
    package func cutOff() { closing.withLockedValue { $0 = .cuttingOff } }
    var isCuttingOff: Bool { closing.withLockedValue { $0 == .cuttingOff } }
    package var requestsUnderWay: Int { load.withLockedValue { $0.requests } }

    // MARK: Admission

    enum ConnectionAdmission { case accepted, refused, closed }

    /// Counts a connection until ``disconnect()``, whatever is answered. A few beyond the limit are told so; in a flood not even that.
    func connect() -> ConnectionAdmission {
        let limit = snapshot.configuration.maximumConnections
        return load.withLockedValue { load in
            load.connections += 1
            if load.connections <= limit { return .accepted }
            return load.connections <= limit + limit / 16 + 16 ? .refused : .closed
        }
    }

    func disconnect() { load.withLockedValue { $0.connections -= 1 } }

    /// - Returns: false when the gateway has as much to do as it may have.
    func admit(_ configuration: GatewayConfiguration) -> Bool {
        load.withLockedValue { load in
            guard load.requests < configuration.maximumConcurrentRequests else { return false }
            load.requests += 1
            return true
        }
    }

    func admitBytes(_ count: Int, _ configuration: GatewayConfiguration) -> Bool {
        load.withLockedValue { load in
            guard load.bytes + count <= configuration.maximumAdmittedBytes else { return false }
            load.bytes += count
            return true
        }
    }

    /// A request has ended; its bytes are given back with it.
    func release(bytes: Int) {
        load.withLockedValue { load in
            load.requests -= 1
            load.bytes -= bytes
        }
    }

    /// Counts what was admitted already and only changes its place.
    func keepBytes(_ count: Int) { load.withLockedValue { $0.bytes += count } }

    /// Bytes alone: of an answer that has gone, or of a stream that holds less than before.
    func releaseBytes(_ count: Int) { load.withLockedValue { $0.bytes -= count } }

    func noteRequestForRetries() { retries.withLockedValue { $0.recordRequest() } }
    func takeRetry() -> Bool { retries.withLockedValue { $0.takeRetry(now: .now()) } }
}

/// A moment of the wall clock.
package struct WallTime: Sendable {
    package let seconds: Int64
    package let nanoseconds: Int64
    package init(seconds: Int64, nanoseconds: Int64) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// Secrets per subject, from memory: what is derived from them (commitments, pseudonyms) dies with the key.
package final class SubjectKeyring: Sendable {
    private struct Subject: Hashable {
        let tenant: TenantID
        let name: String
    }
    private struct Secret {
        let key: SymmetricKey
        /// A code that has taken in the key and no text yet: each commitment starts from a copy.
        let code: HMAC<SHA256>
    }

    /// Beyond it all are loaded anew as they are needed.
    private static let maximumKept = 100_000
    private let secrets = NIOLockedValueBox<[Subject: Secret]>([:])
    private let store: any SubjectKeyStore

    package init(store: any SubjectKeyStore) { self.store = store }

    /// Loads or makes the keys of these subjects. Blocks.
    package func prepare(_ subjects: [(subject: String, tenant: TenantID)]) throws {
        for entry in subjects {
            let subject = Subject(tenant: entry.tenant, name: entry.subject)
            if secrets.withLockedValue({ $0[subject] != nil }) { continue }
            let key = SymmetricKey(data: try store.key(forSubject: entry.subject, tenant: entry.tenant))
            secrets.withLockedValue { secrets in
                if secrets.count >= Self.maximumKept { secrets = [:] }
                secrets[subject] = Secret(key: key, code: HMAC(key: key))
            }
        }
    }

    /// Throws the keys out of memory: they are loaded again with the next request, if the store still gives them out.
    package func forget() { secrets.withLockedValue { $0 = [:] } }

    private func secret(of subject: String, tenant: TenantID) -> Secret? {
        secrets.withLockedValue { $0[Subject(tenant: tenant, name: subject)] }
    }

    /// nil for a subject that was not prepared.
    package func key(of subject: String, tenant: TenantID) -> SymmetricKey? { secret(of: subject, tenant: tenant)?.key }

    /// HMAC-SHA-256 under the subject's key, in hex: says later whether a text was this one, and nothing to who has not the key.
    func commitment(to body: ByteBuffer, by principal: Principal) -> String? {
        guard var code = secret(of: principal.id.rawValue, tenant: principal.tenant)?.code else { return nil }
        body.withUnsafeReadableBytes { code.update(data: $0) }
        return code.finalize().withUnsafeBytes { Hex.encode($0) }
    }
}
