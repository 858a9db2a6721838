import Dispatch
import Foundation
import NIOConcurrencyHelpers
import SallyportCore

/// Runs rows on threads of its own. An idle thread takes what is there at once; what gathers while all are busy goes together.
final class BatchEngine: Sendable {
    /// Runs one batch; made on the thread that uses it, and used there only.
    typealias Runner = (Batch) throws(ModelError) -> [RowResult]

    private let shared: Shared

    /// - Parameter makeRunner: called once on each thread, with the thread's number; makes everything ready.
    init(
        workers: Int, name: String, queue: BatchQueue, makeRunner: @escaping @Sendable (Int) throws(ModelError) -> Runner
    ) throws(ModelError) {
        let shared = Shared(queue: queue, workers: workers)
        self.shared = shared
        let ready = DispatchSemaphore(value: 0)
        let failure = NIOLockedValueBox<ModelError?>(nil)
        for number in 0..<workers {
            shared.running.enter()
            let thread = Thread {
                defer { shared.running.leave() }
                let runner: Runner
                do throws(ModelError) { runner = try makeRunner(number) } catch {
                    failure.withLockedValue { $0 = $0 ?? error }
                    ready.signal()
                    return
                }
                ready.signal()
                shared.work(runner)
            }
            thread.name = "\(name)-\(number)"
            thread.stackSize = 8 << 20
            thread.start()
        }
        for _ in 0..<workers { ready.wait() }
        if let error = failure.withLockedValue({ $0 }) {
            shared.stop()
            shared.running.wait()
            throw error
        }
    }

    deinit { shared.stop() }

    /// Takes the call in, or fails it.
    func submit(_ call: ReadingCall) { shared.submit(call) }

    /// Ends the call with ``TextReadingFault/cancelled`` unless it is done. Rows that are running are run to their end and forgotten.
    func cancel(_ call: ReadingCall) { shared.cancel(call) }

    /// Calls back with a fault, from a thread of the engine's own.
    func refuse(_ body: @escaping @Sendable () -> Void) { shared.answers.async(execute: body) }

    /// Ends all calls and waits until the threads are done. Not to be called from a completion.
    func shutdown() {
        shared.stop()
        shared.running.wait()
    }

    /// Calls that wait.
    var waitingCalls: Int { shared.state.withLockedValue { $0.queue.calls.count } }
}

/// What the threads share; it does not know the engine, so that the engine's end ends them.
private final class Shared: Sendable {
    struct State {
        var queue: BatchQueue
        var idle = 0
        var isStopping = false
        /// A moving mean, for telling callers when to come back.
        var secondsPerToken = 0.0001
    }
    let state: NIOLockedValueBox<State>
    let wake = DispatchSemaphore(value: 0)
    let running = DispatchGroup()
    /// For answers that come without a run.
    let answers = DispatchQueue(label: "sallyport.inference.answers")

    private let workers: Int

    init(queue: BatchQueue, workers: Int) {
        self.workers = max(1, workers)
        state = NIOLockedValueBox(State(queue: queue))
    }

    private enum Step {
        case run(Batch)
        case wait
        case stop
    }

    func work(_ runner: BatchEngine.Runner) {
        while true {
            let step: Step = state.withLockedValue {
                if $0.isStopping { return .stop }
                if let batch = $0.queue.next() { return .run(batch) }
                $0.idle += 1
                return .wait
            }
            switch step {
            case .stop: return
            case .wait: wake.wait()
            case .run(let batch): run(batch, runner)
            }
        }
    }

    private func run(_ batch: Batch, _ runner: BatchEngine.Runner) {
        let start = DispatchTime.now().uptimeNanoseconds
        let results: Result<[RowResult], ModelError>
        do throws(ModelError) { results = .success(try runner(batch)) } catch { results = .failure(error) }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
        let done: [@Sendable () -> Void] = state.withLockedValue { state in
            state.secondsPerToken += (seconds / Double(batch.length * batch.rows.count) - state.secondsPerToken) / 16
            switch results {
            case .success(let results):
                return zip(batch.rows, results).compactMap { $0.call.store($1, at: $0.index) }
            case .failure(let error):
                return batch.rows.compactMap { $0.call.fail(.failed(error.description)) }
            }
        }
        for body in done { body() }
    }

    func submit(_ call: ReadingCall) {
        enum Outcome {
            case queued(wakes: Int)
            case refused((@Sendable () -> Void)?)
        }
        let outcome: Outcome = state.withLockedValue {
            if $0.isStopping { return .refused(call.fail(.cancelled)) }
            let late = $0.queue.delay(of: call, secondsPerToken: $0.secondsPerToken / Double(workers))
            if late > 0 { return .refused(call.fail(.overloaded(retryAfter: .seconds(max(1, late.rounded(.up)))))) }
            guard $0.queue.admit(call) else {
                let seconds = $0.secondsPerToken * Double($0.queue.tokensAhead(of: call.waitingTokens))
                return .refused(call.fail(.overloaded(retryAfter: .seconds(max(1, seconds.rounded(.up))))))
            }
            let wakes = $0.idle
            $0.idle = 0
            return .queued(wakes: wakes)
        }
        switch outcome {
        case .queued(let wakes): for _ in 0..<wakes { wake.signal() }
        case .refused(let body): if let body { answers.async(execute: body) }
        }
    }

    func cancel(_ call: ReadingCall) {
        // The queue forgets calls without waiting rows by itself.
        if let body = state.withLockedValue({ _ in call.fail(.cancelled) }) { answers.async(execute: body) }
    }

    func stop() {
        let (done, wakes) = state.withLockedValue { state -> ([@Sendable () -> Void], Int) in
            state.isStopping = true
            defer { state.idle = 0 }
            return (state.queue.removeAll().compactMap { $0.fail(.cancelled) }, state.idle)
        }
        for _ in 0..<wakes { wake.signal() }
        for body in done { answers.async(execute: body) }
    }
}
