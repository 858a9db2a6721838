import Crypto
import CryptoExtras
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import Testing

@testable import SallyportIdentity

/// An issuer with keys made for the test.
struct TestIssuer {
    let ec = P256.Signing.PrivateKey()
    let ed = Curve25519.Signing.PrivateKey()
    let issuer = Issuer(name: "idp", issuer: "https://idp.example", audiences: ["app"], roleMap: ["boss": "openai-contributor"])

    func keys(ecID: String = "ec") throws -> KeySet {
        let point = ec.publicKey.rawRepresentation
        let json = """
            {"keys": [
              {"kty": "EC", "crv": "P-256", "kid": "\(ecID)", "use": "sig", "x": "\(b64(point.prefix(32)))", "y": "\(b64(point.suffix(32)))"},
              {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "\(b64(ed.publicKey.rawRepresentation))"},
              {"kty": "EC", "crv": "P-256", "kid": "enc", "use": "enc", "x": "\(b64(point.prefix(32)))", "y": "\(b64(point.suffix(32)))"},
              {"kty": "oct", "kid": "secret", "k": "AAAA"}
            ]}
            """
        return try KeySet(parsing: Array(json.utf8))
    }

    func claims(_ changes: [String: Any?] = [:]) -> [String: Any] {
        var claims: [String: Any] = [
            "iss": "https://idp.example", "aud": "app", "sub": "alice", "iat": 1000, "nbf": 1000, "exp": 2000, "jti": "j1",
        ]
        for (name, value) in changes { claims[name] = value }
        return claims
    }

    func token(_ changes: [String: Any?] = [:], header: String = #"{"alg":"ES256","kid":"ec"}"#) throws -> String {
        let payload = try JSONSerialization.data(withJSONObject: claims(changes))
        let signed = "\(b64(Data(header.utf8))).\(b64(payload))"
        return "\(signed).\(b64(try ec.signature(for: Data(signed.utf8)).rawRepresentation))"
    }

    private func b64(_ data: some DataProtocol) -> String {
        Data(data).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

@Suite struct TokenVerifierTests {
    private let idp = TestIssuer()

    private func verify(_ token: String, at now: Int64 = 1500, _ change: (inout Issuer) -> Void = { _ in }) throws -> VerifiedToken {
        var issuer = idp.issuer
        change(&issuer)
        let verifier = TokenVerifier(issuers: [issuer.issuer: issuer])
        return try verifier.verify(try verifier.parts(of: Array(token.utf8)), with: try idp.keys(), at: now)
    }

    @Test func readsThePrincipalWithItsIssuersName() throws {
        let token = try verify(try idp.token(["groups": ["g1", "g2"], "roles": ["boss", "auditor"], "azp": "client"]))
        #expect(token.principal.id == "idp:alice")
        #expect(token.principal.groups == ["idp:g1", "idp:g2"])
        #expect(token.principal.roles == ["openai-contributor", "auditor"])
        #expect(token.principal.client == "client")
        #expect(!token.principal.isService)
        #expect(token.id == "j1")
        #expect(token.expiresAt == 2000)
    }

    @Test func prefersTheObjectsIdToTheSubject() throws {
        #expect(try verify(try idp.token(["oid": "o-1"])).principal.id == "idp:o-1")
    }

    @Test func tellsServicesFromPeople() throws {
        #expect(try verify(try idp.token(["idtyp": "app"])).principal.isService)
        #expect(try verify(try idp.token(["client_id": "alice"])).principal.isService)
        #expect(try verify(try idp.token(["oid": "alice"])).principal.isService)
        #expect(try !verify(try idp.token(["oid": "alice", "scp": "user_impersonation"])).principal.isService)
    }

    @Test(arguments: [(939, TokenRefusal.notYetValid), (940, nil), (2059, nil), (2060, .expired)] as [(Int64, TokenRefusal?)])
    func allowsForClocksThatAreOff(now: Int64, expected: TokenRefusal?) throws {
        let token = try idp.token()
        if let expected {
            #expect(throws: expected) { try verify(token, at: now) }
        } else {
            #expect(try verify(token, at: now).principal.id == "idp:alice")
        }
    }

    @Test func refusesAKeyThatIsForEncryptionOrNoSignatureKey() throws {
        #expect(throws: TokenRefusal.unknownKey) { try verify(try idp.token(header: #"{"alg":"ES256","kid":"enc"}"#)) }
        #expect(throws: TokenRefusal.algorithm) { try verify(try idp.token(header: #"{"alg":"HS256","kid":"secret"}"#)) }
        #expect(throws: TokenRefusal.unknownKey) { try verify(try idp.token(header: #"{"alg":"EdDSA","kid":"ec"}"#)) }
        #expect(throws: TokenRefusal.signature) { try verify(try idp.token(header: #"{"alg":"EdDSA","kid":"ed"}"#)) }
    }

    @Test func takesATokenWithoutKeyIdWhenOneOfTheKeysSignedIt() throws {
        #expect(try verify(try idp.token(header: #"{"alg":"ES256"}"#)).principal.id == "idp:alice")
    }

    @Test func onlyListedAlgorithmsCount() throws {
        #expect(throws: TokenRefusal.algorithm) { try verify(try idp.token()) { $0.algorithms = [.rs256] } }
    }

    @Test func neverTrapsOnArbitraryTokens() throws {
        var random = SplitMix(seed: 11)
        let good = Array(try idp.token(["groups": ["a"]]).utf8)
        let verifier = TokenVerifier(issuers: [idp.issuer.issuer: idp.issuer])
        let keys = try idp.keys()
        for _ in 0..<2000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1..<6, using: &random) {
                let place = Int.random(in: bytes.indices, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            guard bytes != good else { continue }
            #expect(throws: TokenRefusal.self) { _ = try verifier.verify(try verifier.parts(of: bytes), with: keys, at: 1500) }
        }
    }

    @Test(arguments: [
        "", "{}", #"{"keys": []}"#, #"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#,
        #"{"keys": [{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#,
    ])
    func refusesKeySetsWithoutAUsableKey(json: String) { #expect(throws: KeySet.Mistake.self) { try KeySet(parsing: Array(json.utf8)) } }

    @Test func base64IsReadInOneWayOnly() {
        #expect(Base64.decode(Array("AQ".utf8), alphabet: .urlSafe) == [1])
        for text in ["A", "AR", "AQ==", "A+", "A Q"] { #expect(Base64.decode(text, alphabet: .urlSafe) == nil) }
    }
}

@Suite struct TokenGateTests {
    private let idp = TestIssuer()
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func gate(_ fetch: @escaping @Sendable () throws -> KeySet, policy: IssuerKeys.Policy = .init(), clock: TestClock = TestClock())
        -> TokenGate
    {
        let gate = TokenGate(capacity: 4)
        let keys = IssuerKeys(policy: policy, clock: { clock.now }, didLose: { gate.forget() }) { loop in
            loop.makeCompletedFuture { try fetch() }
        }
        gate.configure([TokenGate.Source(idp.issuer, keys: keys)])
        return gate
    }

    /// As a request does: once, and once more after waiting.
    private func ask(_ gate: TokenGate, _ token: String, at now: Int64 = 1500, _ revocations: RevocationList = .init()) async throws
        -> TokenRefusal?
    {
        var answer = gate.answer(to: token[...], at: now, revocations: revocations, on: loop)
        if case .waiting(let future) = answer {
            try await future.get()
            answer = gate.answer(to: token[...], at: now, revocations: revocations, on: loop, mayWait: false)
        }
        switch answer {
        case .accepted: return nil
        case .refused(let refusal): return refusal
        case .waiting: return .keysUnavailable
        }
    }

    @Test func knownTokensAreForgottenWhenTheirKeyIsWithdrawn() async throws {
        let clock = TestClock()
        let (fetches, id) = (NIOLockedValueBox(0), NIOLockedValueBox("ec"))
        let gate = gate(
            {
                fetches.withLockedValue { $0 += 1 }
                return try idp.keys(ecID: id.withLockedValue { $0 })
            }, clock: clock)
        let token = try idp.token()
        #expect(try await ask(gate, token) == nil)
        #expect(try await ask(gate, token) == nil)
        #expect(fetches.withLockedValue { $0 } == 1)
        id.withLockedValue { $0 = "other" }
        clock.advance(.minutes(2))
        #expect(try await ask(gate, try idp.token(header: #"{"alg":"ES256","kid":"other"}"#)) == nil)
        #expect(fetches.withLockedValue { $0 } == 2)
        #expect(try await ask(gate, token) == .unknownKey)
    }

    @Test func unknownKeysFetchOncePerCooldown() async throws {
        let clock = TestClock()
        let fetches = NIOLockedValueBox(0)
        let gate = gate(
            {
                fetches.withLockedValue { $0 += 1 }
                return try idp.keys()
            }, clock: clock)
        for number in 0..<20 { #expect(try await ask(gate, try idp.token(header: #"{"alg":"ES256","kid":"x\#(number)"}"#)) == .unknownKey) }
        #expect(fetches.withLockedValue { $0 } == 1)
        clock.advance(.seconds(31))
        #expect(try await ask(gate, try idp.token(header: #"{"alg":"ES256","kid":"x"}"#)) == .unknownKey)
        #expect(fetches.withLockedValue { $0 } == 2)
    }

    @Test func keysOutliveAnOutageForAsLongAsTheGraceSays() async throws {
        struct Down: Error {}
        let clock = TestClock()
        let isDown = NIOLockedValueBox(false)
        let gate = gate(
            {
                if isDown.withLockedValue({ $0 }) { throw Down() }
                return try idp.keys()
            }, clock: clock)
        #expect(try await ask(gate, try idp.token(["jti": "a"])) == nil)
        isDown.withLockedValue { $0 = true }
        clock.advance(.hours(23))
        #expect(try await ask(gate, try idp.token(["jti": "b"])) == nil)
        clock.advance(.hours(2))
        #expect(try await ask(gate, try idp.token(["jti": "c"])) == .keysUnavailable)
    }

    @Test func nothingIsKnownPastItsExpiry() async throws {
        let gate = gate({ try idp.keys() })
        let token = try idp.token()
        #expect(try await ask(gate, token, at: 1999) == nil)
        #expect(try await ask(gate, token, at: 2059) == nil)
        #expect(try await ask(gate, token, at: 2060) == .expired)
    }

    @Test func revocationsHoldForKnownTokensToo() async throws {
        let gate = gate({ try idp.keys() })
        let token = try idp.token()
        #expect(try await ask(gate, token) == nil)
        #expect(try await ask(gate, token, RevocationList([Revocation(kind: .token, subject: "j1")])) == .revoked)
        #expect(
            try await ask(gate, token, RevocationList([Revocation(kind: .issuedBefore, subject: "idp:alice", before: 1001)])) == .revoked)
        #expect(try await ask(gate, token, RevocationList([Revocation(kind: .issuedBefore, subject: "idp:alice", before: 1000)])) == nil)
        #expect(try await ask(gate, token, RevocationList([Revocation(tenant: "other", kind: .token, subject: "j1")])) == nil)
    }

    @Test func theCacheIsBounded() throws {
        let cache = TokenCache(capacity: 4)
        let token = VerifiedToken(principal: Principal(id: "p"), id: nil, issuedAt: nil, expiresAt: 100)
        for number in 0..<100 {
            let digest = Array("\(number)".utf8).withUnsafeBytes { KeyDigest(hashing: $0) }
            cache.insert(token, digest, generation: 0)
            #expect(cache.count <= 4)
            #expect(cache.token(digest, at: 99) != nil)
            #expect(cache.token(digest, at: 100) == nil)
        }
        let generation = cache.generation
        cache.removeAll()
        let late = Array("late".utf8).withUnsafeBytes { KeyDigest(hashing: $0) }
        cache.insert(token, late, generation: generation)
        #expect(cache.token(late, at: 1) == nil)
    }
}

final class TestClock: Sendable {
    private let time = NIOLockedValueBox(NIODeadline.uptimeNanoseconds(1_000_000_000_000_000))
    var now: NIODeadline { time.withLockedValue { $0 } }
    func advance(_ by: TimeAmount) { time.withLockedValue { $0 = $0 + by } }
}
