#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What a log holds when it is opened: the tree over all complete records, and where the next one goes.
struct AuditRecovery {
    var tree: MerkleTree
    /// Tiles that were filled after the last checkpoint, to be written with the next.
    var tiles: [MerkleTile] = []
    /// The newest segment: its first index, and the end of its last complete record. nil: there is none yet.
    var segment: (firstIndex: UInt64, end: Int)?
    /// Bytes after that end: records that were never acknowledged.
    var discarded = 0
    /// True when tiles had to be recomputed from the records.
    var tilesWereRebuilt = false

    /// Reads the records after the last full tile below the checkpoint, and checks that the tree at the checkpoint's size has its root.
    /// - Throws: ``AuditError`` `.damaged` when the log does not hold what was signed.
    static func read(_ layout: AuditLayout, checkpoint: Checkpoint, maximumRecordBytes: Int) throws -> AuditRecovery {
        do {
            return try scan(layout, from: resumeTree(layout, below: checkpoint.size), checkpoint, maximumRecordBytes)
        } catch is TilesDoNotFit {
            // The records are the evidence, the tiles only an index: when all records together give the signed root, new tiles are made.
            do {
                var recovery = try scan(layout, from: MerkleTree(), checkpoint, maximumRecordBytes)
                recovery.tilesWereRebuilt = true
                return recovery
            } catch is TilesDoNotFit {
                throw AuditError.damaged(
                    "the first \(checkpoint.size) records do not give the root of the last signed checkpoint; "
                        + "run the audit verifier to see where"
                )
            }
        }
    }

    /// The tiles are missing, or they and the records after them do not give the signed root.
    private struct TilesDoNotFit: Error {}

    /// The tree at the last tile border at or below `size`, taken from the tiles.
    private static func resumeTree(_ layout: AuditLayout, below size: UInt64) throws -> MerkleTree {
        let width = UInt64(MerkleTile.width)
        let base = size / width * width
        var upperLevels: [[MerkleHash]] = []
        do {
            var level = 0
            var entries = base / width
            while entries > 0 {
                // Each entry of the level above is the root of a tile of this one.
                let first = entries / width * width
                upperLevels.append(try (first..<entries).map { MerkleTree.root(of: try layout.readTile(level: level, index: $0)[...]) })
                entries /= width
                level += 1
            }
        } catch is SystemError {
            throw TilesDoNotFit()
        } catch is AuditError {
            throw TilesDoNotFit()
        }
        return MerkleTree(size: base, upperLevels: upperLevels)
    }

    private static func scan(
        _ layout: AuditLayout, from start: MerkleTree, _ checkpoint: Checkpoint, _ maximumRecordBytes: Int
    ) throws -> AuditRecovery {
        var recovery = AuditRecovery(tree: start)
        let (segments, strangers) = try layout.listSegments()
        if let stranger = strangers.first { throw AuditError.damaged("\(stranger) among the segments is not one") }
        guard segments.first ?? 0 == 0 else { throw AuditError.damaged("the first segment is missing") }
        // The segment that holds the first record to be read, and those after it.
        let first = segments.lastIndex { $0 <= start.size } ?? 0
        var index = segments.isEmpty ? 0 : segments[first]
        guard index <= start.size else { throw AuditError.damaged("records are missing before segment \(index)") }
        for firstIndex in segments[first...] {
            guard firstIndex == index else {
                throw AuditError.damaged(
                    "segment \(AuditLayout.segmentName(firstIndex)) does not begin where the one before it ends, at record \(index)")
            }
            var reader = try LineReader(layout.segment(firstIndex), limit: maximumRecordBytes)
            var end = 0
            while let line = try reader.next() {
                guard AuditLine.isFramed(line), index < checkpoint.size || AuditLine(line).isObject else { break }
                if index >= start.size {
                    try recovery.add(.leaf(line), checkpoint)
                }
                index += 1
                end = reader.offset
            }
            let size = try OpenFile(layout.segment(firstIndex), O_RDONLY).size()
            if size > end && firstIndex != segments.last {
                throw AuditError.damaged("segment \(AuditLayout.segmentName(firstIndex)) cannot be read after record \(index)")
            }
            recovery.segment = (firstIndex, end)
            recovery.discarded = reader.end == .padding ? reader.residue : size - end
        }
        guard index >= checkpoint.size else {
            throw AuditError.damaged("it holds \(index) records, but its last checkpoint was signed over \(checkpoint.size)")
        }
        if start.size == checkpoint.size && start.root != checkpoint.root { throw TilesDoNotFit() }
        return recovery
    }

    private mutating func add(_ leaf: MerkleHash, _ checkpoint: Checkpoint) throws {
        tree.append(leaf) { tiles.append($0) }
        if tree.size == checkpoint.size && tree.root != checkpoint.root { throw TilesDoNotFit() }
    }
}
