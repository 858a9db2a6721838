import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import Testing

@testable import SallyportEgress

@Suite(.timeLimit(.minutes(10))) struct EntraTests {
    /// A token source with a hand-driven clock, and an authority that answers when told.
    private final class Bench: Sendable {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let now = NIOLockedValueBox(NIODeadline.uptimeNanoseconds(1_000_000_000_000))
        let pending = NIOLockedValueBox<[EventLoopPromise<EntraToken>]>([])
        let asked = NIOLockedValueBox(0)
        let source: EntraTokenSource
        var loop: any EventLoop { group.next() }

        init() {
            source = EntraTokenSource(upstream: "authority", clock: { [now] in now.withLockedValue { $0 } }, jitter: { 1 }) {
                [pending, asked] loop in
                let promise = loop.makePromise(of: EntraToken.self)
                pending.withLockedValue { $0.append(promise) }
                asked.withLockedValue { $0 += 1 }
                return promise.futureResult
            }
        }

        func advance(_ seconds: Int64) { now.withLockedValue { $0 = $0 + .seconds(seconds) } }

        /// Settles the fetch under way.
        func answer(_ result: Result<EntraToken, any Error>) async throws {
            for promise in pending.withLockedValue({ pending in
                defer { pending = [] }
                return pending
            }) { promise.completeWith(result) }
            try await loop.submit {}.get()
        }

        func grant(_ value: String, lifetime: Duration = .seconds(3600)) async throws {
            try await answer(.success(EntraToken(value: Redacted(value), lifetime: lifetime)))
        }

        func header() async throws -> String? {
            try await source.headers(on: loop).get().first("authorization")
        }

        var current: String? { source.current(on: loop, now: now.withLockedValue { $0 })?.first("authorization") }
        var fetches: Int { asked.withLockedValue { $0 } }
    }

    private struct Broken: Error {}

    @Test func fetchesOnceForAllWhoWait() async throws {
        let bench = Bench()
        let waiting = (0..<50).map { _ in bench.source.headers(on: bench.loop) }
        try await bench.grant("one")
        for future in waiting { #expect(try await future.get().first("authorization") == "Bearer one") }
        #expect(bench.fetches == 1)
        #expect(bench.current == "Bearer one")
        try await bench.group.shutdownGracefully()
    }

    @Test func renewsAheadOfTheEndWithoutMakingAnyoneWait() async throws {
        let bench = Bench()
        let first = bench.source.headers(on: bench.loop)
        try await bench.grant("one", lifetime: .seconds(3600))
        _ = try await first.get()
        bench.advance(2879)
        #expect(bench.current == "Bearer one" && bench.fetches == 1)
        bench.advance(2)
        #expect(bench.current == "Bearer one" && bench.fetches == 2)
        #expect(bench.current == "Bearer one" && bench.fetches == 2)
        try await bench.grant("two")
        #expect(bench.current == "Bearer two")
        try await bench.group.shutdownGracefully()
    }

    @Test func usesTheLastTokenUntilItsEndWhenRenewalFails() async throws {
        let bench = Bench()
        let first = bench.source.headers(on: bench.loop)
        try await bench.grant("one", lifetime: .seconds(3600))
        _ = try await first.get()
        bench.advance(3000)
        _ = bench.current
        try await bench.answer(.failure(UpstreamFailure(.connect, "no address accepted a connection")))
        #expect(bench.current == "Bearer one")
        #expect(bench.source.failureReason(now: bench.now.withLockedValue { $0 }) == nil)
        // Not again before the pause is over.
        #expect(bench.fetches == 2)
        bench.advance(1)
        _ = bench.current
        #expect(bench.fetches == 3)
        try await bench.answer(.failure(Broken()))
        bench.advance(599)
        #expect(bench.current == nil)
        try await bench.group.shutdownGracefully()
    }

    @Test func saysWhyThereIsNoTokenAndWaitsLongerEachTime() async throws {
        let bench = Bench()
        for step in [1, 2, 4, 8, 16, 32, 60, 60] {
            let future = bench.source.headers(on: bench.loop)
            try await bench.answer(.failure(UpstreamFailure(.unavailable, "the authority answered 401 (invalid_client)")))
            await #expect(throws: UpstreamFailure(.unavailable, "no access token: the authority answered 401 (invalid_client)")) {
                try await future.get()
            }
            let fetches = bench.fetches
            bench.advance(Int64(step) - 1)
            await #expect(throws: UpstreamFailure.self) { try await bench.header() }
            #expect(bench.fetches == fetches)
            let reason = try #require(bench.source.failureReason(now: bench.now.withLockedValue { $0 }))
            #expect(reason.retryAfter == .seconds(1))
            bench.advance(1)
            let due = try #require(bench.source.failureReason(now: bench.now.withLockedValue { $0 }))
            #expect(due.retryAfter == nil)
        }
        try await bench.group.shutdownGracefully()
    }

    @Test func sendsTheClientCredentialsFlowAndUsesItsToken() async throws {
        let authority = try await ScriptedServer {
            $0.answer(
                #"{"token_type":"Bearer","expires_in":"3599","ext_expires_in":3599,"access_token":"ey.J0-eXAi_"}"#,
                headers: "content-type: application/json\r\n")
        }
        let model = try await ScriptedServer { $0.answer($0.text) }
        let configuration = try UpstreamConfiguration.test("http://\(model.host)") {
            $0.credential = .entra(
                EntraCredential(
                    authority: try EndpointURL(parsing: "http://\(authority.host)"), tenant: "contoso.example", clientID: "id",
                    clientSecret: Redacted("a&b=c d+ü")))
        }
        let traveller = Traveller([configuration])
        for _ in 0..<2 {
            let outcome = try await traveller.ask(.post { $0.headers.append("authorization", "Bearer forged") })
            #expect(outcome.body.contains("\r\nauthorization: Bearer ey.J0-eXAi_\r\n"))
            #expect(!outcome.body.contains("forged"))
        }
        let asked = try #require(await authority.next { if case .request(_, let text) = $0 { text } else { nil } })
        #expect(asked.hasPrefix("POST /contoso.example/oauth2/v2.0/token HTTP/1.1\r\n"))
        #expect(
            asked.hasSuffix(
                "\r\n\r\nclient_id=id&client_secret=a%26b%3Dc%20d%2B%C3%BC&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&grant_type=client_credentials"
            ))
        #expect(try await traveller.metrics(of: "up#authority").requests == 1)
        let authorizer = traveller.client.authorizer
        #expect(authorizer.readyHeaders(for: "up", on: traveller.loop)?.first("authorization") == "Bearer ey.J0-eXAi_")
        try await traveller.stop()
        try await authority.stop()
        try await model.stop()
    }

    @Test(arguments: [
        ("200 OK", "{}", "the authority's answer holds no usable token"),
        ("200 OK", "nonsense", "the authority's answer holds no usable token"),
        ("200 OK", #"{"token_type":"Bearer","expires_in":1,"access_token":"a b"}"#, "the authority's answer holds no usable token"),
        ("200 OK", #"{"token_type":"Bearer","expires_in":0,"access_token":"ab"}"#, "the authority's answer holds no usable token"),
        (
            "401 Unauthorized", #"{"error":"invalid_client","error_description":"secret 's3cret' is wrong"}"#,
            "the authority answered 401 (invalid_client)"
        ),
        ("500 Oops", "", "the authority answered 500"), ("302 Found", "", "the authority answered 302"),
    ])
    func isUnavailableWithAReasonWhenThereIsNoToken(status: String, body: String, reason: String) async throws {
        let authority = try await ScriptedServer { $0.answer(body, status: status) }
        let configuration = try UpstreamConfiguration.test("http://127.0.0.1:9") {
            $0.credential = .entra(
                EntraCredential(
                    authority: try EndpointURL(parsing: "http://\(authority.host)"), tenant: "t", clientID: "id",
                    clientSecret: Redacted("s3cret")))
        }
        let traveller = Traveller([configuration])
        let outcome = try await traveller.ask(.post())
        #expect(outcome.failure == UpstreamFailure(.unavailable, "no access token: \(reason)"))
        #expect(traveller.client.health(of: "up").state != .available)
        #expect(traveller.client.health(of: "up").reason == "no access token: \(reason)")
        try await traveller.stop()
        try await authority.stop()
    }
}
