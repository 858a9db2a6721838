import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard

/// Where guards that understand a text come in: the shared encoder reads what they ask for, off the event loop, and the inspection is
/// repeated with what it read.
extension Exchange {
    /// Inspections of one body: the second has all readings that the first missed; more are never needed but for an error.
    private static let maximumRounds = 3
    /// The queue is bounded by tokens, so this is reached only when the encoder stands still.
    private static let longestReading: TimeAmount = .seconds(120)

    /// Reads all texts of a body through all guards, the learned ones included.
    func inspect(
        _ slots: [TextSlot], in context: GuardEngine.Context, then proceed: @escaping (Result<BodyInspector.Outcome, any Error>) -> Void
    ) {
        inspect(slots, size: slots.reduce(0) { $0 + $1.passage.count }, in: context, round: 1, spent: 0, then: proceed)
    }

    private func inspect(
        _ slots: [TextSlot], size: Int, in context: GuardEngine.Context, round: Int, spent: UInt64,
        then proceed: @escaping (Result<BodyInspector.Outcome, any Error>) -> Void
    ) {
        let inspector = BodyInspector(engine: snapshot.engine, context: context)
        let read = { [self] (outcome: BodyInspector.Outcome) in
            // What is refused anyway need not be understood.
            if outcome.verdict.unread.isEmpty || outcome.isBlocked {
                var outcome = outcome
                outcome.verdict.noteReading(spent)
                return proceed(.success(outcome))
            }
            guard round < Exchange.maximumRounds else {
                return proceed(.failure(Fault(.guardUnavailable, "The content guards are not available.")))
            }
            let began = Exchange.nanoseconds()
            readMeaning(of: outcome.verdict.unread) { [self] requests, result in
                do { try Exchange.refuseUnreadable(result) } catch { return proceed(.failure(error)) }
                var context = context
                context.learned.merge(requests, result)
                inspect(
                    slots, size: size, in: context, round: round + 1, spent: spent + UInt64(max(0, Exchange.nanoseconds() - began)),
                    then: proceed)
            }
        }
        if size <= snapshot.configuration.inlineInspectionBytes { return read(inspector.inspect(slots)) }
        runtime.parts.pool.runIfActive(eventLoop: eventLoop) { inspector.inspect(slots) }.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let outcome): read(outcome)
            case .failure(let error):
                proceed(.failure(Fault(.guardUnavailable, "The content guards are not available.", cause: error)))
            }
        }
    }

    /// Has the encoder read texts; each once.
    func readMeaning(
        of texts: [ReadingRequest], then proceed: @escaping ([ReadingRequest], Result<[TextReading], TextReadingFault>) -> Void
    ) {
        var seen: Set<ReadingRequest> = []
        let requests = texts.filter { seen.insert($0).inserted }
        guard let meaning = runtime.parts.meaning, let principal else { return proceed(requests, .failure(.failed("no encoder"))) }
        // Whichever comes first, and once.
        var isDone = false
        let finish = { [self] (result: Result<[TextReading], TextReadingFault>) in
            guard !isDone else { return }
            isDone = true
            guard phase != .ended else { return }
            if case .failure(let fault) = result { noteUnread(fault) }
            proceed(requests, result)
        }
        let deadline = eventLoop.assumeIsolated().scheduleTask(in: Exchange.longestReading) { finish(.failure(.failed("deadline"))) }
        meaning.read(requests, for: principal.tenant, on: eventLoop).assumeIsolated().whenComplete { result in
            deadline.cancel()
            finish((try? result.get()) ?? .failure(.cancelled))
        }
    }

    private func noteUnread(_ fault: TextReadingFault) {
        guard case .failed(let reason) = fault else { return }
        runtime.parts.logger.warning("encoder failed", metadata: ["exchange.id": "\(id)", "encoder.reason": "\(reason)"])
    }

    /// Too much to read is said at the door, whatever the policy says of guards that fail.
    static func refuseUnreadable<Reading>(_ result: Result<[Reading], TextReadingFault>) throws {
        switch result {
        case .failure(.overloaded(let delay)):
            throw Fault(.rateLimited, "The content guards have as much to read as they may. Please retry.", retryAfter: delay)
        case .failure(.tooLong):
            throw Fault(.payloadTooLarge, "The texts are longer than the content guards may read at once.")
        default: break
        }
    }
}

extension Verdict {
    /// The learned guards share one reading: each took as long as it did.
    mutating func noteReading(_ nanoseconds: UInt64) {
        guard nanoseconds > 0 else { return }
        for (id, report) in reports where report.model != nil { reports[id]?.nanoseconds = max(report.nanoseconds, nanoseconds) }
    }
}
