import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The one thread that owns the order of records: takes what has gathered, commits it in one write and one synchronisation, and tells
/// who waits.
final class AuditWriter: Sendable {
    /// Up to where records were acknowledged.
    struct Place {
        var segment: UInt64
        var end: Int
    }

    private let layout: AuditLayout
    private let configuration: AuditLog.Configuration
    private let disk: DiskPort
    private let verifier: NoteVerifier
    private let logger: Logger
    private let queue: Monitor<AuditQueue>
    private let keeper: AuditKeeper
    private let figures: NIOLockedValueBox<AuditLog.Figures>

    init(
        layout: AuditLayout, configuration: AuditLog.Configuration, disk: DiskPort, verifier: NoteVerifier, logger: Logger,
        queue: Monitor<AuditQueue>, keeper: AuditKeeper, figures: NIOLockedValueBox<AuditLog.Figures>
    ) {
        self.layout = layout
        self.configuration = configuration
        self.disk = disk
        self.verifier = verifier
        self.logger = logger
        self.queue = queue
        self.keeper = keeper
        self.figures = figures
    }

    /// Starts the thread. `then` is called when it has ended, after the queue was closed.
    func start(at place: Place, then: @escaping @Sendable () -> Void) {
        startThread { [self] in
            run(from: place)
            then()
        }
    }

    private var isStrict: Bool { configuration.durability == .strict }

    private func open(_ place: Place) throws -> SegmentWriter {
        try SegmentWriter(layout, firstIndex: place.segment, end: place.end, disk: disk)
    }

    private func run(from start: Place) {
        var place = start
        var batch = AuditBatch()
        var segment: SegmentWriter?
        do { segment = try open(place) } catch { fail(&batch, error) }
        while true {
            guard let current = segment else {
                guard let recovered = recover(place) else { return }
                place = Place(segment: recovered.firstIndex, end: recovered.end)
                segment = recovered
                continue
            }
            guard next(&batch, current) else {
                do { try current.seal() } catch {
                    logger.error("audit segment could not be sealed", metadata: ["audit.cause": "\(error)"])
                }
                return
            }
            do {
                segment = try commit(batch, to: current, &place)
                batch.clear()
            } catch {
                fail(&batch, error)
                segment = nil
            }
        }
    }

    private enum Event { case batch, closing, idle }

    /// Waits for records, and reserves space while there are none.
    /// - Returns: false when the log is closing and everything was taken.
    private func next(_ batch: inout AuditBatch, _ segment: SegmentWriter) -> Bool {
        var mayReserve = isStrict
        while true {
            let event = queue.wait { queue -> Event? in
                if queue.batch.count > 0 {
                    swap(&queue.batch, &batch)
                    queue.isWriterIdle = false
                    return .batch
                }
                if queue.isClosing { return .closing }
                queue.isWriterIdle = !mayReserve
                return mayReserve ? .idle : nil
            }
            switch event {
            case .batch: return true
            case .closing: return false
            case .idle:
                // When this fails the space that is left is still good; the write that finds none will report it.
                mayReserve = (try? segment.reserveWhileIdle(limit: configuration.segmentBytes)) ?? false
            }
        }
    }

    private func commit(_ batch: AuditBatch, to current: SegmentWriter, _ place: inout Place) throws -> SegmentWriter {
        var segment = current
        if segment.end > 0 && segment.end + batch.lines.readableBytes > configuration.segmentBytes {
            try segment.seal()
            segment = try SegmentWriter(layout, firstIndex: batch.firstIndex, end: 0, disk: disk)
            place = Place(segment: batch.firstIndex, end: 0)
        }
        try batch.lines.withUnsafeReadableBytes { try segment.write($0, reserving: isStrict) }
        var duration: UInt64 = 0
        if isStrict {
            let start = Monitor<AuditQueue>.now()
            try segment.synchronize()
            duration = Monitor<AuditQueue>.now() - start
        }
        place.end = segment.end
        keeper.take(batch.lines, segment: segment.firstIndex)
        figures.withLockedValue { $0.note(batch, synchronisation: duration) }
        batch.succeed()
        return segment
    }

    /// Refuses the batch and everything that is queued behind it.
    private func fail(_ batch: inout AuditBatch, _ error: any Error) {
        logger.error("audit log cannot write", metadata: ["audit.cause": "\(error)"])
        var queued = AuditBatch()
        queue.withLock { queue in
            queue.isFailed = true
            swap(&queue.batch, &queued)
        }
        figures.withLockedValue { $0.failures += 1 }
        let fault = AuditLog.unavailable("the audit log cannot be written", cause: error)
        batch.fail(fault)
        queued.fail(fault)
        batch = AuditBatch()
    }

    /// Tries again until the log can be written and holds exactly what was acknowledged.
    /// - Returns: nil when the log is closing.
    private func recover(_ place: Place) -> SegmentWriter? {
        var delay = configuration.recoveryInterval.nanoseconds
        while true {
            let deadline = Monitor<AuditQueue>.now() + delay
            let isClosing = queue.wait(
                until: { _ in deadline },
                for: { queue -> Bool? in
                    queue.isClosing ? true : Monitor<AuditQueue>.now() >= deadline ? false : nil
                })
            if isClosing { return nil }
            do {
                let segment = try reopen(place)
                queue.withLock { $0.isFailed = false }
                logger.notice("audit log can be written again")
                return segment
            } catch {
                logger.debug("audit log still cannot write", metadata: ["audit.cause": "\(error)"])
                delay = min(delay * 2, 20 * configuration.recoveryInterval.nanoseconds)
            }
        }
    }

    private func reopen(_ place: Place) throws -> SegmentWriter {
        // Cuts off what was written but never acknowledged, then reads back what was.
        var segment = try open(place)
        try segment.seal()
        let expected = keeper.currentTree()
        guard let checkpoint = try layout.readCheckpoint(), checkpoint.isSigned(by: verifier) else {
            throw AuditError.damaged("its checkpoint is missing or not signed by its key")
        }
        let found = try AuditRecovery.read(
            layout, checkpoint: checkpoint.checkpoint, maximumRecordBytes: configuration.maximumRecordBytes)
        guard found.tree.size == expected.size, found.tree.root == expected.root else {
            throw AuditError.damaged("it no longer holds the \(expected.size) records that were acknowledged")
        }
        if let newest = found.segment, newest.firstIndex != place.segment {
            // A next segment was begun when the disk failed. It is empty, but records go on in it: its name says so.
            segment = try open(Place(segment: newest.firstIndex, end: newest.end))
        }
        // A write that must succeed: without it a full disk would be found by the next request.
        try segment.reserve(SegmentWriter.reservation)
        if !isStrict { try segment.seal() }
        queue.withLock { $0.nextIndex = expected.size }
        return segment
    }
}
