import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// One configured upstream as all event loops share it: what never changes, and the little state that is one for all.
final class UpstreamEndpoint: Sendable {
    let configuration: UpstreamConfiguration
    let tls: TLSSetup?
    /// Whole header lines sent with every HTTP/1.1 request: `host`, the credential where it never changes, and what is configured.
    let fixedLines: [UInt8]
    let fixedCredential: HeaderFields
    /// Sent with every request beside the credential.
    let configuredHeaders: HeaderFields
    /// Lower-case names of fields that we write: a caller's are dropped.
    let ownNames: [String]
    let tokens: EntraTokenSource?
    /// Why nothing can be sent at all.
    let unavailableReason: String?
    let connectTimeout: TimeAmount
    let firstByteTimeout: TimeAmount?
    let idleTimeout: TimeAmount?
    let totalTimeout: TimeAmount?

    private struct State {
        var breaker: CircuitBreaker
        var probeFailures = 0
        var probeReason: String?
    }
    private let state: NIOLockedValueBox<State>

    var id: UpstreamID { configuration.id }

    init(_ configuration: UpstreamConfiguration, tokens: EntraTokenSource?) {
        self.configuration = configuration
        self.tokens = tokens
        var reason = configuration.unavailableReason
        var tls: TLSSetup?
        if configuration.endpoint.scheme == .https {
            do { tls = try TLSSetup(configuration.tls, endpoint: configuration.endpoint, http: configuration.http) } catch {
                reason = reason ?? error.description
            }
        }
        self.tls = tls
        let credential = UpstreamEndpoint.fixedHeaders(of: configuration.credential)
        var lines = ByteBuffer(string: "host: \(configuration.endpoint.authority)\r\n")
        let configured = HeaderFields(configuration.headers.map { (name: $0.name.lowercasedASCII, value: $0.value.reveal()) })
        do throws(RequestEncoder.Invalid) {
            for field in configured {
                guard RequestEncoder.forwards(field.name, ownNames: []), RequestEncoder.isToken(field.name) else {
                    throw RequestEncoder.Invalid(description: "")
                }
                try RequestEncoder.writeLine(field.name, field.value, to: &lines)
            }
        } catch {
            reason = reason ?? "a configured header cannot be sent"
        }
        do throws(RequestEncoder.Invalid) {
            for field in credential { try RequestEncoder.writeLine(field.name, field.value, to: &lines) }
        } catch {
            reason = reason ?? "the credential holds characters that cannot be sent in a header"
        }
        if !configuration.endpoint.basePath.isEmpty, !RequestEncoder.isTarget(configuration.endpoint.basePath) {
            reason = reason ?? "the endpoint's base path cannot be sent"
        }
        fixedLines = Array(lines.readableBytesView)
        fixedCredential = credential
        configuredHeaders = configured
        ownNames = (tokens != nil ? ["authorization"] : credential.map(\.name)) + configured.map(\.name)
        unavailableReason = reason
        connectTimeout = TimeAmount(configuration.timeouts.connect)
        firstByteTimeout = configuration.timeouts.firstByte.map { TimeAmount($0) }
        idleTimeout = configuration.timeouts.idle.map { TimeAmount($0) }
        totalTimeout = configuration.timeouts.total.map { TimeAmount($0) }
        state = NIOLockedValueBox(State(breaker: CircuitBreaker(policy: configuration.breaker)))
    }

    func admit(now: NIODeadline) -> CircuitBreaker.Permit? { state.withLockedValue { $0.breaker.admit(now: now) } }

    func record(_ outcome: CircuitBreaker.Outcome, permit: CircuitBreaker.Permit, now: NIODeadline) {
        state.withLockedValue { $0.breaker.record(outcome, permit: permit, now: now) }
    }

    /// - Parameter failure: nil for a probe that was answered.
    func recordProbe(failure: String?) {
        state.withLockedValue { state in
            guard let failure else {
                state.probeFailures = 0
                state.probeReason = nil
                return
            }
            state.probeFailures += 1
            if state.probeFailures >= configuration.probe?.failuresToFail ?? 1 { state.probeReason = failure }
        }
    }

    func health(now: NIODeadline) -> UpstreamHealth {
        if let unavailableReason { return UpstreamHealth(.unavailable, reason: unavailableReason) }
        if let reason = tokens?.failureReason(now: now) {
            return UpstreamHealth(reason.retryAfter == nil ? .probing : .unavailable, reason: reason.text, retryAfter: reason.retryAfter)
        }
        let (breaker, remaining, probe) = state.withLockedValue { state in
            (state.breaker.state, state.breaker.remainingOpen(now: now), state.probeReason)
        }
        if let remaining { return UpstreamHealth(.circuitOpen, reason: "too many requests failed", retryAfter: remaining) }
        if let probe { return UpstreamHealth(.probeFailed, reason: probe, retryAfter: configuration.probe?.interval) }
        return breaker == .closed ? UpstreamHealth(.available) : UpstreamHealth(.probing, reason: "recovering after failures")
    }

    private static func fixedHeaders(of credential: UpstreamCredential) -> HeaderFields {
        switch credential {
        case .none, .entra: [:]
        case .header(let name, let value): HeaderFields([(name: name.lowercasedASCII, value: value.reveal())])
        case .bearer(let token): HeaderFields([(name: "authorization", value: "Bearer \(token.reveal())")])
        }
    }
}
