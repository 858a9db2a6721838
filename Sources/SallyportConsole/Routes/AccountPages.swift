import SallyportCore
import SallyportIdentity

/// What a person who signed in does with his own: factors, sessions, password, signing out, letting a program in.
package struct AccountPages: ConsoleRouteGroup {
    let services: SignInServices

    package init(_ services: SignInServices) { self.services = services }

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Home", "GET", "/", .known, home),
        .init("SignOut", "POST", "/signout", .known, act: "session.end", maximumBody: 1024, signOut),
        .init("Account_Page", "GET", "/account", .known, account),
        .init("Account_Password", "POST", "/account/password", .known, act: "accounts.password", maximumBody: 8192, password),
        .init("Account_TOTPBegin", "POST", "/account/totp", .known, act: "accounts.totp.begin", maximumBody: 1024, beginTOTP),
        .init("Account_TOTPConfirm", "POST", "/account/totp/confirm", .known, act: "accounts.totp.add", maximumBody: 4096, confirmTOTP),
        .init("Account_Recovery", "POST", "/account/recovery", .known, act: "accounts.recovery", maximumBody: 1024, recovery),
        .init(
            "Account_PasskeyOptions", "POST", "/account/passkeys/options", .known, act: "accounts.passkeys.begin", maximumBody: 1024,
            passkeyOptions),
        .init("Account_PasskeyAdd", "POST", "/account/passkeys", .known, act: "accounts.passkeys.add", maximumBody: 64 << 10, addPasskey),
        .init(
            "Account_FactorRemove", "POST", "/account/factors/{id}/remove", .known, act: "accounts.factors.remove", maximumBody: 1024,
            removeFactor),
        .init("Account_SessionEnd", "POST", "/account/sessions/{id}/end", .known, act: "session.end", maximumBody: 1024, endSession),
        .init("Device_Page", "GET", "/device", .known, devicePage),
        .init("Device_Decide", "POST", "/device", .known, act: "session.device", maximumBody: 4096, decideDevice),
        .init("Device_Begin", "POST", "/api/device", .open, maximumBody: 1024, beginDevice),
        .init("Device_Token", "POST", "/api/device/token", .open, maximumBody: 1024, pollDevice),
        .init("Session_EndOwn", "POST", "/api/session/end", .known, act: "session.end", maximumBody: 1024, endOwn),
    ]

    // MARK: Who asks

    private func session(_ call: ConsoleCall) throws -> ConsoleSession {
        guard let session = call.session else { throw ConsoleRefusal(403, "SessionRequired", "Sign in with a browser for this.") }
        return session
    }

    /// The local account of the session, signed in a short while ago: an unlocked screen is not enough to change how one signs in.
    /// Whoever has a second factor must have shown it: a session from before it was added, or a stolen password, must not replace it.
    private func ownAccount(_ call: ConsoleCall) async throws -> (session: ConsoleSession, name: String) {
        let session = try session(call)
        guard let name = session.account else {
            throw ConsoleRefusal(409, "Conflict", "You signed in at an identity provider: your factors are kept there.")
        }
        guard let signedInAt = session.principal.authenticatedAt, call.now - signedInAt <= 900 else {
            throw ConsoleRefusal(403, "ReauthenticationRequired", "Sign in anew first: this takes a sign-in of the last 15 minutes.")
        }
        let accounts = services.accounts
        let hasFactor = try await call.blocking { try accounts.factors(of: name).contains { $0.kind != .recovery } }
        guard !hasFactor || session.methods.contains("mfa") else {
            throw ConsoleRefusal(403, "MfaRequired", "This takes the second factor that the account has: sign in with it.")
        }
        return (session, name)
    }

    // MARK: Pages

    private func home(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let session = try session(call)
        let lacks: HTML? =
            services.settings.requiresSecondFactor && !session.methods.contains("mfa")
            ? "<p class=\"problem\">Add a second factor and sign in with it: until then this session can do nothing else. <a href=\"/account\">Add one</a></p>"
            : nil
        return .page(
            Page.make(
                "Sallyport",
                """
                <p>Signed in as <strong>\(session.name)</strong> (<code>\(session.principal.id.rawValue)</code>).</p>
                \(lacks)
                <nav><a href="/account">Your account</a><a href="/device">Let a program in</a></nav>
                \(lacks == nil ? Administration.navigation(call) : nil)
                <form method="post" action="/signout">\(Page.token(session.csrf))<button>Sign out</button></form>
                """))
    }

    private func account(_ call: ConsoleCall) async throws -> ConsoleAnswer { try await accountPage(call, problem: nil, status: 200) }

    private func accountPage(_ call: ConsoleCall, problem: String?, status: Int) async throws -> ConsoleAnswer {
        let session = try session(call)
        let services = services
        let principal = session.principal
        let sessions = try await call.blocking { try services.sessions.list(of: principal.id, tenant: principal.tenant, at: call.now) }
        let factors: HTML?
        if let name = session.account {
            factors = factorSection(try await call.blocking { try services.accounts.factors(of: name) }, session)
        } else {
            factors = nil
        }
        let rows: [HTML] = sessions.map { other in
            let isOwn = other.id == session.id
            let act: HTML =
                isOwn
                ? "this one"
                : "<form method=\"post\" action=\"/account/sessions/\(other.id)/end\">\(Page.token(session.csrf))<button class=\"quiet\">End</button></form>"
            return
                "<tr><td>since \(Moments.date(other.createdAt))</td><td>last used \(Moments.date(other.lastUsedAt))</td><td>\(act)</td></tr>"
        }
        return .page(
            Page.make(
                "Your account", token: session.csrf, script: "passkeys.js",
                """
                \(Page.problem(problem))
                <p><a href="/">Back</a></p>
                <p>\(session.name) (<code>\(principal.id.rawValue)</code>), signed in with \(session.methods.sorted().joined(separator: ", ")).</p>
                \(factors)
                <h2>Sessions</h2>
                <table>\(rows)</table>
                """), status: status)
    }

    private func factorSection(_ factors: [AccountFactor], _ session: ConsoleSession) -> HTML {
        let token = Page.token(session.csrf)
        let rows: [HTML] = factors.filter { $0.kind != .recovery }.map { factor in
            """
            <tr><td>\(factor.name)</td><td>\(factor.kind.rawValue)</td><td>since \(Moments.date(factor.createdAt))</td>
            <td><form method="post" action="/account/factors/\(factor.id)/remove">\(token)<button class="quiet">Remove</button></form></td></tr>
            """
        }
        let left = factors.filter { $0.kind == .recovery }.count
        return """
            <h2>Second factors</h2>
            <p id="passkey-problem" class="problem" role="alert" hidden></p>
            <table>\(rows)</table>
            <form method="post" action="/account/totp">\(token)<button>Set up an authenticator app</button></form>
            <label for="passkey-name">Name of a new passkey</label>
            <input id="passkey-name" maxlength="64" value="Passkey">
            <button type="button" id="passkey-register">Add a passkey</button>
            <form method="post" action="/account/recovery">\(token)<p>\(left) recovery codes are left.</p><button>Make new recovery codes</button></form>
            <h2>Password</h2>
            <form method="post" action="/account/password">
            \(token)
            <label for="current">Present password</label>
            <input id="current" name="current" type="password" autocomplete="current-password" required maxlength="1024">
            <label for="new">New password</label>
            <input id="new" name="new" type="password" autocomplete="new-password" required minlength="12" maxlength="1024">
            <button>Change it</button>
            </form>
            """
    }

    // MARK: Sessions

    private func signOut(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let session = try session(call)
        let services = services
        try await call.act(on: session.id) { try services.sessions.end(id: session.id, tenant: session.principal.tenant) }
        return ConsoleAnswer.redirect(to: "/signin")
            .adding("set-cookie", services.settings.setCookie(services.settings.sessionCookie, "", sameSite: "Strict", maximumAge: 0))
    }

    private func endOwn(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let session = try session(call)
        let services = services
        try await call.act(on: session.id) { try services.sessions.end(id: session.id, tenant: session.principal.tenant) }
        return .empty
    }

    private func endSession(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let session = try session(call)
        let id = try call.parameter("id")
        let services = services
        try await call.act(on: id) {
            guard
                try services.sessions.list(of: session.principal.id, tenant: session.principal.tenant, at: call.now).contains(where: {
                    $0.id == id
                })
            else { throw Fault(.notFound, "You have no such session.") }
            try services.sessions.end(id: id, tenant: session.principal.tenant)
        }
        return .redirect(to: "/account")
    }

    // MARK: Factors

    private func password(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (session, name) = try await ownAccount(call)
        let form = try call.form()
        let (old, new) = (form["current"] ?? "", form["new"] ?? "")
        let services = services
        do {
            try await call.act(on: name) {
                try services.throttle.begin(name, from: call.address, at: call.now)
                guard try services.accounts.verify(name, password: old) != nil else {
                    throw Fault(.invalidRequest, "The present password is not right.")
                }
                try services.throttle.succeeded(name, from: call.address)
                try services.accounts.setPassword(new, of: name)
                // Whoever knew the old one is out.
                for other in try services.sessions.list(of: session.principal.id, tenant: session.principal.tenant, at: call.now)
                where other.id != session.id { try services.sessions.end(id: other.id, tenant: session.principal.tenant) }
            }
        } catch let fault as Fault where fault.code == .invalidRequest || fault.code == .rateLimited {
            return try await accountPage(call, problem: fault.message, status: fault.code == .rateLimited ? 429 : 400)
        }
        return .redirect(to: "/account")
    }

    private func beginTOTP(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (session, name) = try await ownAccount(call)
        try await call.act(on: name) {}
        let seed = services.accounts.newSeed()
        // Kept for some minutes like any sign-in that has begun; the seed itself is not on the page a second time.
        let key = services.pending.begin(from: call.address, at: call.now)
        services.pending.update(key) {
            $0.account = name
            $0.seed = seed
        }
        return totpPage(seed, name, key, session, problem: nil, status: 200)
    }

    private func totpPage(
        _ seed: [UInt8], _ name: String, _ key: String, _ session: ConsoleSession, problem: String?, status: Int
    ) -> ConsoleAnswer {
        let uri = TOTP.uri(seed, account: name, issuer: "Sallyport")
        let symbol = services.qrCode(uri).map { QRSymbol.svg($0, label: "The same key as a QR code") }
        return .page(
            Page.make(
                "Authenticator app",
                """
                \(Page.problem(problem))
                <p>Scan this code with your app, or add the key by hand (time-based, six digits); then type the code that it shows.</p>
                \(symbol)
                <p><code id="totp-secret">\(Base32.encode(seed))</code></p>
                <p><a href="\(uri)">Open in an app on this device</a></p>
                <form method="post" action="/account/totp/confirm">
                \(Page.token(session.csrf))
                <input type="hidden" name="setup" value="\(key)">
                <label for="code">Code</label>
                <input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required maxlength="16" autofocus>
                <button>Confirm</button>
                </form>
                """), status: status)
    }

    private func confirmTOTP(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (session, name) = try await ownAccount(call)
        let form = try call.form()
        let key = form["setup"] ?? ""
        guard let pending = services.pending.pending(key, at: call.now), pending.account == name, let seed = pending.seed else {
            throw ConsoleRefusal(409, "SignInExpired", "This took too long: begin again.")
        }
        let code = form["code"] ?? ""
        let services = services
        do {
            try await call.act(on: name) {
                try services.throttle.begin(name, guessing: .code, from: call.address, at: call.now)
                try services.accounts.addTOTP(seed, code: code, to: name, at: call.now)
                try services.throttle.succeeded(name, guessing: .code, from: call.address)
            }
        } catch let fault as Fault where fault.code == .invalidRequest {
            return totpPage(seed, name, key, session, problem: fault.message, status: 400)
        }
        _ = services.pending.take(key, at: call.now)
        return try await upgraded(session, adding: ["otp"], call)
    }

    /// The session has now shown a second factor: it is replaced by one that says so, with a token of its own.
    private func upgraded(_ session: ConsoleSession, adding methods: Set<String>, _ call: ConsoleCall) async throws -> ConsoleAnswer {
        guard call.headers.contains("cookie") else { return .redirect(to: "/account") }
        return services.cookies(for: try await services.raise(session, adding: methods, call), on: .redirect(to: "/account"))
    }

    private func recovery(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (_, name) = try await ownAccount(call)
        let services = services
        let codes = try await call.act(on: name) { try services.accounts.makeRecoveryCodes(for: name, at: call.now) }
        let items: [HTML] = codes.map { "<li><code>\($0)</code></li>" }
        return .page(
            Page.make(
                "Recovery codes",
                """
                <p>Each works once, in the place of a code of your app. They are shown this once; former ones work no more.</p>
                <ul class="codes">\(items)</ul>
                <p><a class="button" href="/account">I have kept them</a></p>
                """))
    }

    private struct CreationOptions: Encodable {
        struct Site: Encodable {
            let id: String
            let name: String
        }
        struct User: Encodable {
            let id: String
            let name: String
            let displayName: String
        }
        let challenge: String
        let rp: Site
        let user: User
        let algorithms: [Int]
        let exclude: [String]
        let timeout: Int
    }

    private func passkeyOptions(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (session, name) = try await ownAccount(call)
        let services = services
        let known = try await call.act(on: name) { try services.accounts.factors(of: name).filter { $0.kind == .passkey }.map(\.id) }
        let challenge = AccountOperations.systemRandom(32)
        services.registrations.put(challenge, for: session.id, at: call.now)
        return try .json(
            CreationOptions(
                challenge: Base64.encode(challenge, alphabet: .urlSafe), rp: .init(id: services.passkeys.site, name: "Sallyport"),
                user: .init(
                    id: Base64.encode(Array(session.principal.id.rawValue.utf8.prefix(64)), alphabet: .urlSafe), name: name,
                    displayName: session.name),
                algorithms: WebAuthn.algorithms, exclude: known, timeout: 120_000))
    }

    private struct NewPasskey: Decodable {
        let name: String
        let clientDataJSON: String
        let attestationObject: String
    }

    private struct Added: Encodable { let added: String }

    private func addPasskey(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (session, account) = try await ownAccount(call)
        let made: NewPasskey = try call.json()
        try Texts.check(made.name, "name", maximum: 64, mayBeEmpty: false)
        guard let client = Base64.decode(made.clientDataJSON, alphabet: .urlSafe),
            let attestation = Base64.decode(made.attestationObject, alphabet: .urlSafe)
        else { throw Fault(.invalidRequest, "The passkey cannot be read.") }
        guard let challenge = services.registrations.take(session.id, at: call.now) else {
            throw ConsoleRefusal(409, "SignInExpired", "This took too long: begin again.")
        }
        let services = services
        do {
            let credential = try services.passkeys.register(clientData: client, attestation: attestation, challenge: challenge)
            try await call.act(on: account, details: [(name: "passkey", value: made.name)]) {
                try services.accounts.addPasskey(credential, name: made.name, to: account, at: call.now)
            }
        } catch let refusal as WebAuthn.Refusal {
            throw Fault(.invalidRequest, "The passkey was not accepted: \(refusal.rawValue).")
        }
        let answer = try await upgraded(session, adding: ["hwk", "user"], call)
        var added = try ConsoleAnswer.json(Added(added: made.name), status: 201)
        added.headers += answer.headers.filter { $0.name == "set-cookie" }
        return added
    }

    private func removeFactor(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (session, name) = try await ownAccount(call)
        let id = try call.parameter("id")
        guard session.methods.contains("mfa") else {
            throw ConsoleRefusal(403, "MfaRequired", "Sign in with a second factor to remove one.")
        }
        let services = services
        try await call.act(on: id) { try services.accounts.removeFactor(id, of: name) }
        return .redirect(to: "/account")
    }

    // MARK: Programs

    private struct DeviceRequest: Decodable { let client: String? }
    private struct DeviceBegun: Encodable {
        let deviceCode: String
        let userCode: String
        let verificationUri: String
        let expiresIn: Int64
        let interval: Int
    }

    private func beginDevice(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let client = try call.json(DeviceRequest.self, allowing: ["client"]).client ?? "a program"
        try Texts.check(client, "client", maximum: 64, mayBeEmpty: false)
        let begun = try services.devices.begin(client: client, from: call.address, at: call.now)
        return try .json(
            DeviceBegun(
                deviceCode: begun.deviceCode, userCode: begun.userCode, verificationUri: services.settings.publicURL + "/device",
                expiresIn: DeviceSignIns.lifetime, interval: 2))
    }

    private struct DevicePoll: Decodable { let deviceCode: String }
    private struct DeviceToken: Encodable {
        let token: String
        let principal: String
        let expiresAt: String
    }

    private func pollDevice(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let code = try call.json(DevicePoll.self, allowing: ["deviceCode"]).deviceCode
        switch services.devices.poll(code, at: call.now) {
        case nil: throw ConsoleRefusal(400, "ExpiredToken", "This code is unknown, used, or over.")
        case .waiting?: throw ConsoleRefusal(428, "AuthorizationPending", "Nobody has answered yet.", headers: [("retry-after", "2")])
        case .denied?: throw ConsoleRefusal(403, "AccessDenied", "The person said no.")
        case .approved(var opening)?:
            // Bound to the program that asks, not to the browser that said yes.
            opening.browser = call.headers.first("user-agent") ?? ""
            opening.address = call.address
            let (services, ready) = (services, opening)
            let opened = try await call.perform(
                on: ready.principal.id.rawValue, as: "session.create", who: ready.principal.id,
                details: [(name: "methods", value: ready.methods.sorted().joined(separator: "+")), (name: "by", value: "device")],
                made: { $0.session.id }
            ) { try await call.blocking { try services.sessions.open(ready, at: call.now) } }
            return try .json(
                DeviceToken(
                    token: opened.token, principal: ready.principal.id.rawValue,
                    expiresAt: Moments.date(opened.session.principal.expiresAt ?? opened.session.expiresAt)))
        }
    }

    private func devicePage(_ call: ConsoleCall) async throws -> ConsoleAnswer { try deviceForm(call, problem: nil, status: 200) }

    private func deviceForm(_ call: ConsoleCall, problem: String?, status: Int) throws -> ConsoleAnswer {
        let session = try session(call)
        return .page(
            Page.make(
                "Let a program in",
                """
                \(Page.problem(problem))
                <p>Type the code that the program shows. It may then do what you may, until its session ends. If you did not start a program
                yourself, somebody else did: do not go on.</p>
                <form method="post" action="/device">
                \(Page.token(session.csrf))
                <label for="code">Code</label>
                <input id="code" name="code" required maxlength="16" autocomplete="off" autofocus>
                <button name="decision" value="allow">Let it in</button>
                <button name="decision" value="deny" class="quiet">Refuse</button>
                </form>
                """), status: status)
    }

    private func decideDevice(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let session = try session(call)
        let form = try call.form()
        let code = form["code"] ?? ""
        let services = services
        try await call.blocking { try services.throttle.begin(session.id, guessing: .device, from: call.address, at: call.now) }
        guard let device = services.devices.device(userCode: code, at: call.now) else {
            try await call.record("session.device", target: "unknown code")
            return try deviceForm(call, problem: "No program waits with this code.", status: 400)
        }
        try await call.blocking { try services.throttle.succeeded(session.id, guessing: .device, from: call.address) }
        let isAllowed = form["decision"] == "allow"
        let opening = SessionDesk.Opening(following: session, methods: session.methods, browser: "", address: nil)
        let decided = try await call.act(
            on: device.client,
            details: [(name: "decision", value: isAllowed ? "allow" : "deny"), (name: "from", value: device.address.map { "\($0)" } ?? "")]
        ) { services.devices.decide(userCode: code, isAllowed ? .approved(opening) : .denied, at: call.now) }
        guard decided else { return try deviceForm(call, problem: "This code was answered already.", status: 409) }
        return .page(
            Page.make(
                isAllowed ? "Let in" : "Refused",
                "<p>\(device.client) \(isAllowed ? "is signed in now; you can close this page." : "was refused.")</p><p><a href=\"/\">Go on</a></p>"
            ))
    }
}
