import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SallyportCore

/// The listener of the data plane.
package final class DataPlaneServer: Sendable {
    private let channel: any Channel
    private let runtime: GatewayRuntime

    private init(channel: any Channel, runtime: GatewayRuntime) {
        self.channel = channel
        self.runtime = runtime
    }

    /// Binds and serves. Port 0 takes a free one.
    package static func start(
        host: String, port: Int, runtime: GatewayRuntime, group: any EventLoopGroup, security: ListenerSecurity = ListenerSecurity()
    ) async throws -> DataPlaneServer {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.recvAllocator, value: ReadBuffers())
            // A caller may end its side and still wait for its answer (RFC 9112, section 9.6, asks servers to expect it).
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 65_536, high: 262_144))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let facts = ConnectionFacts()
                    if security.expectsProxyHeader, runtime.snapshot.configuration.network.trusts(Source(channel.remoteAddress).ip) {
                        try pipeline.addHandler(ProxyProtocolHandler(facts))
                    }
                    if let tls = security.tls {
                        facts.isSecured = true
                        try pipeline.addHandler(NIOSSLServerHandler(context: tls))
                    }
                    try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
                    try pipeline.addHandler(DataPlaneHandler(runtime, facts: facts))
                }
            }
            .bind(host: host, port: port).get()
        return DataPlaneServer(channel: channel, runtime: runtime)
    }

    package var port: Int { channel.localAddress?.port ?? 0 }

    /// Connections look twice a second whether they should end.
    private static let cuttingOff = Duration.seconds(2)

    /// Stops accepting, lets what is under way end within the time given, then ends it.
    /// - Returns: how many requests were cut off.
    package func drain(within limit: Duration) async -> Int {
        runtime.beginDraining()
        try? await channel.close().get()
        await waitForRequests(limit)
        let left = runtime.requestsUnderWay
        if left > 0 {
            runtime.cutOff()
            await waitForRequests(Self.cuttingOff)
        }
        return left
    }

    private func waitForRequests(_ limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while runtime.requestsUnderWay > 0 && ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// A listener of its own for `/metrics`, meant for loopback or a private network.
package final class MetricsServer: Sendable {
    private let channel: any Channel
    private init(channel: any Channel) { self.channel = channel }

    package static func start(
        host: String, port: Int, group: any EventLoopGroup, rules: NetworkRules = NetworkRules(),
        exposition: @escaping @Sendable () -> ByteBuffer
    ) async throws -> MetricsServer {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(
                        MetricsHandler(exposition, isRefused: rules.refusal(of: Source(channel.remoteAddress).ip) != nil))
                }
            }
            .bind(host: host, port: port).get()
        return MetricsServer(channel: channel)
    }

    package var port: Int { channel.localAddress?.port ?? 0 }
    package func stop() async { try? await channel.close().get() }
}

private final class MetricsHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let exposition: @Sendable () -> ByteBuffer
    private let isRefused: Bool
    private var isFound = false

    init(_ exposition: @escaping @Sendable () -> ByteBuffer, isRefused: Bool) {
        self.exposition = exposition
        self.isRefused = isRefused
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): isFound = head.method == .GET && head.uri.split(separator: "?").first == "/metrics"
        case .body: break
        case .end:
            if isRefused { isFound = false }
            let body = isFound ? exposition() : ByteBuffer(string: isRefused ? "access denied\n" : "not found\n")
            var headers = HTTPHeaders()
            headers.add(name: "content-type", value: isFound ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain")
            headers.add(name: "content-length", value: "\(body.readableBytes)")
            context.write(
                wrapOutboundOut(
                    .head(HTTPResponseHead(version: .http1_1, status: isFound ? .ok : isRefused ? .forbidden : .notFound, headers: headers))
                ),
                promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
