import Logging
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// The tamper-evident record: an append-only Merkle tree (RFC 9162) over lines in segment files, with signed checkpoints (C2SP
/// tlog-checkpoint).
///
/// Event loops hand records over and get a future; one writer commits what has gathered (group commit), a second thread keeps the tree.
/// When the disk fails nothing is accepted until it works again; a record that was acknowledged is never lost or changed unseen.
package final class AuditLog: Sendable {
    package enum Durability: String, Sendable, CaseIterable {
        /// Acknowledged when synchronised to disk.
        case strict
        /// Acknowledged when the kernel has it: survives a killed process, not a power cut. Synchronised with each checkpoint.
        case relaxed
    }

    package struct Configuration: Sendable {
        /// Where the log lies; made if it does not exist.
        package var directory: String
        /// The log's name in its checkpoints and its key: no spaces, no plus.
        package var origin: String
        package var durability: Durability
        /// A segment file is closed before it grows beyond this.
        package var segmentBytes: Int
        /// How long records may wait for a signed checkpoint.
        package var checkpointInterval: Duration
        /// How often a checkpoint is kept in the history, besides those at start, at close and on request.
        package var historyInterval: Duration
        /// Records waiting for the disk beyond this are refused.
        package var maximumQueuedBytes: Int
        package var maximumRecordBytes: Int
        /// The first wait before a failed disk is tried again; doubles up to twenty times this.
        package var recoveryInterval: Duration
        /// Seals the signing key on disk; nil: it lies there in the clear. A key from before is sealed when the log is opened.
        package var sealer: (any Sealer)?

        package init(
            directory: String, origin: String = "sallyport/audit", durability: Durability = .strict, segmentBytes: Int = 64 << 20,
            checkpointInterval: Duration = .seconds(1), historyInterval: Duration = .seconds(60), maximumQueuedBytes: Int = 16 << 20,
            maximumRecordBytes: Int = AuditLog.defaultMaximumRecordBytes, recoveryInterval: Duration = .milliseconds(250)
        ) {
            self.directory = directory
            self.origin = origin
            self.durability = durability
            self.segmentBytes = segmentBytes
            self.checkpointInterval = checkpointInterval
            self.historyInterval = historyInterval
            self.maximumQueuedBytes = maximumQueuedBytes
            self.maximumRecordBytes = maximumRecordBytes
            self.recoveryInterval = recoveryInterval
        }
    }

    package static let defaultMaximumRecordBytes = 1 << 20

    private let configuration: Configuration
    private let queue: Monitor<AuditQueue>
    private let keeper: AuditKeeper
    private let figures: NIOLockedValueBox<Figures>
    private let ending: Ending
    /// The key that signs this log's checkpoints. To prove anything it must be kept elsewhere.
    package let verifierKey: NoteVerifier
    /// Bytes of records, never acknowledged, that opening found and cut off.
    package let discardedAtStart: Int

    /// Opens the log: recovers from a crash, compares it with its last checkpoint and signs a fresh one. Blocks.
    /// - Throws: ``AuditError`` when another process has it, or it does not hold what it signed.
    package convenience init(_ configuration: Configuration, logger: Logger) throws {
        try self.init(configuration, logger: logger, disk: .system)
    }

    init(_ configuration: Configuration, logger: Logger, disk: DiskPort) throws {
        self.configuration = configuration
        let layout = AuditLayout(root: configuration.directory)
        let lock = try AuditLock(layout, disk: disk)
        let signer = try AuditKeyring.signer(layout, origin: configuration.origin, disk: disk, sealer: configuration.sealer)
        let opened = try Self.recover(layout, configuration, signer.verifier, disk)
        let recovery = opened.recovery
        if recovery.tilesWereRebuilt { logger.warning("audit tiles were missing or wrong, and were made again from the records") }
        if recovery.discarded > 0 {
            logger.notice("unacknowledged audit records were cut off", metadata: ["audit.bytes": "\(recovery.discarded)"])
        }
        let place = AuditWriter.Place(segment: recovery.segment?.firstIndex ?? 0, end: recovery.segment?.end ?? 0)
        // Opened here once so that a failure is the caller's, not the thread's; sealed so that what is signed next ends in a whole record.
        try SegmentWriter(layout, firstIndex: place.segment, end: place.end, disk: disk).seal()

        let queue = Monitor(AuditQueue(nextIndex: recovery.tree.size))
        let keeper = AuditKeeper(
            layout: layout, configuration: configuration, disk: disk, signer: signer, logger: logger,
            onTrouble: { isInTrouble in queue.withLock { $0.isUnsigned = isInTrouble } })
        try keeper.start(recovery, latest: opened.latest, historyEnd: opened.historyEnd)
        let figures = NIOLockedValueBox(Figures(records: recovery.tree.size))
        let ending = Ending(lock)
        AuditWriter(
            layout: layout, configuration: configuration, disk: disk, verifier: signer.verifier, logger: logger, queue: queue,
            keeper: keeper, figures: figures
        ).start(at: place) { keeper.close { ending.finish() } }

        self.queue = queue
        self.keeper = keeper
        self.figures = figures
        self.ending = ending
        verifierKey = signer.verifier
        discardedAtStart = recovery.discarded
    }

    deinit { beginClosing() }

    private static func recover(
        _ layout: AuditLayout, _ configuration: Configuration, _ key: NoteVerifier, _ disk: DiskPort
    ) throws -> (recovery: AuditRecovery, latest: SignedCheckpoint, historyEnd: Int) {
        let latest: SignedCheckpoint
        if let stored = try layout.readCheckpoint() {
            latest = stored
        } else {
            throw AuditError.damaged("its checkpoint is missing")
        }
        guard latest.isSigned(by: key) else { throw AuditError.damaged("its checkpoint is not signed by its key") }
        let recovery = try AuditRecovery.read(
            layout, checkpoint: latest.checkpoint, maximumRecordBytes: configuration.maximumRecordBytes)
        let history = try CheckpointHistory.repairTail(layout, disk: disk)
        if let last = history.last, last.isSigned(by: key), last.checkpoint.size > recovery.tree.size {
            throw AuditError.damaged(
                "it holds \(recovery.tree.size) records, but a checkpoint in its history was signed over \(last.checkpoint.size)")
        }
        return (recovery, latest, history.end)
    }

    // MARK: Appending

    /// Adds a record. The future completes on `eventLoop` when the record is as durable as configured; records keep the order of the calls.
    /// - Parameter record: one JSON object on one line, without a newline.
    /// - Returns: fails with ``Fault`` `.auditUnavailable` when the record is not in the log and will not be.
    package func append(_ record: ByteBuffer, on eventLoop: any EventLoop) -> EventLoopFuture<AuditReceipt> {
        if let fault = refusal(of: record) { return eventLoop.makeFailedFuture(fault) }
        let promise = eventLoop.makePromise(of: AuditReceipt.self)
        do {
            if try enqueue(record, { $0.add(promise, on: eventLoop, index: $1) }) { wakeWriter(after: eventLoop) }
        } catch { promise.fail(error) }
        return promise.futureResult
    }

    /// Wakes the writer when the loop has done what it has in hand: what it appends until then joins the batch. Waking it at once cost a
    /// change of threads and a commit for nearly every record.
    private func wakeWriter(after eventLoop: any EventLoop) {
        guard eventLoop.inEventLoop else { return queue.signal() }
        eventLoop.execute { [queue] in queue.signal() }
    }

    /// The same for tasks.
    package func append(_ record: ByteBuffer) async throws -> AuditReceipt {
        if let fault = refusal(of: record) { throw fault }
        return try await withCheckedThrowingContinuation { continuation in
            do {
                if try enqueue(record, { $0.add(continuation, index: $1) }) { queue.signal() }
            } catch { continuation.resume(throwing: error) }
        }
    }

    private func refusal(of record: ByteBuffer) -> Fault? {
        guard record.readableBytes <= configuration.maximumRecordBytes, record.withUnsafeReadableBytes(AuditLine.isFramed) else {
            return Fault(.internal, "an audit record is too large or not one line of JSON")
        }
        return nil
    }

    /// - Parameter wait: says whether nobody of its kind has woken the writer for this batch. Every event loop does so once: were it left to
    ///   the first one, its long turn would keep everybody waiting.
    /// - Returns: whether the writer waits and must be woken.
    /// - Throws: why the record was not taken.
    private func enqueue(_ record: ByteBuffer, _ wait: (inout AuditBatch, UInt64) -> Bool) throws(Fault) -> Bool {
        var wakes = false
        let reason = queue.withLock { queue -> String? in
            guard queue.acceptsRecords else {
                return queue.isClosing ? "the audit log is closed" : "the audit log cannot be written"
            }
            guard queue.batch.lines.readableBytes + record.readableBytes < configuration.maximumQueuedBytes else {
                return "too many records wait for the audit log"
            }
            if queue.batch.count == 0 { queue.batch.firstIndex = queue.nextIndex }
            queue.batch.add(record)
            let isFirst = wait(&queue.batch, queue.nextIndex)
            queue.nextIndex += 1
            wakes = queue.isWriterIdle && isFirst
            return nil
        }
        if let reason { throw Self.unavailable(reason) }
        return wakes
    }

    static func unavailable(_ message: String, cause: (any Error)? = nil) -> Fault {
        Fault(.auditUnavailable, message, retryAfter: .seconds(1), cause: cause)
    }

    // MARK: State

    /// False while records are refused.
    package var isHealthy: Bool { queue.withLock { $0.acceptsRecords } }

    package var statistics: Statistics {
        let queued = queue.withLock { $0.batch.lines.readableBytes }
        return figures.withLockedValue { $0.statistics(queuedBytes: queued) }
    }

    /// Signs a checkpoint over at least every record acknowledged before the call, and keeps it in the history.
    package func checkpoint() async throws -> SignedCheckpoint { try await keeper.checkpoint() }

    /// Writes what is queued, signs a last checkpoint and lets go of the directory. Later appends are refused. May be called again.
    /// The event loops that wait for records must still run.
    package func close() async {
        beginClosing()
        await ending.wait()
    }

    private func beginClosing() {
        queue.withLock { $0.isClosing = true }
        queue.signal()
    }
}
