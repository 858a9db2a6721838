import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore

@testable import SallyportEgress

/// What came of a request.
struct Outcome: Sendable {
    var status: Int?
    var headers = HeaderFields()
    var body = ""
    var chunks = 0
    var finished = false
    var failure: UpstreamFailure?
    /// Calls after the end, or out of order: there must be none.
    var strayCalls = 0
}

/// A request under way, to be watched and steered from a test.
final class Flight: Sendable {
    /// When the listener stops reading.
    enum Pause: Sendable {
        case never, atOnce, afterHead, afterFirstBody
    }

    // SAFETY: the call is read and written on its event loop only.
    private final class Call: @unchecked Sendable {
        var value: (any UpstreamCall)?
    }

    private final class Listener: UpstreamResponseDelegate {
        let state: NIOLockedValueBox<Outcome>
        let head: EventLoopPromise<Int>
        let end: EventLoopPromise<Void>
        let firstBody: EventLoopPromise<Void>
        let call: Call
        let pause: Pause
        var hasReturned = false
        var ended = false

        init(state: NIOLockedValueBox<Outcome>, eventLoop: any EventLoop, call: Call, pause: Pause) {
            self.state = state
            self.call = call
            self.pause = pause
            head = eventLoop.makePromise()
            end = eventLoop.makePromise()
            firstBody = eventLoop.makePromise()
        }

        private func note(_ change: (inout Outcome) -> Void) {
            state.withLockedValue { outcome in
                if ended || !hasReturned { outcome.strayCalls += 1 }
                change(&outcome)
            }
        }

        func upstreamDidReceiveHead(status: Int, headers: HeaderFields) {
            note {
                if $0.status != nil { $0.strayCalls += 1 }
                $0.status = status
                $0.headers = headers
            }
            if pause == .afterHead { call.value?.pauseReading() }
            head.succeed(status)
        }

        func upstreamDidReceiveBody(_ chunk: ByteBuffer) {
            note {
                $0.body += String(buffer: chunk)
                $0.chunks += 1
            }
            if pause == .afterFirstBody { call.value?.pauseReading() }
            firstBody.succeed(())
        }

        func upstreamDidFinish(trailers: HeaderFields) {
            note { $0.finished = true }
            close()
        }

        func upstreamDidFail(_ failure: UpstreamFailure) {
            note { $0.failure = failure }
            close()
        }

        private func close() {
            ended = true
            head.succeed(0)
            firstBody.succeed(())
            end.succeed(())
        }
    }

    private let eventLoop: any EventLoop
    private let state = NIOLockedValueBox(Outcome())
    private let call = Call()
    private let headFuture: EventLoopFuture<Int>
    private let bodyFuture: EventLoopFuture<Void>
    private let endFuture: EventLoopFuture<Void>

    init(_ request: UpstreamRequest, client: EgressClient, on eventLoop: any EventLoop, pause: Pause = .never) async throws {
        self.eventLoop = eventLoop
        let (state, call) = (state, call)
        (headFuture, bodyFuture, endFuture) = try await eventLoop.submit {
            let listener = Listener(state: state, eventLoop: eventLoop, call: call, pause: pause)
            call.value = client.send(request, on: eventLoop, delegate: listener)
            if pause == .atOnce { call.value?.pauseReading() }
            listener.hasReturned = true
            return (listener.head.futureResult, listener.firstBody.futureResult, listener.end.futureResult)
        }.get()
    }

    var outcome: Outcome { state.withLockedValue { $0 } }
    func head() async throws -> Int { try await headFuture.get() }
    func firstBody() async throws { try await bodyFuture.get() }

    func end() async throws -> Outcome {
        try await endFuture.get()
        return outcome
    }

    /// - Returns: whether the delegate heard of it within the very call.
    func cancel() async throws -> Bool {
        let (state, call) = (state, call)
        return try await eventLoop.submit {
            call.value?.cancel()
            return state.withLockedValue { $0.failure?.kind == .cancelled }
        }.get()
    }

    func resume() async throws { try await eventLoop.submit { [call] in call.value?.resumeReading() }.get() }
}

/// A client on one event loop with one or more upstreams, and shorthands.
final class Traveller: Sendable {
    let client: EgressClient
    let group: MultiThreadedEventLoopGroup
    var loop: any EventLoop { group.next() }

    init(_ configurations: [UpstreamConfiguration], resolver: any HostResolver = SystemResolver(), threads: Int = 1) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        client = EgressClient(group: group, resolver: resolver, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        client.update(configurations)
    }

    func start(_ request: UpstreamRequest, pause: Flight.Pause = .never) async throws -> Flight {
        try await Flight(request, client: client, on: loop, pause: pause)
    }

    func ask(_ request: UpstreamRequest) async throws -> Outcome { try await start(request).end() }

    func metrics(of id: UpstreamID = "up") async throws -> UpstreamMetrics {
        try await client.metrics(on: loop).get().first { $0.upstream == id } ?? UpstreamMetrics(upstream: id)
    }

    func stop() async throws {
        try await client.shutDown(grace: .zero, on: loop).get()
        try await group.shutdownGracefully()
    }
}

extension UpstreamConfiguration {
    /// An upstream named "up" with short but not hasty limits; `change` adapts it.
    static func test(_ endpoint: String, _ change: (inout UpstreamConfiguration) throws -> Void = { _ in }) throws -> UpstreamConfiguration
    {
        var configuration = UpstreamConfiguration(id: "up", kind: .openAI, endpoint: try EndpointURL(parsing: endpoint))
        // A machine that is busy with other tests stands still for seconds; who tests a time limit sets it.
        configuration.timeouts.connect = .seconds(300)
        try change(&configuration)
        return configuration
    }
}

extension UpstreamRequest {
    static func post(_ body: String = "{}", _ change: (inout UpstreamRequest) -> Void = { _ in }) -> UpstreamRequest {
        var request = UpstreamRequest(
            upstream: "up", method: "POST", path: "/chat?x=1", headers: ["content-type": "application/json"],
            body: [ByteBuffer(string: body)])
        change(&request)
        return request
    }
}
