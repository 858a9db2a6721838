import Dispatch
import Foundation
import NIOConcurrencyHelpers
import SallyportCore
import Testing

@testable import SallyportInference

/// A model that notes what it was given and, while it is held, does not answer.
private final class ScriptedModel: Sendable {
    let batches = NIOLockedValueBox<[[Int]]>([])
    let entered = DispatchSemaphore(value: 0)
    let mayLeave = DispatchSemaphore(value: 0)
    let isHeld: Bool
    init(isHeld: Bool) { self.isHeld = isHeld }

    /// Answers each row with its call's first token and its own number.
    func run(_ batch: Batch) throws(ModelError) -> [RowResult] {
        batches.withLockedValue { $0.append(batch.rows.map { Int($0.call.texts[0].tokens.first?.identifier ?? 0) }) }
        if isHeld {
            entered.signal()
            mayLeave.wait()
        }
        if batch.rows.contains(where: { $0.call.texts[0].tokens.first?.identifier == 666 }) { throw .engine("broken") }
        return batch.rows.map { RowResult(scores: [Float($0.call.texts[0].tokens.first?.identifier ?? 0), Float($0.index)]) }
    }
}

/// What a call came to.
private final class Answer: Sendable {
    private let box = NIOLockedValueBox<[Result<[RowResult], TextReadingFault>]>([])
    private let arrived = DispatchSemaphore(value: 0)

    func take(_ result: Result<[RowResult], TextReadingFault>) {
        box.withLockedValue { $0.append(result) }
        arrived.signal()
    }
    func wait() -> Result<[RowResult], TextReadingFault> {
        arrived.wait()
        return box.withLockedValue { $0[0] }
    }
    var count: Int { box.withLockedValue { $0.count } }
    var fault: String {
        switch wait() {
        case .success: "none"
        case .failure(.overloaded): "overloaded"
        case .failure(.cancelled): "cancelled"
        case .failure(.failed(let reason)): reason
        case .failure(let other): "\(other)"
        }
    }
}

@Suite struct BatchEngineTests {
    private let lengths = [16, 128]

    private func call(_ identifier: Int32, rows: Int = 1, length: Int = 10, _ answer: Answer) -> ReadingCall {
        let token = Token(identifier: identifier, start: 0, end: 1, wordAndCase: 0)
        let text = TokenizedText(tokens: Array(repeating: token, count: length - 2), pair: nil, wantsTokens: false)
        return ReadingCall(
            texts: [text], rows: Array(repeating: Row(text: 0, first: 0..<length - 2, second: nil), count: rows), lengths: lengths
        ) { answer.take($0) }
    }

    private func queue(tokens: Int = 100_000, calls: Int = 100, batch: Int = 128) -> BatchQueue {
        BatchQueue(lengths: lengths, maximumBatchTokens: batch, maximumQueuedTokens: tokens, maximumQueuedCalls: calls)
    }

    private func engine(_ model: ScriptedModel, workers: Int = 1, queue: BatchQueue? = nil) throws -> BatchEngine {
        try BatchEngine(workers: workers, name: "test", queue: queue ?? self.queue()) { _ throws(ModelError) in
            { batch throws(ModelError) in try model.run(batch) }
        }
    }

    @Test func runsAtOnceWhenIdleAndTogetherWhatGathersMeanwhile() throws {
        let model = ScriptedModel(isHeld: true)
        let engine = try engine(model)
        let answers = (0..<6).map { _ in Answer() }
        engine.submit(call(1, answers[0]))
        model.entered.wait()
        for number in 1..<6 { engine.submit(call(Int32(number + 1), answers[number])) }
        for _ in 0..<3 { model.mayLeave.signal() }
        for answer in answers { #expect(try answer.wait().get().count == 1) }
        // Five wait: four go together, a power of two, and then the last.
        #expect(model.batches.withLockedValue { $0 } == [[1], [2, 3, 4, 5], [6]])
        engine.shutdown()
    }

    @Test func putsResultsInOrderHoweverTheyWereRun() throws {
        let model = ScriptedModel(isHeld: false)
        let engine = try engine(model, workers: 3)
        let answers = (0..<20).map { _ in Answer() }
        for (number, answer) in answers.enumerated() { engine.submit(call(Int32(number), rows: 30, answer)) }
        for (number, answer) in answers.enumerated() {
            let results = try answer.wait().get()
            #expect(results.map(\.scores) == (0..<30).map { [Float(number), Float($0)] })
        }
        engine.shutdown()
    }

    @Test func letsAShortTextPassALongOne() {
        var queue = queue()
        let (long, short) = (Answer(), Answer())
        var admitted = [queue.admit(call(1, rows: 1_000, length: 128, long))]
        var order = owners(queue.next())
        admitted.append(queue.admit(call(2, length: 128, short)))
        for _ in 0..<3 { order += owners(queue.next()) }
        #expect(admitted == [true, true])
        #expect(order == [1, 1, 2, 1])
    }

    @Test func fillsARunFromSeveralCallsInTurn() {
        var queue = queue()
        let answer = Answer()
        let admitted = [call(1, rows: 20, answer), call(2, rows: 3, answer), call(3, length: 100, answer)].map { queue.admit($0) }
        #expect(admitted == [true, true, true])
        let runs = (0..<7).map { _ in owners(queue.next()) }
        // The second call has nothing left after the first run; the third has other lengths and comes then.
        #expect(runs == [[1, 2, 1, 2, 1, 2, 1, 1], [3], Array(repeating: 1, count: 8), [1, 1, 1, 1], [1, 1], [1], []])
    }

    private func owners(_ batch: Batch?) -> [Int32] { batch?.rows.map { $0.call.texts[0].tokens[0].identifier } ?? [] }

    @Test func refusesWhatWouldWaitTooLongButNotForItsOwnLength() throws {
        let model = ScriptedModel(isHeld: true)
        let engine = try engine(model, queue: queue(tokens: 1_000))
        let answers = (0..<5).map { _ in Answer() }
        engine.submit(call(1, rows: 1, length: 128, answers[0]))
        model.entered.wait()
        // Nothing waits, so 128,000 tokens may.
        engine.submit(call(2, rows: 1_000, length: 128, answers[1]))
        // Behind it a second such text would wait for 128,000 tokens; a short one only for as many as it has itself.
        engine.submit(call(3, rows: 1_000, length: 128, answers[2]))
        #expect(answers[2].fault == "overloaded")
        engine.submit(call(4, rows: 1, length: 128, answers[3]))
        model.mayLeave.signal()
        for _ in 0..<2 {
            model.entered.wait()
            model.mayLeave.signal()
        }
        #expect(try answers[3].wait().get().count == 1)
        model.entered.wait()
        model.mayLeave.signal()
        engine.cancelAndDrain(model)
        #expect(answers[1].fault == "cancelled")
    }

    @Test func refusesMoreCallsThanItHolds() throws {
        let model = ScriptedModel(isHeld: true)
        let engine = try engine(model, queue: queue(calls: 2))
        let answers = (0..<4).map { _ in Answer() }
        engine.submit(call(1, answers[0]))
        model.entered.wait()
        for number in 1..<4 { engine.submit(call(Int32(number + 1), answers[number])) }
        #expect(answers[3].fault == "overloaded")
        engine.cancelAndDrain(model)
    }

    @Test func endsACancelledCallOnceAndGoesOnWithOthers() throws {
        let model = ScriptedModel(isHeld: true)
        let engine = try engine(model)
        let (running, waiting, other) = (Answer(), Answer(), Answer())
        let first = call(1, rows: 100, running)
        let second = call(2, waiting)
        engine.submit(first)
        model.entered.wait()
        engine.submit(second)
        engine.submit(call(3, other))
        engine.cancel(first)
        engine.cancel(second)
        engine.cancel(second)
        #expect(running.fault == "cancelled")
        #expect(waiting.fault == "cancelled")
        model.mayLeave.signal()
        model.mayLeave.signal()
        #expect(try other.wait().get()[0].scores == [3, 0])
        engine.shutdown()
        #expect(running.count == 1 && waiting.count == 1)
        #expect(model.batches.withLockedValue { $0.count } == 2)
    }

    @Test func failsTheCallsOfARunThatFailsAndNoOthers() throws {
        let model = ScriptedModel(isHeld: false)
        let engine = try engine(model)
        let (bad, good) = (Answer(), Answer())
        engine.submit(call(666, rows: 50, bad))
        #expect(bad.fault == "inference engine: broken")
        engine.submit(call(1, good))
        #expect(try good.wait().get()[0].scores == [1, 0])
        engine.shutdown()
        #expect(bad.count == 1)
    }

    @Test func cancelsWhatWaitsWhenItIsShutDownAndTakesNothingMore() throws {
        let model = ScriptedModel(isHeld: true)
        let engine = try engine(model)
        let (running, waiting, late) = (Answer(), Answer(), Answer())
        engine.submit(call(1, running))
        model.entered.wait()
        engine.submit(call(2, waiting))
        engine.cancelAndDrain(model)
        #expect(waiting.fault == "cancelled")
        #expect(try running.wait().get().count == 1)
        engine.submit(call(3, late))
        #expect(late.fault == "cancelled")
    }

    @Test func doesNotStartWhenAThreadCannot() {
        #expect(throws: ModelError.self) {
            try BatchEngine(workers: 2, name: "test", queue: queue()) { number throws(ModelError) in
                guard number == 0 else { throw .engine("no") }
                return { _ throws(ModelError) in [] }
            }
        }
    }
}

extension BatchEngine {
    /// Ends the engine while its one thread is held in a run: the run goes on once nothing waits any more.
    fileprivate func cancelAndDrain(_ model: ScriptedModel) {
        let ended = DispatchSemaphore(value: 0)
        DispatchQueue(label: "shutdown").async {
            self.shutdown()
            ended.signal()
        }
        while waitingCalls > 0 { usleep(500) }
        for _ in 0..<16 { model.mayLeave.signal() }
        ended.wait()
    }
}
