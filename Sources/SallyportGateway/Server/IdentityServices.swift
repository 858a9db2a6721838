import NIOConcurrencyHelpers
import SallyportCore
import SallyportIdentity

/// What the data plane asks about callers beyond their API keys.
package struct IdentityServices: Sendable {
    package var access = AccessDirectory(actions: RouteRow.actions)
    package var conditional = ConditionalAccessDirectory()
    package var tokens = TokenGate()
    package var certificates = CertificateDirectory()
    package let counters = IdentityCounters()
    package init() {}
}

/// What happened at the door, for metrics.
package final class IdentityCounters: Sendable {
    package struct Figures: Sendable {
        package var honeyKeyUses = 0
        package var networkDenials = 0
        package var tokenRefusals: [TokenRefusal: Int] = [:]
    }

    private let state = NIOLockedValueBox(Figures())
    package init() {}
    package var figures: Figures { state.withLockedValue { $0 } }
    func noteHoneyKey() { state.withLockedValue { $0.honeyKeyUses += 1 } }
    func noteNetworkDenial() { state.withLockedValue { $0.networkDenials += 1 } }
    func note(_ refusal: TokenRefusal) { state.withLockedValue { $0.tokenRefusals[refusal, default: 0] += 1 } }
}
