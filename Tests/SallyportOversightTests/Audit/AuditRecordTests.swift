import NIOCore
import SallyportCore
import Testing

@testable import SallyportOversight

@Suite struct AuditRecordTests {
    private static let time = AuditTime(millisecondsSince1970: 1_795_514_400_123)

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_000, "2024-02-29T23:59:59.000Z"), (1_795_514_400_123, "2026-11-24T10:00:00.123Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (4_107_542_399_000, "2100-02-28T23:59:59.000Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (.max, "9999-12-31T23:59:59.999Z"),
        (.min, "0000-01-01T00:00:00.000Z"),
    ])
    func spellsTimes(milliseconds: Int64, text: String) {
        #expect(AuditTime(millisecondsSince1970: milliseconds).description == text)
    }

    @Test func leavesOutWhatIsNotKnown() {
        let record = AuditRecord(.systemStart, id: "s-1", time: Self.time)
        #expect(String(buffer: record.encoded()) == #"{"v":1,"type":"system.start","id":"s-1","time":"2026-11-24T10:00:00.123Z"}"#)
    }

    @Test func writesEveryFieldInItsPlace() {
        var record = AuditRecord(.exchangeOutcome, id: "x-1", time: Self.time)
        record.tenant = "t"
        record.project = "p"
        record.principal = "alice"
        record.key = "k1"
        record.sourceAddress = "192.0.2.7"
        record.userAgent = "AzureOpenAI/Python 3.54.0"
        record.operation = "ChatCompletions_Create"
        record.deployment = "gpt-4o"
        record.upstream = "aoai"
        record.targetModel = "gpt-4o-2024"
        record.apiVersion = "2024-10-21"
        record.isStream = true
        (record.requestBytes, record.responseBytes, record.promptTokens, record.completionTokens) = (1024, 2048, 10, 20)
        (record.requestCommitment, record.responseCommitment) = ("aa", "bb")
        (record.policy, record.policyVersion, record.verdict) = ("Default", 3, .redacted)
        var result = AuditRecord.GuardResult("card-number", verdict: .detected, action: .redact)
        result.direction = .prompt
        (result.score, result.threshold) = (0.8504, 0.5)
        result.categories = [("CreditCardNumber", 2), ("a\"b", 1)]
        (result.latencyMicros, result.mode, result.layer, result.modelHash) = (42, .enforce, "base64", "cafe")
        record.guards = [result, AuditRecord.GuardResult("links", verdict: .clear, action: .allow)]
        (record.status, record.errorCode, record.finish, record.attempts) = (200, "content_filter", "stop", 1)
        (record.totalMicros, record.upstreamMicros, record.overheadMicros, record.traceID) = (3000, 2900, 100, "0af7")
        let expected = [
            #"{"v":1,"type":"exchange.outcome","id":"x-1","time":"2026-11-24T10:00:00.123Z""#,
            #""tenant":"t","project":"p","principal":"alice","key":"k1","source":"192.0.2.7""#,
            #""userAgent":"AzureOpenAI/Python 3.54.0","operation":"ChatCompletions_Create""#,
            #""deployment":"gpt-4o","upstream":"aoai","model":"gpt-4o-2024","apiVersion":"2024-10-21","stream":true"#,
            #""requestBytes":1024,"responseBytes":2048,"promptTokens":10,"completionTokens":20"#,
            #""requestCommitment":"aa","responseCommitment":"bb","policy":"Default","policyVersion":3,"verdict":"redacted""#,
            #""guards":[{"guard":"card-number","verdict":"detected","action":"redact","direction":"Prompt""#,
            #""score":0.85,"threshold":0.5,"categories":{"CreditCardNumber":2,"a\"b":1}"#,
            #""latencyMicros":42,"mode":"enforce","layer":"base64","modelHash":"cafe"}"#,
            #"{"guard":"links","verdict":"clear","action":"allow"}]"#,
            #""status":200,"error":"content_filter","finish":"stop","attempts":1"#,
            #""totalMicros":3000,"upstreamMicros":2900,"overheadMicros":100,"trace":"0af7"}"#,
        ].joined(separator: ",")
        #expect(String(buffer: record.encoded()) == expected)
    }

    @Test func escapesAndBoundsWhatCallersSend() {
        var record = AuditRecord(.exchangeIntent, id: "x", time: Self.time)
        record.userAgent = "a\"\\\n\r\t\u{1}\u{7F}\u{1F600}\u{2028}"
        record.sourceAddress = String(repeating: "é", count: 100)
        let text = String(buffer: record.encoded())
        #expect(text.contains(#""userAgent":"a\"\\\n\r\t\u0001\u007f😀\#u{2028}""#))
        #expect(text.contains("\"source\":\"\(String(repeating: "é", count: 32))\""))
    }

    @Test func staysOneValidLineWhateverItIsGiven() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<30 {
            func noise() -> String {
                String(
                    decoding: (0..<Int.random(in: 0..<400, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) },
                    as: UTF8.self)
            }
            var record = AuditRecord(.adminAct, id: noise(), time: Self.time)
            record.userAgent = noise()
            record.operation = noise()
            record.details = (0..<40).map { _ in (noise(), noise()) }
            var result = AuditRecord.GuardResult(DetectorID(noise()), verdict: .failed, action: .block)
            result.categories = (0..<40).map { _ in (noise(), Int.random(in: .min ... .max, using: &generator)) }
            result.score = .nan
            record.guards = Array(repeating: result, count: 70)
            let line = record.encoded()
            #expect(line.withUnsafeReadableBytes { AuditLine.isFramed($0) && AuditLine($0).isObject })
            #expect(line.readableBytes < AuditLog.defaultMaximumRecordBytes)
        }
    }

    @Test(arguments: [
        (0.0, "0"), (1.0, "1"), (0.05, "0.05"), (0.125, "0.125"), (0.9996, "1"), (-2.5, "-2.5"), (12.34, "12.34"), (-0.0001, "0"),
    ])
    func roundsScores(score: Double, text: String) {
        var result = AuditRecord.GuardResult("g", verdict: .clear, action: .allow)
        result.score = score
        var record = AuditRecord(.exchangeIntent, id: "x", time: Self.time)
        record.guards = [result]
        #expect(String(buffer: record.encoded()).contains("\"score\":\(text)}"))
    }

    @Test func findsTopLevelFieldsOnly() {
        let text = Array(#"{"a":{"id":"inner"},"b":[1,{"id":"x"}],"c":"\"id\":\"y\"","id":"outer","n":-1.5e3,"t":true,"z":null}"#.utf8)
        text.withUnsafeBytes { bytes in
            let line = AuditLine(bytes)
            #expect(line.isObject)
            #expect(line.string("id") == "outer")
            #expect(line.field("id", is: "outer"))
            #expect(!line.field("id", is: "inner"))
            #expect(line.field("n").map { String(decoding: $0, as: UTF8.self) } == "-1.5e3")
            #expect(line.field("missing") == nil)
            #expect(line.string("c") == nil)
        }
    }

    @Test(arguments: [
        "", "{", "{}}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[]", "{\"a\":tru}", "{\"a\":\"\u{1}\"}", "{\"a\":[1,]}", "{\"a\":\"b}",
        "{a:1}",
    ])
    func tellsWhatIsNoObject(text: String) {
        Array(text.utf8).withUnsafeBytes { bytes in #expect(!AuditLine(bytes).isObject) }
    }

    @Test func countsPlainBytesBeforeTheFirstThatNeedsALook() {
        var generator = SystemRandomNumberGenerator()
        let edges: [UInt8] = [0, 1, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x5B, 0x5C, 0x5D, 0x7E, 0x7F, 0x80, 0xA2, 0xDC, 0xFF]
        for _ in 0..<20_000 {
            let bytes = (0..<8).map { _ in
                Bool.random(using: &generator) ? edges.randomElement(using: &generator)! : .random(in: 0x23...0x5B)
            }
            let word = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            let first = bytes.firstIndex { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C || $0 == 0x7F } ?? 8
            #expect(JSONLineWriter.plainBytes(of: word) == first)
        }
    }

    @Test func bearsDeepNesting() {
        let text = Array(("{\"a\":" + String(repeating: "[", count: 100_000)).utf8)
        text.withUnsafeBytes { bytes in #expect(!AuditLine(bytes).isObject) }
    }

    @Test func filtersAndFollows() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) { $0.segmentBytes = 500 }
        func add(_ number: Int, _ kind: AuditRecord.Kind, _ tenant: TenantID) async throws {
            var record = AuditRecord(kind, id: "x-\(number)", time: AuditTime(millisecondsSince1970: Int64(number) * 1000))
            record.tenant = tenant
            _ = try await log.append(record.encoded())
        }
        for number in 0..<20 { try await add(number, number % 2 == 0 ? .exchangeIntent : .exchangeOutcome, number < 10 ? "a" : "b") }
        let reader = AuditReader(directory: directory.log)
        func numbers(_ filter: AuditFilter) throws -> [UInt64] {
            var found: [UInt64] = []
            try reader.forEach(where: filter) { index, _ in
                found.append(index)
                return true
            }
            return found
        }
        #expect(try numbers(AuditFilter(types: ["exchange.intent"], tenant: "b")) == [10, 12, 14, 16, 18])
        #expect(try numbers(AuditFilter(since: "1970-01-01T00:00:03.000Z", until: "1970-01-01T00:00:05.000Z")) == [3, 4])
        var seen: [UInt64] = []
        var position = try reader.read(after: .start) { index, _ in
            seen.append(index)
            return index < 7
        }
        #expect(position.index == 8)
        for number in 20..<25 { try await add(number, .adminAct, "c") }
        position = try reader.read(after: position) { index, _ in
            seen.append(index)
            return true
        }
        #expect(seen == Array(0..<25))
        #expect(position.index == 25)
        await log.close()
    }
}

@Suite struct RefusalAggregatorTests {
    private static func time(_ seconds: Int64) -> AuditTime { AuditTime(millisecondsSince1970: seconds * 1000) }
    private static func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1) }

    @Test func recordsTheFirstAtOnceAndCountsTheRest() throws {
        let aggregator = RefusalAggregator()
        let first = try #require(aggregator.refuse(try Self.address("192.0.2.7"), .unknownCredential, at: Self.time(0)))
        #expect(first.sourceAddress == "192.0.2.0/24")
        #expect(first.count == 1)
        for second in 1..<50 {
            #expect(aggregator.refuse(try Self.address("192.0.2.\(second)"), .unknownCredential, at: Self.time(Int64(second))) == nil)
        }
        #expect(aggregator.refuse(try Self.address("192.0.2.7"), .missingCredential, at: Self.time(50)) != nil)
        #expect(aggregator.flush(at: Self.time(59)).isEmpty)
        let due = aggregator.flush(at: Self.time(60))
        #expect(due.count == 1)
        #expect(due.first?.count == 49)
        #expect(due.first?.firstSeen == Self.time(0))
        #expect(due.first?.lastSeen == Self.time(49))
        #expect(due.first?.reason == "unknown-credential")
        // Afterwards the next one is news again.
        #expect(aggregator.refuse(try Self.address("192.0.2.7"), .unknownCredential, at: Self.time(61)) != nil)
    }

    @Test func boundsAFloodFromEverywhere() throws {
        let aggregator = RefusalAggregator(.init(maximumBuckets: 20, maximumImmediate: 5))
        var immediate = 0
        for high in 0..<100 {
            for low in 0..<10 where aggregator.refuse(try Self.address("10.\(high).\(low).1"), .missingCredential, at: Self.time(1)) != nil
            { immediate += 1 }
        }
        #expect(immediate == 5)
        let records = aggregator.flush(at: Self.time(2), everything: true)
        #expect(records.count <= 21)
        #expect(records.compactMap(\.count).reduce(immediate, +) == 1000)
        #expect(records.contains { $0.sourceAddress == "other" })
    }

    @Test func groupsIPv6ByTheRangeOfASiteAndUnmapsIPv4() throws {
        let aggregator = RefusalAggregator()
        #expect(
            aggregator.refuse(try Self.address("2001:db8:1:2::3"), .expiredCredential, at: Self.time(0))?.sourceAddress == "2001:db8:1::/48"
        )
        #expect(aggregator.refuse(try Self.address("2001:db8:1:ffff::9"), .expiredCredential, at: Self.time(0)) == nil)
        #expect(
            aggregator.refuse(try Self.address("::ffff:192.0.2.9"), .expiredCredential, at: Self.time(0))?.sourceAddress == "192.0.2.0/24")
        #expect(aggregator.refuse(nil, .expiredCredential, at: Self.time(0))?.sourceAddress == "local")
    }
}
