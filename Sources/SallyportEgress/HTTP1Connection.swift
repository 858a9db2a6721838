import NIOCore
import NIOHTTP1
import SallyportCore

/// One HTTP/1.1 connection: carries one exchange at a time.
final class HTTP1Connection: ChannelDuplexHandler, ExchangeTransport, PooledConnection {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPClientRequestPart

    /// Bodies up to this size travel in one piece with the head: one system call.
    private static let coalescedBody = 16 * 1024

    private let pool: UpstreamPool
    private let tail: StreamTail
    private var context: ChannelHandlerContext?
    private var exchange: Exchange?
    private var isReused = false
    private var keepsAlive = true
    private var isClosing = false
    private var endedInThisRead = false
    private var isPaused = false
    private var owesRead = false
    private var knownHead: (method: String, part: HTTPClientRequestPart)?
    var idleSince = NIODeadline.now()

    private init(pool: UpstreamPool, tail: StreamTail) {
        self.pool = pool
        self.tail = tail
    }

    static func install(on channel: any Channel, pool: UpstreamPool) throws -> HTTP1Connection {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 32 * 1024
        limits.maxHeaderListSize = 64 * 1024
        limits.maxHeaderFieldCount = 128
        let tail = StreamTail()
        let connection = HTTP1Connection(pool: pool, tail: tail)
        tail.connection = connection
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(tail)
        try pipeline.addHandler(
            ByteToMessageHandler(
                HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop, limitConfiguration: limits)))
        try pipeline.addHandler(connection)
        return connection
    }

    var isUsable: Bool { !isClosing && exchange == nil && context?.channel.isActive == true }

    func carry(_ exchange: Exchange, isReused: Bool) {
        guard !exchange.hasEnded else { return pool.isFree(self) }
        guard let context, !isClosing else {
            return exchange.connectionLost(.reset, "the connection was closed", stale: true, unprocessed: true)
        }
        let request = exchange.request
        let bodyLength = request.body.reduce(0) { $0 + $1.readableBytes }
        let coalesce = bodyLength <= HTTP1Connection.coalescedBody
        var buffer = context.channel.allocator.buffer(capacity: 1024 + (coalesce ? bodyLength : 0))
        let endpoint = pool.endpoint
        do throws(RequestEncoder.Invalid) {
            try RequestEncoder.writeHead(
                of: request, basePath: endpoint.configuration.endpoint.basePath, fixedLines: endpoint.fixedLines,
                credential: exchange.credential, ownNames: endpoint.ownNames, bodyLength: bodyLength, into: &buffer)
        } catch {
            pool.isFree(self)
            return exchange.fail(.protocolViolation, error.description, blameless: true)
        }
        self.exchange = exchange
        self.isReused = isReused
        isPaused = false
        tail.begin()
        exchange.willSend(on: self)
        // The decoder reads the method from it; on the wire go our own bytes.
        context.write(wrapOutboundOut(headPart(for: request.method)), promise: nil)
        if coalesce {
            for piece in request.body { buffer.writeImmutableBuffer(piece) }
        }
        context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil)
        if !coalesce {
            for piece in request.body { context.write(wrapOutboundOut(.body(.byteBuffer(piece))), promise: nil) }
        }
        context.flush()
    }

    private func headPart(for method: String) -> HTTPClientRequestPart {
        if let knownHead, knownHead.method == method { return knownHead.part }
        let part = HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: "/"))
        knownHead = (method, part)
        return part
    }

    // MARK: ExchangeTransport, PooledConnection

    func abort() {
        exchange = nil
        close()
    }

    func close() {
        guard !isClosing else { return }
        isClosing = true
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

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func read(context: ChannelHandlerContext) {
        if isPaused { owesRead = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let exchange else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): receiveHead(head, exchange)
        case .body(let chunk):
            tail.noteBody(chunk)
            exchange.didReceiveBody(chunk)
        case .end(let trailers):
            self.exchange = nil
            endedInThisRead = true
            let fields = trailers.map { fields in HeaderFields(fields.map { (name: $0.name, value: $0.value) }) } ?? HeaderFields()
            exchange.didFinish(trailers: fields)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if endedInThisRead {
            endedInThisRead = false
            resumeReading()
            // Bytes behind the answer would be read as the beginning of the next one.
            if keepsAlive, !isClosing, tail.endsWithMessage, context.channel.isActive, context.channel.isWritable {
                tail.end()
                pool.isFree(self)
            } else {
                close()
            }
        } else {
            exchange?.didCompleteRead()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isClosing = true
        if let exchange {
            self.exchange = nil
            if error is HTTPParserError || error is NIOHTTPDecoderError {
                if case .invalidEOFState? = error as? HTTPParserError {
                    exchange.connectionLost(.reset, "the connection ended within the answer", stale: false)
                } else {
                    exchange.connectionLost(.protocolViolation, "the answer is not valid HTTP (\(error))", stale: false)
                }
            } else {
                lose(exchange, "the connection failed (\(Connector.describe(error)))")
            }
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosing = true
        if let exchange {
            self.exchange = nil
            lose(exchange, "the connection ended before the answer did")
        }
        pool.didClose(self)
        context.fireChannelInactive()
    }

    /// Bytes came while nobody had asked for anything.
    func receiveUnsolicited() { close() }

    private func lose(_ exchange: Exchange, _ message: String) {
        exchange.connectionLost(.reset, message, stale: isReused && !tail.hasBytes)
    }

    private func receiveHead(_ head: HTTPResponseHead, _ exchange: Exchange) {
        var lengths = 0
        var isChunked = false
        var problem: String?
        var fields: [(name: String, value: String)] = []
        fields.reserveCapacity(head.headers.count)
        for (name, value) in head.headers {
            switch name.utf8.count {
            case 10 where HeaderFields.sameName(name, "connection") || HeaderFields.sameName(name, "keep-alive"): continue
            case 7 where HeaderFields.sameName(name, "upgrade") || HeaderFields.sameName(name, "trailer"): continue
            case 14 where HeaderFields.sameName(name, "content-length"):
                lengths += 1
                if value.isEmpty || !value.utf8.allSatisfy({ (48...57).contains($0) }) { problem = "its length is not a number" }
            case 17 where HeaderFields.sameName(name, "transfer-encoding"):
                if isChunked || !HeaderFields.sameName(value, "chunked") { problem = "its transfer encoding is not understood" }
                isChunked = true
                continue
            default: break
            }
            fields.append((name, value))
        }
        if lengths > 1 { problem = "it has more than one length" }
        if lengths > 0, isChunked { problem = "it has both a length and a transfer encoding" }
        if isChunked, head.version.minor == 0 { problem = "HTTP/1.0 knows no transfer encoding" }
        let status = Int(head.status.code)
        if status < 200 || status > 599 { problem = "its status is not one of an answer" }
        if let problem {
            return exchange.fail(.protocolViolation, "the answer is refused: \(problem)")
        }
        keepsAlive = head.isKeepAlive
        tail.expectsLength = lengths > 0 && !head.hasNoBody(after: exchange.request.method)
        exchange.didReceiveHead(status: status, headers: HeaderFields(fields))
    }
}

extension HTTPResponseHead {
    fileprivate func hasNoBody(after method: String) -> Bool {
        method == "HEAD" || status.code == 204 || status.code == 304 || headers.first(name: "content-length") == "0"
    }
}

/// Sits between socket and decoder. Outbound, it lets our own bytes through and keeps the decoder's head from the wire. Inbound, it
/// knows whether an answer ended exactly where the bytes read so far end, so that no byte is left over for the next exchange.
final class StreamTail: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = ByteBuffer

    weak var connection: HTTP1Connection?
    private(set) var hasBytes = false
    private var isExpecting = false
    private var lastFour: UInt32 = 0
    /// Where the last read, and the last piece of a body, end in memory: numbers to compare, never followed.
    private var readEnd: UInt = 0
    private var bodyEnd: UInt = 1
    /// The answer is framed by its length and has a body.
    var expectsLength = false

    func begin() {
        isExpecting = true
        hasBytes = false
        lastFour = 0
        bodyEnd = 1
        expectsLength = false
    }

    func end() { isExpecting = false }

    func noteBody(_ chunk: ByteBuffer) { bodyEnd = StreamTail.end(of: chunk) }

    /// A body with a length ends where its last piece does; every other answer ends with an empty line. What follows an empty line in
    /// the same read either makes a whole head, which the decoder refuses, or does not end with an empty line.
    var endsWithMessage: Bool { expectsLength ? bodyEnd == readEnd : lastFour == 0x0d0a_0d0a }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard isExpecting else {
            connection?.receiveUnsolicited()
            return
        }
        let bytes = unwrapInboundIn(data)
        hasBytes = true
        readEnd = StreamTail.end(of: bytes)
        for byte in bytes.readableBytesView.suffix(4) { lastFour = lastFour << 8 | UInt32(byte) }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .body(.byteBuffer(let bytes)): context.write(wrapOutboundOut(bytes), promise: promise)
        case .head, .body, .end: promise?.succeed(())
        }
    }

    private static func end(of buffer: ByteBuffer) -> UInt {
        buffer.withUnsafeReadableBytes { bytes in bytes.baseAddress.map { UInt(bitPattern: $0) + UInt(bytes.count) } ?? 0 }
    }
}
