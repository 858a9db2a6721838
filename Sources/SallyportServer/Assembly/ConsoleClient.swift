import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import SallyportEgress

/// The command line's side of the administrative surface: one request at a time, through the egress client.
package final class ConsoleClient: Sendable {
    package struct Answer: Sendable {
        package let status: Int
        package let body: [UInt8]
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private static let upstream: UpstreamID = "console"
    private static let maximumAnswer = 16 << 20
    private let client: EgressClient
    private let group: MultiThreadedEventLoopGroup
    private let origin: String

    /// - Parameters:
    ///   - url: where it is, `https://console.example`; `http` is for loopback.
    ///   - authoritiesFile: certificate authorities to trust instead of the system's.
    package init(_ url: String, authoritiesFile: String? = nil) throws {
        let origin = String(url.reversed().drop { $0 == "/" }.reversed())
        guard let parsed = URL(string: origin), let host = parsed.host, parsed.path.isEmpty,
            ["http", "https"].contains(parsed.scheme ?? "")
        else {
            throw Failure(description: "'\(url)' is no address such as https://console.example")
        }
        guard parsed.scheme == "https" || ["localhost", "127.0.0.1", "::1"].contains(host) else {
            throw Failure(description: "a session is sent over https only (http is for loopback)")
        }
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        client = EgressClient(group: group, logger: Logger(label: "sallyport.client") { _ in SwiftLogNoOpLogHandler() })
        client.update([
            UpstreamConfiguration(
                id: Self.upstream, kind: .openAI, endpoint: try EndpointURL(parsing: origin),
                timeouts: UpstreamTimeouts(connect: .seconds(5), firstByte: .seconds(30), idle: .seconds(30), total: .seconds(60)),
                tls: UpstreamTLS(authoritiesFile: authoritiesFile), egress: EgressPolicy(allowPrivate: true))
        ])
        self.origin = origin
    }

    package func send(_ method: String, _ path: String, body: [UInt8]? = nil, token: String? = nil) async throws -> Answer {
        var headers: HeaderFields = ["accept": "application/json", "user-agent": "sallyport-cli"]
        if body != nil { headers.append("content-type", "application/json") }
        let loop = group.next()
        var request = UpstreamRequest(
            upstream: Self.upstream, method: method, path: path, headers: headers, body: body.map { [ByteBuffer(bytes: $0)] } ?? [],
            retrySafety: .never)
        // Among the other headers it would be taken for a caller's and stay here.
        if let token { request.credential = ["authorization": "Bearer \(token)"] }
        let client = client
        return try await loop.flatSubmit { [request] in
            let promise = loop.makePromise(of: Answer.self)
            let gatherer = Gatherer(limit: Self.maximumAnswer, promise)
            gatherer.call = client.send(request, on: loop, delegate: gatherer)
            return promise.futureResult
        }.get()
    }

    package func close() async {
        try? await client.shutDown(grace: .seconds(1), on: group.next()).get()
        try? await group.shutdownGracefully()
    }

    private final class Gatherer: UpstreamResponseDelegate {
        var call: (any UpstreamCall)?
        private let limit: Int
        private let promise: EventLoopPromise<Answer>
        private var status = 0
        private var body: [UInt8] = []

        init(limit: Int, _ promise: EventLoopPromise<Answer>) {
            self.limit = limit
            self.promise = promise
        }

        func upstreamDidReceiveHead(status: Int, headers: HeaderFields) { self.status = status }

        func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
            guard body.count + chunk.readableBytes <= limit else {
                promise.fail(Failure(description: "the answer is too long"))
                call?.cancel()
                return
            }
            body.append(contentsOf: chunk.readableBytesView)
        }

        func upstreamDidFinish(trailers: HeaderFields) {
            call = nil
            promise.succeed(Answer(status: status, body: body))
        }

        func upstreamDidFail(_ failure: UpstreamFailure) {
            call = nil
            promise.fail(Failure(description: failure.message))
        }
    }
}
