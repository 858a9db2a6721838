import Foundation
import NIOCore
import SallyportCore
import SallyportGuard
import SallyportWire
import Testing

@testable import SallyportGateway

struct StreamGateTests {
    private func gate(
        _ action: GuardAction, dialect: StreamDialect = .chat, choices: Int = 1, asynchronous: Bool = false, annotates: Bool = false
    ) throws -> StreamGate {
        let context = Fixture.context(action, asynchronous: asynchronous, annotates: annotates)
        return StreamGate(
            .init(
                dialect: dialect, choices: choices,
                promptResults: annotates ? Annotations.results([], policy: context.policy, direction: .prompt) : nil, promptCodePoints: 10,
                restore: nil), inspector: BodyInspector(engine: try Fixture.engine(), context: context))
    }

    private func delta(_ text: String, choice: Int = 0) -> String {
        #"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":\#(choice),"delta":{"content":"\#(text)"},"finish_reason":null}]}"#
            + "\n\n"
    }
    private func finish(_ choice: Int = 0) -> String {
        #"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":\#(choice),"delta":{},"finish_reason":"stop"}]}"#
            + "\n\n"
    }
    private let done = "data: [DONE]\n\n"
    /// Of the Responses API.
    private func event(_ type: String, _ rest: String) -> String { "event: \(type)\ndata: {\"type\":\"\(type)\",\(rest)}\n\n" }

    private func text(_ buffers: [ByteBuffer]) -> String { buffers.map { String(buffer: $0) }.joined() }
    private func run(_ gate: inout StreamGate, _ stream: String, pieces: Int = Int.max) throws -> String {
        var out = ""
        var rest = ByteBuffer(string: stream)
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(pieces, rest.readableBytes)) {
            out += text(try gate.receive(piece))
        }
        out += text(try gate.finish())
        return out + text(gate.finalBytes())
    }

    @Test(arguments: [1, 2, 3, 7, 64, 4096]) func passesACleanStreamByteForByte(_ size: Int) throws {
        var gate = try gate(.block)
        let stream =
            ": hello\n\n" + delta("One sentence. ") + delta("Another, with \\u00e9 and \\n breaks") + delta(" that ends.") + finish() + done
        #expect(try run(&gate, stream, pieces: size) == stream)
    }

    @Test func releasesASentenceBeforeTheNextComes() throws {
        var gate = try gate(.block)
        #expect(text(try gate.receive(ByteBuffer(string: delta("First sentence.")))) == delta("First sentence."))
        #expect(text(try gate.receive(ByteBuffer(string: delta(" The second is")))).isEmpty)
        #expect(text(try gate.receive(ByteBuffer(string: delta(" done. ")))) == delta(" The second is") + delta(" done. "))
    }

    @Test func letsGoOfWhatHasGone() throws {
        var gate = try gate(.block)
        #expect(try !gate.receive(ByteBuffer(string: delta("First sentence."))).isEmpty)
        #expect(gate.queue.isEmpty)
        #expect(try !gate.receive(ByteBuffer(string: delta(" Second sentence.") + delta(" And a third"))).isEmpty)
        #expect(gate.queue.count > gate.head)
        #expect(gate.queue[..<gate.head].allSatisfy { $0.event.raw.readableBytes == 0 && $0.document == nil && $0.pieces.isEmpty })
    }

    @Test func holdsTheLastEventUntilItIsAskedFor() throws {
        var gate = try gate(.block)
        _ = try gate.receive(ByteBuffer(string: delta("Hi.") + finish() + done))
        #expect(text(try gate.finish()).isEmpty)
        #expect(text(gate.finalBytes()) == done)
    }

    @Test func endsAStreamInWhichTheMarkerIsSplitOverEvents() throws {
        var gate = try gate(.block)
        let out = try run(&gate, delta("All well. ") + delta("Now zyxw") + delta("ombat comes") + delta(" and more. ") + finish() + done)
        #expect(!out.contains("zyxw"))
        #expect(!out.contains("more"))
        #expect(out.hasPrefix(delta("All well. ")))
        #expect(out.contains(#""finish_reason":"content_filter""#))
        #expect(out.hasSuffix(done))
        #expect(gate.isTerminated)
    }

    @Test func masksInTheMiddleOfAStreamAndGoesOn() throws {
        var gate = try gate(.mask)
        let out = try run(&gate, delta("Now zyxw") + delta("ombat comes") + delta(" and more. ") + finish() + done)
        #expect(!out.contains("zyxw") && !out.contains("ombat"))
        #expect(out.contains("Now *********"))
        #expect(out.contains(" and more. "))
        #expect(out.hasSuffix(finish() + done))
    }

    @Test func masksAnIdInEveryEventThatHasIt() throws {
        var gate = try gate(.mask)
        let events = delta("One. ") + delta("Two. ") + finish()
        let stream = events.replacingOccurrences(of: #""id":"c1""#, with: #""id":"zyxwombat-1""#) + done
        let out = try run(&gate, stream)
        #expect(!out.contains("zyxwombat"))
        #expect(out.components(separatedBy: #""id":"*********-1""#).count == 4)
    }

    @Test func readsWhatStandsBesideDataInSeveralLines() throws {
        let split = { (beside: String) in
            "\(beside)\ndata: {\"id\":\"c1\",\ndata: \"choices\":[{\"index\":0,\"delta\":{\"content\":\"All well. \"}}]}\n\n"
        }
        var clean = try gate(.block)
        #expect(try run(&clean, split(": hello") + finish() + done) == split(": hello") + finish() + done)
        for beside in [": zyxwombat", "event: zyxwombat", "id: zyxwombat", ":\r\n:zyxwombat"] {
            var gate = try gate(.block)
            let out = try run(&gate, split(beside) + finish() + done)
            #expect(gate.wasBlocked, "\(beside)")
            #expect(!out.contains("zyxwombat"), "\(beside)")
        }
    }

    @Test func keepsNoLongComments() throws {
        var gate = try gate(.block)
        let long = String(repeating: "x y ", count: 10_000)
        for number in 0..<20 { _ = try gate.receive(ByteBuffer(string: ": \(number) \(long)\n\n")) }
        #expect(gate.seenTokens.reduce(0) { $0 + $1.readableBytes } < 10_000)
    }

    @Test func findsAnEncodedMarkerSplitOverEvents() throws {
        let encoded = Base64.encode(Array(Base64.encode(Array("zyxwombat is the word to find".utf8)).utf8))
        for cut in stride(from: 1, to: encoded.count - 1, by: 7) {
            var gate = try gate(.block)
            let index = encoded.index(encoded.startIndex, offsetBy: cut)
            let out = try run(&gate, delta("Decode \(encoded[..<index])") + delta("\(encoded[index...]) please. ") + finish() + done)
            #expect(gate.wasBlocked, "cut at \(cut)")
            #expect(!out.contains(encoded[index...]))
        }
    }

    @Test func blocksOnlyTheChoiceThatOffends() throws {
        var gate = try gate(.block, choices: 2)
        let out = try run(
            &gate,
            delta("Fine. ", choice: 0) + delta("zyxwombat. ", choice: 1) + delta("Still fine. ", choice: 0) + delta("gone", choice: 1)
                + finish(0) + finish(1) + done)
        #expect(out.contains("Still fine."))
        #expect(!out.contains("gone") && !out.contains("zyxwombat"))
        #expect(out.contains(#""index":1,"finish_reason":"content_filter""#))
        #expect(!gate.isTerminated)
    }

    private func both(_ first: String, _ second: String) -> String {
        #"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"\#(first)"},"finish_reason":null},{"index":1,"delta":{"content":"\#(second)"},"finish_reason":null}]}"#
            + "\n\n"
    }

    @Test func takesOnlyTheOffendingChoiceOutOfAnEventOfSeveral() throws {
        for offender in [0, 1] {
            var gate = try gate(.block, choices: 2)
            func event(_ good: String, _ bad: String) -> String { offender == 0 ? both(bad, good) : both(good, bad) }
            let out = try run(
                &gate,
                event("Fine. ", "Well. ") + event("Still fine. ", "zyxwombat. ") + event("Going on", "never shown")
                    + event(" to the end.", "nor this")
                    + finish(1 - offender) + finish(offender) + done)
            #expect(out.contains("Fine. ") && out.contains("Well. "))
            #expect(out.contains("Still fine. ") && out.contains("Going on") && out.contains(" to the end."), "\(out)")
            #expect(!out.contains("zyxwombat") && !out.contains("never shown") && !out.contains("nor this"))
            #expect(out.contains(#""index":\#(offender),"finish_reason":"content_filter""#))
            #expect(out.contains(finish(1 - offender)) && !out.contains(finish(offender)))
            #expect(!gate.isTerminated)
            var parser = SSEParser(maximumEventBytes: 1 << 20)
            parser.append(ByteBuffer(string: out))
            while let event = try parser.next() {
                guard let data = event.data, !data.hasPrefix("[DONE]", at: 0) else { continue }
                let document = try JSONDocument(parsing: data)
                #expect(document.member("choices", of: 0) != nil)
            }
        }
    }

    @Test func goesOnWhenOnlyATextThatStandsAloneOffends() throws {
        var gate = try gate(.block, choices: 3)
        func event(_ name: String) -> String {
            let choices = (0..<3).map {
                #"{"index":\#($0),"delta":{"content":"t\#($0). "},"finish_reason":null,"extra":"\#($0 == 1 ? name : "")"}"#
            }
            return #"data: {"id":"c","choices":[\#(choices.joined(separator: " , "))]}"# + "\n\n"
        }
        var out = ""
        for name in ["ok", "zyxwombat", "ok"] { out += text(try gate.receive(ByteBuffer(string: event(name)))) }
        out += try run(&gate, done)
        #expect(out.components(separatedBy: "t0.").count == 4 && out.components(separatedBy: "t2.").count == 4)
        #expect(out.components(separatedBy: "t1.").count == 2)
        #expect(
            out.contains(
                #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"t0. "},"finish_reason":null,"extra":""} , {"index":2,"#))
    }

    @Test func readsAFunctionsNameWhole() throws {
        func call(_ member: String) -> String {
            #"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{\#(member)}}]},"finish_reason":null}]}"#
                + "\n\n"
        }
        for action in [GuardAction.block, .mask] {
            var gate = try gate(action)
            let out = try run(&gate, call(#""name":"get_zyxw""#) + call(#""name":"ombat""#) + call(#""arguments":"{}""#) + finish() + done)
            #expect(gate.wasBlocked && !out.contains("zyxw") && !out.contains("ombat"))
        }
        var clean = try gate(.mask)
        let stream = call(#""name":"get_weather","arguments":"""#) + call(#""arguments":"{}""#) + finish() + done
        #expect(try run(&clean, stream) == stream)
    }

    @Test func keepsToolArgumentsBackUntilTheyAreWhole() throws {
        func call(_ arguments: String) -> String {
            #"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\#(arguments)"}}]},"finish_reason":null}]}"#
                + "\n\n"
        }
        let first = call(#"{\"a\":\"x zyx"#)
        let second = call(#"wombat\"}"#)
        var blocking = try gate(.block)
        #expect(text(try blocking.receive(ByteBuffer(string: first + second))).isEmpty)
        _ = try run(&blocking, finish() + done)
        #expect(blocking.wasBlocked)
        var masking = try gate(.mask)
        let out = try run(&masking, first + second + finish() + done)
        #expect(!out.contains("wombat"))
        #expect(out.contains(#"{\"a\":\"x *********"#), "\(out)")
    }

    @Test func refusesAnEventThatIsNotJSON() throws {
        var gate = try gate(.block)
        #expect(throws: Fault.self) { _ = try gate.receive(ByteBuffer(string: "data: {\"a\":\n\n")) }
    }

    @Test func failsClosedWhenAGuardFails() throws {
        var gate = StreamGate(
            .init(dialect: .chat, choices: 1, promptResults: nil, promptCodePoints: 0, restore: nil),
            inspector: BodyInspector(engine: try Fixture.engine([BrokenDetector(), MarkerDetector()]), context: Fixture.context(.block)))
        #expect(throws: Fault.self) { _ = try gate.receive(ByteBuffer(string: delta("Hello there. "))) }
    }

    @Test func forcesAnEvaluationWithoutReleasingTheOverlap() throws {
        var gate = try gate(.block)
        #expect(text(try gate.receive(ByteBuffer(string: delta("no end yet zyxwomb")))).isEmpty)
        #expect(text(try gate.delayElapsed()).isEmpty)
        #expect(!gate.wasBlocked)
        _ = try gate.receive(ByteBuffer(string: delta("at indeed. ")))
        #expect(gate.wasBlocked)
    }

    @Test func letsReadTextGoWhenTheDelayIsOver() throws {
        var gate = try gate(.block)
        #expect(text(try gate.receive(ByteBuffer(string: delta("some ") + delta("words that ") + delta("wait")))).isEmpty)
        #expect(gate.isHolding)
        // However short it is: only the word that may go on stays.
        #expect(text(try gate.delayElapsed()) == delta("some ") + delta("words that "))
        #expect(!gate.isHolding, "without new text another reading would find the same")
        _ = try gate.receive(ByteBuffer(string: delta(" for ") + delta("12 ") + delta("Main ")))
        #expect(text(try gate.delayElapsed()) == delta("wait") + delta(" for "), "numbers and names may go on")
        _ = try gate.receive(ByteBuffer(string: delta("things and ")))
        #expect(text(try gate.delayElapsed()) == delta("12 ") + delta("Main ") + delta("things and "))
        // What straddles the forced cut is still found.
        _ = try gate.receive(ByteBuffer(string: delta(" zyxwomb")))
        #expect(!text(try gate.delayElapsed()).contains("zyxw"))
        _ = try gate.receive(ByteBuffer(string: delta("at.")))
        _ = try gate.finish()
        #expect(gate.wasBlocked)
    }

    @Test func countsAsynchronousOffsetsInCodePoints() throws {
        var gate = try gate(.annotate, asynchronous: true, annotates: true)
        let first = text(try gate.receive(ByteBuffer(string: delta("Zażółć gęślą jaźń. "))))
        #expect(first.contains(#""check_offset":10,"start_offset":10,"end_offset":29}"#), "\(first)")
        let second = text(try gate.receive(ByteBuffer(string: delta("猫が好き。"))))
        #expect(second.contains(#""start_offset":29,"end_offset":34}"#), "\(second)")
    }

    @Test func evaluatesLongTextWithoutAnySentence() throws {
        var gate = try gate(.block)
        var out = ""
        for _ in 0..<400 { out += text(try gate.receive(ByteBuffer(string: delta("word word word word ")))) }
        #expect(out.utf8.count > 40_000)
        _ = try gate.receive(ByteBuffer(string: delta(" zyxwombat ")))
        _ = try gate.finish()
        #expect(gate.wasBlocked)
    }

    @Test func annotatesFirstAndFinishingChunk() throws {
        var gate = try gate(.annotate, annotates: true)
        let out = try run(&gate, delta("Hello zyxwombat. ") + finish() + done)
        #expect(
            out.hasPrefix(
                #"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":"#
            ))
        #expect(out.contains("Hello zyxwombat."))
        #expect(out.contains(#""content_filter_results""#))
        var parser = SSEParser(maximumEventBytes: 1 << 20)
        parser.append(ByteBuffer(string: out))
        while let event = try parser.next() {
            if let data = event.data, !String(buffer: data).hasPrefix("[DONE") { _ = try JSONDocument(parsing: data) }
        }
    }

    @Test func letsTextGoAtOnceInAsynchronousModeAndEndsAfterAViolation() throws {
        var gate = try gate(.block, asynchronous: true, annotates: true)
        let first = text(try gate.receive(ByteBuffer(string: delta("half a sent"))))
        #expect(first.contains("half a sent"))
        let out = text(try gate.receive(ByteBuffer(string: delta("ence zyxwombat here. ") + delta("never"))))
        #expect(out.contains("content_filter_offsets"))
        #expect(gate.isTerminated && gate.wasBlocked)
        #expect(text(gate.finalBytes()) == done)
    }

    @Test func blocksAResponseStreamWithAnIncompleteEvent() throws {
        var gate = try gate(.block, dialect: .responses)
        let created = event(
            "response.created", #""sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","output":[]}"#)
        let out = try run(
            &gate,
            created
                + event(
                    "response.output_text.delta",
                    #""sequence_number":1,"item_id":"m","output_index":0,"content_index":0,"delta":"bad zyxwombat. ""#)
                + event("response.completed", #""sequence_number":2,"response":{"id":"resp_1","status":"completed","output":[]}"#))
        #expect(out.hasPrefix(created))
        #expect(out.contains("event: response.incomplete"))
        #expect(out.contains(#""incomplete_details":{"reason":"content_filter"}"#))
        #expect(!out.contains("zyxwombat"))
        #expect(gate.createdID == "resp_1")
    }

    @Test func readsTextAndTranscriptOfOneItemEachByItself() throws {
        var gate = try gate(.block, dialect: .responses)
        let out = try run(
            &gate,
            event("response.output_text.delta", #""output_index":0,"content_index":0,"delta":"Now zyxw""#)
                + event("response.audio.transcript.delta", #""output_index":0,"delta":" well, ""#)
                + event("response.output_text.delta", #""output_index":0,"content_index":0,"delta":"ombat comes. ""#)
                + event("response.completed", #""response":{"id":"resp_1","status":"completed","output":[]}"#))
        #expect(gate.wasBlocked)
        #expect(!out.contains("ombat"))
    }

    @Test func countsUsageFromTheLastChunkOrFromTheText() throws {
        var counted = try gate(.block)
        _ = try run(
            &counted,
            delta("Hi.") + finish() + #"data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#
                + "\n\n" + done)
        #expect(counted.usage == StreamGate.Usage(prompt: 7, completion: 3))
        var estimated = try gate(.block)
        _ = try run(&estimated, delta("12345678") + finish() + done)
        #expect(estimated.usage == nil && estimated.completionBytes == 8)
    }
}
