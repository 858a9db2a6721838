import Crypto
import Foundation
import SallyportCore

/// Makes, finds and ends sessions. Every method blocks.
package struct SessionDesk: SessionKeeping {
    package struct Policy: Sendable, Hashable {
        /// Without a request.
        package var idle: Int64 = 1800
        /// However busy.
        package var absolute: Int64 = 43_200
        /// Whether a session ends when it is used from another network than the one it was made in.
        package var isBoundToNetwork = true
        package init() {}
    }

    /// What is sealed.
    private struct Content: Codable {
        var project: String
        var isService: Bool
        var client: String?
        var team: String?
        var issuer: String?
        var groups: [String]
        var roles: [String]
        var methods: [String]
        var device: String?
        var name: String
        /// Of the browser that it was made with.
        var browser: [UInt8]
        var place: String?
        var authenticatedAt: Int64
        /// nil: with this one.
        var begunAt: Int64?
    }

    package struct Opening: Sendable {
        package var principal: Principal
        package var name: String
        package var account: String?
        package var methods: Set<String>
        package var browser: String
        package var address: IPAddress?
        /// When the person last proved who he is; nil: now.
        package var authenticatedAt: Int64?
        /// It ends then at the latest.
        package var endsAt: Int64?
        /// The session that it follows from: it must still be there.
        package var parent: String?
        /// Of the first session that it follows from.
        fileprivate var begunAt: Int64?

        package init(
            principal: Principal, name: String, account: String?, methods: Set<String>, browser: String, address: IPAddress?
        ) {
            self.principal = principal
            self.name = name
            self.account = account
            self.methods = methods
            self.browser = browser
            self.address = address
            authenticatedAt = principal.authenticatedAt
        }

        /// What follows from a session that there is: as old as its sign-in, and over when it is. Else one could make the next of each for ever.
        package init(following session: ConsoleSession, methods: Set<String>, browser: String, address: IPAddress?) {
            self.init(
                principal: session.principal, name: session.name, account: session.account, methods: methods, browser: browser,
                address: address)
            endsAt = session.principal.expiresAt
            parent = session.id
            begunAt = session.begunAt
        }
    }

    private let store: any SessionStore
    private let accounts: any AccountStore
    private let sealing: any Sealer
    private let random: @Sendable (Int) -> [UInt8]
    package let policy: Policy

    package init(
        store: any SessionStore, accounts: any AccountStore, sealing: any Sealer, policy: Policy = Policy(),
        random: @escaping @Sendable (Int) -> [UInt8] = AccountOperations.systemRandom
    ) {
        self.store = store
        self.accounts = accounts
        self.sealing = sealing
        self.policy = policy
        self.random = random
    }

    /// A new session with a token of its own, whatever the browser had before.
    /// - Throws: ``Fault`` `.unauthenticated` when the session that it follows from is over.
    package func open(_ opening: Opening, at now: Int64) throws -> (token: String, session: ConsoleSession) {
        let end = min(now + policy.absolute, opening.endsAt ?? .max)
        if let parent = opening.parent {
            let isLive = try list(of: opening.principal.id, tenant: opening.principal.tenant, at: now).contains { $0.id == parent }
            guard isLive, now < end else { throw Fault(.unauthenticated, "The session that let it in is over.") }
        }
        let token = ConsoleSession.tokenPrefix + Base64.encode(random(32), alphabet: .urlSafe)
        let id = Base64.encode(random(12), alphabet: .urlSafe)
        let principal = opening.principal
        var issuer: String?
        if case .session(let name) = principal.credential { issuer = name }
        let content = Content(
            project: principal.project.rawValue, isService: principal.isService, client: principal.client, team: principal.team,
            issuer: issuer, groups: principal.groups, roles: principal.roles.map(\.rawValue).sorted(), methods: opening.methods.sorted(),
            device: principal.device, name: opening.name, browser: AccountOperations.digest(opening.browser),
            place: opening.address.map { NetworkPlace($0).text },
            authenticatedAt: min(opening.authenticatedAt ?? now, now), begunAt: opening.begunAt)
        let plain = try JSONEncoder().encode(content)
        let record = SessionRecord(
            hash: AccountOperations.digest(token), id: id, tenant: principal.tenant, principal: principal.id, account: opening.account,
            content: try sealing.seal(Array(plain), tenant: principal.tenant, place: "console_session.content", row: id), createdAt: now,
            lastUsedAt: now, expiresAt: end)
        try store.insert(record)
        return (token, session(record, content, token: token))
    }

    package func session(token: String, browser: String, address: IPAddress?, at now: Int64) throws -> ConsoleSession? {
        guard token.utf8.count <= 128, token.hasPrefix(ConsoleSession.tokenPrefix),
            let record = try store.session(AccountOperations.digest(token))
        else { return nil }
        guard now < record.expiresAt, now - record.lastUsedAt < policy.idle else {
            _ = try store.remove(record.hash)
            return nil
        }
        if let name = record.account {
            guard let account = try accounts.account(name, tenant: record.tenant), account.disabledAt == nil else { return nil }
        }
        let plain = try sealing.open(record.content, tenant: record.tenant, place: "console_session.content", row: record.id)
        let content = try JSONDecoder().decode(Content.self, from: Data(plain))
        guard ConstantTime.equal(content.browser, AccountOperations.digest(browser)) else { return nil }
        if policy.isBoundToNetwork, let place = content.place {
            guard let address, NetworkPlace(address).text == place else { return nil }
        }
        // Written once a minute, not per request.
        if now - record.lastUsedAt >= 60 { try store.noteUse(record.hash, at: now) }
        return session(record, content, token: token)
    }

    private func session(_ record: SessionRecord, _ content: Content, token: String) -> ConsoleSession {
        let principal = Principal(
            tenant: record.tenant, project: ProjectID(content.project), id: record.principal, credential: .session(issuer: content.issuer),
            isService: content.isService, client: content.client, team: content.team, groups: content.groups,
            roles: Set(content.roles.map { Role($0) }), expiresAt: record.expiresAt, methods: Set(content.methods),
            authenticatedAt: content.authenticatedAt, device: content.device)
        return ConsoleSession(
            id: record.id, principal: principal, name: content.name, account: record.account, methods: Set(content.methods),
            createdAt: record.createdAt, expiresAt: min(record.expiresAt, record.lastUsedAt + policy.idle),
            begunAt: content.begunAt ?? record.createdAt, token: token)
    }

    /// - Returns: whether there was one.
    @discardableResult
    package func end(token: String) throws -> Bool { try store.remove(AccountOperations.digest(token)) }

    package func end(id: String, tenant: TenantID) throws {
        guard try store.removeSession(id: id, tenant: tenant) else { throw Fault(.notFound, "There is no such session.") }
    }

    @discardableResult
    package func endAll(of principal: PrincipalID, tenant: TenantID = .default) throws -> Int {
        try store.removeSessions(of: principal, tenant: tenant)
    }

    /// Public facts only.
    package func list(of principal: PrincipalID?, tenant: TenantID = .default, at now: Int64) throws -> [SessionRecord] {
        try store.sessions(of: principal, tenant: tenant).filter { now < $0.expiresAt && now - $0.lastUsedAt < policy.idle }
    }

    /// Takes away what is over. Called now and then.
    package func tidy(at now: Int64) throws { try store.removeSessions(endedBefore: now, unusedSince: now - policy.idle) }
}
