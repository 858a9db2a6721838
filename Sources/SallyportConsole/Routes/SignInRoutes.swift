import SallyportCore
import SallyportIdentity

/// Signing in: with a local account's password and code, with a passkey, or at an identity provider; and the one-time link.
package struct SignInRoutes: ConsoleRouteGroup {
    let services: SignInServices

    package init(_ services: SignInServices) { self.services = services }

    package static let routes: [ConsoleRoute<Self>] = [
        .init("SignIn_Page", "GET", "/signin", .open, page),
        .init("SignIn_Password", "POST", "/signin/password", .open, maximumBody: 8192, password),
        .init("SignIn_Second", "GET", "/signin/second", .open, second),
        .init("SignIn_Code", "POST", "/signin/code", .open, maximumBody: 4096, code),
        .init("SignIn_PasskeyOptions", "POST", "/signin/passkey/options", .open, maximumBody: 1024, passkeyOptions),
        .init("SignIn_Passkey", "POST", "/signin/passkey", .open, maximumBody: 32 << 10, passkey),
        .init("SignIn_Provider", "GET", "/signin/provider/{name}", .open, provider),
        .init("SignIn_Callback", "GET", "/signin/callback", .open, callback),
        .init("SignIn_Link", "GET", "/setup", .open, link),
        .init("SignIn_Redeem", "POST", "/setup", .open, maximumBody: 8192, redeem),
        .init("Assets_Style", "GET", "/assets/console.css", .open, style),
        .init("Assets_Passkeys", "GET", "/assets/passkeys.js", .open, script),
    ]

    private func style(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        ConsoleAnswer(headers: [("content-type", "text/css; charset=utf-8")], body: .init(string: Assets.style))
    }

    private func script(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        ConsoleAnswer(headers: [("content-type", "text/javascript; charset=utf-8")], body: .init(string: Assets.passkeys))
    }

    // MARK: The page

    /// The sign-in that this browser has begun, or a new one.
    private func begun(_ call: ConsoleCall) -> (secret: String, isNew: Bool) {
        if let (secret, _) = pending(call) { return (secret, false) }
        return (services.pending.begin(from: call.address, at: call.now), true)
    }

    private func cookie(_ call: ConsoleCall) -> String? { ConsoleDoor.cookie(services.settings.signInCookie, in: call.headers) }

    private func pending(_ call: ConsoleCall) -> (secret: String, pending: PendingSignIns.Pending)? {
        guard let secret = cookie(call), let pending = services.pending.pending(secret, at: call.now), pending.seed == nil else {
            return nil
        }
        return (secret, pending)
    }

    /// The sign-in that a form belongs to. - Throws: when there is none, or the form is another's.
    private func current(_ call: ConsoleCall, token: String?) throws -> (secret: String, pending: PendingSignIns.Pending) {
        guard let (secret, pending) = pending(call) else { throw Self.over }
        guard let token, ConstantTime.equal(token, PendingSignIns.csrf(for: secret)) else {
            throw ConsoleRefusal(403, "CrossSiteRequest", "The request does not come from a page of this site.")
        }
        return (secret, pending)
    }

    private static let over = ConsoleRefusal(409, "SignInExpired", "This sign-in took too long, or was finished. Begin again at /signin.")

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer { shown(call, problem: nil, status: 200) }

    /// Whether a person who signed in a while ago comes to do so anew.
    private static func isFresh(_ call: ConsoleCall) -> Bool { call.queryValue("fresh") == "1" }

    private func shown(_ call: ConsoleCall, problem: String?, status: Int) -> ConsoleAnswer {
        let (secret, isNew) = begun(call)
        let token = PendingSignIns.csrf(for: secret)
        let fresh: HTML = Self.isFresh(call) ? "?fresh=1" : ""
        let providers: [HTML] = (services.providers?.providers ?? []).map {
            "<a class=\"button\" href=\"/signin/provider/\($0.name)\(fresh)\">Sign in with \($0.title)</a>"
        }
        let answer = ConsoleAnswer.page(
            Page.make(
                "Sign in", token: token, script: "passkeys.js",
                """
                \(Page.problem(problem))
                <p id="passkey-problem" class="problem" role="alert" hidden></p>
                <form method="post" action="/signin/password">
                \(Page.token(token))
                <label for="name">Account</label>
                <input id="name" name="name" autocomplete="username webauthn" required maxlength="64" autofocus>
                <label for="password">Password</label>
                <input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">
                <button>Sign in</button>
                <button type="button" id="passkey-signin">Use a passkey</button>
                </form>
                \(providers)
                """), status: status)
        guard isNew else { return answer }
        return answer.adding(
            "set-cookie",
            services.settings.setCookie(services.settings.signInCookie, secret, sameSite: "Lax", maximumAge: PendingSignIns.lifetime))
    }

    // MARK: Password and code

    private func password(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let form = try call.form()
        let (secret, _) = try current(call, token: form["csrf"])
        let name = form["name"] ?? ""
        let typed = form["password"] ?? ""
        let services = services
        let account: AccountRecord?
        do {
            account = try await call.blocking {
                try services.throttle.begin(name, from: call.address, at: call.now)
                let account = try services.accounts.verify(name, password: typed)
                if account != nil {
                    try services.throttle.succeeded(name, from: call.address)
                } else {
                    try services.throttle.failed(name, from: call.address, at: call.now)
                }
                return account
            }
        } catch let fault as Fault where fault.code == .rateLimited {
            try await services.refused("locked", typed: name, call)
            return shown(call, problem: fault.message, status: 429).adding("retry-after", "\(fault.retryAfter?.components.seconds ?? 1)")
        }
        guard let account else {
            try await services.refused("password", typed: name, call)
            return shown(call, problem: "Account and password do not belong together.", status: 401)
        }
        let factors = try await call.blocking { try services.accounts.factors(of: account.name) }
        guard factors.contains(where: { $0.kind != .recovery }) else {
            _ = services.pending.take(secret, at: call.now)
            return try await finish(account, methods: ["pwd"], call)
        }
        // A secret of its own from here on: whoever planted the first one in this browser has no part in what was proved.
        _ = services.pending.take(secret, at: call.now)
        let fresh = services.pending.begin(from: call.address, at: call.now)
        services.pending.update(fresh) {
            $0.account = account.name
            $0.methods = ["pwd"]
        }
        return ConsoleAnswer.redirect(to: "/signin/second").adding(
            "set-cookie",
            services.settings.setCookie(services.settings.signInCookie, fresh, sameSite: "Lax", maximumAge: PendingSignIns.lifetime))
    }

    private func second(_ call: ConsoleCall) async throws -> ConsoleAnswer { try secondPage(call, problem: nil, status: 200) }

    private func secondPage(_ call: ConsoleCall, problem: String?, status: Int) throws -> ConsoleAnswer {
        guard let (secret, pending) = pending(call), pending.account != nil else {
            return .redirect(to: "/signin")
        }
        let token = PendingSignIns.csrf(for: secret)
        return .page(
            Page.make(
                "Second factor", token: token, script: "passkeys.js",
                """
                \(Page.problem(problem))
                <p id="passkey-problem" class="problem" role="alert" hidden></p>
                <form method="post" action="/signin/code">
                \(Page.token(token))
                <label for="code">Code of your authenticator app, or a recovery code</label>
                <input id="code" name="code" autocomplete="one-time-code" required maxlength="32" autofocus>
                <button>Go on</button>
                <button type="button" id="passkey-signin">Use a passkey</button>
                </form>
                """), status: status)
    }

    private func code(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let form = try call.form()
        let (secret, pending) = try current(call, token: form["csrf"])
        guard let name = pending.account else { throw Self.over }
        let typed = form["code"] ?? ""
        let services = services
        let kind: AccountFactor.Kind?
        do {
            kind = try await call.blocking {
                // Codes are few: guessing them is counted as guessing passwords is.
                try services.throttle.begin(name, guessing: .code, from: call.address, at: call.now)
                let kind = try services.accounts.verifyCode(typed, of: name, at: call.now)
                if kind != nil {
                    try services.throttle.succeeded(name, guessing: .code, from: call.address)
                } else {
                    try services.throttle.failed(name, guessing: .code, from: call.address, at: call.now)
                }
                return kind
            }
        } catch let fault as Fault where fault.code == .rateLimited {
            try await services.refused("locked", name, call)
            return try secondPage(call, problem: fault.message, status: 429)
        }
        guard let kind else {
            try await services.refused("code", name, call)
            return try secondPage(call, problem: "This code is not right, or was used already.", status: 401)
        }
        guard services.pending.take(secret, at: call.now) != nil else { throw Self.over }
        let account = try await call.blocking { try services.accounts.account(name) }
        guard account.disabledAt == nil else { throw Self.over }
        return try await finish(account, methods: pending.methods.union([kind == .totp ? "otp" : "kba"]), call)
    }

    private func finish(_ account: AccountRecord, methods: Set<String>, _ call: ConsoleCall) async throws -> ConsoleAnswer {
        let token = try await open(account, methods: methods, call)
        return services.cookies(for: token, on: .redirect(to: "/"))
    }

    private func open(_ account: AccountRecord, methods: Set<String>, _ call: ConsoleCall) async throws -> String {
        let principal = Principal(
            tenant: account.tenant, id: account.principal, credential: .session(issuer: nil), isService: false, roles: [])
        return try await services.signIn(principal, name: account.displayName, account: account.name, methods: methods, call)
    }

    // MARK: Passkeys

    private struct RequestOptions: Encodable {
        let challenge: String
        let rpId: String
        let timeout: Int
        let allowCredentials: [String]
    }

    private func passkeyOptions(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (secret, pending) = try current(call, token: call.headers.first("x-sallyport-csrf"))
        let challenge = AccountOperations.systemRandom(32)
        var known: [String] = []
        if let name = pending.account {
            let services = services
            known = try await call.blocking { try services.accounts.factors(of: name).filter { $0.kind == .passkey }.map(\.id) }
        }
        services.pending.update(secret) { $0.challenge = challenge }
        return try .json(
            RequestOptions(
                challenge: Base64.encode(challenge, alphabet: .urlSafe), rpId: services.passkeys.site, timeout: 120_000,
                allowCredentials: known))
    }

    private struct Assertion: Decodable {
        let id: String
        let clientDataJSON: String
        let authenticatorData: String
        let signature: String
    }

    private struct Next: Encodable { let next: String }

    private func passkey(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (secret, pending) = try current(call, token: call.headers.first("x-sallyport-csrf"))
        let answer: Assertion = try call.json()
        // Taken out first: one challenge, one answer.
        guard let challenge = pending.challenge, services.pending.take(secret, at: call.now) != nil else { throw Self.over }
        guard let client = Base64.decode(answer.clientDataJSON, alphabet: .urlSafe),
            let data = Base64.decode(answer.authenticatorData, alphabet: .urlSafe),
            let signature = Base64.decode(answer.signature, alphabet: .urlSafe), answer.id.utf8.count <= 1400
        else { throw Fault(.invalidRequest, "The passkey's answer cannot be read.") }
        let services = services
        let account: AccountRecord
        do {
            account = try await call.blocking {
                guard let found = try services.accounts.passkey(answer.id) else { throw WebAuthn.Refusal.unsupportedKey }
                // After a password, only a passkey of that account.
                guard pending.account == nil || pending.account == found.account.name else { throw WebAuthn.Refusal.unsupportedKey }
                let counter = try services.passkeys.verify(
                    clientData: client, authenticatorData: data, signature: signature, credential: found.credential, challenge: challenge)
                guard try services.accounts.notePasskeyUse(answer.id, counter: counter, at: call.now) else {
                    throw WebAuthn.Refusal.counter
                }
                return found.account
            }
        } catch let refusal as WebAuthn.Refusal {
            // The id is whatever a stranger sends.
            let isKnown = try await call.blocking { try services.accounts.passkey(answer.id) != nil }
            try await services.refused("passkey: \(refusal.rawValue)", isKnown ? answer.id : "unknown", call)
            throw ConsoleRefusal(401, "AuthenticationFailed", "The passkey was not accepted.")
        }
        let token = try await open(account, methods: pending.methods.union(["hwk", "user"]), call)
        return services.cookies(for: token, on: try .json(Next(next: "/")))
    }

    // MARK: Providers

    private var redirectURL: String { services.settings.publicURL + "/signin/callback" }

    private func provider(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        guard let providers = services.providers, providers.providers.contains(where: { $0.name == name }) else {
            throw Fault(.notFound, "There is no identity provider of this name.")
        }
        // A sign-in of its own: what was begun with a password is not mixed with it.
        let secret = services.pending.begin(from: call.address, at: call.now)
        let sent = PendingSignIns.Pending.Provider(
            name: name, state: OpenIDSignIn.randomText(), nonce: OpenIDSignIn.randomText(), verifier: OpenIDSignIn.randomText(),
            isFresh: Self.isFresh(call))
        services.pending.update(secret) { $0.provider = sent }
        let url = try await providers.authorizationURL(sent, redirect: redirectURL)
        return ConsoleAnswer.redirect(to: url).adding(
            "set-cookie",
            services.settings.setCookie(services.settings.signInCookie, secret, sameSite: "Lax", maximumAge: PendingSignIns.lifetime))
    }

    private func callback(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        guard let providers = services.providers, let secret = cookie(call), let pending = services.pending.take(secret, at: call.now),
            let sent = pending.provider
        else { throw Self.over }
        guard let state = call.queryValue("state"), ConstantTime.equal(state, sent.state),
            call.query.filter({ $0.name == "state" }).count == 1
        else {
            try await services.refused("state", sent.name, call)
            throw ConsoleRefusal(403, "CrossSiteRequest", "The answer does not belong to this sign-in.")
        }
        guard let code = call.queryValue("code"), code.utf8.count <= 4096 else {
            try await services.refused("provider: \(String((call.queryValue("error") ?? "no code").prefix(64)))", sent.name, call)
            throw ConsoleRefusal(401, "AuthenticationFailed", "The identity provider did not let you in.")
        }
        let person: OpenIDSignIn.Person
        do { person = try await providers.person(code: code, sent, redirect: redirectURL, at: call.now) } catch {
            let reason = (error as? TokenRefusal)?.rawValue ?? "\(type(of: error))"
            try await services.refused("provider: \(reason)", sent.name, call)
            throw ConsoleRefusal(401, "AuthenticationFailed", "The identity provider's answer was not accepted.")
        }
        var methods = person.methods.union(["fed"])
        if providers.isTrustedForSecondFactor(sent.name) { methods.insert("mfa") }
        let token = try await services.signIn(person.principal, name: person.name, account: nil, methods: methods, call)
        // A page, not a redirect: the browser sends a strict cookie only when the navigation begins here.
        return services.cookies(for: token, on: .page(Page.make("Signed in", refresh: "/", "<p><a href=\"/\">Go on</a></p>")))
    }

    // MARK: The one-time link

    private func link(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await linkPage(call, call.queryValue("link") ?? "", problem: nil, status: 200)
    }

    private func linkPage(_ call: ConsoleCall, _ link: String, problem: String?, status: Int) async throws -> ConsoleAnswer {
        let services = services
        let account = try await call.blocking { try services.accounts.account(ofLink: link, at: call.now) }
        let (secret, isNew) = begun(call)
        let answer = ConsoleAnswer.page(
            Page.make(
                "Set up \(account.name)",
                """
                \(Page.problem(problem))
                <p>This link works once. Choose a password of at least \(AccountOperations.minimumPassword) characters; a second factor comes next.</p>
                <form method="post" action="/setup">
                \(Page.token(PendingSignIns.csrf(for: secret)))
                <input type="hidden" name="link" value="\(link)">
                <input type="hidden" name="username" value="\(account.name)">
                <label for="password">Password</label>
                <input id="password" name="password" type="password" autocomplete="new-password" required minlength="12" maxlength="1024" autofocus>
                <label for="again">The same again</label>
                <input id="again" name="again" type="password" autocomplete="new-password" required maxlength="1024">
                <button>Set password</button>
                </form>
                """), status: status)
        guard isNew else { return answer }
        return answer.adding(
            "set-cookie",
            services.settings.setCookie(services.settings.signInCookie, secret, sameSite: "Lax", maximumAge: PendingSignIns.lifetime))
    }

    private func redeem(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let form = try call.form()
        let (secret, _) = try current(call, token: form["csrf"])
        let (link, typed) = (form["link"] ?? "", form["password"] ?? "")
        guard typed == form["again"] else {
            return try await linkPage(call, link, problem: "The two passwords differ.", status: 400)
        }
        let services = services
        let known = try await call.blocking { try services.accounts.account(ofLink: link, at: call.now) }
        let account: AccountRecord
        do {
            account = try await call.perform(on: known.name, as: "accounts.setup", who: known.principal) {
                try await call.blocking {
                    try AccountOperations.check(typed, for: known.name)
                    try services.willRedeem(known.name, call.now)
                    let account = try services.accounts.redeem(link, password: typed, at: call.now)
                    // Whoever held the account before is out.
                    try services.sessions.endAll(of: account.principal)
                    return account
                }
            }
        } catch let fault as Fault where fault.code == .invalidRequest {
            return try await linkPage(call, link, problem: fault.message, status: 400)
        }
        services.didRedeem(account.name)
        _ = services.pending.take(secret, at: call.now)
        let token = try await open(account, methods: ["pwd"], call)
        return services.cookies(for: token, on: .redirect(to: "/account"))
    }
}
