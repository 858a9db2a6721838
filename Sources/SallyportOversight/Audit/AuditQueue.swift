import NIOCore

/// Proof that a record has its place in the log.
package struct AuditReceipt: Sendable, Hashable {
    /// The record's number, from 0, in the order of the log.
    package let index: UInt64
}

/// Records that are committed together: their lines one after the other, and who waits for them.
struct AuditBatch {
    var lines = ByteBuffer()
    var count = 0
    var firstIndex: UInt64 = 0
    /// One list per event loop, so that a loop is woken once per batch.
    private var loops: [(loop: any EventLoop, waiters: [(promise: EventLoopPromise<AuditReceipt>, index: UInt64)])] = []
    private var tasks: [(continuation: CheckedContinuation<AuditReceipt, any Error>, index: UInt64)] = []

    mutating func add(_ record: ByteBuffer) {
        lines.writeImmutableBuffer(record)
        lines.writeInteger(0x0A as UInt8)
        count += 1
    }

    /// - Returns: whether it is the loop's first one in the batch.
    mutating func add(_ promise: EventLoopPromise<AuditReceipt>, on loop: any EventLoop, index: UInt64) -> Bool {
        for position in loops.indices where loops[position].loop === loop {
            loops[position].waiters.append((promise, index))
            return false
        }
        loops.append((loop, [(promise, index)]))
        return true
    }

    /// - Returns: true: a task waits for nobody's turn but its own.
    mutating func add(_ continuation: CheckedContinuation<AuditReceipt, any Error>, index: UInt64) -> Bool {
        tasks.append((continuation, index))
        return true
    }

    /// Tells everyone, each event loop in one piece of work.
    func succeed() {
        for (loop, waiters) in loops {
            loop.execute { for (promise, index) in waiters { promise.succeed(AuditReceipt(index: index)) } }
        }
        for (continuation, index) in tasks { continuation.resume(returning: AuditReceipt(index: index)) }
    }

    func fail(_ error: any Error) {
        for (loop, waiters) in loops {
            loop.execute { for (promise, _) in waiters { promise.fail(error) } }
        }
        for (continuation, _) in tasks { continuation.resume(throwing: error) }
    }

    /// Makes it empty and keeps the memory of its lines.
    mutating func clear() {
        // A burst's memory is not kept.
        if lines.storageCapacity > 1 << 20 { lines = ByteBuffer() } else { lines.clear() }
        count = 0
        loops.removeAll(keepingCapacity: true)
        tasks.removeAll(keepingCapacity: true)
    }
}

/// What event loops and the writer share.
struct AuditQueue {
    var batch = AuditBatch()
    var nextIndex: UInt64
    /// The disk failed: records are refused until the writer has recovered.
    var isFailed = false
    /// Records are safe but can no longer be signed: refused until they can.
    var isUnsigned = false
    var isClosing = false
    /// True while the writer waits: only then must it be woken.
    var isWriterIdle = false

    var acceptsRecords: Bool { !isFailed && !isUnsigned && !isClosing }
}
