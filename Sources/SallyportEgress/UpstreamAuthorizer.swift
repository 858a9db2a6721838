import NIOCore
import SallyportCore

/// The credential headers of upstreams. `EgressClient.send` adds them by itself.
package struct UpstreamAuthorizer: Sendable {
    private let endpoint: @Sendable (UpstreamID) -> UpstreamEndpoint?

    init(endpoint: @escaping @Sendable (UpstreamID) -> UpstreamEndpoint?) { self.endpoint = endpoint }

    /// nil: a token must be fetched first, or the upstream is not known; ask ``headers(for:on:)``.
    package func readyHeaders(for upstream: UpstreamID, on eventLoop: any EventLoop) -> HeaderFields? {
        guard let endpoint = endpoint(upstream), endpoint.unavailableReason == nil else { return nil }
        guard let tokens = endpoint.tokens else { return endpoint.fixedCredential }
        return tokens.current(on: eventLoop, now: .now())
    }

    /// Fails with an ``UpstreamFailure`` that says why there is no credential.
    package func headers(for upstream: UpstreamID, on eventLoop: any EventLoop) -> EventLoopFuture<HeaderFields> {
        guard let endpoint = endpoint(upstream) else {
            return eventLoop.makeFailedFuture(UpstreamFailure(.unavailable, "no upstream of that name is configured"))
        }
        if let reason = endpoint.unavailableReason { return eventLoop.makeFailedFuture(UpstreamFailure(.unavailable, reason)) }
        guard let tokens = endpoint.tokens else { return eventLoop.makeSucceededFuture(endpoint.fixedCredential) }
        return tokens.headers(on: eventLoop)
    }
}
