import SallyportCore

/// A token whose signature and claims hold.
package struct VerifiedToken: Sendable {
    package let principal: Principal
    /// `jti` (or Entra's `uti`), for revocation.
    package let id: String?
    /// Seconds since 1970.
    package let issuedAt: Int64?
    package let expiresAt: Int64
}

/// Reads tokens (RFC 7519) as RFC 8725 advises: one algorithm list per issuer, keys by their type, nothing taken from the token's header
/// but which of the issuer's keys signed it. Knows no network: keys are given to it.
struct TokenVerifier: Sendable {
    static let maximumLength = 16_384
    static let maximumGroups = 1000

    /// The parts of a token, before anything of it is believed.
    struct Parts {
        let algorithm: SignatureAlgorithm
        let keyID: String?
        let claims: TokenClaims
        let issuer: Issuer
        let signed: ArraySlice<UInt8>
        let signature: [UInt8]
    }

    /// By `iss`.
    let issuers: [String: Issuer]

    fileprivate struct Header: Decodable {
        let alg: String
        let kid: String?
        let typ: String?
        let crit: [String]?
    }

    /// Which issuer and key the token says it is of.
    func parts(of token: [UInt8]) throws(TokenRefusal) -> Parts {
        guard token.count <= Self.maximumLength else { throw .malformed }
        let pieces = token.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard pieces.count == 3, let headerBytes = Base64.decode(pieces[0], alphabet: .urlSafe),
            let payload = Base64.decode(pieces[1], alphabet: .urlSafe),
            let signature = Base64.decode(pieces[2], alphabet: .urlSafe), let header = Header(parsing: headerBytes)
        else { throw .malformed }
        guard header.crit == nil else { throw .critical }
        if let type = header.typ?.lowercased() {
            guard ["jwt", "at+jwt", "application/at+jwt"].contains(type) else { throw .malformed }
        }
        guard let algorithm = SignatureAlgorithm(rawValue: header.alg) else { throw .algorithm }
        guard let claims = try? TokenClaims(parsing: payload) else { throw .malformed }
        guard let name = try? claims.text("iss"), let issuer = issuers[name] else { throw .issuer }
        guard issuer.algorithms.contains(algorithm) else { throw .algorithm }
        return Parts(
            algorithm: algorithm, keyID: header.kid, claims: claims, issuer: issuer, signed: token[..<pieces[1].endIndex],
            signature: signature)
    }

    /// - Parameter keys: the issuer's, as it published them.
    func verify(_ parts: Parts, with keys: KeySet, at now: Int64) throws(TokenRefusal) -> VerifiedToken {
        let candidates = keys.candidates(id: parts.keyID, parts.algorithm)
        guard !candidates.isEmpty else { throw .unknownKey }
        guard candidates.contains(where: { $0.verifies(parts.signature, of: parts.signed, parts.algorithm) }) else { throw .signature }
        do { return try Self.checked(parts.claims, parts.issuer, at: now) } catch let refusal as TokenRefusal { throw refusal } catch {
            throw .malformed
        }
    }

    private static func checked(_ claims: TokenClaims, _ issuer: Issuer, at now: Int64) throws -> VerifiedToken {
        let expiresAt = try lifetime(claims, issuer, at: now)
        guard let audiences = try claims.texts("aud"), audiences.contains(where: issuer.audiences.contains) else {
            throw TokenRefusal.audience
        }
        if !issuer.directories.isEmpty {
            guard let directory = try claims.text("tid"), issuer.directories.contains(directory) else { throw TokenRefusal.directory }
        }
        let client = try claims.text("azp") ?? claims.text("appid") ?? claims.text("client_id")
        if !issuer.clients.isEmpty {
            guard let client, issuer.clients.contains(client) else { throw TokenRefusal.client }
        }
        var subject: String?
        for name in issuer.principalClaims where subject == nil { subject = try claims.text(name) }
        guard let subject, isName(subject) else { throw TokenRefusal.subject }
        let isService = try isService(claims, subject: subject, client: client)
        if !isService { try checkPerson(claims, issuer) }
        let roles = try issuer.rolesClaim.flatMap { try claims.texts($0) } ?? []
        let principal = Principal(
            tenant: issuer.tenant, project: issuer.project, id: PrincipalID("\(issuer.name):\(subject)"),
            credential: .token(issuer: issuer.name), isService: isService, client: client.flatMap { isName($0) ? $0 : nil },
            team: issuer.team, groups: try groups(claims, issuer), roles: Set(roles.prefix(256).map { issuer.roleMap[$0] ?? Role($0) }),
            expiresAt: expiresAt, methods: methods(claims), authenticatedAt: try (try? claims.moment("auth_time")) ?? claims.moment("iat"),
            device: (try? claims.text("deviceid") ?? claims.text("device_id")).flatMap { isName($0) ? $0 : nil })
        let id = try claims.text("jti") ?? claims.text("uti")
        return VerifiedToken(principal: principal, id: id, issuedAt: try claims.moment("iat"), expiresAt: expiresAt)
    }

    private static func lifetime(_ claims: TokenClaims, _ issuer: Issuer, at now: Int64) throws -> Int64 {
        guard let expiresAt = try claims.moment("exp") else { throw TokenRefusal.lifetime }
        guard now < expiresAt + issuer.clockSkew else { throw TokenRefusal.expired }
        let issuedAt = try claims.moment("iat")
        let begins = try claims.moment("nbf") ?? issuedAt ?? now
        guard begins - issuer.clockSkew <= now, (issuedAt ?? now) - issuer.clockSkew <= now else { throw TokenRefusal.notYetValid }
        guard expiresAt - (issuedAt ?? begins) <= issuer.maximumLifetime else { throw TokenRefusal.lifetime }
        return expiresAt
    }

    /// Entra's applications: `idtyp`, or no scope and the object's own id as subject. RFC 9068: the client as subject.
    private static func isService(_ claims: TokenClaims, subject: String, client: String?) throws -> Bool {
        if let kind = try claims.text("idtyp") { return kind == "app" }
        let sub = try claims.text("sub")
        if let client, sub == client { return true }
        return try claims.text("oid").map { $0 == sub } ?? false && !claims.has("scp")
    }

    private static func checkPerson(_ claims: TokenClaims, _ issuer: Issuer) throws {
        if !issuer.scopes.isEmpty {
            let scopes = try claims.text("scp") ?? claims.text("scope") ?? ""
            guard scopes.split(separator: " ").contains(where: { issuer.scopes.contains(String($0)) }) else { throw TokenRefusal.scope }
        }
        if !issuer.requiredMethods.isEmpty {
            guard let methods = try claims.texts("amr"), issuer.requiredMethods.isSubset(of: methods) else { throw TokenRefusal.method }
        }
        if !issuer.requiredContexts.isEmpty {
            let contexts = try (claims.texts("acrs") ?? []) + (claims.texts("acr") ?? [])
            guard issuer.requiredContexts.isSubset(of: contexts) else { throw TokenRefusal.method }
        }
    }

    /// What the token says of how its person signed in: methods (RFC 8176) and contexts together.
    /// What cannot be read proves nothing, and takes nothing away.
    private static func methods(_ claims: TokenClaims) -> Set<String> {
        let names = ["amr", "acrs", "acr"].flatMap { (try? claims.texts($0)) ?? [] }
        return Set(names.prefix(64).filter(isName))
    }

    /// Groups that were left out might be denied something: nobody may go on without them.
    private static func groups(_ claims: TokenClaims, _ issuer: Issuer) throws -> [String] {
        if claims.claimsElsewhere().contains(issuer.groupsClaim) || claims.has("hasgroups") { throw TokenRefusal.overage }
        let groups = try claims.texts(issuer.groupsClaim) ?? []
        guard groups.count <= maximumGroups else { throw TokenRefusal.overage }
        return groups.filter(isName).map { "\(issuer.name):\($0)" }
    }

    private static func isName(_ text: String) -> Bool {
        (1...200).contains(text.utf8.count) && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    }
}

extension TokenVerifier.Header {
    fileprivate init?(parsing json: [UInt8]) {
        guard let header = try? TokenHeaderDecoder.decode(Self.self, json) else { return nil }
        self = header
    }
}
