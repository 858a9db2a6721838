import HTTPTypes
import HummingbirdCore
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOSSL
import SallyportCore

/// The listener of the administrative surface, on Hummingbird: its own address, its own network rules, its own pace.
package final class ConsoleServer: Sendable {
    package let port: Int
    private let server: Server<SecuredChannel>
    private let task: Task<Void, any Error>

    private init(port: Int, server: Server<SecuredChannel>, task: Task<Void, any Error>) {
        self.port = port
        self.server = server
        self.task = task
    }

    /// Connections at one time; further ones wait until one ends.
    private static let mostConnections = 2048

    /// Binds and serves. Port 0 takes a free one.
    /// - Parameter tls: asked for each connection, so that a new certificate is used at once; nil: plain HTTP.
    package static func start(
        host: String, port: Int, services: ConsoleServices, routes: [BoundRoute], group: any EventLoopGroup,
        tls: @escaping @Sendable () -> NIOSSLContext? = { nil }
    ) async throws -> ConsoleServer {
        let responder = ConsoleResponder(services, routes: routes)
        let settings = services.settings
        let limit = TimeAmount(settings.requestTimeout)
        let channel = HTTP1Channel(
            responder: { request, writer, channel in
                let answer = await responder.answer(to: incoming(request, channel, settings))
                try await writer.write(response: head(of: answer), body: ResponseBody(byteBuffer: answer.body))
            },
            configuration: .init(
                additionalChannelHandlers: [ConnectionEnd(limit: limit)], idleTimeout: limit,
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: settings.maximumHeaderBytes, maxHeaderListSize: settings.maximumHeaderBytes,
                    maxHeaderFieldCount: 100)))
        let bound = NIOLockedValueBox<Result<Int, any Error>?>(nil)
        let (running, signal) = AsyncStream.makeStream(of: Void.self)
        let server = Server(
            childChannelSetup: SecuredChannel(base: channel, tls: tls),
            configuration: ServerConfiguration(
                address: .hostname(host, port: port), serverName: nil, backlog: 256,
                availableConnectionsDelegate: MaximumAvailableConnections(mostConnections)),
            onServerRunning: { channel in
                bound.withLockedValue { $0 = .success(channel.localAddress?.port ?? 0) }
                signal.finish()
            }, eventLoopGroup: group, logger: Logger(label: "sallyport.console") { _ in SwiftLogNoOpLogHandler() })
        // A bare task: the server lives until `stop()` ends it.
        let task = Task {
            do { try await server.run() } catch {
                bound.withLockedValue { $0 = $0 ?? .failure(error) }
                signal.finish()
                throw error
            }
        }
        for await _ in running {}
        guard let found = bound.withLockedValue({ $0 }) else { throw Fault(.internal, "The administrative surface did not start.") }
        return ConsoleServer(port: try found.get(), server: server, task: task)
    }

    /// Nothing new; what is under way has two seconds.
    package func stop() async {
        let server = server
        let quiet = Task { try? await server.shutdownGracefully() }
        let deadline = Task {
            try? await Task.sleep(for: .seconds(2))
            task.cancel()
        }
        _ = try? await task.value
        deadline.cancel()
        quiet.cancel()
    }

    private static func incoming(_ request: Request, _ channel: any Channel, _ settings: ConsoleSettings) async -> ConsoleResponder.Incoming
    {
        var headers = HeaderFields()
        for field in request.headers { headers.append(field.name.canonicalName, field.value) }
        let tls = try? await channel.pipeline.handler(type: NIOSSLServerHandler.self).map { _ in true }.get()
        var certificate: [UInt8]?
        if tls == true { certificate = try? await channel.nioSSL_peerCertificate().get()?.toDERBytes() }
        return ConsoleResponder.Incoming(
            method: request.method.rawValue, target: request.head.path ?? "", host: request.head.authority, headers: headers,
            peer: channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) }?.unmapped, isSecured: tls == true, certificate: certificate,
            body: { maximum in
                do { return try await read(request.body, maximum, within: settings.requestTimeout) } catch is HTTPParserError {
                    throw Fault(.invalidRequest, "The body is not valid HTTP/1.1, or ended early.")
                } catch is ChannelError { throw Fault(.invalidRequest, "The body ended early.") }
            })
    }

    /// A body that is too long, or too slow, is not waited for.
    private static func read(_ body: RequestBody, _ maximum: Int, within limit: Duration) async throws -> [UInt8] {
        try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var bytes: [UInt8] = []
                for try await chunk in body {
                    guard bytes.count + chunk.readableBytes <= maximum else {
                        throw Fault(.payloadTooLarge, "The body is longer than \(maximum) bytes.")
                    }
                    bytes.append(contentsOf: chunk.readableBytesView)
                }
                return bytes
            }
            group.addTask {
                try await Task.sleep(for: limit)
                throw Fault(.timeout, "The body did not arrive in time.")
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }

    private static func head(of answer: ConsoleAnswer) -> HTTPResponse {
        var fields = HTTPFields()
        for (name, value) in answer.headers {
            guard let name = HTTPField.Name(name) else { continue }
            fields.append(HTTPField(name: name, value: value))
        }
        if answer.status != 204 { fields[.contentLength] = "\(answer.body.readableBytes)" }
        return HTTPResponse(status: .init(code: answer.status), headerFields: fields)
    }
}

/// HTTP/1.1 behind TLS when there is a certificate.
struct SecuredChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value
    let base: HTTP1Channel
    let tls: @Sendable () -> NIOSSLContext?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            if let context = tls() { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
