import Foundation
import NIOCore
import SallyportCore

/// One question in JSON to a configured upstream, and its whole answer.
package struct SideCall: Sendable {
    package struct Refused: Error, Sendable {
        package let status: Int
    }
    package struct Unreadable: Error, Sendable {}

    /// No classifier says more than this.
    private static let maximumAnswer = 262_144

    package let client: any UpstreamClient
    package let upstream: UpstreamID
    package let path: String
    package let timeout: Duration

    package init(client: any UpstreamClient, upstream: UpstreamID, path: String, timeout: Duration) {
        self.client = client
        self.upstream = upstream
        self.path = path
        self.timeout = timeout
    }

    /// - Returns: the answer's bytes. Fails for any status but 200 to 299, and for an answer that is too long.
    package func post(_ body: ByteBuffer, on eventLoop: any EventLoop) -> EventLoopFuture<ByteBuffer> {
        let promise = eventLoop.makePromise(of: ByteBuffer.self)
        let request = UpstreamRequest(
            upstream: upstream, method: "POST", path: path, headers: ["content-type": "application/json", "accept": "application/json"],
            body: [body], attemptTimeout: timeout, totalTimeout: timeout, retrySafety: .beforeFirstByte)
        let answer = WholeAnswer(promise, limit: Self.maximumAnswer)
        answer.call = client.send(request, on: eventLoop, delegate: answer)
        return promise.futureResult
    }

    static func object(_ bytes: ByteBuffer) throws -> [String: Any] {
        guard let object = try json(bytes) as? [String: Any] else { throw Unreadable() }
        return object
    }

    static func json(_ bytes: ByteBuffer) throws -> Any {
        do { return try JSONSerialization.jsonObject(with: Data(bytes.readableBytesView), options: .fragmentsAllowed) } catch {
            throw Unreadable()
        }
    }

    static func body(_ object: [String: Any]) throws -> ByteBuffer {
        ByteBuffer(bytes: try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes]))
    }

    private final class WholeAnswer: UpstreamResponseDelegate {
        private let promise: EventLoopPromise<ByteBuffer>
        private let limit: Int
        private var status = 0
        private var body = ByteBuffer()
        var call: (any UpstreamCall)?

        init(_ promise: EventLoopPromise<ByteBuffer>, limit: Int) {
            self.promise = promise
            self.limit = limit
        }

        func upstreamDidReceiveHead(status: Int, headers: HeaderFields) { self.status = status }

        func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
            guard body.readableBytes + chunk.readableBytes <= limit else {
                promise.fail(Unreadable())
                call?.cancel()
                return
            }
            body.writeImmutableBuffer(chunk)
        }

        func upstreamDidFinish(trailers: HeaderFields) {
            call = nil
            if (200..<300).contains(status) { promise.succeed(body) } else { promise.fail(Refused(status: status)) }
        }

        func upstreamDidFail(_ failure: UpstreamFailure) {
            call = nil
            promise.fail(failure)
        }
    }
}
