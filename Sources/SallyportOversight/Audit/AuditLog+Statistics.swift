extension AuditLog {
    /// What the log did since it was opened.
    package struct Statistics: Sendable, Hashable {
        /// Records in the log, those of earlier runs included.
        package let records: UInt64
        /// Commits since the start.
        package let batches: UInt64
        /// Bytes of records written since the start.
        package let bytes: UInt64
        /// Times that the disk failed.
        package let failures: UInt64
        package let queuedBytes: Int
        /// Of the newest commit. Zero when relaxed.
        package let lastSynchronisation: Duration
        /// Over the newest 256 commits.
        package let medianSynchronisation: Duration
    }

    /// The writer's own counting.
    struct Figures: Sendable {
        private static let kept = 256
        private var records: UInt64
        private var batches: UInt64 = 0
        private var bytes: UInt64 = 0
        var failures: UInt64 = 0
        /// Nanoseconds of the newest synchronisations, the oldest overwritten first.
        private var synchronisations: [UInt64] = []
        private var last: UInt64 = 0

        init(records: UInt64) { self.records = records }

        mutating func note(_ batch: AuditBatch, synchronisation: UInt64) {
            records += UInt64(batch.count)
            bytes += UInt64(batch.lines.readableBytes)
            if synchronisations.count < Self.kept {
                synchronisations.append(synchronisation)
            } else {
                synchronisations[Int(batches % UInt64(Self.kept))] = synchronisation
            }
            batches += 1
            last = synchronisation
        }

        func statistics(queuedBytes: Int) -> Statistics {
            let sorted = synchronisations.sorted()
            return Statistics(
                records: records, batches: batches, bytes: bytes, failures: failures, queuedBytes: queuedBytes,
                lastSynchronisation: .nanoseconds(Int64(last)),
                medianSynchronisation: .nanoseconds(sorted.isEmpty ? 0 : Int64(sorted[sorted.count / 2])))
        }
    }
}
