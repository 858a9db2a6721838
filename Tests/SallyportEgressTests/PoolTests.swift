import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import Testing

@testable import SallyportEgress

@Suite(.timeLimit(.minutes(10))) struct PoolTests {
    private func with(
        _ respond: @escaping @Sendable (ScriptedServer.Request) -> Void, configure: (inout UpstreamConfiguration) -> Void = { _ in },
        _ body: (Traveller, ScriptedServer) async throws -> Void
    ) async throws {
        let server = try await ScriptedServer(respond: respond)
        let traveller = Traveller([try .test("http://\(server.host)", configure)])
        try await body(traveller, server)
        try await traveller.stop()
        try await server.stop()
    }

    /// Answers the first request of each connection and drops the connection at the second.
    private let stale: @Sendable (ScriptedServer.Request) -> Void = { request in
        if request.number == 0, request.connection < 5 { request.answer("\(request.connection)") } else { request.close() }
    }

    @Test func sendsAgainOnAFreshConnectionWhenTheReusedOneWasStale() async throws {
        try await with(stale) { traveller, _ async throws in
            #expect(try await traveller.ask(.post()).body == "0")
            let second = try await traveller.ask(.post())
            #expect(second.body == "1" && second.strayCalls == 0)
            #expect(try await traveller.metrics().retriedOnFreshConnection == 1)
        }
    }

    @Test func sendsNothingTwiceThatMustNotBe() async throws {
        try await with(stale) { traveller, _ async throws in
            #expect(try await traveller.ask(.post()).body == "0")
            let second = try await traveller.ask(.post { $0.retrySafety = .never })
            #expect(second.failure?.kind == .reset)
            #expect(second.failure?.bytesSent == true && second.failure?.headReceived == false)
        }
    }

    @Test func triesAFreshConnectionOnlyOnce() async throws {
        try await with({ if $0.connection == 0 && $0.number == 0 { $0.answer() } else { $0.close() } }) { traveller, server async throws in
            _ = try await traveller.ask(.post())
            #expect(try await traveller.ask(.post { $0.retrySafety = .beforeFirstByte }).failure?.kind == .reset)
            #expect(try await traveller.metrics().connectionsOpened == 2)
        }
    }

    @Test func sendsNothingAgainAfterTheFirstByte() async throws {
        try await with({ request in
            if request.number == 0 { return request.answer() }
            request.write("HTTP/1.1 2")
            request.close()
        }) { traveller, _ async throws in
            _ = try await traveller.ask(.post())
            #expect(try await traveller.ask(.post { $0.retrySafety = .beforeFirstByte }).failure?.kind == .reset)
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test func opensNoMoreConnectionsThanAllowed() async throws {
        let held = NIOLockedValueBox<[ScriptedServer.Request]>([])
        try await with({ request in held.withLockedValue { $0.append(request) } }, configure: { $0.pool.maxConnections = 2 }) {
            traveller, server async throws in
            var flights: [Flight] = []
            for _ in 0..<5 { flights.append(try await traveller.start(.post())) }
            for _ in 0..<5 {
                _ = await server.next { if case .request = $0 { true } else { nil } }
                held.withLockedValue { $0.popLast() }?.answer()
            }
            for flight in flights { #expect(try await flight.end().finished) }
            #expect(try await traveller.metrics().connectionsOpened == 2)
        }
    }

    @Test func refusesWhenTooManyWait() async throws {
        try await with(
            { _ in },
            configure: {
                $0.pool.maxConnections = 1
                $0.pool.maxWaiting = 1
            }
        ) { traveller, server async throws in
            let first = try await traveller.start(.post())
            _ = await server.next { if case .request = $0 { true } else { nil } }
            let second = try await traveller.start(.post())
            let third = try await traveller.ask(.post())
            #expect(third.failure?.kind == .poolExhausted && third.failure?.bytesSent == false && third.strayCalls == 0)
            _ = try await second.cancel()
            _ = try await first.cancel()
            #expect(try await second.end().failure?.kind == .cancelled)
        }
    }

    @Test func letsAWaiterGoAfterItsDeadline() async throws {
        try await with(
            { _ in },
            configure: {
                $0.pool.maxConnections = 1
                $0.timeouts.connect = .milliseconds(400)
            }
        ) { traveller, server async throws in
            let first = try await traveller.start(.post())
            _ = await server.next { if case .request = $0 { true } else { nil } }
            #expect(try await traveller.ask(.post()).failure?.kind == .poolExhausted)
            _ = try await first.cancel()
        }
    }

    @Test func closesConnectionsThatStayUnused() async throws {
        try await with({ $0.answer() }, configure: { $0.pool.idleTimeout = .milliseconds(40) }) { traveller, server async throws in
            _ = try await traveller.ask(.post())
            #expect(await server.nextClose() == 0)
            #expect(try await traveller.metrics().connectionsIdle == 0)
        }
    }

    @Test func servesEachEventLoopFromItsOwnConnections() async throws {
        let server = try await ScriptedServer { $0.answer("\($0.connection)") }
        let traveller = Traveller([try .test("http://\(server.host)")], threads: 2)
        let loops = Array(traveller.group.makeIterator())
        var bodies: [String] = []
        for loop in loops + loops { bodies.append(try await Flight(.post(), client: traveller.client, on: loop).end().body) }
        #expect(bodies == ["0", "1", "0", "1"])
        try await traveller.stop()
        try await server.stop()
    }

    @Test func failsEveryWaiterWhenNobodyListens() async throws {
        // Port 1 is never handed out to other tests' servers.
        let traveller = Traveller([try .test("http://127.0.0.1:1") { $0.pool.maxConnections = 1 }])
        var flights: [Flight] = []
        for _ in 0..<3 { flights.append(try await traveller.start(.post())) }
        for flight in flights {
            let outcome = try await flight.end()
            #expect(outcome.failure?.kind == .connect && outcome.failure?.bytesSent == false && outcome.strayCalls == 0)
        }
        try await traveller.stop()
    }

    // MARK: Changes of configuration

    @Test func keepsConnectionsOfUnchangedUpstreams() async throws {
        try await with({ $0.answer("\($0.connection)") }) { traveller, server async throws in
            _ = try await traveller.ask(.post())
            traveller.client.update([try .test("http://\(server.host)")])
            #expect(try await traveller.ask(.post()).body == "0")
        }
    }

    @Test func letsRunningRequestsEndAfterTheirUpstreamWasRemoved() async throws {
        let held = NIOLockedValueBox<ScriptedServer.Request?>(nil)
        try await with({ request in held.withLockedValue { $0 = request } }) { traveller, server async throws in
            let flight = try await traveller.start(.post())
            _ = await server.next { if case .request = $0 { true } else { nil } }
            traveller.client.update([])
            #expect(try await traveller.ask(.post()).failure?.kind == .unavailable)
            held.withLockedValue { $0 }?.answer("still here")
            #expect(try await flight.end().body == "still here")
            #expect(await server.nextClose() == 0)
        }
    }

    @Test func seesANewUpstreamAsSoonAsUpdateReturns() async throws {
        try await with({ $0.answer("\($0.connection)") }) { traveller, server async throws in
            _ = try await traveller.ask(.post())
            traveller.client.update([try .test("http://\(server.host)") { $0.timeouts.idle = .seconds(1) }])
            #expect(try await traveller.ask(.post()).body == "1")
        }
    }

    @Test func saysWhyAnUpstreamIsUnavailable() async throws {
        try await with({ $0.answer() }, configure: { $0.unavailableReason = "UPSTREAM_KEY is not set" }) { traveller, _ async throws in
            let outcome = try await traveller.ask(.post())
            #expect(outcome.failure?.kind == .unavailable && outcome.failure?.message == "UPSTREAM_KEY is not set")
            #expect(traveller.client.health(of: "up").reason == "UPSTREAM_KEY is not set")
            #expect(traveller.client.health(of: "other").state == .unavailable)
        }
    }

    @Test func shutDownWaitsForRunningRequests() async throws {
        let held = NIOLockedValueBox<ScriptedServer.Request?>(nil)
        try await with({ request in held.withLockedValue { $0 = request } }) { traveller, server async throws in
            let flight = try await traveller.start(.post())
            _ = await server.next { if case .request = $0 { true } else { nil } }
            let done = traveller.client.shutDown(grace: .seconds(30), on: traveller.loop)
            #expect(try await traveller.ask(.post()).failure?.kind == .unavailable)
            held.withLockedValue { $0 }?.answer()
            try await done.get()
            #expect(try await flight.end().finished)
        }
    }

    @Test func shutDownCancelsWhatOutlivesItsGrace() async throws {
        try await with({ _ in }) { traveller, server async throws in
            let flight = try await traveller.start(.post())
            _ = await server.next { if case .request = $0 { true } else { nil } }
            try await traveller.client.shutDown(grace: .milliseconds(20), on: traveller.loop).get()
            #expect(try await flight.end().failure?.kind == .cancelled)
            #expect(await server.nextClose() == 0)
        }
    }

    // MARK: Health

    @Test func stopsAskingAnUpstreamThatFails() async throws {
        try await with(
            { $0.answer("", status: "503 Busy") },
            configure: { $0.breaker = .init(consecutiveFailures: 3, openFor: .seconds(3600), maximumOpen: .seconds(3600)) }
        ) {
            traveller, _ async throws in
            for _ in 0..<3 { #expect(try await traveller.ask(.post()).status == 503) }
            #expect(try await traveller.ask(.post()).failure?.kind == .circuitOpen)
            let health = traveller.client.health(of: "up")
            #expect(health.state == .circuitOpen && health.retryAfter != nil)
        }
    }

    @Test func recoversThroughAProbe() async throws {
        let isWell = NIOLockedValueBox(false)
        try await with(
            { request in request.answer("", status: isWell.withLockedValue { $0 } ? "200 OK" : "500 Bad") },
            configure: {
                $0.breaker = .init(consecutiveFailures: 1, openFor: .milliseconds(20))
            }
        ) { traveller, _ async throws in
            #expect(try await traveller.ask(.post()).status == 500)
            isWell.withLockedValue { $0 = true }
            var outcome = try await traveller.ask(.post())
            while outcome.failure?.kind == .circuitOpen { outcome = try await traveller.ask(.post()) }
            #expect(outcome.status == 200)
            #expect(traveller.client.health(of: "up").state == .available)
        }
    }

    @Test func marksAnUpstreamWhoseProbeFails() async throws {
        let isWell = NIOLockedValueBox(false)
        try await with(
            { request in
                guard request.text.hasPrefix("GET /healthz ") else { return request.answer() }
                request.answer("", status: isWell.withLockedValue { $0 } ? "200 OK" : "500 Bad")
            }, configure: { $0.probe = UpstreamProbe(path: "/healthz", interval: .milliseconds(10)) }
        ) { traveller, server async throws in
            while traveller.client.health(of: "up").state != .probeFailed { _ = await server.next { _ in true } }
            isWell.withLockedValue { $0 = true }
            while traveller.client.health(of: "up").state != .available { _ = await server.next { _ in true } }
            #expect(try await traveller.ask(.post()).status == 200)
        }
    }

    // MARK: Addresses

    private struct FixedResolver: HostResolver {
        let found: [IPAddress]
        let asked = NIOLockedValueBox(0)
        func addresses(of name: String, on eventLoop: any EventLoop) -> EventLoopFuture<[IPAddress]> {
            asked.withLockedValue { $0 += 1 }
            return eventLoop.makeSucceededFuture(found)
        }
    }

    @Test func connectsNowhereThatANameMustNotLead() async throws {
        for address in ["169.254.169.254", "10.0.0.1", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let resolver = FixedResolver(found: [try #require(IPAddress(address))])
            let traveller = Traveller([try .test("http://rebound.example:9")], resolver: resolver)
            let outcome = try await traveller.ask(.post())
            #expect(outcome.failure?.kind == .egressDenied, "\(address)")
            #expect(traveller.client.health(of: "up").state == .available)
            try await traveller.stop()
        }
    }

    @Test func connectsToTheAddressThatWasCheckedAndTriesTheNext() async throws {
        let server = try await ScriptedServer { $0.answer($0.text) }
        // Nothing listens on 127.0.0.2 at that port; the metadata address is left out.
        let resolver = FixedResolver(found: [
            try #require(IPAddress("169.254.169.254")), try #require(IPAddress("127.0.0.2")), try #require(IPAddress("127.0.0.1")),
        ])
        let configuration = try UpstreamConfiguration.test("http://model.example:\(server.port)") { $0.egress.allowPrivate = true }
        let traveller = Traveller([configuration], resolver: resolver)
        let outcome = try await traveller.ask(.post())
        #expect(outcome.body.contains("\r\nhost: model.example:\(server.port)\r\n"))
        #expect(resolver.asked.withLockedValue { $0 } == 1)
        try await traveller.stop()
        try await server.stop()
    }

    @Test func resolvesLocalhostThroughTheSystem() async throws {
        let server = try await ScriptedServer { $0.answer("here") }
        let traveller = Traveller([try .test("http://localhost:\(server.port)")])
        #expect(try await traveller.ask(.post()).body == "here")
        try await traveller.stop()
        try await server.stop()
    }
}
