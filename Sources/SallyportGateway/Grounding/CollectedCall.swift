import NIOCore
import SallyportCore

/// A call that the gateway makes on its own account within an exchange, its answer collected whole. Lives on the exchange's event loop.
final class CollectedCall: UpstreamResponseDelegate {
    struct Answer {
        let status: Int
        let body: ByteBuffer
    }

    private let limit: Int
    private var status = 0
    private var body = ByteBuffer()
    private var done: ((Result<Answer, UpstreamFailure>) -> Void)?

    /// - Parameter limit: more bytes than this are a failure.
    init(limit: Int, done: @escaping (Result<Answer, UpstreamFailure>) -> Void) {
        self.limit = limit
        self.done = done
    }

    private func finish(_ result: Result<Answer, UpstreamFailure>) {
        let done = done
        self.done = nil
        done?(result)
    }

    func upstreamDidReceiveHead(status: Int, headers: HeaderFields) {
        self.status = status
        if let encoding = headers.first("content-encoding"), encoding != "identity" {
            finish(.failure(UpstreamFailure(.protocolViolation, "an encoding that cannot be read", bytesSent: true, headReceived: true)))
        }
    }

    func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
        guard done != nil else { return }
        guard body.readableBytes + chunk.readableBytes <= limit else {
            return finish(
                .failure(UpstreamFailure(.protocolViolation, "a longer answer than may be held", bytesSent: true, headReceived: true)))
        }
        body.writeImmutableBuffer(chunk)
    }

    func upstreamDidFinish(trailers: HeaderFields) { finish(.success(Answer(status: status, body: body))) }
    func upstreamDidFail(_ failure: UpstreamFailure) { finish(.failure(failure)) }
}
