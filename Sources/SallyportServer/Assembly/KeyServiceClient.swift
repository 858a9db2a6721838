import Foundation
import Logging
import NIOCore
import NIOPosix
import SallyportCore
import SallyportEgress
import SallyportVault

/// The way to one key service: an egress client of its own, on a thread of its own, so that keys can be had before the gateway stands and
/// in the command line.
final class KeyServiceClient: KeyServiceTransport {
    private static let upstream: UpstreamID = "key-service"
    private static let maximumAnswer = 64 << 10

    let host: String
    private let client: EgressClient
    private let eventLoop: any EventLoop
    private let group: MultiThreadedEventLoopGroup

    /// - Parameter credential: of every request; `.none`: requests bring their own.
    /// - Throws: for an endpoint that is no URL.
    init(endpoint: String, credential: UpstreamCredential, authoritiesFile: String?) throws {
        let url = try EndpointURL(parsing: endpoint)
        host = url.authority
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        eventLoop = group.next()
        client = EgressClient(group: group, logger: Logger(label: "sallyport.vault"))
        client.update([
            UpstreamConfiguration(
                id: Self.upstream, kind: .openAI, endpoint: url, credential: credential,
                timeouts: UpstreamTimeouts(connect: .seconds(3), firstByte: .seconds(8), idle: .seconds(5), total: .seconds(10)),
                pool: UpstreamPoolLimits(maxConnections: 4, maxWaiting: 64), tls: UpstreamTLS(authoritiesFile: authoritiesFile),
                egress: EgressPolicy(allowPrivate: true),
                // Its own patience and the vault's grace decide; a closed circuit would only hide the reason.
                breaker: CircuitBreaker.Policy(minimumRequests: 1_000_000, consecutiveFailures: 1_000_000))
        ])
    }

    deinit {
        let group = group
        // Nobody waits for the end of its thread.
        client.shutDown(grace: .zero, on: eventLoop).whenComplete { _ in group.shutdownGracefully { _ in } }
    }

    func send(_ request: KeyServiceRequest) throws -> KeyServiceAnswer {
        precondition(!eventLoop.inEventLoop, "a key service is never asked on an event loop")
        var outgoing = UpstreamRequest(
            upstream: Self.upstream, method: request.method, path: request.target, headers: HeaderFields(request.headers),
            body: request.body.isEmpty ? [] : [ByteBuffer(bytes: request.body)], retrySafety: .beforeFirstByte)
        outgoing.credential = HeaderFields(request.credential)
        let (client, eventLoop) = (client, eventLoop)
        let future = eventLoop.flatSubmit { [outgoing] in
            let promise = eventLoop.makePromise(of: KeyServiceAnswer.self)
            let gatherer = Gatherer(limit: Self.maximumAnswer, promise)
            gatherer.call = client.send(outgoing, on: eventLoop, delegate: gatherer)
            return promise.futureResult
        }
        do { return try future.wait() } catch let failure as UpstreamFailure {
            throw SealError.unavailable("the key service \(host) does not answer: \(failure.message)")
        }
    }

    func pause(seconds: Double) { Thread.sleep(forTimeInterval: seconds) }
}

/// A whole answer, up to a limit.
private final class Gatherer: UpstreamResponseDelegate {
    var call: (any UpstreamCall)?
    private let limit: Int
    private let promise: EventLoopPromise<KeyServiceAnswer>
    private var answer = KeyServiceAnswer(status: 0, body: [])

    init(limit: Int, _ promise: EventLoopPromise<KeyServiceAnswer>) {
        self.limit = limit
        self.promise = promise
    }

    func upstreamDidReceiveHead(status: Int, headers: HeaderFields) {
        answer.status = status
        answer.retryAfter = headers.first("retry-after").flatMap { Int($0) }.flatMap { (0...86_400).contains($0) ? $0 : nil }
    }

    func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
        guard answer.body.count + chunk.readableBytes <= limit else {
            promise.fail(UpstreamFailure(.protocolViolation, "the answer is too long", headReceived: true))
            call?.cancel()
            return
        }
        answer.body.append(contentsOf: chunk.readableBytesView)
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
