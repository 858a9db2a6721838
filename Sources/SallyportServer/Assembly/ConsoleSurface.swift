import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportConsole
import SallyportCore
import SallyportEgress
import SallyportGateway
import SallyportIdentity
import SallyportOversight
import SallyportPasswords
import SallyportQRCode
import SallyportStorage

/// The administrative surface with everything that it stands on.
final class ConsoleSurface: Sendable {
    /// What it shares with the rest of the process.
    struct Parts: Sendable {
        let keys: any KeyStore
        let access: any AccessStore
        let policies: any PolicyStore
        let database: any SQLDatabase
        let directory: KeyDirectory
        let identity: IdentityServices
        let audit: AuditLog
        let security: ListenerSecurity
        let group: any EventLoopGroup
        let egress: EgressClient
        let logger: Logger
        let sealer: any Sealer
        let documents: DocumentParts
    }

    private let plan: NIOLockedValueBox<ServerPlan>
    private let server: ConsoleServer
    private let pool: NIOThreadPool
    private let signIn: SignInServices
    private let elevations: @Sendable () -> ElevationOperations
    private let audit: AuditLog
    private let tidied = NIOLockedValueBox<Int64>(0)
    var port: Int { server.port }

    private init(
        plan: NIOLockedValueBox<ServerPlan>, server: ConsoleServer, pool: NIOThreadPool, signIn: SignInServices,
        elevations: @escaping @Sendable () -> ElevationOperations, audit: AuditLog
    ) {
        self.elevations = elevations
        self.audit = audit
        self.plan = plan
        self.server = server
        self.pool = pool
        self.signIn = signIn
    }

    /// - Returns: nil when the configuration wants none.
    static func start(_ plan: ServerPlan, _ parts: Parts) async throws -> ConsoleSurface? {
        guard let console = plan.console else { return nil }
        let current = NIOLockedValueBox(plan)
        // Of its own: a password that is hashed must not keep a guard waiting.
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        var port = console.listen.port
        if port == 0 { port = try freePort(console.listen.host) }
        var services = ConsoleServices(
            authenticator: parts.directory, tokens: parts.identity.tokens, certificates: parts.identity.certificates,
            access: parts.identity.access, audit: parts.audit, pool: pool, eventLoop: parts.group.next(), logger: parts.logger,
            settings: settings(plan, console, port: port), clock: { ServerProcess.wallTime().seconds },
            acceptsKeys: { current.withLockedValue { $0.gateway.acceptsKeys } },
            refusal: { address in current.withLockedValue { $0.console?.rules.refusal(of: address) } },
            callerAddress: { peer, forwarded in try current.withLockedValue { $0.gateway.network }.caller(peer, forwarded: forwarded) },
            didChange: {
                let now = ServerProcess.wallTime().seconds
                // What fails here is done by the next tick, a quarter of a second later.
                _ = try? await pool.runIfActive {
                    _ = try parts.directory.refresh(from: parts.keys, at: now)
                    _ = try parts.identity.access.refresh(
                        from: parts.access, provisioning: SQLProvisioningStore(parts.database), at: now)
                    _ = try parts.identity.conditional.refresh(
                        from: SQLConditionalAccessStore(parts.database),
                        catalog: RoleCatalog(custom: current.withLockedValue { $0.access.roles }))
                }
            })
        let signIn = signIn(plan, console, parts, current, services.settings)
        services.sessions = signIn.sessions
        services.conditional = parts.identity.conditional
        try await offerFirstAdministrator(plan, signIn, parts, pool: pool, now: services.clock())
        let server = try await ListenerProblem.naming("server.adminListen", console.listen) {
            try await ConsoleServer.start(
                host: console.listen.host, port: port, services: services, routes: routes(parts, current, signIn), group: parts.group,
                tls: { parts.security.tls })
        }
        parts.logger.notice("the administrative surface listens", metadata: ["admin.port": "\(server.port)"])
        return ConsoleSurface(
            plan: current, server: server, pool: pool, signIn: signIn, elevations: elevations(parts, current), audit: parts.audit)
    }

    private static func elevations(_ parts: Parts, _ plan: NIOLockedValueBox<ServerPlan>) -> @Sendable () -> ElevationOperations {
        {
            ElevationOperations(
                store: SQLElevationStore(parts.database), catalog: RoleCatalog(custom: plan.withLockedValue { $0.access.roles }))
        }
    }

    private static func routes(_ parts: Parts, _ plan: NIOLockedValueBox<ServerPlan>, _ signIn: SignInServices) -> [BoundRoute] {
        let (provisioning, eligible) = (SQLProvisioningStore(parts.database), SQLElevationStore(parts.database))
        let reach = AccessOperations.Reach(groups: { try provisioning.groups(holding: $0) }, eligible: { try eligible.eligible() })
        let access: @Sendable () -> AccessOperations = {
            AccessAdministration.operations(plan: plan.withLockedValue { $0 }, store: parts.access, reach: reach)
        }
        let elevations = elevations(parts, plan)
        let conditional = ConditionalOperations(store: SQLConditionalAccessStore(parts.database))
        let policyDesk = policyDesk(parts, plan)
        let desk = changeDesk(parts, plan, conditional)
        let accounts = AccountRoutes(signIn, access: access)
        let assignments = AccessRoutes(operations: access, keys: parts.keys)
        let keys = KeyRoutes(store: parts.keys, access: access, operations: AccessAdministration.operations)
        let elevation = ElevationRoutes(operations: elevations, access: access)
        let changes = ChangeRoutes(desk)
        let policies = PolicyRoutes(store: parts.policies, desk: policyDesk, changes: desk)
        let conditions = ConditionalRoutes(conditional, access: access, keys: parts.keys, changes: desk)
        let data = dataRoutes(parts, plan)
        let people = SignInRoutes(signIn).bound + AccountPages(signIn).bound + SelfRoutes().bound
        let programs =
            accounts.bound + assignments.bound + keys.bound + elevation.bound + changes.bound
            + policies.bound + conditions.bound + data.bound
        let pages =
            PeoplePages(accounts).bound + AccessPages(assignments).bound + KeyPages(keys).bound + ElevationPages(elevation).bound
            + ChangePages(changes).bound + PolicyPages(policies).bound + ConditionalPages(conditions).bound
            + StandingPages(conditions).bound + IndexPages(data).bound
        return people + programs + pages + governanceRoutes(parts, plan, keys: keys, publicURL: signIn.settings.publicURL)
    }

    private static func policyDesk(_ parts: Parts, _ plan: NIOLockedValueBox<ServerPlan>) -> @Sendable () -> any PolicyDesk {
        let blocklists = SQLBlocklistStore(parts.database)
        return { PolicyAdministration(plan: plan.withLockedValue { $0 }, policies: parts.policies, blocklists: blocklists) }
    }

    private static func changeDesk(
        _ parts: Parts, _ plan: NIOLockedValueBox<ServerPlan>, _ conditional: ConditionalOperations
    ) -> ChangeDesk {
        let desk = policyDesk(parts, plan)
        return ChangeDesk(
            fourEyes: {
                FourEyes(
                    areas: plan.withLockedValue { $0.access.fourEyes }, store: SQLChangeStore(parts.database), sealing: parts.sealer)
            },
            check: { change, content in
                try ChangeApplication(policies: parts.policies, desk: desk(), conditional: conditional).check(change, content)
            },
            apply: { change, content, now in
                try ChangeApplication(policies: parts.policies, desk: desk(), conditional: conditional).apply(change, content, at: now)
            })
    }

    private static func settings(_ plan: ServerPlan, _ console: ServerPlan.Console, port: Int) -> ConsoleSettings {
        let scheme = plan.tls == nil ? "http" : "https"
        let hosts = Set(["localhost:\(port)", "127.0.0.1:\(port)", "[::1]:\(port)"])
        var settings = ConsoleSettings(
            publicURL: console.publicURL ?? "\(scheme)://localhost:\(port)",
            otherHosts: ["127.0.0.1", "::1", "localhost"].contains(console.listen.host) ? hosts : [])
        settings.requiresSecondFactor = console.requiresSecondFactor
        return settings
    }

    // MARK: People

    private static func signIn(
        _ plan: ServerPlan, _ console: ServerPlan.Console, _ parts: Parts, _ current: NIOLockedValueBox<ServerPlan>,
        _ settings: ConsoleSettings
    ) -> SignInServices {
        let store = SQLAccountStore(parts.database)
        let accounts = AccountOperations(store: store, sealing: parts.sealer, hashing: Argon2idHasher())
        var policy = SessionDesk.Policy()
        policy.idle = console.idle
        policy.absolute = console.absolute
        policy.isBoundToNetwork = console.isBoundToNetwork
        let directory = plan.dataDirectory
        return SignInServices(
            accounts: accounts,
            sessions: SessionDesk(store: SQLSessionStore(parts.database), accounts: store, sealing: parts.sealer, policy: policy),
            providers: SignInProviders(
                plans: { current.withLockedValue { $0.issuers } }, egress: parts.egress, group: parts.group),
            settings: settings,
            willRedeem: { name, now in
                guard name == FirstAdministrator.name else { return }
                try FirstAdministrator(accounts: accounts, access: parts.access, dataDirectory: directory).grant(at: now)
            },
            didRedeem: { name in
                // The file has done its work; that it cannot be removed changes nothing, the link is used up.
                if name == FirstAdministrator.name { try? FileManager.default.removeItem(atPath: FirstAdministrator.file(in: directory)) }
            }, qrCode: QRCode.modules)
    }

    /// While nobody can administer anything, a link that works once makes somebody who can.
    private static func offerFirstAdministrator(
        _ plan: ServerPlan, _ signIn: SignInServices, _ parts: Parts, pool: NIOThreadPool, now: Int64
    ) async throws {
        let first = FirstAdministrator(accounts: signIn.accounts, access: parts.access, dataDirectory: plan.dataDirectory)
        guard try await pool.runIfActive({ try first.isNeeded() }) else { return }
        var record = AuditRecord(.adminAct, id: UUID().uuidString.lowercased())
        record.tenant = .default
        record.principal = "system:start"
        record.operation = "accounts.first-administrator"
        record.details = [(name: "target", value: FirstAdministrator.name)]
        _ = try await parts.audit.append(record.encoded())
        let file = try await pool.runIfActive { try first.offer(at: now, publicURL: signIn.settings.publicURL) }
        parts.logger.notice(
            "nobody administers this gateway yet: a link that makes an administrator lies in a file", metadata: ["file": "\(file)"])
    }

    /// Now and then.
    func tick(at now: Int64) async {
        let isDue = tidied.withLockedValue { last in
            guard now - last >= 60 else { return false }
            last = now
            return true
        }
        guard isDue else { return }
        // What is over is refused anyway; what cannot be taken away now is taken away later.
        let (signIn, elevations) = (signIn, elevations)
        let ended = try? await pool.runIfActive {
            try signIn.sessions.tidy(at: now)
            return try elevations().tidy(at: now)
        }
        for elevation in ended ?? [] {
            var record = AuditRecord(.adminAct, id: UUID().uuidString.lowercased())
            record.tenant = elevation.tenant
            record.principal = elevation.principal
            record.operation = "elevations.ended"
            record.details = [(name: "target", value: elevation.id), (name: "role", value: elevation.role.rawValue)]
            _ = try? await audit.append(record.encoded())
        }
    }

    /// The port must be known before the surface is bound: it is part of the site's name.
    private static func freePort(_ host: String) throws -> Int {
        let channel = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: host, port: 0).wait()
        defer { try? channel.close().wait() }
        return channel.localAddress?.port ?? 0
    }

    /// After a reload: roles, rules. Where it listens changes with the next start.
    func replace(_ plan: ServerPlan) { self.plan.withLockedValue { $0 = plan } }

    func stop() async {
        await server.stop()
        try? await pool.shutdownGracefully()
    }
}
