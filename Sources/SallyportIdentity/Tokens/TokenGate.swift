import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// Tokens at the door: what was verified once is known by its hash until it expires; the rest is verified on the spot, and only a missing
/// key makes a request wait.
package final class TokenGate: Sendable {
    package enum Answer: Sendable {
        case accepted(VerifiedToken)
        case refused(TokenRefusal)
        /// Ask again when this completes, then without waiting.
        case waiting(EventLoopFuture<Void>)
    }

    /// An issuer with its keys.
    package struct Source: Sendable {
        package let issuer: Issuer
        package let keys: IssuerKeys
        package init(_ issuer: Issuer, keys: IssuerKeys) {
            self.issuer = issuer
            self.keys = keys
        }
    }

    private struct State {
        var verifier = TokenVerifier(issuers: [:])
        var keys: [String: IssuerKeys] = [:]
    }

    private let state = NIOLockedValueBox(State())
    private let cache: TokenCache

    package init(capacity: Int = 32_768) { cache = TokenCache(capacity: capacity) }

    /// The issuers that are trusted from now on; what the former ones vouched for is forgotten.
    package func configure(_ sources: [Source]) {
        let verifier = TokenVerifier(issuers: Dictionary(sources.map { ($0.issuer.issuer, $0.issuer) }) { first, _ in first })
        let keys = Dictionary(sources.map { ($0.issuer.name, $0.keys) }) { first, _ in first }
        state.withLockedValue { $0 = State(verifier: verifier, keys: keys) }
        cache.removeAll()
    }

    /// Forgets what was verified.
    package func forget() { cache.removeAll() }

    package var hasIssuers: Bool { state.withLockedValue { !$0.keys.isEmpty } }

    /// Three parts between dots, as no API key has them.
    package static func isToken(_ credential: Substring) -> Bool {
        var dots = 0
        for byte in credential.utf8 where byte == UInt8(ascii: ".") { dots += 1 }
        return dots == 2
    }

    /// On the hot path: a hash and a look-up when the token is known.
    package func answer(
        to token: Substring, at now: Int64, revocations: RevocationList, on eventLoop: any EventLoop, mayWait: Bool = true
    ) -> Answer {
        guard token.utf8.count <= TokenVerifier.maximumLength else { return .refused(.malformed) }
        let digest =
            token.utf8.withContiguousStorageIfAvailable { KeyDigest(hashing: UnsafeRawBufferPointer($0)) }
            ?? Array(token.utf8).withUnsafeBytes { KeyDigest(hashing: $0) }
        if let known = cache.token(digest, at: now) { return checked(known, revocations) }
        let state = state.withLockedValue { $0 }
        do throws(TokenRefusal) {
            let generation = cache.generation
            let parts = try state.verifier.parts(of: Array(token.utf8))
            guard let source = state.keys[parts.issuer.name] else { throw .issuer }
            let keys = source.current
            guard let keys, !keys.candidates(id: parts.keyID, parts.algorithm).isEmpty else {
                if mayWait, let future = source.refetch(on: eventLoop) { return .waiting(future) }
                throw keys == nil ? .keysUnavailable : .unknownKey
            }
            let token = try state.verifier.verify(parts, with: keys, at: now)
            cache.insert(token, digest, generation: generation)
            return checked(token, revocations)
        } catch {
            return .refused(error)
        }
    }

    private func checked(_ token: VerifiedToken, _ revocations: RevocationList) -> Answer {
        let principal = token.principal
        let isRevoked = revocations.revokes(token: token.id, of: principal.id, issuedAt: token.issuedAt, tenant: principal.tenant)
        return isRevoked ? .refused(.revoked) : .accepted(token)
    }
}

/// Verified tokens by hash. Two generations: when the young one is full it becomes the old one, and the old one is forgotten.
final class TokenCache: Sendable {
    private struct State {
        var young: [KeyDigest: VerifiedToken] = [:]
        var old: [KeyDigest: VerifiedToken] = [:]
        var generation = 0
    }

    private let state = NIOLockedValueBox(State())
    private let half: Int

    init(capacity: Int) { half = max(1, capacity / 2) }

    /// Grows when everything is forgotten: what was verified before does not come in after.
    var generation: Int { state.withLockedValue { $0.generation } }
    var count: Int { state.withLockedValue { $0.young.count + $0.old.count } }

    /// Never one that has expired, whatever skew its issuer is granted.
    func token(_ digest: KeyDigest, at now: Int64) -> VerifiedToken? {
        state.withLockedValue { state in
            if let token = state.young[digest] { return now < token.expiresAt ? token : nil }
            guard let token = state.old[digest], now < token.expiresAt else { return nil }
            add(token, digest, &state)
            return token
        }
    }

    func insert(_ token: VerifiedToken, _ digest: KeyDigest, generation: Int) {
        state.withLockedValue { state in
            guard state.generation == generation else { return }
            add(token, digest, &state)
        }
    }

    func removeAll() { state.withLockedValue { $0 = State(generation: $0.generation + 1) } }

    private func add(_ token: VerifiedToken, _ digest: KeyDigest, _ state: inout State) {
        if state.young.count >= half {
            state.old = state.young
            state.young = [:]
        }
        state.young[digest] = token
    }
}
