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
                    try pipeline.addHandler(
                        ByteToMessageHandler(
                            HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes), maximumBufferSize: Self.mostUndecoded))
                    try pipeline.addHandler(DataPlaneHandler(runtime, facts: facts))
                }
            }
            .bind(host: host, port: port).get()
        return DataPlaneServer(channel: channel, runtime: runtime)
    }

    /// Bytes that the decoder leaves lying, behind a request that offers an upgrade: more end the connection.
    static let mostUndecoded = 256 << 10

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
