import Crypto
import SallyportCore

/// What is done with local accounts, at sign-in and by administrators. Every method blocks; those that hash a password for long.
package struct AccountOperations: Sendable {
    package let store: any AccountStore
    private let sealing: any Sealer
    private let hashing: any PasswordHashing
    private let random: @Sendable (Int) -> [UInt8]
    private let tenant: TenantID

    package static let minimumPassword = 12
    package static let maximumPassword = 1024
    package static let maximumPasskeys = 20
    package static let linkLifetime: Int64 = 86_400

    package init(
        store: any AccountStore, sealing: any Sealer, hashing: any PasswordHashing, tenant: TenantID = .default,
        random: @escaping @Sendable (Int) -> [UInt8] = Self.systemRandom
    ) {
        self.store = store
        self.sealing = sealing
        self.hashing = hashing
        self.tenant = tenant
        self.random = random
    }

    @Sendable package static func systemRandom(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    // MARK: Accounts

    /// Small letters, digits and `. _ - @`: nothing that looks like something else in a list.
    package static func isName(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "@")].contains(byte)
            }
    }

    package func list() throws -> [AccountRecord] { try store.accounts(of: tenant) }

    /// Whether an account is called so.
    package func isKnown(_ name: String) throws -> Bool { try store.account(name, tenant: tenant) != nil }

    package func account(_ name: String) throws -> AccountRecord {
        guard let account = try store.account(name, tenant: tenant) else { throw Self.noSuchAccount }
        return account
    }

    package func create(_ name: String, displayName: String?, at now: Int64) throws -> AccountRecord {
        guard Self.isName(name) else {
            throw Fault(.invalidRequest, "An account's name has 1 to 64 small letters, digits and . _ - @.", param: "name")
        }
        let shown = displayName ?? name
        guard (1...128).contains(shown.utf8.count),
            shown.unicodeScalars.allSatisfy({
                $0.value >= 0x20 && $0.properties.generalCategory != .format && $0.properties.generalCategory != .control
            })
        else {
            throw Fault(.invalidRequest, "A displayed name has 1 to 128 bytes and no control characters.", param: "displayName")
        }
        let account = AccountRecord(tenant: tenant, name: name, displayName: shown, createdAt: now)
        try store.insert(account)
        return account
    }

    package func disable(_ name: String, at now: Int64) throws {
        guard try store.setDisabled(now, of: name, tenant: tenant) else { throw Self.noSuchAccount }
    }

    package func enable(_ name: String) throws {
        guard try store.setDisabled(nil, of: name, tenant: tenant) else { throw Self.noSuchAccount }
    }

    package func remove(_ name: String) throws {
        guard try store.removeAccount(name, tenant: tenant) else { throw Self.noSuchAccount }
    }

    package func unlock(_ name: String) throws {
        _ = try account(name)
        try SignInThrottle(store, tenant: tenant).unlock(name)
    }

    /// For whoever lost what he signs in with: what there was is gone, sessions too; the link makes it anew.
    package func reset(_ name: String) throws {
        guard try store.reset(name, tenant: tenant) else { throw Self.noSuchAccount }
    }

    private static let noSuchAccount = Fault(.notFound, "There is no account of this name.")

    // MARK: One-time links

    /// - Returns: the link's secret, which is nowhere else.
    package func makeLink(for name: String, lifetime: Int64 = Self.linkLifetime, at now: Int64) throws -> String {
        _ = try account(name)
        let secret = Base64.encode(random(32), alphabet: .urlSafe)
        try store.put(OneTimeLink(tenant: tenant, hash: Self.digest(secret), account: name, createdAt: now, expiresAt: now + lifetime))
        return secret
    }

    /// - Throws: ``Fault`` `.notFound` for a link that is unknown, used or over; which of them is nobody's business.
    package func account(ofLink secret: String, at now: Int64) throws -> AccountRecord {
        guard let link = try store.link(Self.digest(secret), tenant: tenant), now < link.expiresAt,
            let account = try store.account(link.account, tenant: tenant), account.disabledAt == nil
        else { throw Self.linkIsOver }
        return account
    }

    /// Sets the first password; the link is used up, by exactly one caller.
    package func redeem(_ secret: String, password: String, at now: Int64) throws -> AccountRecord {
        var account = try account(ofLink: secret, at: now)
        try Self.check(password, for: account.name)
        let hash = try hashing.hash(Array(password.utf8))
        // What somebody else may have added since the link was made is not its holder's.
        for kind in AccountFactor.Kind.allCases { try store.replace(kind, of: account.name, tenant: tenant, with: []) }
        guard try store.removeLink(Self.digest(secret), tenant: tenant),
            try store.setPassword(hash, of: account.name, tenant: tenant, replacing: account.passwordHash)
        else { throw Self.linkIsOver }
        account.passwordHash = hash
        try SignInThrottle(store, tenant: tenant).unlock(account.name)
        return account
    }

    private static let linkIsOver = Fault(.notFound, "This link does not work: it was used, it ran out, or it never was one.")

    static func digest(_ text: String) -> [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }

    // MARK: Passwords

    package static func check(_ password: String, for name: String) throws {
        guard (minimumPassword...maximumPassword).contains(password.utf8.count) else {
            throw Fault(.invalidRequest, "A password has at least \(minimumPassword) characters.", param: "password")
        }
        guard Set(password).count >= 5, !password.lowercased().contains(name) || name.utf8.count < 3 else {
            throw Fault(
                .invalidRequest, "This password is too easy to guess: it repeats itself, or holds the account's name.", param: "password")
        }
    }

    /// - Returns: the account when name and password belong together and it may sign in; nil otherwise, after the same time.
    package func verify(_ name: String, password: String) throws -> AccountRecord? {
        guard password.utf8.count <= Self.maximumPassword else { return nil }
        let account = Self.isName(name) ? try store.account(name, tenant: tenant) : nil
        guard let account, let hash = account.passwordHash else {
            // Work that is thrown away: an account that does not exist must not answer faster.
            _ = try hashing.hash(Array(password.utf8))
            return nil
        }
        guard try hashing.verify(Array(password.utf8), against: hash), account.disabledAt == nil else { return nil }
        return account
    }

    package func setPassword(_ password: String, of name: String) throws {
        let account = try account(name)
        try Self.check(password, for: name)
        let hash = try hashing.hash(Array(password.utf8))
        // Hashing takes a while: whoever was disabled or set up anew meanwhile must not come back by it.
        guard try store.setPassword(hash, of: name, tenant: tenant, replacing: account.passwordHash) else {
            throw Fault(.conflict, "The account was changed meanwhile.")
        }
    }

    // MARK: Second factors

    package func factors(of name: String) throws -> [AccountFactor] { try store.factors(of: name, tenant: tenant) }

    package func newSeed() -> [UInt8] { random(TOTP.seedLength) }

    /// Takes a seed into use once its holder has shown a code of it. It takes the place of the former one.
    package func addTOTP(_ seed: [UInt8], code: String, to name: String, at now: Int64) throws {
        guard let step = TOTP.accept(code, seed: seed, after: 0, at: now) else {
            throw Fault(.invalidRequest, "The code is not right. Is the clock of the device?", param: "code")
        }
        let id = Base64.encode(random(12), alphabet: .urlSafe)
        let secret = try sealing.seal(seed, tenant: tenant, place: "account_factor.secret", row: id)
        try store.replace(
            .totp, of: name, tenant: tenant,
            with: [
                AccountFactor(
                    id: id, tenant: tenant, account: name, kind: .totp, name: "Authenticator app", secret: secret, counter: step,
                    createdAt: now)
            ])
    }

    /// - Returns: the codes, which are shown once.
    package func makeRecoveryCodes(for name: String, at now: Int64) throws -> [String] {
        let codes = (0..<RecoveryCode.count).map { _ in RecoveryCode.make(random: random) }
        let factors = try codes.enumerated().map { index, code in
            let id = Base64.encode(random(12), alphabet: .urlSafe)
            return AccountFactor(
                id: id, tenant: tenant, account: name, kind: .recovery, name: "Recovery code \(index + 1)",
                secret: try sealing.seal(RecoveryCode.hash(code), tenant: tenant, place: "account_factor.secret", row: id), createdAt: now)
        }
        try store.replace(.recovery, of: name, tenant: tenant, with: factors)
        return codes
    }

    /// Tries a text as a code by time, then as a recovery code; either is used up.
    /// - Returns: which it was; nil when it was neither.
    package func verifyCode(_ text: String, of name: String, at now: Int64) throws -> AccountFactor.Kind? {
        let factors = try factors(of: name)
        for factor in factors where factor.kind == .totp {
            let seed = try sealing.open(factor.secret, tenant: tenant, place: "account_factor.secret", row: factor.id)
            guard let step = TOTP.accept(text, seed: seed, after: factor.counter, at: now) else { continue }
            // Two at once with one code: the second finds the counter there already.
            guard try store.advance(factor.id, tenant: tenant, to: step, at: now) else { return nil }
            return .totp
        }
        let hash = RecoveryCode.hash(text)
        for factor in factors where factor.kind == .recovery {
            let kept = try sealing.open(factor.secret, tenant: tenant, place: "account_factor.secret", row: factor.id)
            guard ConstantTime.equal(kept, hash) else { continue }
            return try store.removeFactor(factor.id, tenant: tenant) ? .recovery : nil
        }
        return nil
    }

    package func addPasskey(_ credential: WebAuthn.Credential, name: String, to account: String, at now: Int64) throws {
        let known = try factors(of: account).filter { $0.kind == .passkey }
        guard known.count < Self.maximumPasskeys else { throw Fault(.conflict, "The account has \(known.count) passkeys already.") }
        let id = Base64.encode(credential.id, alphabet: .urlSafe)
        let secret = try sealing.seal(credential.publicKey, tenant: tenant, place: "account_factor.secret", row: id)
        try store.insert(
            AccountFactor(
                id: id, tenant: tenant, account: account, kind: .passkey, name: name, secret: secret, counter: credential.counter,
                createdAt: now))
    }

    /// The passkey of this id, with the account that it signs in.
    package func passkey(_ id: String) throws -> (account: AccountRecord, credential: WebAuthn.Credential)? {
        guard let factor = try store.factor(id, tenant: tenant), factor.kind == .passkey, let raw = Base64.decode(id, alphabet: .urlSafe),
            let account = try store.account(factor.account, tenant: tenant), account.disabledAt == nil
        else { return nil }
        let key = try sealing.open(factor.secret, tenant: tenant, place: "account_factor.secret", row: factor.id)
        return (account, WebAuthn.Credential(id: raw, publicKey: key, counter: factor.counter))
    }

    /// - Returns: false when another sign-in with the same count was first.
    package func notePasskeyUse(_ id: String, counter: Int64, at now: Int64) throws -> Bool {
        try store.advance(id, tenant: tenant, to: counter, at: now)
    }

    package func removeFactor(_ id: String, of name: String) throws {
        guard let factor = try store.factor(id, tenant: tenant), factor.account == name else {
            throw Fault(.notFound, "There is no such factor.")
        }
        _ = try store.removeFactor(id, tenant: tenant)
    }
}
