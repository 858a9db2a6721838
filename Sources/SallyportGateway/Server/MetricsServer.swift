import NIOCore
import NIOHTTP1
import NIOPosix
import SallyportCore

/// A listener of its own for `/metrics`, meant for loopback or a private network. A connection has one answer, and half a minute.
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
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        ByteToMessageHandler(
                            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes), maximumBufferSize: DataPlaneServer.mostUndecoded))
                    try pipeline.addHandler(HTTPResponseEncoder())
                    try pipeline.addHandler(
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

    /// For the request and its answer together.
    private static let limit = TimeAmount.seconds(30)

    private let exposition: @Sendable () -> ByteBuffer
    private let isRefused: Bool
    private var head: HTTPRequestHead?
    private var isAnswered = false
    private var deadline: Scheduled<Void>?

    init(_ exposition: @escaping @Sendable () -> ByteBuffer, isRefused: Bool) {
        self.exposition = exposition
        self.isRefused = isRefused
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: Self.limit) { channel.close(promise: nil) }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAnswered else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            isAnswered = true
            answer(head, context)
        }
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let isRead = head.method == .GET || head.method == .HEAD
        let isFound = !isRefused && isRead && head.uri.split(separator: "?").first == "/metrics"
        let body = isFound ? exposition() : ByteBuffer(string: isRefused ? "access denied\n" : "not found\n")
        var headers = HTTPHeaders()
        headers.add(name: "content-type", value: isFound ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain")
        headers.add(name: "content-length", value: "\(body.readableBytes)")
        headers.add(name: "connection", value: "close")
        let status: HTTPResponseStatus = isFound ? .ok : isRefused ? .forbidden : .notFound
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if head.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
        // What else comes waits in the socket.
        channel.setOption(.autoRead, value: false).whenFailure { _ in channel.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
