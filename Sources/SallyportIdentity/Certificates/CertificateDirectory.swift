import NIOConcurrencyHelpers
import SallyportCore

/// The client authorities in force. What a certificate stands for is remembered for a while: reading one and verifying its signature costs more
/// than the rest of a request.
package final class CertificateDirectory: Sendable {
    private struct Known {
        let principal: Principal
        let until: Int64
    }

    private struct State {
        var authorities = ClientAuthorities()
        var known: [KeyDigest: Known] = [:]
    }

    private static let maximumKnown = 4096
    /// So long a revocation list that ran out may go unnoticed; a new list takes effect at once.
    private static let memory: Int64 = 60
    private let state = NIOLockedValueBox(State())

    package init() {}

    package func replace(_ authorities: ClientAuthorities) { state.withLockedValue { $0 = State(authorities: authorities) } }

    /// - Throws: ``Fault`` `.unauthenticated`.
    package func principal(presenting certificate: [UInt8], at now: Int64) throws -> Principal {
        let digest = certificate.withUnsafeBytes { KeyDigest(hashing: $0) }
        let (known, authorities) = state.withLockedValue { ($0.known[digest], $0.authorities) }
        if let known, now < known.until { return known.principal }
        let principal = try authorities.principal(presenting: certificate, at: now)
        state.withLockedValue { state in
            if state.known.count >= Self.maximumKnown { state.known = [:] }
            state.known[digest] = Known(principal: principal, until: min(now + Self.memory, principal.expiresAt ?? .max))
        }
        return principal
    }
}
