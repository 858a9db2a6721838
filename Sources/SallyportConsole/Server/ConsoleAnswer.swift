import Foundation
import NIOCore
import SallyportCore

/// What a handler answers.
package struct ConsoleAnswer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: ByteBuffer

    package init(status: Int = 200, headers: [(name: String, value: String)] = [], body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    package static let empty = ConsoleAnswer(status: 204)

    /// Keys in order, so that the same answer has the same bytes.
    package static func json(_ value: some Encodable, status: Int = 200) throws -> ConsoleAnswer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return ConsoleAnswer(
            status: status, headers: [("content-type", "application/json; charset=utf-8")],
            body: ByteBuffer(bytes: try encoder.encode(value)))
    }

    /// JSON that was written already.
    package static func json(bytes: [UInt8], status: Int = 200) -> ConsoleAnswer {
        ConsoleAnswer(status: status, headers: [("content-type", "application/json; charset=utf-8")], body: ByteBuffer(bytes: bytes))
    }

    /// Azure Resource Manager's list.
    package static func list(_ values: [some Encodable]) throws -> ConsoleAnswer { try json(ListOf(value: values)) }

    package static func page(_ html: String, status: Int = 200) -> ConsoleAnswer {
        ConsoleAnswer(status: status, headers: [("content-type", "text/html; charset=utf-8")], body: ByteBuffer(string: html))
    }

    /// - Parameter location: a path of this surface, or an address that was configured; never what a request said.
    package static func redirect(to location: String) -> ConsoleAnswer { ConsoleAnswer(status: 303, headers: [("location", location)]) }

    package func adding(_ name: String, _ value: String) -> ConsoleAnswer {
        var answer = self
        answer.headers.append((name, value))
        return answer
    }

    private struct ListOf<Value: Encodable>: Encodable { let value: [Value] }
}

/// A refusal in Azure Resource Manager's shape: `{"error":{"code":…,"message":…}}`.
package struct ConsoleRefusal: Error, Sendable {
    package let status: Int
    package let code: String
    package let message: String
    package let headers: [(name: String, value: String)]
    /// The page that the mistake was made on: a path of this surface, never what a request said.
    package var back: String?

    package init(_ status: Int, _ code: String, _ message: String, headers: [(name: String, value: String)] = []) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
    }

    /// What the parts beneath refuse, in Resource Manager's words.
    package init(_ fault: Fault) {
        var headers: [(name: String, value: String)] = []
        if let wait = fault.retryAfter { headers.append(("retry-after", "\(max(1, wait.components.seconds))")) }
        let (status, code) = Self.words(fault.code)
        self.init(status, code, fault.message, headers: headers)
    }

    private static func words(_ code: Fault.Code) -> (Int, String) {
        switch code {
        case .payloadTooLarge: (413, "PayloadTooLarge")
        case .headersTooLarge: (431, "HeadersTooLarge")
        case .timeout: (408, "RequestTimeout")
        case .unauthenticated, .invalidToken: (401, "InvalidAuthenticationToken")
        case .keysDisabled: (403, "AuthenticationTypeDisabled")
        case .permissionDenied: (403, "AuthorizationFailed")
        case .networkDenied: (403, "Forbidden")
        case .notFound, .deploymentNotFound: (404, "ResourceNotFound")
        case .methodNotAllowed: (405, "MethodNotAllowed")
        case .conflict: (409, "Conflict")
        case .rateLimited, .quotaExceeded: (429, "TooManyRequests")
        case .overloaded, .guardUnavailable, .auditUnavailable, .storeUnavailable, .upstreamUnavailable: (503, "ServiceUnavailable")
        case .upstreamTimeout: (504, "GatewayTimeout")
        case .upstreamInvalid: (502, "BadGateway")
        case .internal: (500, "InternalServerError")
        // What the data plane refuses for its own reasons (a filter, a label, a consent) is a bad request here.
        default: (400, "InvalidRequest")
        }
    }

    private struct Body: Encodable {
        struct Inner: Encodable {
            let code: String
            let message: String
        }
        let error: Inner
    }

    /// The same for people.
    var page: ConsoleAnswer {
        let way: HTML =
            switch code {
            case "MfaRequired": "<a class=\"button\" href=\"/account\">Your account</a>"
            case "SignInExpired": "<a class=\"button\" href=\"/signin\">Sign in</a>"
            case "ReauthenticationRequired", "InsufficientClaims": "<a class=\"button\" href=\"/signin?fresh=1\">Sign in</a>"
            default: back.map { "<a class=\"button\" href=\"\($0)\">Go back</a>" } ?? "<a class=\"button\" href=\"/\">Go on</a>"
            }
        let html = Page.make(
            "That did not work",
            """
            <p class="problem" role="alert">\(message)</p>
            <p>\(status) <code id="error-code">\(code)</code></p>
            \(way)
            """)
        var answer = ConsoleAnswer.page(html, status: status)
        answer.headers += headers
        return answer
    }

    var answer: ConsoleAnswer {
        var answer =
            (try? ConsoleAnswer.json(Body(error: .init(code: code, message: message)), status: status)) ?? ConsoleAnswer(status: status)
        answer.headers += headers
        return answer
    }
}
