import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import Testing

@testable import SallyportEgress

@Suite(.timeLimit(.minutes(10))) struct HTTP2Tests {
    private func with(
        tls: Bool = false, maxStreams: Int = 100, _ respond: @escaping @Sendable (HTTP2Server.Request) -> Void,
        configure: (inout UpstreamConfiguration) -> Void = { _ in }, _ body: (Traveller, HTTP2Server) async throws -> Void
    ) async throws {
        let server = try await HTTP2Server(tls: tls, maxStreams: maxStreams, respond: respond)
        let authorities = try TestFile(TestCertificate.certificate)
        let configuration = try UpstreamConfiguration.test("\(tls ? "https" : "http")://127.0.0.1:\(server.port)/base") {
            $0.tls.authoritiesFile = authorities.path
            if !tls { $0.http = .http2 }
            configure(&$0)
        }
        let traveller = Traveller([configuration])
        try await body(traveller, server)
        try await traveller.stop()
        try await server.stop()
    }

    @Test(arguments: [false, true]) func carriesRequestAndAnswer(tls: Bool) async throws {
        let seen = NIOLockedValueBox<HTTP2Server.Request?>(nil)
        try await with(tls: tls) { request in
            seen.withLockedValue { $0 = request }
            request.answer("hello")
        } configure: {
            $0.credential = .bearer(Redacted("t0ken"))
        } _: { traveller, server async throws in
            let outcome = try await traveller.ask(.post("{\"a\":1.0}") { $0.headers.append("Connection", "close") })
            #expect(outcome.status == 200 && outcome.body == "hello" && outcome.finished && outcome.strayCalls == 0)
            #expect(outcome.headers.first("content-type") == "text/plain" && !outcome.headers.contains(":status"))
            let request = try #require(seen.withLockedValue { $0 })
            #expect(request.body == "{\"a\":1.0}")
            #expect(request.fields[":method"] == "POST" && request.fields[":path"] == "/base/chat?x=1")
            #expect(request.fields[":authority"] == "127.0.0.1:\(server.port)" && request.fields["content-length"] == "9")
            #expect(request.fields["authorization"] == "Bearer t0ken" && request.neverIndexed.contains("authorization"))
            #expect(request.fields["connection"] == nil)
        }
    }

    @Test func sharesOneConnectionAmongManyRequests() async throws {
        let held = NIOLockedValueBox<[HTTP2Server.Request]>([])
        try await with { request in
            held.withLockedValue { $0.append(request) }
        } _: { traveller, server async throws in
            var flights: [Flight] = []
            for _ in 0..<10 { flights.append(try await traveller.start(.post())) }
            for _ in 0..<10 { _ = await server.next { if case .request = $0 { true } else { nil } } }
            for request in held.withLockedValue({ $0 }) { request.answer() }
            for flight in flights { #expect(try await flight.end().finished) }
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test func aPeerThatAnswersUnreadRequestsKeepsNoStreamOpen() async throws {
        let server = try await HTTP2Server(tls: false, readsBodies: false) { $0.answer("too large") }
        let traveller = Traveller([
            try UpstreamConfiguration.test("http://127.0.0.1:\(server.port)") {
                $0.http = .http2
                $0.pool.maxConnections = 1
            }
        ])
        // More than the peer has given leave to send.
        let outcome = try await traveller.ask(.post(String(repeating: "a", count: 1 << 20)))
        #expect(outcome.finished && outcome.body == "too large" && outcome.strayCalls == 0)
        #expect(await server.next { if case .streamClosed = $0 { true } else { nil } } == true)
        #expect(try await traveller.ask(.post()).finished)
        #expect(try await traveller.metrics().connectionsOpened == 1)
        try await traveller.stop()
        try await server.stop()
    }

    @Test func keepsToThePeersLimitOfStreams() async throws {
        let held = NIOLockedValueBox<[HTTP2Server.Request]>([])
        let most = NIOLockedValueBox(0)
        try await with(maxStreams: 2) { request in
            held.withLockedValue { $0.append(request) }
            most.withLockedValue { most in most = max(most, held.withLockedValue { $0.count }) }
        } configure: {
            $0.pool.maxConnections = 1
        } _: { traveller, server async throws in
            // The peer's settings have arrived once an answer has.
            let first = try await traveller.start(.post())
            _ = await server.next { if case .request = $0 { true } else { nil } }
            held.withLockedValue { $0.popLast() }?.answer()
            _ = try await first.end()
            var flights: [Flight] = []
            for _ in 0..<6 { flights.append(try await traveller.start(.post())) }
            for _ in 0..<6 {
                _ = await server.next { if case .request = $0 { true } else { nil } }
                held.withLockedValue { $0.popLast() }?.answer()
            }
            for flight in flights { #expect(try await flight.end().finished) }
            #expect(most.withLockedValue { $0 } <= 2)
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test func cancelResetsTheStreamAndKeepsTheConnection() async throws {
        try await with { request in
            if request.body == "stay" { request.head() } else { request.answer() }
        } _: { traveller, server async throws in
            let flight = try await traveller.start(.post("stay"))
            #expect(try await flight.head() == 200)
            #expect(try await flight.cancel())
            #expect(await server.next { if case .streamClosed = $0 { true } else { nil } } == true)
            #expect(try await traveller.ask(.post()).finished)
            #expect(try await traveller.metrics().connectionsOpened == 1)
            #expect(flight.outcome.strayCalls == 0)
        }
    }

    @Test func sendsARefusedStreamAgain() async throws {
        let count = NIOLockedValueBox(0)
        try await with { request in
            let number = count.withLockedValue { count in
                count += 1
                return count
            }
            if number == 1 { request.reset(.refusedStream) } else { request.answer("second") }
        } _: { traveller, _ async throws in
            // Refused means never looked at: safe for any request.
            let outcome = try await traveller.ask(.post { $0.retrySafety = .never })
            #expect(outcome.body == "second" && outcome.strayCalls == 0)
        }
    }

    @Test func triesARefusedStreamOnlyOnceMore() async throws {
        let count = NIOLockedValueBox(0)
        try await with { request in
            count.withLockedValue { $0 += 1 }
            request.reset(.refusedStream)
        } _: { traveller, _ async throws in
            #expect(try await traveller.ask(.post { $0.retrySafety = .beforeFirstByte }).failure?.kind == .reset)
            #expect(count.withLockedValue { $0 } == 2)
        }
    }

    @Test func failsAResetStream() async throws {
        try await with {
            $0.reset(.internalError)
        } _: { traveller, _ async throws in
            let outcome = try await traveller.ask(.post { $0.retrySafety = .beforeFirstByte })
            #expect(outcome.failure?.kind == .reset && outcome.failure?.bytesSent == true)
        }
    }

    @Test func sendsNothingNewAfterGOAWAY() async throws {
        let held = NIOLockedValueBox<HTTP2Server.Request?>(nil)
        try await with { request in
            guard request.body == "first" else { return request.answer("\(request.connection)") }
            held.withLockedValue { $0 = request }
            request.head()
            request.goAway(lastStream: 1)
        } _: { traveller, server async throws in
            let first = try await traveller.start(.post("first"))
            _ = try await first.head()
            // The frame after the head has been read when the next answer comes from a second connection.
            var second = try await traveller.ask(.post())
            while second.body == "0" { second = try await traveller.ask(.post()) }
            #expect(second.body == "1")
            held.withLockedValue { $0 }?.data("done", end: true)
            #expect(try await first.end().body == "done")
            #expect(await server.next { if case .closed(let index) = $0 { index } else { nil } } == 0)
        }
    }

    @Test func movesRequestsThatGOAWAYLeftOut() async throws {
        try await with { request in
            if request.connection == 0 { request.goAway(lastStream: 0) } else { request.answer("moved") }
        } _: { traveller, _ async throws in
            let outcome = try await traveller.ask(.post { $0.retrySafety = .never })
            #expect(outcome.body == "moved", "\(outcome)")
        }
    }

    @Test func pausingHoldsTheBytesBack() async throws {
        let total = 4 * 1024 * 1024
        try await with { request in
            guard request.body == "big" else { return request.answer() }
            request.head()
            request.data(ByteBuffer(repeating: 120, count: total), end: true)
        } _: { traveller, _ async throws in
            let flight = try await traveller.start(.post("big"), pause: .afterHead)
            _ = try await flight.head()
            #expect(try await traveller.ask(.post()).finished)
            #expect(flight.outcome.body.utf8.count < total / 2)
            try await flight.resume()
            #expect(try await flight.end().body.utf8.count == total)
        }
    }

    @Test func closesAConnectionThatStaysUnused() async throws {
        try await with {
            $0.answer()
        } configure: {
            $0.pool.idleTimeout = .milliseconds(40)
        } _: { traveller, server async throws in
            #expect(try await traveller.ask(.post()).finished)
            #expect(await server.next { if case .closed(let index) = $0 { index } else { nil } } == 0)
        }
    }

    @Test func endsWhenNoAnswerBegins() async throws {
        try await with { request in
            if request.body == "warm" { request.answer() }
        } _: { traveller, server async throws in
            // Makes the connection, so that the next request's time is spent on its answer alone.
            #expect(try await traveller.ask(.post("warm")).finished)
            _ = await server.next { if case .streamClosed = $0 { true } else { nil } }
            #expect(try await traveller.ask(.post { $0.attemptTimeout = .milliseconds(40) }).failure?.kind == .timeoutFirstByte)
            #expect(await server.next { if case .streamClosed = $0 { true } else { nil } } == true)
        }
    }

    @Test func answersPingsAndSurvivesThem() async throws {
        try await with {
            $0.answer()
        } configure: {
            $0.pool.pingInterval = .milliseconds(300)
        } _: { traveller, _ async throws in
            _ = try await traveller.ask(.post())
            // Some intervals pass; a connection whose pings went unanswered would have been replaced.
            let wait = traveller.loop.scheduleTask(in: .milliseconds(950)) {}
            try await wait.futureResult.get()
            _ = try await traveller.ask(.post())
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test func closesAConnectionWhosePeerIsSilent() async throws {
        // Speaks HTTP/2's opening and nothing after it.
        let server = try await ScriptedServer { $0.channel.writeAndFlush(ByteBuffer(bytes: [0, 0, 0, 4, 0, 0, 0, 0, 0]), promise: nil) }
        let traveller = Traveller([
            try .test("http://\(server.host)") {
                $0.http = .http2
                $0.pool.pingInterval = .milliseconds(20)
            }
        ])
        let outcome = try await traveller.ask(.post())
        #expect(outcome.failure?.kind == .reset)
        #expect(await server.nextClose() == 0)
        try await traveller.stop()
        try await server.stop()
    }
}
