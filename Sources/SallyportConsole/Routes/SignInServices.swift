import SallyportCore
import SallyportIdentity

/// Identity providers that people may sign in with.
package protocol SignInProviding: Sendable {
    /// Names in the configuration, with what they are called on the page.
    var providers: [(name: String, title: String)] { get }
    /// Where to send the browser.
    func authorizationURL(_ pending: PendingSignIns.Pending.Provider, redirect: String) async throws -> String
    /// Exchanges the code, and says who came back.
    func person(code: String, _ pending: PendingSignIns.Pending.Provider, redirect: String, at now: Int64) async throws
        -> OpenIDSignIn.Person
    /// Whether everybody who comes from there counts as having shown two factors.
    func isTrustedForSecondFactor(_ name: String) -> Bool
}

/// What signing in stands on.
package struct SignInServices: Sendable {
    package let accounts: AccountOperations
    package let sessions: SessionDesk
    package let pending = PendingSignIns()
    package let devices = DeviceSignIns()
    /// Challenges of passkeys that are being added, by session.
    let registrations = Challenges()
    package let throttle: SignInThrottle
    package let passkeys: WebAuthn
    package let providers: (any SignInProviding)?
    package let settings: ConsoleSettings
    /// Called before a one-time link is used, on record; and after.
    package let willRedeem: @Sendable (String, Int64) throws -> Void
    package let didRedeem: @Sendable (String) -> Void
    /// A text as a QR code: rows of modules, true where dark.
    let qrCode: @Sendable (String) -> [[Bool]]?

    package init(
        accounts: AccountOperations, sessions: SessionDesk, providers: (any SignInProviding)?, settings: ConsoleSettings,
        willRedeem: @escaping @Sendable (String, Int64) throws -> Void = { _, _ in },
        didRedeem: @escaping @Sendable (String) -> Void = { _ in }, qrCode: @escaping @Sendable (String) -> [[Bool]]? = { _ in nil }
    ) {
        self.qrCode = qrCode
        self.accounts = accounts
        self.sessions = sessions
        self.providers = providers
        self.settings = settings
        self.willRedeem = willRedeem
        self.didRedeem = didRedeem
        throttle = SignInThrottle(accounts.store)
        let scheme = settings.isHTTPS ? "https://" : "http://"
        let domain = String(settings.host.prefix { $0 != ":" })
        passkeys = WebAuthn(site: domain, origins: [scheme + settings.host])
    }

    /// The methods that one sign-in has shown, in the words of RFC 8176.
    static func withSecondFactor(_ methods: Set<String>) -> Set<String> {
        let isBoth = methods.contains("pwd") && !methods.isDisjoint(with: ["otp", "kba"])
        return isBoth || methods.contains("hwk") ? methods.union(["mfa"]) : methods
    }

    /// Opens a session, on record, and answers with its cookie. What the browser had before ends: nobody chooses another's session.
    func signIn(
        _ principal: Principal, name: String, account: String?, methods: Set<String>, _ call: ConsoleCall
    ) async throws -> String {
        let former = ConsoleDoor.cookie(settings.sessionCookie, in: call.headers)
        let sessions = sessions
        return try await open(
            SessionDesk.Opening(
                principal: principal, name: name, account: account, methods: Self.withSecondFactor(methods),
                browser: call.headers.first("user-agent") ?? "", address: call.address),
            call, before: { if let former { try sessions.end(token: former) } })
    }

    /// A session in the place of one that has now shown more: as old as its sign-in, and over when it would have been.
    func raise(_ session: ConsoleSession, adding methods: Set<String>, _ call: ConsoleCall) async throws -> String {
        let sessions = sessions
        let opening = SessionDesk.Opening(
            following: session, methods: Self.withSecondFactor(session.methods.union(methods)),
            browser: call.headers.first("user-agent") ?? "", address: call.address)
        return try await open(opening, call, after: { try sessions.end(id: session.id, tenant: session.principal.tenant) })
    }

    private func open(
        _ opening: SessionDesk.Opening, _ call: ConsoleCall, before: @escaping @Sendable () throws -> Void = {},
        after: @escaping @Sendable () throws -> Void = {}
    ) async throws -> String {
        let (sessions, principal) = (sessions, opening.principal)
        let opened = try await call.perform(
            on: principal.id.rawValue, as: "session.create", who: principal.id,
            details: [(name: "methods", value: opening.methods.sorted().joined(separator: "+"))], made: { $0.session.id }
        ) {
            try await call.blocking {
                try before()
                let opened = try sessions.open(opening, at: call.now)
                try after()
                return opened
            }
        }
        return opened.token
    }

    func cookies(for token: String, on answer: ConsoleAnswer) -> ConsoleAnswer {
        answer
            .adding("set-cookie", settings.setCookie(settings.sessionCookie, token, sameSite: "Strict", maximumAge: nil))
            .adding("set-cookie", settings.setCookie(settings.signInCookie, "", sameSite: "Lax", maximumAge: 0))
    }

    /// What was typed as a name goes on record only where an account is called so: a password in the wrong field must not.
    func refused(_ reason: String, typed name: String, _ call: ConsoleCall) async throws {
        let accounts = accounts
        let isKnown = try await call.blocking { try accounts.isKnown(name) }
        try await refused(reason, isKnown ? name : "unknown", call)
    }

    func refused(_ reason: String, _ name: String, _ call: ConsoleCall) async throws {
        try await call.record(
            "session.create", target: String(name.prefix(128)), details: [(name: "reason", value: reason)], kind: .authRefused,
            who: "anonymous")
    }
}
