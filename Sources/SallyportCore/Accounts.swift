/// A person who signs in with a password, a passkey or both, without an identity provider.
package struct AccountRecord: Sendable, Hashable {
    package var tenant: TenantID
    /// What is typed at sign-in: small letters, unique, never changed. The principal is `local:NAME`.
    package var name: String
    /// For people.
    package var displayName: String
    /// Argon2id in its own notation; nil: no password yet, or passkeys alone.
    package var passwordHash: String?
    package var createdAt: Int64
    /// Seconds since 1970; nil: may sign in.
    package var disabledAt: Int64?

    package init(
        tenant: TenantID = .default, name: String, displayName: String, passwordHash: String? = nil, createdAt: Int64,
        disabledAt: Int64? = nil
    ) {
        self.tenant = tenant
        self.name = name
        self.displayName = displayName
        self.passwordHash = passwordHash
        self.createdAt = createdAt
        self.disabledAt = disabledAt
    }

    package static let principalPrefix = "local:"
    package var principal: PrincipalID { PrincipalID(Self.principalPrefix + name) }
}

/// What an account proves itself with besides, or instead of, its password.
package struct AccountFactor: Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable {
        /// A seed for codes by time.
        case totp
        /// A public key of an authenticator.
        case passkey
        /// A code that works once.
        case recovery
    }
    /// For a passkey its credential id in base64url; else random.
    package var id: String
    package var tenant: TenantID
    package var account: String
    package var kind: Kind
    package var name: String
    /// Sealed: the seed, the public key, the code's hash.
    package var secret: [UInt8]
    /// The last step of time (``Kind/totp``) or count (``Kind/passkey``) that was accepted: what is not above it is a replay.
    package var counter: Int64
    package var createdAt: Int64
    package var lastUsedAt: Int64?

    package init(
        id: String, tenant: TenantID = .default, account: String, kind: Kind, name: String, secret: [UInt8], counter: Int64 = 0,
        createdAt: Int64, lastUsedAt: Int64? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.account = account
        self.kind = kind
        self.name = name
        self.secret = secret
        self.counter = counter
        self.createdAt = createdAt
        self.lastUsedAt = lastUsedAt
    }
}

/// A way in that works once: for the first administrator, a new account, or somebody who lost what he signs in with.
package struct OneTimeLink: Sendable, Hashable {
    package var tenant: TenantID
    /// SHA-256 of the link's secret (256 random bits).
    package var hash: [UInt8]
    package var account: String
    package var createdAt: Int64
    package var expiresAt: Int64

    package init(tenant: TenantID = .default, hash: [UInt8], account: String, createdAt: Int64, expiresAt: Int64) {
        self.tenant = tenant
        self.hash = hash
        self.account = account
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }
}

/// Failed sign-ins of one account, address, or both together.
package struct SignInFailures: Sendable, Hashable {
    package var count: Int
    package var lastAt: Int64
    package init(count: Int = 0, lastAt: Int64 = 0) {
        self.count = count
        self.lastAt = lastAt
    }
}

/// Accounts at rest. Every method blocks.
package protocol AccountStore: Sendable {
    func accounts(of tenant: TenantID) throws -> [AccountRecord]
    func account(_ name: String, tenant: TenantID) throws -> AccountRecord?
    /// - Throws: ``Fault`` `.conflict` when the name is taken.
    func insert(_ account: AccountRecord) throws
    /// Takes the place of the password that is known: nothing else of the account is touched, so that what others do to it meanwhile holds.
    /// - Parameter known: the hash that is there; nil: none.
    /// - Returns: false when there is another one, the account is disabled, or there is none of this name.
    func setPassword(_ hash: String, of name: String, tenant: TenantID, replacing known: String?) throws -> Bool
    /// - Parameter moment: since when it may not sign in; a former moment stays. nil: it may.
    /// - Returns: false when there is no such account.
    func setDisabled(_ moment: Int64?, of name: String, tenant: TenantID) throws -> Bool
    /// Takes password, factors, links and sessions away, in one transaction.
    /// - Returns: false when there is no such account.
    func reset(_ name: String, tenant: TenantID) throws -> Bool
    /// With its factors, links and sessions, in one transaction.
    func removeAccount(_ name: String, tenant: TenantID) throws -> Bool

    func factors(of account: String, tenant: TenantID) throws -> [AccountFactor]
    func factor(_ id: String, tenant: TenantID) throws -> AccountFactor?
    /// - Throws: ``Fault`` `.conflict` when the id is taken.
    func insert(_ factor: AccountFactor) throws
    /// All of a kind at once take the place of those that there were.
    func replace(_ kind: AccountFactor.Kind, of account: String, tenant: TenantID, with factors: [AccountFactor]) throws
    /// Moves the counter on. - Returns: false when it stands there already, or further: somebody else was first.
    func advance(_ id: String, tenant: TenantID, to counter: Int64, at now: Int64) throws -> Bool
    func removeFactor(_ id: String, tenant: TenantID) throws -> Bool

    /// Takes the place of every other link of the account.
    func put(_ link: OneTimeLink) throws
    func link(_ hash: [UInt8], tenant: TenantID) throws -> OneTimeLink?
    /// - Returns: false when it was used meanwhile.
    func removeLink(_ hash: [UInt8], tenant: TenantID) throws -> Bool

    func failures(of subject: String, tenant: TenantID) throws -> SignInFailures
    /// One more, at this moment; those before `since` are forgotten.
    func addFailure(of subject: String, tenant: TenantID, at now: Int64, since: Int64) throws
    func clearFailures(of subject: String, tenant: TenantID) throws
    /// Everything whose subject begins so.
    func clearFailures(beginning prefix: String, tenant: TenantID) throws
}

/// A session as it is stored.
package struct SessionRecord: Sendable, Hashable {
    /// SHA-256 of the token.
    package var hash: [UInt8]
    package var id: String
    package var tenant: TenantID
    package var principal: PrincipalID
    /// The local account; nil for people of an issuer.
    package var account: String?
    /// Sealed: who it is, what was proved, where it was made.
    package var content: [UInt8]
    package var createdAt: Int64
    package var lastUsedAt: Int64
    package var expiresAt: Int64

    package init(
        hash: [UInt8], id: String, tenant: TenantID = .default, principal: PrincipalID, account: String?, content: [UInt8],
        createdAt: Int64,
        lastUsedAt: Int64, expiresAt: Int64
    ) {
        self.hash = hash
        self.id = id
        self.tenant = tenant
        self.principal = principal
        self.account = account
        self.content = content
        self.createdAt = createdAt
        self.lastUsedAt = lastUsedAt
        self.expiresAt = expiresAt
    }
}

/// Sessions at rest. Every method blocks.
package protocol SessionStore: Sendable {
    func insert(_ session: SessionRecord) throws
    func session(_ hash: [UInt8]) throws -> SessionRecord?
    func sessions(of principal: PrincipalID?, tenant: TenantID) throws -> [SessionRecord]
    func noteUse(_ hash: [UInt8], at now: Int64) throws
    /// - Returns: false when there is none.
    func remove(_ hash: [UInt8]) throws -> Bool
    func removeSession(id: String, tenant: TenantID) throws -> Bool
    /// - Returns: how many ended.
    func removeSessions(of principal: PrincipalID, tenant: TenantID) throws -> Int
    func removeSessions(endedBefore now: Int64, unusedSince: Int64) throws
}

/// Hashes passwords so that guessing them from the hashes costs time and memory. Blocks, for a tenth of a second and more.
package protocol PasswordHashing: Sendable {
    func hash(_ password: [UInt8]) throws -> String
    func verify(_ password: [UInt8], against hash: String) throws -> Bool
}
