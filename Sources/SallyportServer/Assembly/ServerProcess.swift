import CProcess
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import SallyportEgress
import SallyportGateway
import SallyportGuard
import SallyportIdentity
import SallyportOversight
import SallyportPatterns
import SallyportRetrieval
import SallyportSandbox
import SallyportStorage
import SallyportVault

/// The one place where the parts are put together, and the life of the process: start, reload, drain.
package final class ServerProcess: Sendable {
    package let port: Int
    package let metricsPort: Int?
    let logger: Logger
    let group: MultiThreadedEventLoopGroup
    let pool: NIOThreadPool
    /// For what looks after things while the gateway runs: chores that hang take no thread from requests, nor from the end.
    package let housekeeping = BlockingExecutor(threads: 8)
    let audit: AuditLog
    let outbox: AdministrationOutbox
    private let runtime: GatewayRuntime
    private let server: DataPlaneServer
    private let metricsServer: MetricsServer?
    private let egress: EgressClient
    private let stores: Stores
    private let directory: KeyDirectory
    private let subjects: SubjectKeyring
    private let limits: LimitLedger
    private let blocklists: BlocklistLibrary
    private let compiler: HyperscanCompiler
    private let engine: GuardEngine
    private let refusals: RefusalAggregator
    private let state: NIOLockedValueBox<State>
    private let answers: DocumentAnswers
    private let documents: DocumentParts
    private let traces: TraceExporter?
    private let materials: MaterialLibrary
    private let keeper: ListenerKeeper
    private let console: ConsoleSurface?
    private let vault: VaultKeeper
    private let secrets: SecretKeeper
    /// Those whose state the metrics show.
    private let shownUpstreams: NIOLockedValueBox<[UpstreamID]>

    private struct State {
        var plan: ServerPlan
        /// What does not change until the next start is as this one says.
        let started: ServerPlan
        var generation = 1
        var policyRevision: Int64 = -1
        var usesNotedIn: Int64 = 0
        var issuers: [TokenGate.Source] = []
        var governedAt: Int64 = 0
        /// Documents that were found not to be as they were taken in, and were told of.
        var doubtful: Set<String> = []
        var isSettled = false
        var isDrainingOutbox = false
        /// When a chore that fails was last told of.
        var warnedAt: [String: Int64] = [:]
        /// Why the identities of another gateway cannot be read; told of once.
        var identityProblem: String?
    }

    private struct Stores: Sendable {
        let identity: IdentitySource
        let keys: SQLKeyStore
        let blocklists: SQLBlocklistStore
        let policies: SQLPolicyStore
        let ownership: SQLOwnershipStore
        let usage: SQLUsageStore
        let subjects: Vault
        let vault: OpenVault
        let database: SQLiteDatabase
        let access: SQLAccessStore
        let categories: SQLCategoryStore
        let incidents: SQLIncidentStore
        let responses: SQLBackgroundResponseStore
    }

    // MARK: Start

    /// Opens everything, in the order in which a failure harms least, and begins to serve.
    /// - Parameter log: where the logger's entries go, for the metrics.
    package static func start(_ plan: ServerPlan, logger: Logger, log: LogOutput) async throws -> ServerProcess {
        // One heap for each event loop: with one for every thread, as is usual, memory that one freed is of no use to the others.
        _ = process_limit_arenas(Int32(clamping: max(1, plan.threads)))
        let database = try SQLiteDatabase(.file(plan.dataDirectory + "/sallyport.sqlite"))
        let opened = try VaultParts.open(plan.vault, dataDirectory: plan.dataDirectory, database: database)
        let identity = try plan.identityDirectory.map(IdentitySource.init(borrowingFrom:)) ?? IdentitySource(own: database)
        try IdentityMarker.set(plan.identityDirectory.map(IdentitySource.place), in: plan.dataDirectory)
        let stores = Stores(
            identity: identity, keys: SQLKeyStore(identity.database), blocklists: SQLBlocklistStore(database),
            policies: SQLPolicyStore(database),
            ownership: SQLOwnershipStore(database), usage: SQLUsageStore(database), subjects: opened.vault, vault: opened,
            database: database, access: SQLAccessStore(identity.database), categories: SQLCategoryStore(database),
            incidents: SQLIncidentStore(database), responses: SQLBackgroundResponseStore(database))
        try AuditSettingsGuard(database, sealer: opened.vault).check(plan, at: wallTime().seconds)
        try FourEyesMarker.set(Set(plan.access.fourEyes.map(\.rawValue)), in: plan.dataDirectory)
        var auditConfiguration = plan.audit
        auditConfiguration.directory = plan.dataDirectory + "/audit"
        auditConfiguration.sealer = opened.vault
        let audit = try AuditLog(auditConfiguration, logger: logger)
        do {
            return try await start(plan, stores: stores, audit: audit, logger: logger, log: log)
        } catch {
            await audit.close()
            throw error
        }
    }

    private static func start(
        _ plan: ServerPlan, stores: Stores, audit: AuditLog, logger: Logger, log: LogOutput
    ) async throws -> ServerProcess {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, plan.threads))
        let pool = NIOThreadPool(numberOfThreads: max(2, plan.threads))
        pool.start()
        let now = wallTime().seconds
        let directory = KeyDirectory(maximumAge: 60)
        try directory.reload(from: stores.keys, at: now)
        let access = AccessDirectory(actions: RouteRow.actions, maximumAge: 60)
        access.configure(RoleCatalog(custom: plan.access.roles), assignments: plan.access.assignments)
        try access.refresh(from: stores.access, provisioning: SQLProvisioningStore(stores.identity.database), at: now)
        let conditional = ConditionalAccessDirectory()
        try conditional.refresh(
            from: SQLConditionalAccessStore(stores.identity.database), catalog: RoleCatalog(custom: plan.access.roles))
        // The tenant's key may have been made just now: that is no change by others, and what changes from here on is one.
        _ = try stores.subjects.refresh()
        let subjects = SubjectKeyring(store: stores.subjects)
        try prepare(subjects, for: stores.keys)
        let limits = LimitLedger()
        try limits.load(from: stores.usage, now: now)
        let compiler = try HyperscanCompiler()
        try compiler.selfTest()
        let blocklists = BlocklistLibrary(compiler: compiler)
        try blocklists.refresh(from: stores.blocklists, tenants: [.default])
        let learned = try LearnedParts(plan.learned)
        let materials = try ProtectedMaterials.library(plan)
        let egress = EgressClient(group: group, logger: logger)
        let opinions = RemoteGuards.reader(plan, client: egress)
        let engine = try GuardEngine(
            detectors: DetectorCatalog.all(), compiler: compiler, normaliser: Normaliser(), learned: learned?.guards,
            remotes: opinions?.guards ?? [], comparesMaterial: !materials.isEmpty)
        noteLearned(learned, logger)
        let policyRevision = try stores.policies.revision()
        let policies = try PolicyLibrary.load(directory: plan.policiesDirectory, store: stores.policies, learned: plan.learned.isEnabled)
        try checkPolicies(of: plan, among: policies)
        let snapshot = GatewaySnapshot(
            configuration: plan.gateway, deployments: plan.deployments, upstreams: plan.upstreams, policies: policies, engine: engine,
            limits: plan.limits)
        egress.update(try plan.allEgress())
        let embedder = plan.learned.isEnabled ? LazyEmbedder(plan.learned, pool: pool) : nil
        let documents = DocumentParts(
            database: stores.database, engine: engine, learned: learned, embedder: embedder, eventLoop: group.next())
        try await takeIn(plan.documents, documents, labels: plan.labels, audit: audit, pool: pool, eventLoop: group.next(), logger: logger)
        let answers = DocumentAnswers(documents, plan)
        let refusals = RefusalAggregator()
        let upstreams = NIOLockedValueBox(plan.egress.map(\.id))
        let kinds = Dictionary(plan.upstreams.map { ($0.id, $0.kind) }) { first, _ in first }
        let traces = plan.tracing.map {
            TraceExporter(
                serviceName: $0.serviceName, serviceVersion: ServerPlan.version, upstreamKinds: kinds,
                send: Observability.sender($0, egress, group: group))
        }
        // Known once the runtime's parts are; metrics are one of them.
        let identityFigures = NIOLockedValueBox<IdentityCounters?>(nil)
        let metrics = GatewayMetrics(deployments: plan.deployments.map(\.id), region: plan.gateway.region, version: ServerPlan.version) {
            exposition in
            Observability.audit(audit, into: &exposition)
            Observability.log(log, into: &exposition)
            if let counters = identityFigures.withLockedValue({ $0 }) { Observability.identity(counters.figures, into: &exposition) }
            Observability.upstreams(egress, upstreams.withLockedValue { $0 }, into: &exposition)
            traces?.write(to: &exposition)
        }
        var parts = GatewayRuntime.Parts(
            client: egress, authenticator: directory, audit: audit, limits: limits,
            ownership: OwnershipLedger(store: stores.ownership, pool: pool), blocklists: blocklists, blocklistStore: stores.blocklists,
            compiler: compiler, personalData: try PersonalDataAnalysis(compiler: compiler, learned: learned?.meaning.description),
            subjects: subjects, observer: CompositeObserver([metrics] + (traces.map { [$0] } ?? [])),
            answerer: answers, pool: pool, logger: logger, sampling: plan.tracing?.sampleRatio ?? 0, clock: { wallTime() },
            refusals: refusals, exposition: { metrics.exposition() })
        parts.identity.access = access
        parts.reports = SQLTrainingFileReportStore(stores.database)
        parts.labels = try LabelLedger(store: SQLConversationLabelStore(stores.database), pool: pool) { wallTime().seconds }
        let consents = ConsentDirectory { wallTime().seconds }
        try consents.refresh(from: SQLPrivacyStore(stores.identity.database))
        parts.consents = consents
        parts.keeper = StoredExchangeKeeper(store: SQLExchangeStore(stores.database), pool: pool)
        parts.identity.conditional = conditional
        parts.pseudonyms = PseudonymVault(store: SQLPseudonymStore(stores.database))
        parts.meaning = learned?.meaning
        parts.opinions = opinions
        if plan.gateway.safety.readsImageText {
            parts.imageReader = try SandboxedParser(worker: SandboxedParser.workerBesideThisProgram())
        }
        parts.embedder = embedder
        parts.library = answers
        parts.materials = materials
        parts.categories = CategoryOperations(store: stores.categories, embedder: parts.embedder) { wallTime().seconds }
        parts.incidents = IncidentOperations(
            store: stores.incidents, operations: stores.categories, embedder: parts.embedder
        ) { wallTime().seconds }
        let keeper = try ListenerKeeper(
            plan.tls, expectsProxyHeader: plan.expectsProxyHeader, certificates: parts.identity.certificates, logger: logger)
        let issuers = IssuerSources.sources(plan.issuers, egress, gate: parts.identity.tokens, logger: logger)
        parts.identity.tokens.configure(issuers)
        for source in issuers { source.keys.keepFresh(on: group.next()) }
        identityFigures.withLockedValue { $0 = parts.identity.counters }
        let runtime = GatewayRuntime(parts, snapshot: snapshot)
        try takeUp(runtime.background, from: stores.responses, at: now)
        try warm(blocklists, policies)
        var start = AuditRecord(.systemStart, id: UUID().uuidString.lowercased())
        start.details = [
            (name: "pid", value: "\(ProcessInfo.processInfo.processIdentifier)"),
            (name: "listen", value: "\(plan.listen.host):\(plan.listen.port)"),
        ]
        if let source = stores.identity.borrowed {
            start.details.append((name: "identity", value: IdentitySource.place(source.directory)))
            logger.notice("keys, roles and people are those of another gateway", metadata: ["identity.directory": "\(source.directory)"])
        }
        _ = try await audit.append(start.encoded())
        // Before the data plane: who finds the gateway ready finds the first administrator's link too.
        let console = try await ConsoleSurface.start(
            plan,
            .init(
                keys: stores.keys, access: stores.access, policies: stores.policies, database: stores.database, directory: directory,
                identity: parts.identity, audit: audit, security: keeper.security, group: group, egress: egress, logger: logger,
                sealer: stores.subjects, documents: documents))
        let server: DataPlaneServer
        var metricsServer: MetricsServer?
        do {
            server = try await ListenerProblem.naming("server.listen", plan.listen) {
                try await DataPlaneServer.start(
                    host: plan.listen.host, port: plan.listen.port, runtime: runtime, group: group, security: keeper.security)
            }
            if let address = plan.metricsListen {
                metricsServer = try await ListenerProblem.naming("server.metricsListen", address) {
                    try await MetricsServer.start(
                        host: address.host, port: address.port, group: group, rules: plan.metricsRules
                    ) { metrics.exposition() }
                }
            }
        } catch {
            await console?.stop()
            throw error
        }
        return ServerProcess(
            port: server.port, metricsPort: metricsServer?.port, logger: logger, group: group, pool: pool, audit: audit,
            outbox: AdministrationOutbox(dataDirectory: plan.dataDirectory), runtime: runtime, server: server, metricsServer: metricsServer,
            egress: egress, stores: stores, directory: directory, subjects: subjects, limits: limits, blocklists: blocklists,
            compiler: compiler,
            engine: engine, refusals: refusals, plan: plan, policyRevision: policyRevision, answers: answers, documents: documents,
            traces: traces, materials: materials, keeper: keeper, issuers: issuers, console: console, shownUpstreams: upstreams)
    }

    private init(
        port: Int, metricsPort: Int?, logger: Logger, group: MultiThreadedEventLoopGroup, pool: NIOThreadPool, audit: AuditLog,
        outbox: AdministrationOutbox, runtime: GatewayRuntime, server: DataPlaneServer, metricsServer: MetricsServer?, egress: EgressClient,
        stores: Stores, directory: KeyDirectory, subjects: SubjectKeyring, limits: LimitLedger, blocklists: BlocklistLibrary,
        compiler: HyperscanCompiler, engine: GuardEngine, refusals: RefusalAggregator, plan: ServerPlan, policyRevision: Int64,
        answers: DocumentAnswers, documents: DocumentParts, traces: TraceExporter?, materials: MaterialLibrary, keeper: ListenerKeeper,
        issuers: [TokenGate.Source], console: ConsoleSurface?, shownUpstreams: NIOLockedValueBox<[UpstreamID]>
    ) {
        self.shownUpstreams = shownUpstreams
        self.console = console
        self.keeper = keeper
        vault = VaultKeeper(
            stores.vault, database: stores.database, subjects: subjects, pseudonyms: runtime.parts.pseudonyms,
            interval: plan.vault.confirmInterval, logger: logger)
        secrets = SecretKeeper(stores.vault.secrets, outbox: outbox, logger: logger)
        self.port = port
        self.metricsPort = metricsPort
        self.logger = logger
        self.group = group
        self.pool = pool
        self.audit = audit
        self.outbox = outbox
        self.runtime = runtime
        self.server = server
        self.metricsServer = metricsServer
        self.egress = egress
        self.stores = stores
        self.directory = directory
        self.subjects = subjects
        self.limits = limits
        self.blocklists = blocklists
        self.compiler = compiler
        self.engine = engine
        self.refusals = refusals
        self.answers = answers
        self.documents = documents
        self.traces = traces
        self.materials = materials
        state = NIOLockedValueBox(State(plan: plan, started: plan, policyRevision: policyRevision, issuers: issuers))
    }

    /// Where the administrative surface listens; nil without one.
    package var consolePort: Int? { console?.port }

    /// The log's public key, to be pinned elsewhere.
    package var auditKey: String { audit.verifierKey.vkey }

    static func wallTime() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
    }

    private static func noteLearned(_ learned: LearnedParts?, _ logger: Logger) {
        if let description = learned?.guards.description {
            logger.info(
                "learned detectors are at work",
                metadata: [
                    "model.name": "\(description.name)", "model.version": "\(description.version)", "model.digest": "\(description.digest)",
                ])
        } else {
            logger.warning("learned detectors are switched off: no prompt shields, no harm severities, no names")
        }
    }

    /// So many callers' secrets are made ready before their first request; each costs a read of the vault, or a new key.
    private static let preparedSubjects = 500

    private static func prepare(_ subjects: SubjectKeyring, for keys: SQLKeyStore) throws {
        try subjects.prepare(try keys.allKeys().suffix(preparedSubjects).map { ($0.principal.rawValue, $0.tenant) })
    }

    /// Every policy that a deployment names must exist: a typing error must not become a weaker policy.
    private static func checkPolicies(of plan: ServerPlan, among policies: [GuardPolicy]) throws {
        let known = Set(policies.map(\.id) + GuardPolicy.builtIn(learned: true).map(\.id))
        for upstream in plan.upstreams where !known.contains(upstream.policy) {
            throw PolicyLibrary.Mistake(file: "upstreams.\(upstream.id)", reason: "the policy '\(upstream.policy)' does not exist")
        }
        for deployment in plan.deployments where !known.contains(deployment.policy) {
            throw PolicyLibrary.Mistake(file: "deployments.\(deployment.id)", reason: "the policy '\(deployment.policy)' does not exist")
        }
    }

    /// Compiles the lists that policies name before the first request needs them. A list that does not exist yet is no error here:
    /// requests under that policy are refused until it does.
    private static func warm(_ blocklists: BlocklistLibrary, _ policies: [GuardPolicy]) throws {
        for policy in policies where !policy.blocklists.isEmpty {
            do { _ = try blocklists.index(of: Set(policy.blocklists.map(\.name)), tenant: .default) } catch is Fault { continue }
        }
    }

    // MARK: Life

    /// Several times a second, whatever else there is to do: who was disabled, which tokens and keys were revoked. By itself, since reading a
    /// hundred thousand keys or people anew takes longer than taking back may.
    package func takeBack() async {
        await chore("taking back") {
            try runtime.parts.identity.access.takeBack(from: stores.access)
            // Those from before this minute were in what was read last.
            try directory.takeBack(at: stores.keys.revision()) { try stores.keys.revocations(since: Self.wallTime().seconds - 60) }
        }
    }

    /// Gives back the memory that only starting needed: what the heap has free, and the mapping of code that ran once (it comes back from the
    /// page cache when it runs again). Once, after the first look at everything else.
    private func giveBackMemory() {
        let isDue = state.withLockedValue { state in
            defer { state.isSettled = true }
            return !state.isSettled
        }
        if isDue { process_give_back_memory() }
    }

    /// Several times a second, on ``housekeeping``: what other processes changed, what waits to be written.
    package func tick() async {
        tellOfIdentities()
        // One that fails does not keep the others from their work.
        await chore("vault") { [vault] in
            let isDue = try vault.refresh(at: Self.wallTime().seconds)
            // Not waited for: a key service may take its time, and other chores must not.
            if isDue { housekeeping.submit { vault.confirm() } }
        }
        await chore("secrets") { [secrets] in
            let plan = state.withLockedValue { $0.plan }
            if plan.keyRotations.contains(where: { $0.every != nil }) {
                housekeeping.submit { secrets.rotate(plan.keyRotations, keys: plan.upstreamKeys, at: Self.wallTime().seconds) }
            }
        }
        await chore("keys") {
            if try directory.refresh(from: stores.keys, at: Self.wallTime().seconds) {
                try Self.prepare(subjects, for: stores.keys)
            }
        }
        await chore("consents") {
            try (runtime.parts.consents as? ConsentDirectory)?.refresh(from: SQLPrivacyStore(stores.identity.database))
        }
        await chore("access") {
            try runtime.parts.identity.access.refresh(
                from: stores.access, provisioning: SQLProvisioningStore(stores.identity.database), at: Self.wallTime().seconds)
        }
        await chore("conditional access") {
            let catalog = RoleCatalog(custom: state.withLockedValue { $0.plan.access.roles })
            try runtime.parts.identity.conditional.refresh(
                from: SQLConditionalAccessStore(stores.identity.database), catalog: catalog)
        }
        for source in state.withLockedValue({ $0.issuers }) { source.keys.keepFresh(on: group.next()) }
        keeper.refresh(at: Self.wallTime().seconds)
        egress.refreshFiles()
        await chore("key uses") { try noteKeyUses() }
        await chore("blocklists") {
            if try blocklists.refresh(from: stores.blocklists, tenants: [.default]) {
                try Self.warm(blocklists, Array(runtime.snapshot.policies.values))
            }
        }
        await chore("policies") {
            if try stores.policies.revision() != state.withLockedValue({ $0.policyRevision }) {
                try await reload(state.withLockedValue { $0.plan })
            }
        }
        await chore("materials") { try materials.refresh(tenants: [.default]) }
        await chore("documents") { [documents] in
            _ = try documents.search.refresh()
            let told = try await noteDoubtful(documents, told: state.withLockedValue { $0.doubtful })
            state.withLockedValue { $0.doubtful = told }
        }
        await chore("usage") { try limits.flush(to: stores.usage) }
        await chore("background responses") { try Self.keep(runtime.background, in: stores.responses, at: Self.wallTime().seconds) }
        await console?.tick(at: Self.wallTime().seconds)
        await chore("outbox") { try await drainOutbox() }
        await governanceChores()
        await chore("refusals") { for record in refusals.flush() { _ = try await audit.append(record.encoded()) } }
        giveBackMemory()
    }

    /// One at a time: two would put an act on record twice.
    private func drainOutbox() async throws {
        let isFree = state.withLockedValue { state in
            defer { state.isDrainingOutbox = true }
            return !state.isDrainingOutbox
        }
        guard isFree else { return }
        defer { state.withLockedValue { $0.isDrainingOutbox = false } }
        _ = try await outbox.drain(into: audit)
    }

    /// Says once that the identities of another gateway cannot be read, and once that they can again.
    private func tellOfIdentities() {
        guard let borrowed = stores.identity.borrowed else { return }
        var problem: String?
        do { try borrowed.confirm() } catch { problem = "\((error as? Fault)?.cause ?? error)" }
        let before = state.withLockedValue { state in
            defer { state.identityProblem = problem }
            return state.identityProblem
        }
        if let problem, before == nil {
            logger.error(
                "the identities of another gateway cannot be read: within a minute every caller is refused",
                metadata: ["identity.reason": "\(problem)"])
        } else if problem == nil, before != nil {
            logger.notice("the identities of another gateway can be read again")
        }
    }

    /// The plan, when ``GovernanceAdministration`` is due to look after its things (every few seconds).
    func planForGovernance(at now: Int64) -> (ServerPlan, SQLiteDatabase, IdentitySource)? {
        state.withLockedValue { state in
            guard now >= state.governedAt + 5 else { return nil }
            state.governedAt = now
            return (state.plan, stores.database, stores.identity)
        }
    }

    /// Another one than before when the configuration should be read again although its file is the same: secrets that it refers to have
    /// changed.
    package func secretStamps(since before: SecretStamps) -> SecretStamps {
        secrets.stamps(of: state.withLockedValue { $0.plan }, since: before)
    }

    /// Once a minute at most: last uses are told to the minute.
    private func noteKeyUses(now: Bool = false) throws {
        let minute = Self.wallTime().seconds / 60
        let isDue = state.withLockedValue { state in
            defer { state.usesNotedIn = minute }
            return state.usesNotedIn != minute
        }
        if isDue || now { try SQLKeyStore(stores.identity.counts).noteUses(directory.usesToNote()) }
    }

    func chore(_ name: String, _ work: () async throws -> Void) async {
        do { try await work() } catch {
            // One that fails does so several times a second.
            let now = Self.wallTime().seconds
            let isDue = state.withLockedValue { state in
                guard now >= state.warnedAt[name, default: 0] + 60 else { return false }
                state.warnedAt[name] = now
                return true
            }
            guard isDue else { return }
            logger.warning("housekeeping failed", metadata: ["chore": "\(name)", "error.type": "\(type(of: error))"])
        }
    }

    /// Takes a new plan into use without dropping a request. Listeners, threads and the data directory stay as they were.
    /// - Throws: and then everything stays as it was.
    package func reload(_ plan: ServerPlan) async throws {
        let waiting = plan.keysForNextStart(since: state.withLockedValue { $0.started })
        // Where the data lies changes with the next start: until then everything must go on looking where it is.
        let (directory, source) = state.withLockedValue { ($0.plan.dataDirectory, $0.plan.identityDirectory) }
        var plan = plan
        plan.dataDirectory = directory
        plan.identityDirectory = source
        plan.audit.directory = directory + "/audit"
        let egressPlan = try plan.allEgress()
        try AuditSettingsGuard(stores.database, sealer: stores.subjects).check(plan, at: Self.wallTime().seconds)
        let revision = try stores.policies.revision()
        let policies = try PolicyLibrary.load(directory: plan.policiesDirectory, store: stores.policies, learned: engine.isLearned)
        try Self.checkPolicies(of: plan, among: policies)
        try Self.warm(blocklists, policies)
        try await Self.takeIn(
            plan.documents, documents, labels: plan.labels, audit: audit, pool: pool, eventLoop: group.next(), logger: logger)
        try FourEyesMarker.set(Set(plan.access.fourEyes.map(\.rawValue)), in: plan.dataDirectory)
        try keeper.replace(plan.tls)
        let generation = state.withLockedValue { $0.generation + 1 }
        let snapshot = GatewaySnapshot(
            configuration: plan.gateway, deployments: plan.deployments, upstreams: plan.upstreams, policies: policies, engine: engine,
            limits: plan.limits, generation: generation)
        var record = AuditRecord(.systemConfig, id: UUID().uuidString.lowercased())
        record.details = [(name: "generation", value: "\(generation)")] + policies.map { (name: "policy.\($0.id)", value: "\($0.version)") }
        _ = try await audit.append(record.encoded())
        egress.update(egressPlan)
        if plan.issuers != state.withLockedValue({ $0.plan.issuers }) {
            let issuers = IssuerSources.sources(plan.issuers, egress, gate: runtime.parts.identity.tokens, logger: logger)
            runtime.parts.identity.tokens.configure(issuers)
            state.withLockedValue { $0.issuers = issuers }
            for source in issuers { source.keys.keepFresh(on: group.next()) }
        }
        answers.replace(plan)
        runtime.parts.identity.access.configure(RoleCatalog(custom: plan.access.roles), assignments: plan.access.assignments)
        runtime.replace(snapshot)
        console?.replace(plan)
        shownUpstreams.withLockedValue { [plan] in $0 = plan.egress.map(\.id) }
        state.withLockedValue { [plan] in
            $0.plan = plan
            $0.generation = generation
            $0.policyRevision = revision
        }
        logger.notice("configuration reloaded", metadata: ["config.generation": "\(generation)"])
        if !waiting.isEmpty {
            logger.warning(
                "these settings have changed and wait for the next start",
                metadata: ["config.keys": "\(waiting.joined(separator: ", "))"])
        }
    }

    /// How the process ended.
    package enum Ending: Sendable {
        case clean
        /// Everything is on record, but something that hangs was not waited for.
        case hanging
        /// The audit log could not be closed: what nobody was told is on record may be missing from it.
        case unrecorded
    }

    /// Beyond the time for draining.
    package static let closingTime = Duration.seconds(10)
    private static let lastChores = Duration.seconds(3)

    /// Ends: nothing new, what is under way to its end, then the log is closed with a last checkpoint. Takes no longer than the time for
    /// draining and ``closingTime``, whatever hangs.
    /// - Parameter chores: ends when those who call ``tick()`` and ``takeBack()`` no longer do.
    package func stop(after chores: @escaping @Sendable () async -> Void) async -> Ending {
        let limit = state.withLockedValue { $0.plan.gateway.drainTimeout }
        let end = ContinuousClock.now + limit + Self.closingTime
        let consoleEnd = Task { [console] in await Bounded.run(until: end) { await console?.stop() } }
        let left = await server.drain(within: limit)
        if left > 0 { logger.warning("requests were cut off at the end of the drain", metadata: ["requests.count": "\(left)"]) }
        var isClean = await consoleEnd.value
        isClean = await Bounded.run(until: end) { [metricsServer] in await metricsServer?.stop() } && isClean
        isClean = await settle(after: chores, until: min(end, .now + Self.lastChores)) && isClean
        isClean =
            await Bounded.run(until: end) { [self] in
                for record in refusals.flush(everything: true) { _ = try? await audit.append(record.encoded()) }
                _ = try? await audit.append(AuditRecord(.systemStop, id: UUID().uuidString.lowercased()).encoded())
            } && isClean
        isClean = await Bounded.run(until: min(end, .now + Self.lastChores)) { [traces] in await traces?.close() } && isClean
        isClean =
            await Bounded.run(until: end) { [egress, group] in
                try? await egress.shutDown(grace: .seconds(1), on: group.next()).get()
            } && isClean
        let isRecorded = await Bounded.run(until: end) { [audit] in await audit.close() }
        isClean = await Bounded.run(until: end) { [group] in try? await group.shutdownGracefully() } && isClean
        isClean = await Bounded.run(until: end) { [pool] in try? await pool.shutdownGracefully() } && isClean
        housekeeping.close()
        return isRecorded ? isClean ? .clean : .hanging : .unrecorded
    }

    /// What must not be lost is written; each by itself, so that one that hangs keeps no other from its work.
    /// - Returns: whether everything ended in time.
    private func settle(after chores: @escaping @Sendable () async -> Void, until deadline: ContinuousClock.Instant) async -> Bool {
        // Chores are quick where nothing hangs; what they do is not done twice at once then.
        let isIdle = await Bounded.run(until: min(deadline, .now + .seconds(1)), chores)
        if !isIdle { logger.warning("housekeeping did not end in time, and is not waited for") }
        let last: [(name: String, work: @Sendable () async throws -> Void)] = [
            ("vault", { [self] in _ = try vault.refresh(at: Self.wallTime().seconds) }),
            ("usage", { [self] in try limits.flush(to: stores.usage) }),
            ("background responses", { [self] in try Self.keep(runtime.background, in: stores.responses, at: Self.wallTime().seconds) }),
            ("key uses", { [self] in try noteKeyUses(now: true) }),
            ("outbox", { [self] in try await drainOutbox() }),
        ]
        return await withTaskGroup(of: Bool.self) { group in
            for (name, work) in last {
                group.addTask { [self] in
                    await Bounded.run(until: deadline, on: housekeeping) { [self] in await chore(name, work) }
                }
            }
            return await group.reduce(isIdle) { $0 && $1 }
        }
    }
}
