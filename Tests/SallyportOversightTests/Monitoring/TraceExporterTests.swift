import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import SallyportOversight
import Testing

@Suite struct TraceExporterTests {
    /// Takes batches, and answers each when it is told to.
    private final class Collector: Sendable {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        private let state = NIOLockedValueBox<(bodies: [ByteBuffer], waiting: [EventLoopPromise<Void>], isHeld: Bool)>(([], [], false))

        deinit { group.shutdownGracefully { _ in } }

        struct Refused: Error {}

        var bodies: [ByteBuffer] { state.withLockedValue { $0.bodies } }

        func hold() { state.withLockedValue { $0.isHeld = true } }

        func receive(_ body: ByteBuffer) -> EventLoopFuture<Void> {
            let promise = group.next().makePromise(of: Void.self)
            let isHeld = state.withLockedValue { state in
                state.bodies.append(body)
                if state.isHeld { state.waiting.append(promise) }
                return state.isHeld
            }
            if !isHeld { promise.succeed(()) }
            return promise.futureResult
        }

        func answer(_ result: Result<Void, Refused> = .success(())) {
            let waiting = state.withLockedValue { state in
                state.isHeld = false
                defer { state.waiting = [] }
                return state.waiting
            }
            for promise in waiting {
                switch result {
                case .success: promise.succeed(())
                case .failure(let error): promise.fail(error)
                }
            }
        }

        func spans() throws -> [[String: Any]] { try bodies.flatMap { try TraceExporterTests.spans(in: $0) } }
    }

    private static func spans(in body: ByteBuffer) throws -> [[String: Any]] {
        let root = try #require(try JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any])
        #expect(Set(root.keys) == ["resourceSpans"])
        let resources = try #require(root["resourceSpans"] as? [[String: Any]])
        #expect(resources.count == 1)
        let resource = try #require(resources[0]["resource"] as? [String: Any])
        #expect(attributes(resource)["service.name"] as? String == "gateway")
        let scopes = try #require(resources[0]["scopeSpans"] as? [[String: Any]])
        #expect((scopes[0]["scope"] as? [String: Any])?["name"] as? String == "sallyport")
        return try #require(scopes[0]["spans"] as? [[String: Any]])
    }

    private static func attributes(_ owner: [String: Any]) -> [String: Any] {
        var found: [String: Any] = [:]
        for attribute in owner["attributes"] as? [[String: Any]] ?? [] {
            guard let key = attribute["key"] as? String, let value = attribute["value"] as? [String: Any], let only = value.first,
                value.count == 1
            else {
                Issue.record("not an attribute: \(attribute)")
                continue
            }
            #expect(found[key] == nil, "an attribute twice: \(key)")
            switch only.key {
            case "stringValue", "boolValue", "doubleValue": found[key] = only.value
            // 64-bit numbers are strings in protobuf's JSON.
            case "intValue": found[key] = (only.value as? String).flatMap { Int($0) }
            case "arrayValue":
                found[key] = ((only.value as? [String: Any])?["values"] as? [[String: Any]])?.compactMap { $0["stringValue"] as? String }
            default: Issue.record("unknown kind of value: \(only.key)")
            }
        }
        return found
    }

    private func exporter(_ collector: Collector, batch: Int = 256, queue: Int = 2048) -> TraceExporter {
        var limits = TraceExporter.Limits()
        limits.batch = batch
        limits.queue = queue
        return TraceExporter(
            serviceName: "gateway", upstreamKinds: ["aoai": .azureOpenAI], clockOffset: 1_700_000_000_000_000_000, limits: limits
        ) { collector.receive($0) }
    }

    @Test func spellsAnExchangeAsThreeSpans() async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        exporter.exchangeDidEnd(.chat { $0.parentSpanID = "b7ad6b7169203331" })
        await exporter.close()
        let spans = try collector.spans()
        #expect(spans.map { $0["name"] as? String } == ["ChatCompletions_Create", "chat gpt-4o-2024-11-20", "guard"])
        #expect(spans.map { $0["kind"] as? Int } == [2, 3, 1])
        #expect(spans.allSatisfy { $0["traceId"] as? String == "4bf92f3577b34da6a3ce929d0e0e4736" })
        let server = spans[0]
        #expect(server["spanId"] as? String == "00f067aa0ba902b7")
        #expect(server["parentSpanId"] as? String == "b7ad6b7169203331")
        #expect(server["startTimeUnixNano"] as? String == "1700000001000000000")
        #expect(server["endTimeUnixNano"] as? String == "1700000002000000000")
        #expect(Self.attributes(server)["http.response.status_code"] as? Int == 200)
        #expect(Self.attributes(server)["sallyport.overhead_ns"] as? Int == 100_000_000)
        #expect((server["status"] as? [String: Any])?["code"] == nil)
        #expect(spans[1...].allSatisfy { $0["parentSpanId"] as? String == "00f067aa0ba902b7" })
        #expect(Set(spans.compactMap { $0["spanId"] as? String }).count == 3)
        #expect(spans[1]["spanId"] as? String == TraceExporter.upstreamSpanID(of: "00f067aa0ba902b7"))
    }

    @Test func describesTheModelCallInTheGenAIConventions() async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        exporter.exchangeDidEnd(.chat { $0.attempts = 2 })
        await exporter.close()
        let call = Self.attributes(try collector.spans()[1])
        #expect(call["gen_ai.operation.name"] as? String == "chat")
        #expect(call["gen_ai.provider.name"] as? String == "azure.ai.openai")
        #expect(call["gen_ai.request.model"] as? String == "gpt-4o-2024-11-20")
        #expect(call["gen_ai.request.stream"] as? Bool == true)
        #expect(call["gen_ai.usage.input_tokens"] as? Int == 100)
        #expect(call["gen_ai.usage.output_tokens"] as? Int == 51)
        #expect(call["gen_ai.usage.cache_read.input_tokens"] as? Int == 20)
        #expect(call["gen_ai.response.finish_reasons"] as? [String] == ["stop"])
        #expect(call["gen_ai.response.time_to_first_chunk"] as? Double == 0.15)
        #expect(call["http.request.resend_count"] as? Int == 1)
    }

    @Test func showsWhatEachGuardSaid() async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        exporter.exchangeDidEnd(.chat { $0.guards.append(("canary", "refuse", 0, 5, true)) })
        await exporter.close()
        let span = try collector.spans()[2]
        let events = try #require(span["events"] as? [[String: Any]])
        #expect(events.map { Self.attributes($0)["sallyport.guard.name"] as? String } == ["sensitive-data", "blocklist", "canary"])
        #expect(events.map { Self.attributes($0)["sallyport.guard.findings"] as? Int } == [2, 0, 0])
        #expect(events.map { Self.attributes($0)["sallyport.guard.failed"] as? Bool } == [false, false, true])
        #expect((span["status"] as? [String: Any])?["code"] as? Int == 2)
        #expect(span["endTimeUnixNano"] as? String == "1700000001050000000")
    }

    @Test func exportsARefusalWithoutAnUpstreamSpan() async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        exporter.exchangeDidEnd(
            .chat {
                $0.upstreamStartedAt = 0
                $0.guards = []
                $0.status = 503
                $0.faultCode = .auditUnavailable
            })
        await exporter.close()
        let spans = try collector.spans()
        #expect(spans.count == 1)
        #expect(Self.attributes(spans[0])["error.type"] as? String == "auditUnavailable")
        #expect((spans[0]["status"] as? [String: Any])?["code"] as? Int == 2)
    }

    @Test func leavesOutWhatIsNotSampled() async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        exporter.exchangeDidEnd(.chat { $0.isSampled = false })
        await exporter.close()
        #expect(collector.bodies.isEmpty)
        #expect(exporter.statistics == TraceExporter.Statistics())
    }

    @Test(arguments: [
        "", "short", "00000000000000000000000000000000", "4BF92F3577B34DA6A3CE929D0E0E4736", "4bf92f3577b34da6a3ce929d0e0e473\"",
    ])
    func dropsWhatHasNoValidTraceContext(traceID: String) async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        exporter.exchangeDidEnd(.chat { $0.traceID = traceID })
        await exporter.close()
        #expect(collector.bodies.isEmpty)
        #expect(exporter.statistics.dropped == 1)
    }

    @Test func staysValidWhateverNamesHold() async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        let evil = "\"}]}\n\u{0}\u{202E}\\" + String(repeating: "漢", count: 1000)
        exporter.exchangeDidEnd(
            .chat {
                $0.operation = evil
                $0.model = evil
                $0.deployment = DeploymentID(evil)
                $0.finishReason = evil
                $0.exchangeID = evil
                $0.guards = [(DetectorID(evil), evil, 1, 1, false)]
                $0.parentSpanID = "\"}"
            })
        await exporter.close()
        let spans = try collector.spans()
        #expect(spans.count == 3)
        #expect(spans[0]["parentSpanId"] == nil)
        #expect(collector.bodies[0].readableBytes < 16_384)
    }

    @Test func sendsAFullBatchAtOnceAndTheRestAfterIt() async throws {
        let collector = Collector()
        collector.hold()
        let exporter = exporter(collector, batch: 6, queue: 12)
        for _ in 0..<2 { exporter.exchangeDidEnd(.chat()) }
        #expect(collector.bodies.count == 1)
        // One batch is under way: four exchanges fit into the queue, the others are dropped.
        for _ in 0..<6 { exporter.exchangeDidEnd(.chat()) }
        #expect(collector.bodies.count == 1)
        #expect(exporter.statistics.dropped == 6)
        collector.answer()
        await exporter.close()
        #expect(try collector.bodies.map { try Self.spans(in: $0).count } == [6, 6, 6])
        #expect(exporter.statistics.exported == 18)
    }

    @Test func countsWhatTheCollectorRefuses() async throws {
        let collector = Collector()
        collector.hold()
        let exporter = exporter(collector, batch: 3)
        exporter.exchangeDidEnd(.chat())
        collector.answer(.failure(Collector.Refused()))
        await exporter.close()
        #expect(exporter.statistics.failed == 3)
        #expect(exporter.statistics.exported == 0)
        var exposition = Exposition()
        exporter.write(to: &exposition)
        let read = try ExpositionReader(String(buffer: exposition.encoded()))
        #expect(read.value("sallyport_trace_spans_total", ["result": "failed"]) == 3)
    }

    @Test func sendsASmallBatchAfterTheDelay() async throws {
        let collector = Collector()
        var limits = TraceExporter.Limits()
        limits.delay = .milliseconds(1)
        let arrived = collector.group.next().makePromise(of: Void.self)
        let exporter = TraceExporter(serviceName: "gateway", limits: limits) { body in
            arrived.succeed(())
            return collector.receive(body)
        }
        try await collector.group.next().submit { exporter.exchangeDidEnd(.chat()) }.get()
        try await arrived.futureResult.get()
        await exporter.close()
        #expect(try collector.spans().count == 3)
    }

    @Test func dropsWhatEndsAfterItWasClosed() async throws {
        let collector = Collector()
        let exporter = exporter(collector)
        await exporter.close()
        exporter.exchangeDidEnd(.chat())
        exporter.flush()
        #expect(collector.bodies.isEmpty)
        #expect(exporter.statistics.dropped == 3)
    }

    @Test func derivesDifferentIdsOfTheRightForm() {
        var seen: Set<String> = []
        for index in 0..<2000 {
            let id = String(index, radix: 16)
            let derived = TraceExporter.upstreamSpanID(of: String(repeating: "0", count: 16 - id.count) + id)
            #expect(derived.utf8.count == 16 && derived.allSatisfy(\.isHexDigit))
            seen.insert(derived)
        }
        #expect(seen.count == 2000)
    }
}
