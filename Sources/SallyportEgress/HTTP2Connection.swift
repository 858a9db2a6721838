import NIOCore
import NIOHTTP2
import SallyportCore

/// One HTTP/2 connection: many exchanges, one stream each. This handler hears the frames of the connection itself.
final class HTTP2Connection: ChannelInboundHandler, PooledConnection {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let pool: UpstreamPool
    private var multiplexer: NIOHTTP2Handler.StreamMultiplexer?
    private var context: ChannelHandlerContext?
    private var streams = 0
    private var peerMaxStreams = 100
    private var isLeaving = false
    private var isClosing = false
    /// What GOAWAY named: streams above it were never looked at.
    private(set) var lastProcessed = HTTP2StreamID.maxID
    private var pingTask: RepeatedTask?
    private var awaitsPong = false
    var idleSince = NIODeadline.now()

    private init(pool: UpstreamPool) { self.pool = pool }

    static func install(on channel: any Channel, pool: UpstreamPool) throws -> HTTP2Connection {
        var connectionConfiguration = NIOHTTP2Handler.ConnectionConfiguration()
        connectionConfiguration.initialSettings = [
            HTTP2Setting(parameter: .enablePush, value: 0),
            HTTP2Setting(parameter: .maxConcurrentStreams, value: 0),
            HTTP2Setting(parameter: .initialWindowSize, value: 256 * 1024),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 64 * 1024),
        ]
        connectionConfiguration.targetWindowSize = 4 * 1024 * 1024
        var streamConfiguration = NIOHTTP2Handler.StreamConfiguration()
        streamConfiguration.targetWindowSize = 256 * 1024
        // The limits defend servers against clients. An upstream that answers before it has read the whole request resets each stream
        // (nginx does), and gRPC servers ping often: the defaults of 200 in 30 s would end healthy connections.
        streamConfiguration.streamResetFrameRateLimit.maximumCount = 1_000_000
        connectionConfiguration.controlFrameRateLimit.maximumCount = 10_000
        let connection = HTTP2Connection(pool: pool)
        let handler = NIOHTTP2Handler(
            mode: .client, eventLoop: channel.eventLoop, connectionConfiguration: connectionConfiguration,
            streamConfiguration: streamConfiguration
        ) { pushed in
            // Push is off; a peer that pushes anyway gets no stream.
            pushed.close()
        }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(handler)
        try pipeline.addHandler(connection)
        connection.multiplexer = try handler.syncMultiplexer()
        return connection
    }

    var isIdle: Bool { streams == 0 }

    var canOpenStream: Bool {
        !isLeaving && !isClosing && streams < min(peerMaxStreams, pool.endpoint.configuration.pool.maxStreamsPerConnection)
    }

    func carry(_ exchange: Exchange) {
        guard !exchange.hasEnded else { return }
        guard let multiplexer, let context else {
            return exchange.fail(.reset, "the connection was closed")
        }
        let stream: HTTP2Stream
        do throws(RequestEncoder.Invalid) {
            stream = HTTP2Stream(exchange, connection: self, head: try pool.endpoint.http2Head(of: exchange))
        } catch {
            return exchange.fail(.protocolViolation, error.description, blameless: true)
        }
        streams += 1
        exchange.willSend(on: stream)
        let bound = NIOLoopBound(stream, eventLoop: context.eventLoop)
        let promise = context.eventLoop.makePromise(of: (any Channel).self)
        multiplexer.createStreamChannel(promise: promise) { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
        }
        promise.futureResult.assumeIsolated().whenFailure { _ in bound.value.couldNotOpen() }
    }

    func streamEnded() {
        streams -= 1
        idleSince = pool.loop.now
        if isLeaving {
            if streams == 0 { close() }
        } else {
            pool.hasFreeStream(self)
        }
    }

    func close() {
        guard !isClosing else { return }
        isClosing = true
        context?.close(promise: nil)
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { startPings(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        startPings(context)
        context.fireChannelActive()
    }

    /// Only once there is a peer: a slow connect must not look like a silent one.
    private func startPings(_ context: ChannelHandlerContext) {
        let interval = TimeAmount(pool.endpoint.configuration.pool.pingInterval)
        guard interval > .zero, pingTask == nil else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        pingTask = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in bound.value.ping() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        pingTask?.cancel()
        self.context = nil
        multiplexer = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard frame.streamID == .rootStream else { return }
        switch frame.payload {
        case .settings(.settings(let settings)):
            if let limit = settings.last(where: { $0.parameter == .maxConcurrentStreams }) {
                peerMaxStreams = Int(clamping: limit.value)
                pool.hasFreeStream(self)
            }
        case .ping(_, ack: true): awaitsPong = false
        case .goAway(let last, _, _):
            lastProcessed = min(lastProcessed, last)
            leave()
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Errors of one stream are heard by that stream.
        if error is NIOHTTP2Errors.StreamError { return }
        leave()
        close()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosing = true
        pingTask?.cancel()
        pool.didClose(self)
        context.fireChannelInactive()
    }

    private func leave() {
        guard !isLeaving else { return }
        isLeaving = true
        pool.isLeaving(self)
        if streams == 0 { close() }
    }

    private func ping() {
        guard let context, !isClosing else { return }
        // A whole interval without an answer: the peer is gone, though TCP has not noticed.
        if awaitsPong { return close() }
        awaitsPong = true
        let ping = HTTP2Frame(streamID: .rootStream, payload: .ping(HTTP2PingData(withInteger: 1), ack: false))
        context.writeAndFlush(wrapOutboundOut(ping), promise: nil)
    }
}

/// One exchange on an HTTP/2 connection.
final class HTTP2Stream: ChannelDuplexHandler, ExchangeTransport {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundIn = Never
    typealias OutboundOut = HTTP2Frame.FramePayload

    private var exchange: Exchange?
    private var connection: HTTP2Connection?
    private let head: HTTP2Frame.FramePayload.Headers
    private var context: ChannelHandlerContext?
    private var hasHead = false
    private var isPaused = false
    private var owesRead = false
    private var isAborted = false
    /// The whole request is on its way.
    private var isRequestSent = false

    init(_ exchange: Exchange, connection: HTTP2Connection, head: HTTP2Frame.FramePayload.Headers) {
        self.exchange = exchange
        self.connection = connection
        self.head = head
    }

    // MARK: ExchangeTransport

    func abort() {
        exchange = nil
        isAborted = true
        // Closing an open stream's channel resets the stream.
        context?.close(promise: nil)
    }

    func pauseReading() { isPaused = true }

    func resumeReading() {
        isPaused = false
        if owesRead {
            owesRead = false
            context?.read()
        }
    }

    func couldNotOpen() {
        lose("no stream could be opened", unprocessed: true)
        release()
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    func read(context: ChannelHandlerContext) {
        if isPaused { owesRead = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let exchange else { return }
        switch unwrapInboundIn(data) {
        case .headers(let headers): receive(headers, exchange)
        case .data(let data):
            guard case .byteBuffer(let chunk) = data.data else { return }
            if chunk.readableBytes > 0 { exchange.didReceiveBody(chunk) }
            if data.endStream { finish(trailers: HeaderFields()) }
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        exchange?.didCompleteRead()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let closed = error as? NIOHTTP2Errors.StreamClosed {
            let isLeftOut = connection.map { closed.streamID > $0.lastProcessed } ?? false
            lose("the peer reset the stream (\(closed.errorCode))", unprocessed: closed.errorCode == .refusedStream || isLeftOut)
        } else {
            lose("the stream failed (\(Connector.describe(error)))", unprocessed: false)
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        lose("the connection ended before the answer did", unprocessed: false)
        release()
        context.fireChannelInactive()
    }

    private var hasStarted = false

    private func start(_ context: ChannelHandlerContext) {
        guard !hasStarted else { return }
        hasStarted = true
        guard let exchange, !isAborted else { return context.close(promise: nil) }
        let body = exchange.request.body.filter { $0.readableBytes > 0 }
        var head = head
        head.endStream = body.isEmpty
        context.write(wrapOutboundOut(.headers(head)), promise: nil)
        isRequestSent = body.isEmpty
        for (index, piece) in body.enumerated() {
            let isLast = index == body.count - 1
            let promise = isLast ? context.eventLoop.makePromise(of: Void.self) : nil
            promise?.futureResult.assumeIsolated().whenSuccess { self.isRequestSent = true }
            context.write(wrapOutboundOut(.data(.init(data: .byteBuffer(piece), endStream: isLast))), promise: promise)
        }
        context.flush()
    }

    private func receive(_ received: HTTP2Frame.FramePayload.Headers, _ exchange: Exchange) {
        let endStream = received.endStream
        guard !hasHead else {
            if endStream { finish(trailers: HTTP2Stream.fields(of: received)) }
            return
        }
        guard let text = received.headers.first(name: ":status"), text.utf8.count == 3, let status = Int(text), (100...599).contains(status)
        else {
            return exchange.fail(.protocolViolation, "the answer is refused: its status is not one of an answer")
        }
        if status < 200 {
            if status == 101 || endStream { exchange.fail(.protocolViolation, "the answer is refused: its status is not one of an answer") }
            return
        }
        hasHead = true
        exchange.didReceiveHead(status: status, headers: HTTP2Stream.fields(of: received))
        if endStream { finish(trailers: HeaderFields()) }
    }

    private func finish(trailers: HeaderFields) {
        guard let exchange else { return }
        self.exchange = nil
        // A peer that answers before it has read the request may never read the rest: the stream would wait for that, and hold its place.
        if !isRequestSent { context?.close(promise: nil) }
        exchange.didFinish(trailers: trailers)
    }

    private func lose(_ message: String, unprocessed: Bool) {
        guard let exchange else { return }
        self.exchange = nil
        exchange.connectionLost(.reset, message, stale: false, unprocessed: unprocessed)
    }

    private func release() {
        guard let connection else { return }
        self.connection = nil
        connection.streamEnded()
    }

    private static func fields(of received: HTTP2Frame.FramePayload.Headers) -> HeaderFields {
        var fields: [(name: String, value: String)] = []
        fields.reserveCapacity(received.headers.count)
        for (name, value, _) in received.headers where name.utf8.first != UInt8(ascii: ":") { fields.append((name, value)) }
        return HeaderFields(fields)
    }
}

extension UpstreamEndpoint {
    /// The head as HTTP/2 sends it; credentials are kept out of the compression tables.
    func http2Head(of exchange: Exchange) throws(RequestEncoder.Invalid) -> HTTP2Frame.FramePayload.Headers {
        let request = exchange.request
        guard RequestEncoder.isToken(request.method), RequestEncoder.isTarget(request.path) else {
            throw RequestEncoder.Invalid(description: "the request's method or path holds a character that is not allowed")
        }
        var payload = HTTP2Frame.FramePayload.Headers(headers: [:])
        payload.headers.reserveCapacity(request.headers.count + 8)
        payload.headers.add(name: ":method", value: request.method)
        payload.headers.add(name: ":scheme", value: configuration.endpoint.scheme.rawValue)
        payload.headers.add(name: ":authority", value: configuration.endpoint.authority)
        payload.headers.add(name: ":path", value: configuration.endpoint.basePath + request.path, indexing: .nonIndexable)
        for field in request.headers where RequestEncoder.forwards(field.name, ownNames: ownNames) {
            guard RequestEncoder.isToken(field.name), RequestEncoder.isFieldValue(field.value) else {
                throw RequestEncoder.Invalid(description: "a header of the request holds a character that is not allowed")
            }
            payload.headers.add(name: field.name.lowercasedASCII, value: field.value)
        }
        for field in configuredHeaders { payload.headers.add(name: field.name, value: field.value, indexing: .neverIndexed) }
        for field in fixedCredential { payload.headers.add(name: field.name, value: field.value, indexing: .neverIndexed) }
        for field in exchange.credential { payload.headers.add(name: field.name, value: field.value, indexing: .neverIndexed) }
        let length = request.body.reduce(0) { $0 + $1.readableBytes }
        if RequestEncoder.sendsLength(request.method, length) { payload.headers.add(name: "content-length", value: String(length)) }
        return payload
    }
}
