import NIOCore
import SallyportCore
import Testing

@testable import SallyportEgress

@Suite(.timeLimit(.minutes(10))) struct HTTP1Tests {
    /// Runs `body` with a server and a client of its own.
    private func with(
        _ respond: @escaping @Sendable (ScriptedServer.Request) -> Void, configure: (inout UpstreamConfiguration) -> Void = { _ in },
        base: String = "", _ body: (Traveller, ScriptedServer) async throws -> Void
    ) async throws {
        let server = try await ScriptedServer(respond: respond)
        let traveller = Traveller([try .test("http://\(server.host)\(base)", configure)])
        try await body(traveller, server)
        try await traveller.stop()
        try await server.stop()
    }

    @Test func sendsTheRequestByteForByteAndDeliversTheAnswer() async throws {
        try await with({ $0.answer("hello", headers: "X-One: 1\r\nConnection: keep-alive\r\n") }, base: "/base") {
            traveller, server async throws in
            var request = UpstreamRequest.post("{\"a\":")
            request.body.append(ByteBuffer(string: "1.0}"))
            request.headers.append("x-trace", "t")
            let outcome = try await traveller.ask(request)
            #expect(outcome.status == 200)
            #expect(outcome.body == "hello")
            #expect(outcome.finished && outcome.failure == nil && outcome.strayCalls == 0)
            #expect(outcome.headers.first("x-one") == "1")
            #expect(!outcome.headers.contains("connection"))
            let text = await server.next { if case .request(_, let text) = $0 { text } else { nil } }
            #expect(
                text == """
                    POST /base/chat?x=1 HTTP/1.1\r\nhost: \(server.host)\r\ncontent-type: application/json\r\nx-trace: t\r\n\
                    content-length: 9\r\n\r\n{"a":1.0}
                    """)
        }
    }

    @Test func addsTheCredentialAndDropsWhatIsNotTheCallersToSay() async throws {
        try await with({ $0.answer() }, configure: { $0.credential = .header(name: "api-key", value: Redacted("s3cret")) }) {
            traveller, server async throws in
            let request = UpstreamRequest.post {
                for (name, value) in [
                    ("Api-Key", "x"), ("Authorization", "x"), ("Host", "x"), ("Content-Length", "99"), ("Transfer-Encoding", "chunked"),
                    ("Connection", "x"), ("Proxy-Authorization", "x"), ("TE", "x"), ("Expect", "x"), ("Upgrade", "x"),
                ] { $0.headers.append(name, value) }
            }
            _ = try await traveller.ask(request)
            let text = try #require(await server.next { if case .request(_, let text) = $0 { text } else { nil } })
            #expect(text.contains("\r\napi-key: s3cret\r\n"))
            #expect(!text.contains(": x\r\n") && !text.contains("content-length: 99") && !text.contains("chunked"))
        }
    }

    @Test func sendsConfiguredHeadersInPlaceOfTheCallers() async throws {
        try await with(
            { $0.answer() },
            configure: {
                $0.credential = .bearer(Redacted("s3cret"))
                $0.headers = [.init(name: "X-Team", value: Redacted("search")), .init(name: "user-agent", value: Redacted("own/1"))]
            }
        ) { traveller, server async throws in
            let request = UpstreamRequest.post {
                for (name, value) in [("X-TEAM", "mine"), ("User-Agent", "mine"), ("accept", "a/b")] { $0.headers.append(name, value) }
            }
            _ = try await traveller.ask(request)
            let text = try #require(await server.next { if case .request(_, let text) = $0 { text } else { nil } })
            #expect(text.contains("\r\nx-team: search\r\n") && text.contains("\r\nuser-agent: own/1\r\n"))
            #expect(text.contains("\r\nauthorization: Bearer s3cret\r\n") && text.contains("\r\naccept: a/b\r\n"))
            #expect(!text.contains("mine"))
        }
    }

    @Test(arguments: ["content-length", "Host", "transfer-encoding", "bad name", "x-\r\ny"])
    func refusesConfiguredHeadersThatAreNotToBeSet(_ name: String) async throws {
        try await with({ $0.answer() }, configure: { $0.headers = [.init(name: name, value: Redacted("1"))] }) {
            traveller, _ async throws in
            #expect(try await traveller.ask(.post { _ in }).failure?.kind == .unavailable)
        }
    }

    @Test(arguments: [("x-bad\r\nx-injected", "1"), ("x-bad", "1\r\nx-injected: 1"), ("x-bad", "a\u{0}b"), ("", "v"), ("x bad", "v")])
    func refusesHeadersThatWouldSplit(name: String, value: String) async throws {
        try await with({ $0.answer() }) { traveller, _ async throws in
            let outcome = try await traveller.ask(.post { $0.headers.append(name, value) })
            #expect(outcome.failure?.kind == .protocolViolation)
            #expect(outcome.failure?.bytesSent == false)
            #expect(try await traveller.ask(.post()).status == 200)
        }
    }

    @Test(arguments: ["chat", "", "/a b", "/a\r\nb", "/ä", "/a#b"])
    func refusesPathsThatWouldSplit(path: String) async throws {
        try await with({ $0.answer() }) { traveller, _ async throws in
            let outcome = try await traveller.ask(.post { $0.path = path })
            #expect(outcome.failure?.kind == .protocolViolation)
        }
    }

    @Test func reusesAConnection() async throws {
        try await with({ $0.answer("\($0.connection).\($0.number)") }) { traveller, _ async throws in
            for number in 0..<5 { #expect(try await traveller.ask(.post()).body == "0.\(number)") }
            let metrics = try await traveller.metrics()
            #expect(metrics.connectionsOpened == 1)
            #expect(metrics.connectionsIdle == 1)
            #expect(metrics.requests == 5 && metrics.finished == 5)
        }
    }

    @Test func reusesAConnectionAfterAChunkedAnswer() async throws {
        try await with({ $0.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\nx-t: 1\r\n\r\n") }) {
            traveller, _ async throws in
            for _ in 0..<3 { #expect(try await traveller.ask(.post()).body == "abcde") }
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test func honoursConnectionClose() async throws {
        try await with({ $0.answer(headers: "connection: close\r\n") }) { traveller, server async throws in
            #expect(try await traveller.ask(.post()).finished)
            #expect(await server.nextClose() == 0)
            #expect(try await traveller.ask(.post()).finished)
            #expect(try await traveller.metrics().connectionsOpened == 2)
        }
    }

    @Test func readsAnAnswerThatEndsWithItsConnection() async throws {
        try await with({
            $0.write("HTTP/1.0 200 OK\r\n\r\nuntil the end")
            $0.close()
        }) { traveller, _ async throws in
            let outcome = try await traveller.ask(.post())
            #expect(outcome.body == "until the end" && outcome.finished)
        }
    }

    @Test func skipsInformationalAnswers() async throws {
        try await with({
            $0.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
            $0.answer("final")
        }) { traveller, _ async throws in
            let outcome = try await traveller.ask(.post())
            #expect(outcome.status == 200 && outcome.body == "final" && outcome.strayCalls == 0)
            #expect(try await traveller.ask(.post()).body == "final")
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test func deliversRedirectsAsAnswers() async throws {
        try await with({ $0.answer("", status: "307 Temporary Redirect", headers: "location: http://169.254.169.254/\r\n") }) {
            traveller, _ async throws in
            let outcome = try await traveller.ask(.post())
            #expect(outcome.status == 307 && outcome.finished)
            #expect(try await traveller.metrics().requests == 1)
        }
    }

    @Test func readsNoBodyAfterHEAD() async throws {
        try await with({ $0.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n") }) { traveller, _ async throws in
            for _ in 0..<2 {
                let outcome = try await traveller.ask(UpstreamRequest(upstream: "up", method: "HEAD", path: "/"))
                #expect(outcome.finished && outcome.body.isEmpty)
            }
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nok", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 600 High\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "HTTP/3.0 200 OK\r\n\r\n", "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header: 1\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n: empty\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\nx: 1\n\nok",
    ])
    func refusesBadFraming(bytes: String) async throws {
        try await with({ $0.write(bytes) }) { traveller, server async throws in
            let outcome = try await traveller.ask(.post())
            #expect(outcome.failure?.kind == .protocolViolation)
            #expect(outcome.failure?.bytesSent == true)
            #expect(!outcome.finished && outcome.strayCalls == 0)
            #expect(await server.nextClose() == 0)
        }
    }

    @Test func refusesHeadersWithoutEnd() async throws {
        try await with({ $0.write("HTTP/1.1 200 OK\r\nx: " + String(repeating: "a", count: 70_000) + "\r\n\r\n") }) {
            traveller, _ async throws in
            #expect(try await traveller.ask(.post()).failure?.kind == .protocolViolation)
        }
        try await with({ $0.write("HTTP/1.1 200 OK\r\n" + String(repeating: "a: b\r\n", count: 200) + "\r\n") }) {
            traveller, _ async throws in
            #expect(try await traveller.ask(.post()).failure?.kind == .protocolViolation)
        }
    }

    /// Bytes behind an answer must not become the next answer, wherever they are cut.
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nx-smuggled: 1\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokH", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\nx-smuggled: 1\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ])
    func neverReusesAConnectionWithBytesLeftOver(bytes: String) async throws {
        try await with({ if $0.connection == 0 { $0.write(bytes) } else { $0.answer("clean") } }) { traveller, server async throws in
            #expect(try await traveller.ask(.post()).finished)
            #expect(await server.nextClose() == 0)
            let second = try await traveller.ask(.post())
            #expect(second.body == "clean" && second.headers.first("x-smuggled") == nil)
        }
    }

    @Test func closesAnIdleConnectionThatSpeaksUnasked() async throws {
        try await with({ request in
            request.answer()
            request.channel.eventLoop.scheduleTask(in: .milliseconds(20)) {
                request.write("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            }
        }) { traveller, server async throws in
            #expect(try await traveller.ask(.post()).finished)
            #expect(await server.nextClose() == 0)
        }
    }

    @Test func failsWhenTheConnectionEndsWithinTheAnswer() async throws {
        for bytes in ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nha"] {
            try await with({
                $0.write(bytes)
                $0.close()
            }) { traveller, _ async throws in
                let outcome = try await traveller.ask(.post())
                #expect(outcome.failure?.kind == .reset)
                #expect(outcome.failure?.headReceived == true)
                #expect(!outcome.finished)
            }
        }
    }

    @Test func assemblesAnAnswerThatArrivesByteByByte() async throws {
        let bytes = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"
        try await with({ request in
            for (index, byte) in bytes.utf8.enumerated() {
                request.channel.eventLoop.scheduleTask(in: .microseconds(300 * Int64(index))) {
                    request.channel.writeAndFlush(ByteBuffer(bytes: [byte]), promise: nil)
                }
            }
        }) { traveller, _ async throws in
            for _ in 0..<2 {
                let outcome = try await traveller.ask(.post())
                #expect(outcome.body == "abcdefg" && outcome.finished)
            }
            #expect(try await traveller.metrics().connectionsOpened == 1)
        }
    }

    @Test func deliversEachChunkAsItArrives() async throws {
        try await with({ $0.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n") }) { traveller, _ async throws in
            let flight = try await traveller.start(.post())
            try await flight.firstBody()
            #expect(flight.outcome.body == "first" && !flight.outcome.finished)
            _ = try await flight.cancel()
        }
    }

    @Test func sendsALargeBodyWhole() async throws {
        try await with({ $0.answer("\($0.text.utf8.count)") }) { traveller, _ async throws in
            let piece = String(repeating: "x", count: 300_000)
            let outcome = try await traveller.ask(.post(piece) { $0.body.append(ByteBuffer(string: piece)) })
            #expect(Int(outcome.body).map { $0 > 600_000 } == true)
        }
    }

    @Test func cancelClosesTheConnectionAtOnce() async throws {
        try await with({ $0.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nstart") }) { traveller, server async throws in
            let flight = try await traveller.start(.post())
            try await flight.firstBody()
            #expect(try await flight.cancel())
            #expect(await server.nextClose() == 0)
            let outcome = try await flight.end()
            #expect(outcome.failure?.kind == .cancelled && outcome.strayCalls == 0)
            _ = try await flight.cancel()
            #expect(flight.outcome.strayCalls == 0)
        }
    }

    @Test func pausingStopsTheBytesUntilResumed() async throws {
        let total = 8 * 1024 * 1024
        try await with({ request in
            request.write("HTTP/1.1 200 OK\r\ncontent-length: \(total)\r\n\r\n")
            request.channel.writeAndFlush(ByteBuffer(repeating: 120, count: total), promise: nil)
        }) { traveller, _ async throws in
            let flight = try await traveller.start(.post(), pause: .afterHead)
            _ = try await flight.head()
            let held = flight.outcome.body.utf8.count
            #expect(held < total / 2)
            // Other traffic on the same event loop goes on while nothing more of this answer arrives.
            let other = try await traveller.start(.post(), pause: .afterHead)
            _ = try await other.head()
            _ = try await other.cancel()
            #expect(flight.outcome.body.utf8.count == held)
            try await flight.resume()
            #expect(try await flight.end().body.utf8.count == total)
        }
    }

    @Test func aRequestPausedFromTheStartReadsNothing() async throws {
        try await with({ $0.answer("late") }) { traveller, server async throws in
            let flight = try await traveller.start(.post(), pause: .atOnce)
            _ = await server.next { if case .request = $0 { true } else { nil } }
            #expect(flight.outcome.body.isEmpty)
            try await flight.resume()
            #expect(try await flight.end().body == "late")
        }
    }
}
