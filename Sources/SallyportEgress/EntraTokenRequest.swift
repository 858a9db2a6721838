import FoundationEssentials
import NIOCore
import SallyportCore

/// One client-credentials request to an Entra authority.
enum EntraTokenRequest {
    private static let maxAnswer = 64 * 1024

    static func send(
        _ credential: EntraCredential, to authority: UpstreamID, through client: EgressClient, on eventLoop: any EventLoop
    ) -> EventLoopFuture<EntraToken> {
        let proof: [(String, String)]
        if let file = credential.federatedTokenFile {
            guard let assertion = assertion(in: file) else {
                return eventLoop.makeFailedFuture(UpstreamFailure(.unavailable, "the workload's token cannot be read from its file"))
            }
            proof = [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion)]
        } else {
            proof = [("client_secret", credential.clientSecret.reveal())]
        }
        let form =
            [("client_id", credential.clientID)] + proof + [("scope", credential.scope), ("grant_type", "client_credentials")]
        let body = form.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
        let request = UpstreamRequest(
            upstream: authority, method: "POST", path: "/\(percentEncoded(credential.tenant))/oauth2/v2.0/token",
            headers: ["content-type": "application/x-www-form-urlencoded", "accept": "application/json"], body: [ByteBuffer(string: body)],
            retrySafety: .beforeFirstByte)
        let promise = eventLoop.makePromise(of: CollectedAnswer.self)
        let collector = AnswerCollector(limit: maxAnswer, promise: promise)
        if eventLoop.inEventLoop {
            collector.call = client.send(request, on: eventLoop, delegate: collector)
        } else {
            promise.fail(UpstreamFailure(.unavailable, "the token was asked for off the event loop"))
        }
        return promise.futureResult.flatMapThrowing { answer in try token(from: answer) }
    }

    /// A small file in memory or on a local disk, once an hour: not worth a thread.
    private static func assertion(in file: String) -> String? {
        guard let data = try? Data(contentsOf: URL(filePath: file)), data.count <= maxAnswer else { return nil }
        let text = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard text.count == 1, RequestEncoder.isToken68(String(text[0])) else { return nil }
        return String(text[0])
    }

    static func token(from answer: CollectedAnswer) throws -> EntraToken {
        let json = Data(answer.body.readableBytesView)
        guard answer.status == 200 else {
            // Entra's error codes are a closed list of words; its descriptions may repeat what was sent.
            let code = (try? JSONDecoder().decode(Refusal.self, from: json))?.error ?? ""
            let known = !code.isEmpty && code.utf8.count <= 40 && code.utf8.allSatisfy { (97...122).contains($0) || $0 == 95 }
            throw UpstreamFailure(.unavailable, "the authority answered \(answer.status)\(known ? " (\(code))" : "")", headReceived: true)
        }
        guard let grant = try? JSONDecoder().decode(Grant.self, from: json), grant.token_type.lowercased() == "bearer",
            !grant.access_token.isEmpty, RequestEncoder.isToken68(grant.access_token), grant.expires_in.seconds > 0
        else { throw UpstreamFailure(.unavailable, "the authority's answer holds no usable token", headReceived: true) }
        return EntraToken(value: Redacted(grant.access_token), lifetime: .seconds(min(grant.expires_in.seconds, 86_400)))
    }

    /// Everything but RFC 3986's unreserved characters.
    static func percentEncoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    private struct Grant: Decodable {
        let token_type: String
        let access_token: String
        let expires_in: Seconds
    }

    private struct Refusal: Decodable {
        let error: String
    }

    /// A number, or a number in a string as older endpoints send it.
    private struct Seconds: Decodable {
        let seconds: Int
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) {
                seconds = number
            } else {
                seconds = Int(try container.decode(String.self)) ?? 0
            }
        }
    }
}

/// A whole answer, for small side calls.
struct CollectedAnswer: Sendable {
    var status: Int
    var headers: HeaderFields
    var body: ByteBuffer
}

/// Gathers an answer up to a limit; an answer beyond it is cancelled.
final class AnswerCollector: UpstreamResponseDelegate {
    var call: (any UpstreamCall)?
    private let limit: Int
    private let promise: EventLoopPromise<CollectedAnswer>
    private var answer = CollectedAnswer(status: 0, headers: HeaderFields(), body: ByteBuffer())

    init(limit: Int, promise: EventLoopPromise<CollectedAnswer>) {
        self.limit = limit
        self.promise = promise
    }

    func upstreamDidReceiveHead(status: Int, headers: HeaderFields) {
        answer.status = status
        answer.headers = headers
    }

    func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
        guard answer.body.readableBytes + chunk.readableBytes <= limit else {
            promise.fail(UpstreamFailure(.protocolViolation, "the answer is too long", headReceived: true))
            call?.cancel()
            return
        }
        answer.body.writeImmutableBuffer(chunk)
    }

    func upstreamDidFinish(trailers: HeaderFields) {
        call = nil
        promise.succeed(answer)
    }

    func upstreamDidFail(_ failure: UpstreamFailure) {
        call = nil
        promise.fail(failure)
    }
}
