import Logging
import NIOCore

/// Keeps the tree behind the writer, on a thread of its own: hashes what was committed, writes tiles, signs checkpoints.
final class AuditKeeper: Sendable {
    private struct State {
        /// Committed lines that are not in the tree yet, after one byte of room.
        var lines = ByteBuffer()
        /// The segment that the last of them is in.
        var segment: UInt64
        var checkpoints: [CheckedContinuation<SignedCheckpoint, any Error>] = []
        /// Set to ask for the tree as it is after all lines handed over.
        var isTreeWanted = false
        var answeredTree: Checkpoint?
        var isClosing = false
        var closed: (@Sendable () -> Void)?
    }

    private struct Work {
        var lines: ByteBuffer
        var checkpoints: [CheckedContinuation<SignedCheckpoint, any Error>]
        var segment: UInt64
        var isTreeWanted: Bool
        var isClosing: Bool
    }

    /// What the thread alone holds.
    private struct Book {
        var tree: MerkleTree
        var tiles: [MerkleTile]
        var latest: SignedCheckpoint
        var nextCheckpoint: UInt64
        var nextHistory: UInt64
        var historySize: UInt64
        var historyEnd: Int
        var failures = 0
    }

    /// After so many checkpoints in a row that could not be signed and stored, records are refused.
    private static let tolerableFailures = 10
    /// Lines are hashed when so many have gathered, or when a checkpoint is due.
    private static let gatheredBytes = 1 << 17

    private let layout: AuditLayout
    private let configuration: AuditLog.Configuration
    private let disk: DiskPort
    private let signer: NoteSigner
    private let logger: Logger
    private let state: Monitor<State>
    /// Told when checkpoints begin or cease to fail.
    private let onTrouble: @Sendable (_ isInTrouble: Bool) -> Void

    init(
        layout: AuditLayout, configuration: AuditLog.Configuration, disk: DiskPort, signer: NoteSigner, logger: Logger,
        onTrouble: @escaping @Sendable (Bool) -> Void
    ) {
        self.layout = layout
        self.configuration = configuration
        self.disk = disk
        self.signer = signer
        self.logger = logger
        self.onTrouble = onTrouble
        var empty = State(segment: 0)
        empty.lines.writeInteger(0 as UInt8)
        state = Monitor(empty)
    }

    /// Signs what was recovered, then keeps going in the background.
    func start(_ recovery: AuditRecovery, latest: SignedCheckpoint, historyEnd: Int) throws {
        let now = Monitor<State>.now()
        var book = Book(
            tree: recovery.tree, tiles: recovery.tiles, latest: latest, nextCheckpoint: now, nextHistory: now,
            historySize: .max, historyEnd: historyEnd)
        let segment = recovery.segment?.firstIndex ?? 0
        state.withLock { $0.segment = segment }
        try sign(&book, segment: segment, forHistory: true)
        let first = book
        startThread { [self] in run(first) }
    }

    /// Takes over committed lines. Called by the writer, in the order of the log.
    func take(_ lines: ByteBuffer, segment: UInt64) {
        // The keeper is faster than a disk; should it fall behind all the same, the writer waits here and the queue's limit does the rest.
        let isDue = state.wait { state -> Bool? in
            guard state.lines.readableBytes <= configuration.maximumQueuedBytes || state.isClosing else { return nil }
            // One byte of room, and the first line since the last checkpoint: the keeper starts its clock.
            let wasEmpty = state.lines.readableBytes <= 1
            state.lines.writeImmutableBuffer(lines)
            state.segment = segment
            return wasEmpty || state.lines.readableBytes >= Self.gatheredBytes
        }
        if isDue { state.signal() }
    }

    func checkpoint() async throws -> SignedCheckpoint {
        try await withCheckedThrowingContinuation { continuation in
            let isClosing = state.withLock { state in
                if !state.isClosing { state.checkpoints.append(continuation) }
                return state.isClosing
            }
            if isClosing { continuation.resume(throwing: AuditLog.unavailable("the audit log is closed")) } else { state.signal() }
        }
    }

    /// The tree over everything that was handed over. Blocks; called by the writer while it recovers.
    func currentTree() -> Checkpoint {
        state.withLock {
            $0.isTreeWanted = true; $0.answeredTree = nil
        }
        state.signal()
        return state.wait { $0.answeredTree }
    }

    /// Signs the last checkpoint and ends the thread; then `then` is called.
    func close(then: @escaping @Sendable () -> Void) {
        state.withLock {
            $0.isClosing = true; $0.closed = then
        }
        state.signal()
    }

    private func run(_ first: Book) {
        var book = first
        while true {
            let isUnsigned = book.tree.size > book.latest.checkpoint.size || book.failures > 0
            let deadline = book.nextCheckpoint
            let work = state.wait(
                until: { state in
                    isUnsigned || state.lines.readableBytes > 1 ? deadline : nil
                },
                for: { (state: inout State) -> Work? in
                    let isDue = (isUnsigned || state.lines.readableBytes > 1) && Monitor<State>.now() >= deadline
                    guard
                        isDue || state.lines.readableBytes >= Self.gatheredBytes || !state.checkpoints.isEmpty || state.isTreeWanted
                            || state.isClosing
                    else { return nil }
                    let work = Work(
                        lines: state.lines, checkpoints: state.checkpoints, segment: state.segment, isTreeWanted: state.isTreeWanted,
                        isClosing: state.isClosing)
                    state.lines = ByteBuffer(integer: 0 as UInt8)
                    state.checkpoints = []
                    state.isTreeWanted = false
                    return work
                })
            // The writer may be waiting for room.
            state.signal()
            hash(work.lines, into: &book)
            if work.isTreeWanted {
                let tree = Checkpoint(origin: configuration.origin, size: book.tree.size, root: book.tree.root)
                state.withLock { $0.answeredTree = tree }
                state.signal()
            }
            if !work.checkpoints.isEmpty || work.isClosing || Monitor<State>.now() >= book.nextCheckpoint {
                checkpoint(work, &book)
            }
            if work.isClosing {
                let closed = state.withLock { $0.closed }
                closed?()
                return
            }
        }
    }

    private func hash(_ lines: ByteBuffer, into book: inout Book) {
        var lines = lines
        lines.withUnsafeMutableReadableBytes { bytes in
            // The byte before each record (the newline before it) becomes the 0x00 of its leaf, so that one call hashes both.
            var start = 0
            while let newline = LineReader.position(of: 0x0A, in: UnsafeRawBufferPointer(bytes), from: start + 1) {
                bytes[start] = 0
                book.tree.append(.prefixedLeaf(UnsafeRawBufferPointer(rebasing: bytes[start..<newline]))) { book.tiles.append($0) }
                start = newline
            }
        }
    }

    private func checkpoint(_ work: Work, _ book: inout Book) {
        do {
            try sign(&book, segment: work.segment, forHistory: !work.checkpoints.isEmpty || work.isClosing)
            if book.failures >= Self.tolerableFailures { onTrouble(false) }
            book.failures = 0
            for continuation in work.checkpoints { continuation.resume(returning: book.latest) }
        } catch {
            book.failures += 1
            book.nextCheckpoint = Monitor<State>.now() + configuration.checkpointInterval.nanoseconds
            logger.error("audit checkpoint failed", metadata: ["audit.cause": "\(error)", "audit.failures": "\(book.failures)"])
            if book.failures == Self.tolerableFailures { onTrouble(true) }
            let fault = AuditLog.unavailable("the audit log could not be signed", cause: error)
            for continuation in work.checkpoints { continuation.resume(throwing: fault) }
        }
    }

    /// Writes what the tree holds so that everything signed is on the disk before its signature is.
    private func sign(_ book: inout Book, segment: UInt64, forHistory: Bool) throws {
        let now = Monitor<State>.now()
        book.nextCheckpoint = now + configuration.checkpointInterval.nanoseconds
        let isNew = book.tree.size != book.latest.checkpoint.size || book.historySize == .max
        if isNew {
            try writeTiles(&book.tiles)
            if configuration.durability == .relaxed { try OpenFile.synchronizeIfPresent(layout.segment(segment), disk: disk) }
            let checkpoint = Checkpoint(origin: configuration.origin, size: book.tree.size, root: book.tree.root)
            let signed = try SignedCheckpoint(checkpoint, by: signer)
            try OpenFile.replace(layout.checkpoint, with: Array(signed.encoded.utf8), disk: disk)
            try Directory.synchronize(layout.root, disk: disk)
            book.latest = signed
        }
        if book.historySize != book.latest.checkpoint.size && (forHistory || now >= book.nextHistory) {
            book.historyEnd = try CheckpointHistory.append(book.latest, at: book.historyEnd, layout, disk: disk)
            book.historySize = book.latest.checkpoint.size
            book.nextHistory = now + configuration.historyInterval.nanoseconds
        }
    }

    private func writeTiles(_ tiles: inout [MerkleTile]) throws {
        guard !tiles.isEmpty else { return }
        var directories: Set<String> = []
        for tile in tiles {
            let path = layout.tile(level: tile.level, index: tile.index)
            var parent = layout.tiles
            // All but the last part of `level/x001/x234/067` are directories.
            for part in AuditLayout.tileName(level: tile.level, index: tile.index).split(separator: "/").dropLast() {
                let child = parent + "/" + part
                if !directories.contains(child) {
                    if !Directory.exists(child) { try Directory.create(child) }
                    directories.insert(parent)
                    directories.insert(child)
                }
                parent = child
            }
            try OpenFile.replace(path, with: tile.content, disk: disk)
        }
        for directory in directories { try Directory.synchronize(directory, disk: disk) }
        tiles.removeAll()
    }
}

extension Duration {
    var nanoseconds: UInt64 {
        let parts = components
        return parts.seconds < 0 ? 0 : UInt64(parts.seconds) * 1_000_000_000 + UInt64(parts.attoseconds / 1_000_000_000)
    }
}
