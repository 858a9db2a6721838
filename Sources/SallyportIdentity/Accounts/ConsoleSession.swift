import Crypto
import SallyportCore

/// A person who signed in, for as long as it lasts. The token is known to the caller alone; what is kept is its hash.
package struct ConsoleSession: Sendable {
    /// So that a session's token is told from a key and from an issuer's token before anything is looked up.
    package static let tokenPrefix = "sps_"

    /// Public: in lists and records.
    package let id: String
    package let principal: Principal
    package let name: String
    /// The local account; nil for people of an issuer.
    package let account: String?
    /// How the person proved who he is: `pwd`, `otp`, `hwk`, `mfa` … (RFC 8176).
    package let methods: Set<String>
    package let createdAt: Int64
    package let expiresAt: Int64
    /// When the first one began that it follows from, without a sign-in between.
    package let begunAt: Int64
    /// A second secret, for pages and scripts of this site: derived from the first, so that whoever has not the one cannot make the other.
    package let csrf: String

    package init(
        id: String, principal: Principal, name: String, account: String?, methods: Set<String>, createdAt: Int64, expiresAt: Int64,
        begunAt: Int64, token: String
    ) {
        self.begunAt = begunAt
        self.id = id
        self.principal = principal
        self.name = name
        self.account = account
        self.methods = methods
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        csrf = Self.csrf(for: token)
    }

    package static func csrf(for token: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: Array("sallyport csrf".utf8), using: SymmetricKey(data: Array(token.utf8)))
        return Base64.encode(Array(code), alphabet: .urlSafe)
    }

    package func accepts(csrf text: String) -> Bool { ConstantTime.equal(text, csrf) }
}

/// Sessions as the administrative surface asks for them.
package protocol SessionKeeping: Sendable {
    /// The session that a token stands for, if it is live, and comes from where it was made. Blocks.
    func session(token: String, browser: String, address: IPAddress?, at now: Int64) throws -> ConsoleSession?
    /// Blocks. - Throws: ``Fault`` `.notFound` when there is none.
    func end(id: String, tenant: TenantID) throws
}

/// Comparison that takes the same time wherever two texts differ.
package enum ConstantTime {
    package static func equal(_ a: some StringProtocol, _ b: some StringProtocol) -> Bool { equal(Array(a.utf8), Array(b.utf8)) }

    /// The lengths may show: they are no secret of ours.
    package static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        var difference: UInt8 = 0
        for (x, y) in zip(a, b) { difference |= x ^ y }
        return difference == 0
    }
}
