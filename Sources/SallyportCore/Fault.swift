/// What a caller may learn of a failure. Thrown anywhere; its HTTP status and body are given in one file of the gateway.
package struct Fault: Error, Sendable {
    /// The closed list of reasons; the raw value is used in records and metrics, not on the wire.
    package enum Code: String, Sendable, CaseIterable {
        case invalidRequest, invalidJSON, payloadTooLarge, headersTooLarge, timeout
        case unauthenticated, invalidToken, keysDisabled, permissionDenied, networkDenied
        case notFound, deploymentNotFound, unsupportedAPIVersion, methodNotAllowed, conflict
        case invalidContentFilterPolicy, contentFiltered, uninspectable, guardUnavailable, labelTooHigh, fileRefused
        case consentMissing, residencyViolated
        case rateLimited, quotaExceeded, overloaded
        case auditUnavailable, storeUnavailable
        case upstreamUnavailable, upstreamTimeout, upstreamInvalid
        case `internal`
    }
    package let code: Code
    /// Sent to the caller. Never holds prompt text, secrets or an upstream's reply.
    package let message: String
    /// The request field that is at fault, where one is (OpenAI's `param`).
    package let param: String?
    /// A finer code within `code`, where an API has one (Azure AI Language's `innererror`).
    package let inner: String?
    /// How long the caller should wait before trying again.
    package let retryAfter: Duration?
    /// Logged for the operator, never sent.
    package let cause: (any Error)?

    package init(
        _ code: Code, _ message: String, param: String? = nil, inner: String? = nil, retryAfter: Duration? = nil, cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.param = param
        self.inner = inner
        self.retryAfter = retryAfter
        self.cause = cause
    }
}
