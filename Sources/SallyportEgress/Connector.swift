import NIOCore
import NIOHTTP2
import NIOPosix
import NIOSSL
import SallyportCore

/// Why a connection could not be made.
struct ConnectFailure: Error {
    let kind: UpstreamFailure.Kind
    let message: String
}

/// A connection that is ready for requests.
enum ReadyConnection {
    case http1(HTTP1Connection)
    case http2(HTTP2Connection)
}

/// Makes connections of one event loop: resolve, check each address, connect to the very address that was checked, TLS, pins, protocol.
final class Connector {
    private struct Resolved {
        let addresses: [IPAddress]
        let until: NIODeadline
    }

    private static let cacheTime = TimeAmount.seconds(10)
    private static let maxAddresses = 8
    private let eventLoop: any EventLoop
    private let resolver: any HostResolver
    private var cache: [String: Resolved] = [:]
    private var asking: [String: EventLoopFuture<[IPAddress]>] = [:]

    init(eventLoop: any EventLoop, resolver: any HostResolver) {
        self.eventLoop = eventLoop
        self.resolver = resolver
    }

    /// - Parameter done: called once, on the event loop.
    func connect(for pool: UpstreamPool, done: @escaping (Result<ReadyConnection, ConnectFailure>) -> Void) {
        let deadline = NIODeadline.now() + pool.endpoint.connectTimeout
        resolve(pool.endpoint.configuration.endpoint.host).assumeIsolated().whenComplete { result in
            switch result {
            case .failure(let error):
                done(.failure(ConnectFailure(kind: .connect, message: "the name cannot be resolved (\(Connector.describe(error)))")))
            case .success(let addresses):
                self.connect(to: addresses, for: pool, deadline: deadline, done: done)
            }
        }
    }

    private func connect(
        to addresses: [IPAddress], for pool: UpstreamPool, deadline: NIODeadline,
        done: @escaping (Result<ReadyConnection, ConnectFailure>) -> Void
    ) {
        let configuration = pool.endpoint.configuration
        var allowed: [IPAddress] = []
        var refusal = "the name has no address"
        for address in addresses {
            if let reason = configuration.egress.refusal(of: address, host: configuration.endpoint.host) {
                refusal = reason
            } else {
                allowed.append(address)
            }
        }
        guard !allowed.isEmpty else {
            return done(.failure(ConnectFailure(kind: addresses.isEmpty ? .connect : .egressDenied, message: refusal)))
        }
        attempt(allowed.prefix(Connector.maxAddresses), for: pool, deadline: deadline, done: done)
    }

    private func attempt(
        _ addresses: ArraySlice<IPAddress>, for pool: UpstreamPool, deadline: NIODeadline,
        done: @escaping (Result<ReadyConnection, ConnectFailure>) -> Void
    ) {
        guard let address = addresses.first else {
            return done(.failure(ConnectFailure(kind: .connect, message: "no address accepted a connection")))
        }
        let left = deadline - .now()
        guard left > .zero else {
            return done(.failure(ConnectFailure(kind: .timeoutConnect, message: "no connection was made in time")))
        }
        // A dead first address must leave time for the next one.
        let share = addresses.count > 1 ? max(.milliseconds(250), TimeAmount.nanoseconds(left.nanoseconds / 2)) : left
        open(address, for: pool, timeout: min(share, left)) { result in
            switch result {
            case .failure(let failure) where addresses.count > 1 && (failure.kind == .connect || failure.kind == .timeoutConnect):
                self.attempt(addresses.dropFirst(), for: pool, deadline: deadline, done: done)
            default: done(result)
            }
        }
    }

    private func open(
        _ address: IPAddress, for pool: UpstreamPool, timeout: TimeAmount, done: @escaping (Result<ReadyConnection, ConnectFailure>) -> Void
    ) {
        let socketAddress: SocketAddress
        do {
            socketAddress = try SocketAddress(
                packedIPAddress: ByteBuffer(bytes: address.networkOrderBytes), port: pool.endpoint.configuration.endpoint.port)
        } catch {
            return done(.failure(ConnectFailure(kind: .connect, message: "the address cannot be used")))
        }
        let handshake = NIOLoopBound(Handshake(pool: pool, eventLoop: eventLoop, done: done), eventLoop: eventLoop)
        handshake.value.start(timeout: timeout)
        ClientBootstrap(group: eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.recvAllocator, value: ReadBuffers())
            .connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try handshake.value.configure(channel) }
            }
            .connect(to: socketAddress)
            .assumeIsolated()
            .whenComplete { result in
                switch result {
                case .success: handshake.value.connected()
                case .failure(let error): handshake.value.failed(error)
                }
            }
    }

    private func resolve(_ host: EndpointURL.Host) -> EventLoopFuture<[IPAddress]> {
        let name: String
        switch host {
        case .address(let address): return eventLoop.makeSucceededFuture([address])
        case .name(let text): name = text
        }
        if let known = cache[name], known.until > .now() { return eventLoop.makeSucceededFuture(known.addresses) }
        if let future = asking[name] { return future }
        let future = resolver.addresses(of: name, on: eventLoop)
        asking[name] = future
        future.assumeIsolated().whenComplete { result in
            self.asking[name] = nil
            switch result {
            case .success(let addresses): self.cache[name] = Resolved(addresses: addresses, until: .now() + Connector.cacheTime)
            case .failure: self.cache[name] = nil
            }
        }
        return future
    }

    /// Errors of the network stack hold no request text; those of unknown types are named by type only.
    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as IOError: "error \(error.errnoCode)"
        case let error as SystemResolver.Failure: error.description
        case let error as TLSSetup.Failure: error.description
        case let error as NIOSSLError: "\(error)"
        default: "\(type(of: error))"
        }
    }
}

/// From the first byte of TCP to a connection that is ready for requests.
private final class Handshake {
    private let pool: UpstreamPool
    private let eventLoop: any EventLoop
    private var done: ((Result<ReadyConnection, ConnectFailure>) -> Void)?
    private var channel: (any Channel)?
    private var timer: Scheduled<Void>?
    /// Ready before the connect promise told so.
    private var plainConnection: ReadyConnection?

    init(pool: UpstreamPool, eventLoop: any EventLoop, done: @escaping (Result<ReadyConnection, ConnectFailure>) -> Void) {
        self.pool = pool
        self.eventLoop = eventLoop
        self.done = done
    }

    func start(timeout: TimeAmount) {
        timer = eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            self.finish(.failure(ConnectFailure(kind: .timeoutConnect, message: "no connection was made in time")))
        }
    }

    func configure(_ channel: any Channel) throws {
        self.channel = channel
        let pipeline = channel.pipeline.syncOperations
        guard let tls = pool.endpoint.tls else {
            plainConnection = try pool.endpoint.configuration.http == .http2 ? install2(channel) : install1(channel)
            return
        }
        try pipeline.addHandler(try tls.makeHandler())
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        _ = channel.configureHTTP2SecureUpgrade(
            h2ChannelConfigurator: { channel in
                channel.eventLoop.makeCompletedFuture { try bound.value.secured(channel, tls: tls, agreedOnHTTP2: true) }
            },
            http1ChannelConfigurator: { channel in
                channel.eventLoop.makeCompletedFuture { try bound.value.secured(channel, tls: tls, agreedOnHTTP2: false) }
            })
        try pipeline.addHandler(HandshakeWatcher(self))
    }

    func connected() {
        if let plainConnection { finish(.success(plainConnection)) }
    }

    func failed(_ error: any Error) {
        if error is NIOSSLError || error is BoringSSLError || error is NIOSSLExtraError || error is TLSSetup.Failure {
            finish(.failure(ConnectFailure(kind: .tls, message: "the TLS handshake failed (\(Connector.describe(error)))")))
        } else if let error = error as? ChannelError, case .connectTimeout = error {
            finish(.failure(ConnectFailure(kind: .timeoutConnect, message: "no connection was made in time")))
        } else {
            finish(.failure(ConnectFailure(kind: .connect, message: "no connection could be made (\(Connector.describe(error)))")))
        }
    }

    func closed() {
        finish(.failure(ConnectFailure(kind: .tls, message: "the peer closed the connection during the TLS handshake")))
    }

    private func secured(_ channel: any Channel, tls: TLSSetup, agreedOnHTTP2: Bool) throws {
        do {
            try tls.checkPeer(of: channel)
            if !agreedOnHTTP2, pool.endpoint.configuration.http == .http2 {
                throw TLSSetup.Failure(description: "the peer does not speak HTTP/2")
            }
            let connection = try agreedOnHTTP2 ? install2(channel) : install1(channel)
            // Not within the handler that is being replaced.
            eventLoop.assumeIsolated().execute { self.finish(.success(connection)) }
        } catch {
            failed(error)
            throw error
        }
    }

    private func install1(_ channel: any Channel) throws -> ReadyConnection {
        .http1(try HTTP1Connection.install(on: channel, pool: pool))
    }

    private func install2(_ channel: any Channel) throws -> ReadyConnection {
        .http2(try HTTP2Connection.install(on: channel, pool: pool))
    }

    private func finish(_ result: Result<ReadyConnection, ConnectFailure>) {
        guard let done else { return }
        self.done = nil
        timer?.cancel()
        timer = nil
        let channel = self.channel
        self.channel = nil
        plainConnection = nil
        switch result {
        case .success where channel?.isActive != true:
            done(.failure(ConnectFailure(kind: .connect, message: "the peer closed the new connection")))
        case .success: done(result)
        case .failure:
            channel?.close(promise: nil)
            done(result)
        }
    }
}

/// Hears of a handshake that goes wrong.
private final class HandshakeWatcher: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    private var handshake: Handshake?
    init(_ handshake: Handshake) { self.handshake = handshake }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        handshake?.failed(error)
        handshake = nil
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        handshake?.closed()
        handshake = nil
        context.fireChannelInactive()
    }
}
