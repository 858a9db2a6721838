import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import SallyportGuard

/// Where guards that understand a text come in: the shared encoder reads what they ask for, off the event loop, and the inspection is
/// repeated with what it read.
extension Exchange {
    /// Inspections of one body: the second has all readings that the first missed; more are never needed but for an error.
    private static let maximumRounds = 3
    /// A base and an allowance for each window of text. What would take longer was refused at the door, so this is reached only when the
    /// encoder stands still.
    private static func longestReading(bytes: Int) -> TimeAmount { .seconds(60) + .milliseconds(Int64(bytes / 256 + 1) * 500) }

    /// Reads all texts of a body through all guards, the learned and the remote ones included.
    func inspect(
        _ slots: [TextSlot], calls: [BodyInspector.ToolCall] = [], in context: GuardEngine.Context,
        then proceed: @escaping (Result<BodyInspector.Outcome, any Error>) -> Void
    ) {
        var context = context
        let size = slots.reduce(0) { $0 + $1.passage.count }
        // Of what is inspected on another thread, the encoder reads the first texts while patterns are looked for in the rest.
        let early = size > snapshot.configuration.inlineInspectionBytes ? runtime.parts.meaning.map { EarlyReadings($0) } : nil
        if let early, let tenant = principal?.tenant {
            let eventLoop = eventLoop
            context.announce = { early.start($0, for: tenant, on: eventLoop) }
        }
        // A caller that leaves meanwhile takes these back too.
        self.early = early
        inspect(slots, calls, size: size, in: context, round: 1, spent: 0) { [self] result in
            early?.end()
            self.early = nil
            proceed(result)
        }
    }

    private func inspect(
        _ slots: [TextSlot], _ calls: [BodyInspector.ToolCall], size: Int, in context: GuardEngine.Context, round: Int, spent: UInt64,
        then proceed: @escaping (Result<BodyInspector.Outcome, any Error>) -> Void
    ) {
        let inspector = BodyInspector(engine: snapshot.engine, context: context, calls: calls)
        let read = { [self] (outcome: BodyInspector.Outcome) in
            // What is refused anyway need not be understood.
            if !outcome.verdict.lacks || outcome.isBlocked {
                var outcome = outcome
                outcome.verdict.noteReading(spent)
                return proceed(.success(outcome))
            }
            guard round < Exchange.maximumRounds else {
                return proceed(.failure(Fault(.guardUnavailable, "The content guards are not available.")))
            }
            let began = Exchange.nanoseconds()
            understand(outcome.verdict) { [self] understanding in
                do { try Exchange.refuseUnreadable(understanding.readings) } catch { return proceed(.failure(error)) }
                var context = context
                context.announce = nil
                understanding.add(to: &context)
                inspect(
                    slots, calls, size: size, in: context, round: round + 1, spent: spent + UInt64(max(0, Exchange.nanoseconds() - began)),
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

    /// The encoder reads and the remote guards are asked, all at the same time; goes on when the last of them is done.
    func understand(_ verdict: Verdict, then proceed: @escaping (Understanding) -> Void) {
        var understanding = Understanding()
        var isOpen = (readings: !verdict.unread.isEmpty, opinions: !verdict.unasked.isEmpty)
        let finish = { if !isOpen.readings, !isOpen.opinions { proceed(understanding) } }
        guard isOpen.readings || isOpen.opinions else { return finish() }
        if isOpen.opinions {
            ask(verdict.unasked) { questions, entries in
                (understanding.questions, understanding.opinions) = (questions, entries)
                isOpen.opinions = false
                finish()
            }
        }
        if isOpen.readings {
            readMeaning(of: verdict.unread) { requests, result in
                (understanding.requests, understanding.readings) = (requests, result)
                isOpen.readings = false
                finish()
            }
        }
    }

    /// Asks remote guards; each question once.
    private func ask(_ questions: [OpinionRequest], then proceed: @escaping ([OpinionRequest], [RemoteOpinions.Entry]) -> Void) {
        var seen: Set<OpinionRequest> = []
        let questions = questions.filter { seen.insert($0).inserted }
        guard let principal else { return proceed(questions, questions.map { _ in .failed(isLate: false) }) }
        let (opinions, tenant, eventLoop) = (runtime.parts.opinions, principal.tenant, eventLoop)
        let answers = questions.map { question -> EventLoopFuture<RemoteOpinions.Entry> in
            if let name = CustomCategoryQuestion.name(of: question) { return judge(question, category: name, of: tenant) }
            // A policy that keeps data somewhere tells nobody elsewhere: then there is no opinion.
            guard mayAsk(question.asked) else { return eventLoop.makeSucceededFuture(.failed(isLate: false)) }
            return opinions?.ask([question], for: tenant, on: eventLoop).map { $0.first ?? .failed(isLate: false) }
                ?? eventLoop.makeSucceededFuture(.failed(isLate: false))
        }
        EventLoopFuture.whenAllSucceed(answers, on: eventLoop).assumeIsolated().whenComplete { [self] result in
            guard phase != .ended else { return }
            let entries = (try? result.get()) ?? []
            for (question, entry) in zip(questions, entries) {
                guard case .failed(let isLate) = entry else { continue }
                runtime.parts.logger.warning(
                    "remote guard gave no opinion",
                    metadata: ["exchange.id": "\(id)", "guard.id": "\(question.asked.rawValue)", "guard.late": "\(isLate)"])
            }
            proceed(questions, entries.count == questions.count ? entries : questions.map { _ in .failed(isLate: false) })
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
            self.ticket = nil
            guard phase != .ended else { return }
            if case .failure(let fault) = result { noteUnread(fault) }
            proceed(requests, result)
        }
        let reading = meaning.start(requests, for: principal.tenant, on: eventLoop)
        // A caller that leaves takes back what waits.
        self.ticket = reading.ticket
        let bytes = requests.reduce(0) { $0 + $1.text.readableBytes + ($1.pair?.readableBytes ?? 0) }
        let deadline = eventLoop.assumeIsolated().scheduleTask(in: Exchange.longestReading(bytes: bytes)) {
            reading.ticket.cancel()
            finish(.failure(.failed("deadline")))
        }
        reading.future.assumeIsolated().whenComplete { result in
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

/// What was missing in an inspection, and has come.
struct Understanding {
    var requests: [ReadingRequest] = []
    var readings: Result<[TextReading], TextReadingFault> = .success([])
    var questions: [OpinionRequest] = []
    var opinions: [RemoteOpinions.Entry] = []

    func add(to context: inout GuardEngine.Context) {
        context.learned.merge(requests, readings)
        for (question, opinion) in zip(questions, opinions) { context.opinions[question] = opinion }
    }
}

/// Readings that were begun while an inspection goes on; whoever wants them in time joins them, the others are taken back.
final class EarlyReadings: Sendable {
    private let meaning: MeaningReader
    private let tickets = NIOLockedValueBox<[MeaningReader.Ticket]?>([])

    init(_ meaning: MeaningReader) { self.meaning = meaning }

    func start(_ requests: [ReadingRequest], for tenant: TenantID, on eventLoop: any EventLoop) {
        guard !requests.isEmpty else { return }
        let ticket = meaning.start(requests, for: tenant, on: eventLoop).ticket
        let isOver = tickets.withLockedValue { tickets in
            tickets?.append(ticket)
            return tickets == nil
        }
        if isOver { ticket.cancel() }
    }

    func end() {
        let open = tickets.withLockedValue { tickets in
            defer { tickets = nil }
            return tickets ?? []
        }
        for ticket in open { ticket.cancel() }
    }
}

extension Verdict {
    /// The learned guards share one reading: each took as long as it did.
    mutating func noteReading(_ nanoseconds: UInt64) {
        guard nanoseconds > 0 else { return }
        for (id, report) in reports where report.model != nil { reports[id]?.nanoseconds = max(report.nanoseconds, nanoseconds) }
    }
}
