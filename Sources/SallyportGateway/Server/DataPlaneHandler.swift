import NIOCore
import NIOHTTP1
import NIOSSL
import SallyportCore

/// One caller's connection: frames requests into exchanges, one at a time, and writes their answers in order.
final class DataPlaneHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    private let runtime: GatewayRuntime
    private var context: ChannelHandlerContext?
    private var exchange: Exchange?
    /// The request's body is still coming.
    private var isReading = false
    private var keepsAlive = true
    private var isClosing = false
    /// Everything was sent, and nothing more will be.
    private var isOutputGone = false
    /// Requests that came before the answer to the one before them went (pipelining).
    private var queue: [HTTPServerRequestPart] = []
    private var queuedBytes = 0
    private var isTakingQueue = false
    private var isPaused = false
    /// The caller sends nothing more; it may still read.
    private var isInputClosed = false
    private var hasServed = false
    /// The caller waits to be told to send the body, and the head waits to be accepted.
    private var continuesLater = false
    private var waitingSince = NIODeadline.now()
    /// Bytes of answers that had not gone when that was last looked at.
    private var unsent = 0
    private var ticker: Scheduled<Void>?
    private var source: Source?
    private var random = RandomWords()
    private var framing = AnswerFraming()
    private static let maximumQueuedBytes = 262_144
    private static let interim = ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
    private static let maximumLinger: TimeAmount = .seconds(5)

    /// TLS ends here.
    var isSecure: Bool { facts.isSecured }

    private let facts: ConnectionFacts

    init(_ runtime: GatewayRuntime, facts: ConnectionFacts = ConnectionFacts()) {
        self.runtime = runtime
        self.facts = facts
    }

    /// Whoever opened the connection, or whom its trusted peer said to speak for; with the certificate that TLS has verified.
    private func connectionSource(_ context: ChannelHandlerContext) -> Source {
        var certificate: [UInt8]?
        if facts.isSecured, let peer = try? context.pipeline.syncOperations.nioSSL_peerCertificate() {
            certificate = try? peer.toDERBytes()
        }
        let source = Source(context.remoteAddress, certificate: certificate)
        return facts.told.map(source.standing) ?? source
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        waitingSince = .now()
        let admission = runtime.connect()
        if admission != .accepted, let record = runtime.parts.refusals.refuse(context.remoteAddress, .overLimit) {
            _ = runtime.parts.audit.append(record.encoded(), on: context.eventLoop)
        }
        if admission == .closed { context.close(promise: nil) } else { watch(context) }
        if admission == .refused { refuseConnection(context) }
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ticker?.cancel()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        ticker?.cancel()
        runtime.disconnect()
        leave()
        self.context = nil
        context.fireChannelInactive()
    }

    private func leave() {
        let exchange = exchange
        self.exchange = nil
        queue = []
        exchange?.callerLeft()
    }

    // MARK: Deadlines

    private func watch(_ context: ChannelHandlerContext) {
        ticker = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(500)) { [weak self] in
            guard let self, let context = self.context else { return }
            self.tick()
            self.watch(context)
        }
    }

    /// Twice a second: a head, a body or the next request that does not come ends the connection; who is answered must still be let in.
    private func tick() {
        guard let context else { return }
        let limits = runtime.snapshot.configuration
        if isClosing || exchange == nil { noteProgress(context) }
        let waited = Duration.nanoseconds((NIODeadline.now() - waitingSince).nanoseconds)
        if runtime.isCuttingOff {
            context.close(promise: nil)
        } else if isClosing {
            let limit = !isOutputGone ? limits.idleTimeout : .nanoseconds(DataPlaneHandler.maximumLinger.nanoseconds)
            if waited > limit { context.close(promise: nil) }
        } else if isReading {
            if waited > limits.bodyTimeout { exchange?.bodyTimedOut() }
        } else if exchange == nil {
            if waited > (hasServed ? limits.idleTimeout : limits.headerTimeout) || runtime.isDraining { context.close(promise: nil) }
        } else {
            exchange?.confirmCaller()
        }
    }

    /// A caller who reads his answer slowly does not idle.
    private func noteProgress(_ context: ChannelHandlerContext) {
        let left = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        if left != unsent { waitingSince = .now() }
        unsent = left
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if isClosing { return }
        if exchange != nil && !isReading || !queue.isEmpty && !isTakingQueue || exchange == nil && !context.channel.isWritable {
            queue.append(part)
            if case .body(let bytes) = part { queuedBytes += bytes.readableBytes } else { queuedBytes += 512 }
            // The rest waits in the socket until there is room.
            if queuedBytes > DataPlaneHandler.maximumQueuedBytes, !isPaused { pause(true, context) }
            return
        }
        take(part, context)
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head): begin(head, context)
        case .body(let bytes):
            guard isReading, let exchange else { return }
            if !exchange.receive(bytes) { isReading = false }
        case .end:
            guard isReading else { return }
            isReading = false
            exchange?.bodyIsComplete()
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        // Behind CONNECT, and behind an offer to upgrade, which nobody takes up, the decoder stops reading: the next request needs another
        // connection.
        keepsAlive = head.isKeepAlive && !runtime.isDraining && head.version.minor >= 1 && head.method != .CONNECT
        waitingSince = .now()
        hasServed = true
        let own = self.source ?? connectionSource(context)
        self.source = own
        let network = runtime.snapshot.configuration.network
        if head.uri == "/healthz" || head.uri == "/readyz", network.refusal(of: own.ip) == nil { return answerHealth(head, context) }
        var source = own
        var misled: (any Error)?
        if network.trusts(own.ip), head.headers.contains(name: "x-forwarded-for") {
            do {
                let caller = try network.caller(own.ip, forwarded: head.headers["x-forwarded-for"])
                if let caller, caller != own.ip { source = own.standing(for: caller) }
            } catch { misled = error }
        }
        let exchange = Exchange(
            runtime, head: head, source: source, random: &random, responder: self, eventLoop: context.eventLoop)
        self.exchange = exchange
        isReading = true
        var size = head.uri.utf8.count
        var hosts = 0
        var expects = false
        for (name, value) in head.headers {
            size += name.utf8.count + value.utf8.count + 4
            switch name.utf8.count {
            case 4 where HeaderFields.sameName(name, "host"): hosts += value.utf8.contains(UInt8(ascii: ",")) ? 2 : 1
            case 7 where HeaderFields.sameName(name, "upgrade"): keepsAlive = false
            case 6 where HeaderFields.sameName(name, "expect"): expects = expects || HeaderFields.sameName(value, "100-continue")
            default: break
            }
        }
        if size > runtime.snapshot.configuration.maximumHeaderBytes {
            return exchange.refuse(
                Fault(.headersTooLarge, "The request's header fields are larger than is accepted here."), bodyIsUnread: true)
        }
        // RFC 9112, section 3.2: exactly one Host, or nobody knows whom the request is for.
        if hosts != 1, head.version.minor >= 1 {
            return exchange.refuse(Fault(.invalidRequest, "The request must have exactly one Host header field."), bodyIsUnread: true)
        }
        if let misled { return exchange.refuse(misled, bodyIsUnread: true) }
        guard exchange.begin() else {
            // What comes meanwhile is kept in the queue, up to its limit.
            if exchange.isWaiting {
                isReading = false
                continuesLater = expects
            }
            return
        }
        if isReading, expects { context.writeAndFlush(wrapOutboundOut(DataPlaneHandler.interim), promise: nil) }
    }

    private func answerHealth(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if head.headers.contains(name: "upgrade") { keepsAlive = false }
        let isReady =
            head.uri == "/healthz"
            || (!runtime.isDraining && runtime.parts.audit.isHealthy
                && runtime.parts.identity.access.isConfirmed(at: runtime.parts.clock().seconds))
        let body = ByteBuffer(string: isReady ? "{\"status\":\"ok\"}\n" : "{\"status\":\"unavailable\"}\n")
        var headers = HeaderFields()
        headers.append("content-type", "application/json")
        writeHead(status: isReady ? 200 : 503, headers: headers, length: body.readableBytes)
        if head.method != .HEAD { writeBody(body) }
        isReading = false
        end(flushed: nil)
    }

    /// One connection too many. Nothing that it sends is read.
    private func refuseConnection(_ context: ChannelHandlerContext) {
        let answer = FaultAnswer(
            Fault(.overloaded, "The gateway has as many connections as it may. Please retry.", retryAfter: .seconds(1)), in: .openAI)
        var headers = HeaderFields()
        headers.append("content-type", "application/json")
        headers.append("retry-after", "1")
        closeAfterAnswer()
        writeHead(status: answer.status, headers: headers, length: answer.body.readableBytes)
        writeBody(answer.body)
        end(flushed: nil)
    }

    private func writeHead(status: Int, headers: HeaderFields, length: Int) {
        var headers = headers
        headers.append("content-length", "\(length)")
        writeHead(status: status, headers: headers)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else {
            context.close(promise: nil)
            return
        }
        // What follows can mean anything: one answer, then the end.
        keepsAlive = false
        if let exchange {
            exchange.requestIsMalformed()
            if exchange.phase == .ended, self.exchange === exchange {
                self.exchange = nil
                context.close(promise: nil)
            }
        } else {
            let body = FaultAnswer(Fault(.invalidRequest, "The request is not valid HTTP/1.1."), in: .openAI).body
            if let record = runtime.parts.refusals.refuse(context.remoteAddress, .malformedRequest) {
                _ = runtime.parts.audit.append(record.encoded(), on: context.eventLoop)
            }
            var headers = HeaderFields()
            headers.append("content-type", "application/json")
            closeAfterAnswer()
            writeHead(status: 400, headers: headers, length: body.readableBytes)
            writeBody(body)
            end(flushed: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { inputDidClose(context) }
        context.fireUserInboundEventTriggered(event)
    }

    /// The caller ended its side, or is gone altogether: only a byte sent to it can tell. One who left answers that with a reset, one
    /// who still reads passes over an interim answer (RFC 9110, section 15.2) or a comment between events.
    private func inputDidClose(_ context: ChannelHandlerContext) {
        isInputClosed = true
        guard !isClosing else {
            if isOutputGone { context.close(promise: nil) }
            return
        }
        guard let exchange else { return endConnection() }
        guard exchange.head.version.minor >= 1 else { return }
        if exchange.phase == .deciding && !exchange.isHeadWritten || exchange.phase == .upstream {
            context.writeAndFlush(wrapOutboundOut(DataPlaneHandler.interim), promise: nil)
        } else if exchange.summary.isStreaming, exchange.isHeadWritten {
            writeBody(ByteBuffer(string: ":\n\n"))
            flush()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            exchange?.call?.resumeReading()
            if exchange == nil { takeQueue(context) }
        } else {
            exchange?.call?.pauseReading()
        }
        context.fireChannelWritabilityChanged()
    }
}

extension DataPlaneHandler: ExchangeResponder {
    func writeHead(status: Int, headers: HeaderFields) {
        guard let context else { return }
        framing.head(status: status, headers: headers, isLast: !keepsAlive, allocator: context.channel.allocator)
    }

    func writeBody(_ bytes: ByteBuffer) {
        guard let context else { return }
        framing.body(bytes, allocator: context.channel.allocator) { context.write(wrapOutboundOut($0), promise: nil) }
    }

    func flush() {
        guard let context else { return }
        if framing.isEmpty { context.flush() } else { context.writeAndFlush(wrapOutboundOut(framing.take()), promise: nil) }
    }

    func whenFlushed(_ done: @escaping () -> Void) {
        guard let context else { return done() }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in done() }
        context.write(wrapOutboundOut(framing.take()), promise: promise)
    }

    func end(flushed: (() -> Void)?) {
        guard let context else {
            flushed?()
            return
        }
        exchange = nil
        waitingSince = .now()
        if isInputClosed && queue.isEmpty { keepsAlive = false }
        framing.end()
        if let flushed { whenFlushed(flushed) }
        guard keepsAlive && !isReading else { return endConnection() }
        flush()
        takeQueue(context)
    }

    /// When the last byte has gone. Before, it would take what waits to be sent with it where the caller's side is closed already; and the
    /// rest of the request is read and thrown away for a while, since a reset would take the answer with it.
    private func endConnection() {
        isClosing = true
        isReading = false
        whenFlushed { [weak self] in
            guard let self, let context = self.context else { return }
            isOutputGone = true
            waitingSince = .now()
            if isInputClosed { context.close(promise: nil) } else { context.close(mode: .output, promise: nil) }
        }
        flush()
    }

    private func pause(_ pauses: Bool, _ context: ChannelHandlerContext) {
        isPaused = pauses
        context.channel.setOption(.autoRead, value: !pauses).whenFailure { _ in }
        if !pauses { context.read() }
    }

    private func takeQueue(_ context: ChannelHandlerContext) {
        guard !queue.isEmpty, !isTakingQueue else { return }
        isTakingQueue = true
        defer { isTakingQueue = false }
        // Answers that the caller does not read are not heaped up.
        while !queue.isEmpty, exchange == nil || isReading, !isClosing, context.channel.isWritable {
            let part = queue.removeFirst()
            if case .body(let bytes) = part { queuedBytes -= bytes.readableBytes } else { queuedBytes -= 512 }
            take(part, context)
        }
        if isPaused, queuedBytes <= DataPlaneHandler.maximumQueuedBytes / 2 { pause(false, context) }
    }

    func abort() {
        exchange = nil
        context?.close(promise: nil)
    }

    func headIsAccepted() {
        guard let context, exchange != nil else { return }
        isReading = true
        waitingSince = .now()
        if continuesLater { context.writeAndFlush(wrapOutboundOut(DataPlaneHandler.interim), promise: nil) }
        continuesLater = false
        takeQueue(context)
    }

    func closeAfterAnswer() { keepsAlive = false }
}
