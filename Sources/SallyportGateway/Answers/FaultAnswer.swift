import NIOCore
import SallyportCore
import SallyportWire

/// Which API's words an error is told in.
enum ErrorDialect: Sendable { case openAI, contentSafety, language, search }

/// The one place where a fault gets its HTTP status, code and body (CONTRACT: Azure OpenAI, Content Safety and Language error shapes).
struct FaultAnswer {
    let status: Int
    let code: String
    let body: ByteBuffer
    /// Whole seconds for `retry-after`.
    let retryAfter: Int?

    /// - Parameter annotations: the `content_filter_result` object of a filtered prompt.
    init(_ fault: Fault, in dialect: ErrorDialect, annotations: ByteBuffer? = nil) {
        let (status, code, type) = FaultAnswer.words(for: fault.code, in: dialect)
        self.status = status
        let own = dialect == .contentSafety && fault.code == .invalidRequest ? fault.inner : nil
        self.code = own ?? code ?? type ?? fault.code.rawValue
        retryAfter = fault.retryAfter.map { max(1, Int(($0 + .milliseconds(999)).components.seconds)) }
        var json = JSONWriter(capacity: 512)
        json.beginObject()
        if fault.code == .invalidToken {
            // The service's front door answers so, before any API's own shape.
            json.key("statusCode")
            json.int(401)
            json.key("message")
            json.string(fault.message)
            json.endObject()
            body = json.buffer
            return
        }
        json.key("error")
        json.beginObject()
        switch dialect {
        case .openAI:
            json.key("message")
            json.string(fault.message)
            json.key("type")
            if let type { json.string(type) } else { json.null() }
            json.key("param")
            if let param = fault.param { json.string(param) } else { json.null() }
            json.key("code")
            if let code { json.string(code) } else { json.null() }
            if fault.code == .contentFiltered {
                json.key("status")
                json.int(status)
                json.key("innererror")
                json.beginObject()
                json.key("code")
                json.string("ResponsibleAIPolicyViolation")
                json.key("content_filter_result")
                if let annotations { json.raw(annotations) } else { json.raw("{}") }
                json.endObject()
            }
        case .search:
            // The service leaves the code of most errors empty.
            json.key("code")
            json.string(status == 400 ? "" : self.code)
            json.key("message")
            json.string(fault.message)
        case .contentSafety, .language:
            let inner =
                dialect == .language && status == 400
                ? fault.inner ?? (fault.param == nil ? "InvalidRequestBodyFormat" : "InvalidParameterValue") : nil
            FaultAnswer.writeAnalysisError(self.code, fault.message, target: fault.param, inner: inner.map { ($0, fault.message) }, &json)
        }
        json.endObject()
        json.endObject()
        body = json.buffer
    }

    /// The members of an error as Azure's analysis services write it, for a whole request or for one document of it.
    static func writeAnalysisError(
        _ code: String, _ message: String, target: String? = nil, inner: (code: String, message: String)?, _ json: inout JSONWriter
    ) {
        json.key("code")
        json.string(code)
        json.key("message")
        json.string(message)
        if let target {
            json.key("target")
            json.string(target)
        }
        guard let inner else { return }
        json.key("innererror")
        json.beginObject()
        json.key("code")
        json.string(inner.code)
        json.key("message")
        json.string(inner.message)
        json.endObject()
    }

    /// The wire's spelling of a reason, for records.
    static func code(of code: Fault.Code, in dialect: ErrorDialect) -> String {
        let (_, spelled, type) = words(for: code, in: dialect)
        return spelled ?? type ?? code.rawValue
    }

    private static func words(for code: Fault.Code, in dialect: ErrorDialect) -> (status: Int, code: String?, type: String?) {
        if dialect == .contentSafety || dialect == .language { return analysisWords(for: code, in: dialect) }
        let invalid = "invalid_request_error"
        switch code {
        case .invalidRequest: return (400, nil, invalid)
        case .invalidJSON: return (400, "invalid_json", invalid)
        case .payloadTooLarge: return (413, "413", invalid)
        case .headersTooLarge: return (431, "431", invalid)
        case .timeout: return (408, "408", nil)
        case .unauthenticated, .invalidToken: return (401, "401", nil)
        case .keysDisabled: return (403, "AuthenticationTypeDisabled", nil)
        case .permissionDenied: return (401, "PermissionDenied", nil)
        case .networkDenied: return (403, "403", nil)
        case .notFound, .unsupportedAPIVersion: return (404, "404", nil)
        case .deploymentNotFound: return (404, "DeploymentNotFound", nil)
        case .methodNotAllowed: return (405, "405", nil)
        case .conflict: return (409, "409", nil)
        case .invalidContentFilterPolicy: return (400, "InvalidContentFilterPolicy", nil)
        case .contentFiltered: return (400, "content_filter", nil)
        case .uninspectable: return (400, "uninspectable_content", invalid)
        case .fileRefused: return (400, "file_refused", invalid)
        case .labelTooHigh: return (403, "label_not_permitted", invalid)
        case .guardUnavailable: return (503, "content_filter_error", nil)
        case .consentMissing: return (403, "consent_required", nil)
        case .residencyViolated: return (403, "data_residency", nil)
        case .rateLimited: return (429, "429", nil)
        case .quotaExceeded: return (429, "insufficient_quota", "insufficient_quota")
        case .overloaded, .auditUnavailable, .storeUnavailable, .upstreamUnavailable: return (503, "503", nil)
        case .upstreamTimeout: return (504, "504", nil)
        case .upstreamInvalid: return (502, "502", nil)
        case .internal: return (500, "InternalServerError", nil)
        }
    }

    private static func analysisWords(for code: Fault.Code, in dialect: ErrorDialect) -> (status: Int, code: String?, type: String?) {
        let isSafety = dialect == .contentSafety
        switch code {
        case .invalidRequest, .invalidJSON, .uninspectable, .contentFiltered, .invalidContentFilterPolicy:
            return (400, isSafety ? "InvalidRequestBody" : "InvalidRequest", nil)
        case .fileRefused: return (400, "InvalidRequest", nil)
        case .labelTooHigh: return (403, "Forbidden", nil)
        case .payloadTooLarge: return (413, isSafety ? "InvalidRequestBody" : "InvalidRequest", nil)
        case .headersTooLarge: return (431, "InvalidRequest", nil)
        case .timeout: return (408, isSafety ? "InvalidRequestBody" : "Timeout", nil)
        case .unauthenticated, .invalidToken: return (401, "401", nil)
        case .keysDisabled: return (403, "AuthenticationTypeDisabled", nil)
        case .permissionDenied: return (401, "PermissionDenied", nil)
        case .networkDenied: return (403, "403", nil)
        case .consentMissing: return (403, "ConsentRequired", nil)
        case .residencyViolated: return (403, "DataResidency", nil)
        case .notFound, .deploymentNotFound, .unsupportedAPIVersion: return (404, isSafety ? "ResourceNotFound" : "NotFound", nil)
        case .methodNotAllowed: return (405, isSafety ? "InvalidRequestBody" : "InvalidRequest", nil)
        case .conflict: return (409, isSafety ? "InvalidRequestBody" : "Conflict", nil)
        case .rateLimited, .quotaExceeded: return (429, "TooManyRequests", nil)
        case .overloaded, .auditUnavailable, .storeUnavailable, .guardUnavailable, .upstreamUnavailable:
            return (503, isSafety ? "ServerBusy" : "ServiceUnavailable", nil)
        // Asking again would not help, and clients do not: they repeat a 503.
        case .upstreamInvalid: return (502, "BadGateway", nil)
        case .upstreamTimeout: return (504, isSafety ? "ServerBusy" : "Timeout", nil)
        case .internal: return (500, isSafety ? "InternalError" : "InternalServerError", nil)
        }
    }
}

extension Fault {
    /// Azure's words for a key that it does not know.
    static let invalidKey = Fault(
        .unauthenticated,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription "
            + "and use a correct regional API endpoint for your resource.")
    static let resourceNotFound = Fault(.notFound, "Resource not found")
    static let deploymentNotFound = Fault(
        .deploymentNotFound,
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a "
            + "moment and try again.")
    static let promptFiltered = Fault(
        .contentFiltered,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and "
            + "retry. To learn more about our content filtering policies please read our documentation: "
            + "https://go.microsoft.com/fwlink/?linkid=2198766", param: "prompt")
    static let invalidPolicy = Fault(
        .invalidContentFilterPolicy, "Your request contains invalid content filter policy. Please provide a valid policy.")
    static let incompleteVerdict = Fault(
        .guardUnavailable, "A content guard could not complete its work, so the request was refused. Please retry.", retryAfter: .seconds(1)
    )
    static let auditUnavailable = Fault(
        .auditUnavailable, "The audit log cannot be written, so the request was refused. Please retry later.", retryAfter: .seconds(5))
    static func lacks(_ action: String, for operation: String, principal: PrincipalID? = nil) -> Fault {
        Fault(
            .permissionDenied,
            "The principal \(principal.map { "`\($0)` " } ?? "")lacks the required data action `\(action)` to perform `\(operation)` operation."
        )
    }
    static let invalidToken = Fault(
        .invalidToken,
        "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired.")
    static let keysDisabled = Fault(.keysDisabled, "Key based authentication is disabled for this resource.")
    static let networkDenied = Fault(.networkDenied, "Access denied due to Virtual Network/Firewall rules.")
}
