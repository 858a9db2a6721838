import NIOCore
import SallyportCore
import Testing

@testable import SallyportEgress

@Suite(.timeLimit(.minutes(10))) struct TimeoutTests {
    private func outcome(
        configure: (inout UpstreamConfiguration) -> Void = { _ in }, request: UpstreamRequest = .post(),
        _ respond: @escaping @Sendable (ScriptedServer.Request) -> Void
    ) async throws -> Outcome {
        // The first request makes the connection, so that the second one's time is spent on its answer alone.
        let server = try await ScriptedServer { $0.number == 0 ? $0.answer() : respond($0) }
        let traveller = Traveller([try .test("http://\(server.host)", configure)])
        _ = try await traveller.ask(.post { $0.attemptTimeout = .seconds(30) })
        let outcome = try await traveller.ask(request)
        #expect(outcome.strayCalls == 0)
        // Whatever ran out, the connection is gone.
        #expect(await server.nextClose() == 0)
        try await traveller.stop()
        try await server.stop()
        return outcome
    }

    @Test func endsWhenNoAnswerBegins() async throws {
        let outcome = try await outcome(configure: { $0.timeouts.firstByte = .milliseconds(40) }) { _ in }
        #expect(outcome.failure?.kind == .timeoutFirstByte && outcome.failure?.bytesSent == true)
    }

    @Test func letsARequestSetItsOwnAttemptTimeout() async throws {
        let outcome = try await outcome(request: .post { $0.attemptTimeout = .milliseconds(40) }) { $0.write("HTTP/1.1 200 OK\r\n") }
        #expect(outcome.failure?.kind == .timeoutFirstByte && outcome.failure?.headReceived == false)
    }

    @Test func endsWhenTheAnswerStalls() async throws {
        let outcome = try await outcome(configure: { $0.timeouts.idle = .milliseconds(40) }) {
            $0.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        }
        #expect(outcome.failure?.kind == .timeoutIdle && outcome.body == "half" && outcome.failure?.headReceived == true)
    }

    @Test func endsWhenTheAnswerTakesTooLongThoughItMoves() async throws {
        let outcome = try await outcome(request: .post { $0.totalTimeout = .milliseconds(800) }) { request in
            request.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for index in 0..<400 {
                request.channel.eventLoop.scheduleTask(in: .milliseconds(10 * Int64(index))) { request.write("1\r\nx\r\n") }
            }
        }
        #expect(outcome.failure?.kind == .timeoutTotal && outcome.chunks > 0)
    }

    @Test func doesNotCountPausedTimeAsIdle() async throws {
        let server = try await ScriptedServer { $0.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf") }
        let traveller = Traveller([try .test("http://\(server.host)") { $0.timeouts.idle = .milliseconds(40) }])
        let flight = try await traveller.start(.post { $0.totalTimeout = .milliseconds(300) }, pause: .afterFirstBody)
        #expect(try await flight.end().failure?.kind == .timeoutTotal)
        try await traveller.stop()
        try await server.stop()
    }

    @Test func endsWhenNoConnectionIsMade() async throws {
        // A TLS handshake that nobody answers.
        let server = try await ScriptedServer { _ in }
        let traveller = Traveller([try .test("https://\(server.host)") { $0.timeouts.connect = .milliseconds(60) }])
        let outcome = try await traveller.ask(.post())
        #expect(outcome.failure?.kind == .timeoutConnect && outcome.failure?.bytesSent == false)
        try await traveller.stop()
        try await server.stop()
    }

    @Test func endsEachOfManyAtItsOwnDeadline() async throws {
        let server = try await ScriptedServer { _ in }
        let traveller = Traveller([try .test("http://\(server.host)")])
        var flights: [Flight] = []
        for milliseconds in [90, 30, 60, 30, 120] {
            flights.append(try await traveller.start(.post { $0.attemptTimeout = .milliseconds(milliseconds) }))
        }
        // Some may still wait for their connection when their time is over.
        for flight in flights { #expect(try await flight.end().failure?.kind.isTimeout == true) }
        #expect(try await traveller.metrics().failures.values.reduce(0, +) == 5)
        try await traveller.stop()
        try await server.stop()
    }
}
