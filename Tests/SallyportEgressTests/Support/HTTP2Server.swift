import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP2
import NIOPosix
import NIOSSL

/// An HTTP/2 server on a loopback port; each request is handed to a closure with its stream.
final class HTTP2Server: Sendable {
    struct Request: Sendable {
        let connection: Int
        let fields: [String: String]
        /// Spelled as they came, with how they may be indexed.
        let neverIndexed: Set<String>
        let body: String
        let stream: any Channel

        func head(_ status: Int = 200, end: Bool = false) {
            stream.writeAndFlush(
                HTTP2Frame.FramePayload.headers(.init(headers: [":status": "\(status)", "content-type": "text/plain"], endStream: end)),
                promise: nil)
        }
        func data(_ text: String, end: Bool = false) { data(ByteBuffer(string: text), end: end) }
        func data(_ bytes: ByteBuffer, end: Bool = false) {
            stream.writeAndFlush(HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(bytes), endStream: end)), promise: nil)
        }
        func answer(_ text: String = "ok") {
            head()
            data(text, end: true)
        }
        func reset(_ code: HTTP2ErrorCode) {
            stream.writeAndFlush(HTTP2Frame.FramePayload.rstStream(code), promise: nil)
        }
        /// Tells the client to send nothing more on this connection.
        func goAway(lastStream: Int32) {
            stream.parent?.writeAndFlush(
                HTTP2Frame(
                    streamID: .rootStream,
                    payload: .goAway(lastStreamID: HTTP2StreamID(Int(lastStream)), errorCode: .noError, opaqueData: nil)),
                promise: nil)
        }
    }

    enum Event: Sendable {
        case connected(Int), request(Int), streamClosed(Int), closed(Int)
    }

    let events: AsyncStream<Event>
    private let channel: any Channel
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    var port: Int { channel.localAddress?.port ?? 0 }

    /// - Parameter readsBodies: false: requests are handed over at their head, and nothing more is read of them.
    init(tls: Bool, maxStreams: Int = 100, readsBodies: Bool = true, respond: @escaping @Sendable (Request) -> Void) async throws {
        let (events, continuation) = AsyncStream<Event>.makeStream()
        self.events = events
        let count = NIOLockedValueBox(0)
        let context = tls ? try TestTLS.serverContext(protocols: ["h2"]) : nil
        channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let index = count.withLockedValue { count in
                        defer { count += 1 }
                        return count
                    }
                    let pipeline = channel.pipeline.syncOperations
                    continuation.yield(.connected(index))
                    channel.closeFuture.whenComplete { _ in continuation.yield(.closed(index)) }
                    if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
                    var configuration = NIOHTTP2Handler.ConnectionConfiguration()
                    configuration.initialSettings = [HTTP2Setting(parameter: .maxConcurrentStreams, value: maxStreams)]
                    let handler = NIOHTTP2Handler(
                        mode: .server, eventLoop: channel.eventLoop, connectionConfiguration: configuration, streamConfiguration: .init()
                    ) { stream in
                        stream.eventLoop.makeCompletedFuture {
                            try stream.pipeline.syncOperations.addHandler(
                                Stream(index: index, readsBodies: readsBodies, respond: respond, events: continuation))
                        }
                    }
                    try pipeline.addHandler(handler)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func stop() async throws {
        try await channel.close()
        try await group.shutdownGracefully()
    }

    func next<Value>(_ pick: (Event) -> Value?) async -> Value? {
        for await event in events {
            if let value = pick(event) { return value }
        }
        return nil
    }

    private final class Stream: ChannelInboundHandler {
        typealias InboundIn = HTTP2Frame.FramePayload
        private let index: Int
        private let readsBodies: Bool
        private let respond: @Sendable (Request) -> Void
        private let events: AsyncStream<Event>.Continuation
        private var fields: [String: String] = [:]
        private var neverIndexed: Set<String> = []
        private var body = ""

        init(
            index: Int, readsBodies: Bool, respond: @escaping @Sendable (Request) -> Void, events: AsyncStream<Event>.Continuation
        ) {
            self.index = index
            self.readsBodies = readsBodies
            self.respond = respond
            self.events = events
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var ended = false
            switch unwrapInboundIn(data) {
            case .headers(let headers):
                for (name, value, indexing) in headers.headers {
                    fields[name] = value
                    if indexing == .neverIndexed { neverIndexed.insert(name) }
                }
                ended = headers.endStream || !readsBodies
                if !readsBodies { context.channel.setOption(.autoRead, value: false).whenComplete { _ in } }
            case .data(let data):
                if case .byteBuffer(let bytes) = data.data { body += String(buffer: bytes) }
                ended = data.endStream && readsBodies
            default: break
            }
            guard ended else { return }
            respond(Request(connection: index, fields: fields, neverIndexed: neverIndexed, body: body, stream: context.channel))
            // After the closure: who sees the event may rely on what it did.
            events.yield(.request(index))
        }

        func channelInactive(context: ChannelHandlerContext) { events.yield(.streamClosed(index)) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {}
    }
}
