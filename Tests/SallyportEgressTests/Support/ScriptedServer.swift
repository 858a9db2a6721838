import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL

/// A server on a loopback port that answers each whole request with whatever bytes a test writes.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        /// Counted from 0 over the server's life.
        let connection: Int
        /// Counted from 0 on its connection.
        let number: Int
        let text: String
        let channel: any Channel

        func write(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }
        func close() { channel.close(promise: nil) }
        /// An answer with a length.
        func answer(_ body: String = "ok", status: String = "200 OK", headers: String = "") {
            write("HTTP/1.1 \(status)\r\n\(headers)content-length: \(body.utf8.count)\r\n\r\n\(body)")
        }
    }

    enum Event: Sendable {
        case connected(Int), request(Int, String), closed(Int)
    }

    let events: AsyncStream<Event>
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    var port: Int { channel.localAddress?.port ?? 0 }
    var host: String { "127.0.0.1:\(port)" }

    init(tls: Bool = false, protocols: [String] = ["http/1.1"], respond: @escaping @Sendable (Request) -> Void) async throws {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (events, continuation) = AsyncStream<Event>.makeStream()
        self.events = events
        let count = NIOLockedValueBox(0)
        let context = tls ? try TestTLS.serverContext(protocols: protocols) : nil
        channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let index = count.withLockedValue { count in
                        defer { count += 1 }
                        return count
                    }
                    if let context { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context)) }
                    try channel.pipeline.syncOperations.addHandler(Reader(index: index, respond: respond, events: continuation))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func stop() async throws {
        try await channel.close()
        try await group.shutdownGracefully()
    }

    /// Waits for the next event that fits.
    func next<Value>(_ pick: (Event) -> Value?) async -> Value? {
        for await event in events {
            if let value = pick(event) { return value }
        }
        return nil
    }

    func nextClose() async -> Int? {
        await next { if case .closed(let index) = $0 { index } else { nil } }
    }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let index: Int
        private let respond: @Sendable (Request) -> Void
        private let events: AsyncStream<Event>.Continuation
        private var gathered = ""
        private var number = 0

        init(index: Int, respond: @escaping @Sendable (Request) -> Void, events: AsyncStream<Event>.Continuation) {
            self.index = index
            self.respond = respond
            self.events = events
        }

        func channelActive(context: ChannelHandlerContext) { events.yield(.connected(index)) }

        func channelInactive(context: ChannelHandlerContext) { events.yield(.closed(index)) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            gathered += String(buffer: unwrapInboundIn(data))
            while let whole = takeRequest() {
                respond(Request(connection: index, number: number, text: whole, channel: context.channel))
                // After the closure: who sees the event may rely on what it did.
                events.yield(.request(index, whole))
                number += 1
            }
        }

        private func takeRequest() -> String? {
            guard let head = gathered.range(of: "\r\n\r\n") else { return nil }
            var length = 0
            for line in gathered[..<head.lowerBound].split(separator: "\r\n") where line.hasPrefix("content-length: ") {
                length = Int(line.dropFirst(16)) ?? 0
            }
            let rest = gathered[head.upperBound...]
            guard rest.utf8.count >= length else { return nil }
            let end = rest.utf8.index(rest.startIndex, offsetBy: length)
            let whole = String(gathered[..<end])
            gathered = String(gathered[end...])
            return whole
        }
    }
}

extension String {
    fileprivate func range(of needle: String) -> Range<String.Index>? {
        let all = Array(utf8), wanted = Array(needle.utf8)
        guard all.count >= wanted.count else { return nil }
        for start in 0...(all.count - wanted.count) where all[start..<start + wanted.count].elementsEqual(wanted) {
            let lower = utf8.index(utf8.startIndex, offsetBy: start)
            return lower..<utf8.index(lower, offsetBy: wanted.count)
        }
        return nil
    }
}

enum TestTLS {
    static func serverContext(protocols: [String]) throws -> NIOSSLContext {
        let certificate = try NIOSSLCertificate(bytes: Array(TestCertificate.certificate.utf8), format: .pem)
        let key = try NIOSSLPrivateKey(bytes: Array(TestCertificate.privateKey.utf8), format: .pem)
        var tls = TLSConfiguration.makeServerConfiguration(certificateChain: [.certificate(certificate)], privateKey: .privateKey(key))
        tls.applicationProtocols = protocols
        return try NIOSSLContext(configuration: tls)
    }
}
