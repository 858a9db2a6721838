import Crypto
import FoundationEssentials
import SallyportCore

/// The steps of OpenID Connect's code flow with PKCE (RFC 7636) that need no network: what is sent along, and what is believed of the answer.
package struct OpenIDSignIn: Sendable {
    /// What a provider's description says.
    package struct Endpoints: Sendable, Hashable, Decodable {
        package let issuer: String
        package let authorization: String
        package let token: String
        private enum CodingKeys: String, CodingKey {
            case issuer
            case authorization = "authorization_endpoint"
            case token = "token_endpoint"
        }

        package init(parsing json: [UInt8]) throws { self = try JSONDecoder().decode(Endpoints.self, from: Data(json)) }
    }

    /// Who somebody is, as the provider vouches for it.
    package struct Person: Sendable {
        package let principal: Principal
        package let name: String
        package let methods: Set<String>
    }

    /// As configured for tokens; its audience here is the client.
    package let issuer: Issuer
    package let client: String
    package let scopes: [String]

    package init(issuer: Issuer, client: String, scopes: [String]) {
        var issuer = issuer
        issuer.audiences = [client]
        // What a call must show (scopes, applications) is another matter than who signs in.
        issuer.clients = []
        issuer.scopes = []
        issuer.requiredMethods = []
        issuer.requiredContexts = []
        self.issuer = issuer
        self.client = client
        self.scopes = scopes
    }

    package static func randomText() -> String { Base64.encode(AccountOperations.systemRandom(32), alphabet: .urlSafe) }

    /// Where the browser is sent.
    package func authorizationURL(_ endpoint: String, redirect: String, pending: PendingSignIns.Pending.Provider) -> String {
        let challenge = Base64.encode(Array(SHA256.hash(data: Array(pending.verifier.utf8))), alphabet: .urlSafe)
        let fresh = pending.isFresh ? [("prompt", "login"), ("max_age", "0")] : []
        let query =
            ([
                ("response_type", "code"), ("client_id", client), ("redirect_uri", redirect), ("scope", scopes.joined(separator: " ")),
                ("state", pending.state), ("nonce", pending.nonce), ("code_challenge", challenge), ("code_challenge_method", "S256"),
            ] + fresh).map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
        return endpoint + (endpoint.contains("?") ? "&" : "?") + query
    }

    /// The body of the request that a code is exchanged with.
    package func tokenRequest(code: String, verifier: String, redirect: String, secret: String?) -> String {
        var fields = [
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect), ("client_id", client),
            ("code_verifier", verifier),
        ]
        if let secret { fields.append(("client_secret", secret)) }
        return fields.map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
    }

    private struct TokenAnswer: Decodable { let id_token: String? }

    package static func idToken(in json: [UInt8]) -> String? { (try? JSONDecoder().decode(TokenAnswer.self, from: Data(json)))?.id_token }

    /// - Parameter keys: the issuer's.
    /// - Throws: ``TokenRefusal``.
    package func person(_ idToken: String, keys: KeySet, nonce: String, at now: Int64) throws -> Person {
        let verifier = TokenVerifier(issuers: [issuer.issuer: issuer])
        let parts = try verifier.parts(of: Array(idToken.utf8))
        let verified = try verifier.verify(parts, with: keys, at: now)
        // The answer to this very question, not one that somebody kept.
        guard let answered = try parts.claims.text("nonce"), ConstantTime.equal(answered, nonce) else { throw TokenRefusal.malformed }
        let audiences = try parts.claims.texts("aud") ?? []
        if audiences.count > 1 {
            guard try parts.claims.text("azp") == client else { throw TokenRefusal.client }
        }
        let token = verified.principal
        let shown = ["name", "preferred_username", "email"].lazy.compactMap { (try? parts.claims.text($0)) ?? nil }.first
        let name = shown.map { String($0.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.prefix(100).map(Character.init)) }
        let principal = Principal(
            tenant: token.tenant, project: token.project, id: token.id, credential: .session(issuer: issuer.name), isService: false,
            client: client, team: token.team, groups: token.groups, roles: token.roles, methods: token.methods,
            authenticatedAt: token.authenticatedAt, device: token.device)
        return Person(principal: principal, name: name ?? token.id.rawValue, methods: token.methods)
    }

    package static func encoded(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                out.unicodeScalars.append(UnicodeScalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                out += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return out
    }
}
