import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportTesting
import Testing

@testable import SallyportGuard

/// What the scripted encoder says of the requests; it answers at once.
private func answers(to requests: [ReadingRequest], by reader: ScriptedReader) -> [TextReading] {
    let found = NIOLockedValueBox<[TextReading]>([])
    reader.read(requests) { result in if case .success(let readings) = result { found.withLockedValue { $0 = readings } } }
    return found.withLockedValue { $0 }
}

struct GroundednessReportTests {
    private let source =
        "The Sun rises in the east because the Earth rotates from west to east. It sets in the Pacific evening. Tides follow the Moon."

    private func report(_ text: String, ungrounded words: [String], query: String? = nil, sources: [String]? = nil) throws
        -> GroundednessReport
    {
        let reader = ScriptedReader(Dictionary(uniqueKeysWithValues: words.map { ($0, [.sequence("ungrounded", 6)]) }))
        let analysis = try #require(GroundednessAnalysis(reader.description))
        let sources = (sources ?? [source]).map { ByteBuffer(string: $0) }
        let plan = analysis.plan(ByteBuffer(string: text), query: query, sources: sources)
        let readings = answers(to: plan.requests, by: reader)
        #expect(readings.count == plan.requests.count)
        return GroundednessReport(ByteBuffer(string: text), claims: analysis.claims(of: plan, readings: readings), sources: sources)
    }

    @Test func aSupportedTextIsLeftAsItIs() throws {
        let report = try report("The Sun rises in the east. Tides follow the Moon.", ungrounded: ["zebra"])
        #expect(report.details.isEmpty && report.percentage == 0)
        #expect(String(buffer: report.corrected) == "The Sun rises in the east. Tides follow the Moon.")
    }

    @Test func anUnsupportedSentenceIsReplacedByTheClosestSourceSentence() throws {
        let text = "Tides follow the Moon. The Sun rises in the northern sky."
        let report = try report(text, ungrounded: ["northern"])
        let detail = try #require(report.details.first)
        #expect(report.details.count == 1)
        #expect(String(decoding: Array(text.utf8)[detail.range], as: UTF8.self) == "The Sun rises in the northern sky.")
        #expect(detail.reason.contains("The Sun rises in the east") && detail.reason.contains("'northern'"))
        #expect(
            String(buffer: report.corrected)
                == "Tides follow the Moon. The Sun rises in the east because the Earth rotates from west to east.")
        // 34 of the 56 characters that stand in sentences.
        #expect(abs(report.percentage - 34.0 / 56.0) < 0.001)
    }

    @Test func whatNoSourceSpeaksOfIsTakenOut() throws {
        let report = try report("Elephants paint zebras. Tides follow the Moon.", ungrounded: ["zebras"])
        #expect(String(buffer: report.corrected) == "Tides follow the Moon.")
        #expect(report.details.first?.reason == "No sentence of the sources speaks of this.")
    }

    @Test func theSameSourceSentenceIsPutInOnce() throws {
        let text = "The Sun rises in the wrong sky. The Sun rises in the wrong place."
        let report = try report(text, ungrounded: ["wrong"])
        #expect(report.percentage == 1)
        #expect(String(buffer: report.corrected) == "The Sun rises in the east because the Earth rotates from west to east.")
    }

    @Test func nothingIsLeftOfATextWithoutAnySupport() throws {
        let report = try report("Zebras paint.", ungrounded: ["Zebras"], sources: ["Öl ist teuer."])
        #expect(report.corrected.readableBytes == 0 && report.percentage == 1)
    }
}

struct TaskAdherenceTests {
    private let reader = ScriptedReader(["transfer": [.sequence("off_task", 6)], "weather": [.sequence("off_task", -1)]])

    private func risks(_ steps: [TaskAdherenceAnalysis.Conversation.Step], tools: Set<String> = []) throws -> [TaskAdherenceAnalysis.Risk] {
        let analysis = try #require(TaskAdherenceAnalysis(reader.description))
        var conversation = TaskAdherenceAnalysis.Conversation()
        conversation.steps = steps
        conversation.tools = tools
        let plan = analysis.plan(conversation)
        let readings = answers(to: plan.requests, by: reader)
        return analysis.risks(in: plan, readings: readings)
    }

    private func call(_ name: String, _ arguments: String = "{}") -> TaskAdherenceAnalysis.Conversation.Step {
        .call(name: name, arguments: ByteBuffer(string: arguments))
    }

    @Test func aCallThatServesTheRequestIsNoRisk() throws {
        #expect(try risks([.request(ByteBuffer(string: "How is the sky?")), call("weather")]).isEmpty)
    }

    @Test func aCallThatDoesNotIsNamed() throws {
        let risks = try risks([.request(ByteBuffer(string: "How is the sky?")), call("weather"), call("transfer", #"{"to":"x"}"#)])
        #expect(risks.count == 1 && risks[0].reason.contains("'transfer'") && !risks[0].reason.contains("sky"))
    }

    /// The encoder's doubt alone is below the threshold; a deletion that nobody asked for tips the scales, one that was asked for does not.
    @Test func anEffectThatNobodyAskedForTipsTheScales() throws {
        let reader = ScriptedReader(["remove": [.sequence("off_task", 1.5)]])
        let analysis = try #require(TaskAdherenceAnalysis(reader.description))
        func risks(_ request: String) -> Int {
            var conversation = TaskAdherenceAnalysis.Conversation()
            conversation.steps = [.request(ByteBuffer(string: request)), call("remove_row", #"{"row":7}"#)]
            let plan = analysis.plan(conversation)
            return analysis.risks(in: plan, readings: answers(to: plan.requests, by: reader)).count
        }
        #expect(risks("What is in row 7?") == 1)
        #expect(risks("Take row 7 out: delete it.") == 0)
    }

    @Test func aToolThatTheAgentWasNotGivenIsARisk() throws {
        let risks = try risks([.request(ByteBuffer(string: "Hi")), call("shell")], tools: ["weather"])
        #expect(risks.first?.probability == 1)
    }

    @Test func aCallBeforeAnyRequestIsARisk() throws { #expect(try risks([call("weather")]).count == 1) }

    @Test func earlierRequestsCountToo() throws {
        let analysis = try #require(TaskAdherenceAnalysis(reader.description))
        var conversation = TaskAdherenceAnalysis.Conversation()
        conversation.steps = [
            .request(ByteBuffer(string: "Book it")), .request(ByteBuffer(string: "yes please")), call("weather", "{\"a\":1}"),
        ]
        let plan = analysis.plan(conversation)
        #expect(plan.requests.map { String(buffer: $0.text) } == ["yes please", "Book it\nyes please"])
        #expect(plan.requests.allSatisfy { $0.pair.map { String(buffer: $0) } == "weather({\"a\":1})" })
    }
}
