#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Where log lines go: a file descriptor, one line at a time, never mixed.
///
/// Who logs never waits for who reads: lines are queued, and a thread of the output's own writes them. When the queue is full, because the
/// reader stalls or the disk is slow, lines are left out and counted; once it flows again the log says how many.
package final class LogOutput: Sendable {
    private struct Queue {
        var lines: [[UInt8]] = []
        var bytes = 0
        /// What was left out since the log last said so.
        var missing: UInt64 = 0
        var dropped: UInt64 = 0
        /// Whether the writer has lines in hand.
        var isWriting = false
        var isStarted = false
    }

    /// What may wait for a slow reader.
    package static let defaultMaximumBytes = 1 << 20

    private let descriptor: Int32
    private let maximumBytes: Int
    private let queue = Monitor(Queue())
    /// The line that tells how many are missing before it.
    private let gap: @Sendable (UInt64) -> [UInt8]

    /// Does not own the descriptor. Two outputs over one descriptor do not share a queue.
    package init(descriptor: Int32, maximumBytes: Int = LogOutput.defaultMaximumBytes, gap: @escaping @Sendable (UInt64) -> [UInt8]) {
        self.descriptor = descriptor
        self.maximumBytes = maximumBytes
        self.gap = gap
    }

    /// Lines that were left out since the start, or could not be written.
    package var dropped: UInt64 { queue.withLock { $0.dropped } }

    /// Returns at once.
    package func write(_ line: [UInt8]) {
        let isFirst = queue.withLock { queue -> Bool in
            guard queue.bytes + line.count <= maximumBytes else {
                queue.missing += 1
                queue.dropped += 1
                return false
            }
            queue.lines.append(line)
            queue.bytes += line.count
            defer { queue.isStarted = true }
            return !queue.isStarted
        }
        // Not before there is something to write: commands that log nothing have no such thread.
        if isFirst { startThread { [self] in run() } } else { queue.signal() }
    }

    /// Waits until everything that was logged before is written, or `limit` is over.
    /// - Returns: whether it is.
    @discardableResult
    package func flush(within limit: Duration) -> Bool {
        let deadline = Monitor<Queue>.now() + limit.nanoseconds
        return queue.wait(
            until: { _ in deadline },
            for: { queue -> Bool? in
                if queue.lines.isEmpty && !queue.isWriting { return true }
                return Monitor<Queue>.now() >= deadline ? false : nil
            })
    }

    private func run() -> Never {
        var lines: [[UInt8]] = []
        while true {
            let missing = queue.wait { queue -> UInt64? in
                guard !queue.lines.isEmpty else { return nil }
                swap(&queue.lines, &lines)
                queue.isWriting = true
                defer { queue.missing = 0 }
                return queue.missing
            }
            for line in lines {
                let isWritten = put(line)
                // Line by line: what is in hand counts as waiting, so that a stalled reader costs no more than the queue may hold.
                queue.withLock { queue in
                    queue.bytes -= line.count
                    if !isWritten { queue.dropped += 1 }
                }
            }
            lines.removeAll(keepingCapacity: false)
            // Behind those that were queued when the queue was full.
            if missing > 0 { _ = put(gap(missing)) }
            queue.withLock { $0.isWriting = false }
            queue.signal()
        }
    }

    /// Blocks for as long as the reader does.
    private func put(_ line: [UInt8]) -> Bool {
        line.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress
                #if canImport(Glibc)
                    let count = Glibc.write(descriptor, start, rest.count)
                #elseif canImport(Musl)
                    let count = Musl.write(descriptor, start, rest.count)
                #else
                    let count = Darwin.write(descriptor, start, rest.count)
                #endif
                if count > 0 {
                    rest = rest[(rest.startIndex + count)...]
                } else if errno == EAGAIN {
                    // Someone who shares the descriptor made it non-blocking.
                    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&ready, 1, -1)
                } else if errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}
