import NIOCore
import SallyportCore

/// The first bytes of a connection from a load balancer (HAProxy's PROXY protocol, versions 1 and 2): whom it speaks for.
enum ProxyProtocol {
    enum Reading: Equatable {
        /// More bytes are needed.
        case incomplete
        /// nil: the balancer speaks for itself (a health check).
        case complete(source: IPAddress?, length: Int)
        case invalid
    }

    /// Version 1 is one line of 107 bytes at most; version 2 may carry extensions that nobody here reads.
    static let maximumLength = 16 + 2048
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    static func read(_ bytes: some RandomAccessCollection<UInt8>) -> Reading {
        let head = Array(bytes.prefix(maximumLength))
        guard let first = head.first else { return .incomplete }
        if first == signature[0] { return version2(head) }
        return version1(head)
    }

    private static func version1(_ head: [UInt8]) -> Reading {
        let prefix = Array("PROXY ".utf8)
        guard head.prefix(prefix.count).elementsEqual(prefix.prefix(head.count)) else { return .invalid }
        guard let end = head.firstIndex(of: 0x0A) else { return head.count < 107 ? .incomplete : .invalid }
        guard end < 107, end > prefix.count, head[end - 1] == 0x0D else { return .invalid }
        let words = String(decoding: head[..<(end - 1)], as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        if words.count >= 2, words[1] == "UNKNOWN" { return .complete(source: nil, length: end + 1) }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6", let source = IPAddress(words[2]), IPAddress(words[3]) != nil,
            words[4...5].allSatisfy({ UInt16($0) != nil })
        else { return .invalid }
        let isFour = if case .v4 = source { true } else { false }
        return isFour == (words[1] == "TCP4") ? .complete(source: source.unmapped, length: end + 1) : .invalid
    }

    private static func version2(_ head: [UInt8]) -> Reading {
        guard head.prefix(signature.count).elementsEqual(signature.prefix(head.count)) else { return .invalid }
        guard head.count >= 16 else { return .incomplete }
        let length = 16 + Int(head[14]) << 8 + Int(head[15])
        guard head[12] >> 4 == 2, length <= maximumLength else { return .invalid }
        guard head.count >= length else { return .incomplete }
        switch head[12] & 15 {
        case 0: return .complete(source: nil, length: length)
        case 1: break
        default: return .invalid
        }
        switch head[13] {
        case 0x11:
            guard length >= 16 + 12 else { return .invalid }
            return .complete(source: IPAddress(networkOrder: head[16..<20]), length: length)
        case 0x21:
            guard length >= 16 + 36 else { return .invalid }
            return .complete(source: IPAddress(networkOrder: head[16..<32])?.unmapped, length: length)
        default: return .invalid
        }
    }
}

/// Takes the PROXY header off a connection of a trusted peer. Without a valid one the connection is closed: who may speak for others must say
/// for whom.
final class ProxyProtocolHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let facts: ConnectionFacts
    private var gathered = ByteBuffer()
    private var isDone = false

    init(_ facts: ConnectionFacts) { self.facts = facts }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        gathered.writeBuffer(&bytes)
        switch ProxyProtocol.read(gathered.readableBytesView) {
        case .incomplete: break
        case .invalid: context.close(promise: nil)
        case .complete(let source, let length):
            isDone = true
            if let source { facts.told = source }
            gathered.moveReaderIndex(forwardBy: length)
            if gathered.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(gathered)) }
            gathered = ByteBuffer()
        }
    }
}

/// What is known of a connection before its first request. Used on its event loop only.
final class ConnectionFacts {
    /// The address that a trusted peer named in the PROXY protocol.
    var told: IPAddress?
    /// Whether TLS is spoken.
    var isSecured = false
    init() {}
}
