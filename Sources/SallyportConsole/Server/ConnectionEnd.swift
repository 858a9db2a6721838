import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Ends connections that nothing more can come of: behind CONNECT or an offer to upgrade, which nobody takes up, the decoder reads no further
/// request; a body that still arrives when its answer is out is waited for shortly; an answer that nobody takes is not kept for ever.
final class ConnectionEnd: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// For what nobody asked for any more.
    private static let lingering = TimeAmount.seconds(2)

    /// How long an answer may stand still.
    private let limit: TimeAmount
    /// Requests whose heads came, and answers that were written: requests may be sent before their turn.
    private var received = 0
    private var answered = 0
    private var isUpgrade = false
    /// The newest request is the connection's last.
    private var endsHere = false
    /// Nothing behind the request is read.
    private var isLast = false
    /// Between a request's head and its end.
    private var isArriving = false
    private var unwanted: Scheduled<Void>?
    private var standstill: Scheduled<Void>?

    init(limit: TimeAmount) { self.limit = limit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var part = unwrapInboundIn(data)
        switch part {
        case .head(var head):
            isArriving = true
            received += 1
            isUpgrade = head.method == .connect || head.headerFields[.upgrade] != nil
            endsHere = isUpgrade || Self.names(head.headerFields[.connection], "close")
            if endsHere {
                // The one spelling that the server beneath compares with.
                head.headerFields[.connection] = "close"
                part = .head(head)
            }
        case .body: break
        case .end:
            isArriving = false
            isLast = isLast || isUpgrade
            if !isLast {
                unwanted?.cancel()
                unwanted = nil
            }
        }
        context.fireChannelRead(wrapInboundOut(part))
    }

    private static func names(_ field: String?, _ token: String) -> Bool {
        guard let field else { return false }
        return field.split(separator: ",").contains { $0.lowercased().filter { $0 != " " && $0 != "\t" } == token }
    }

    /// The decoder would only heap up what comes now.
    func read(context: ChannelHandlerContext) { if !isLast { context.read() } }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where endsHere && answered + 1 == received && head.status.kind != .informational:
            head.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(head)), promise: promise)
            return
        case .end: answered += 1
        default: break
        }
        context.write(data, promise: promise)
        guard case .end = unwrapOutboundIn(data), answered == received, isArriving || isLast else { return }
        context.flush()
        unwanted?.cancel()
        unwanted = closing(context, in: Self.lingering)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        standstill?.cancel()
        standstill = context.channel.isWritable ? nil : closing(context, in: limit)
        context.fireChannelWritabilityChanged()
    }

    private func closing(_ context: ChannelHandlerContext, in time: TimeAmount) -> Scheduled<Void> {
        let channel = context.channel
        return context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        unwanted?.cancel()
        standstill?.cancel()
    }
}
