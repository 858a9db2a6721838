/// Shows that a record is in a log: everything needed to check it with the log's key alone.
package struct InclusionProof: Sendable, Hashable, Codable {
    /// The record's number.
    package let index: UInt64
    /// Records in the tree that the path leads to the root of.
    package let size: UInt64
    package let leafHash: MerkleHash
    package let path: [MerkleHash]
    /// The signed checkpoint over that tree, as text.
    package let checkpoint: String

    /// - Parameters:
    ///   - record: the record's bytes, without its newline.
    ///   - key: the log's key, kept elsewhere.
    /// - Throws: ``AuditError`` when it proves nothing.
    package func verify(record: [UInt8], key: NoteVerifier) throws {
        guard record.withUnsafeBytes(MerkleHash.leaf) == leafHash else { throw AuditError.unproven("the record is another one") }
        let signed = try SignedCheckpoint(parsing: checkpoint)
        guard signed.isSigned(by: key) else { throw AuditError.unproven("the checkpoint is not signed by the key") }
        guard
            signed.checkpoint.size == size,
            MerkleProof.isIncluded(leafHash, at: index, size: size, path: path, root: signed.checkpoint.root)
        else { throw AuditError.unproven("the path does not lead to the signed root") }
    }
}

/// Shows that a log only grew between two checkpoints.
package struct ConsistencyProof: Sendable, Hashable, Codable {
    package let oldSize: UInt64
    package let size: UInt64
    package let path: [MerkleHash]

    /// - Throws: ``AuditError`` when the newer checkpoint's log is not the older one's, grown.
    package func verify(from old: SignedCheckpoint, to new: SignedCheckpoint, key: NoteVerifier) throws {
        guard old.isSigned(by: key), new.isSigned(by: key) else { throw AuditError.unproven("a checkpoint is not signed by the key") }
        guard
            old.checkpoint.size == oldSize, new.checkpoint.size == size,
            MerkleProof.isConsistent(
                oldSize: oldSize, oldRoot: old.checkpoint.root, size: size, root: new.checkpoint.root, path: path)
        else { throw AuditError.unproven("the path does not lead from the older root to the newer") }
    }
}

/// Makes proofs from a log's directory. Reads tiles, and only as many records as the newest tile lacks. Blocks.
package struct AuditProver: Sendable {
    private let layout: AuditLayout
    private let reader: AuditReader

    package init(directory: String, maximumRecordBytes: Int = AuditLog.defaultMaximumRecordBytes) {
        layout = AuditLayout(root: directory)
        reader = AuditReader(directory: directory, maximumRecordBytes: maximumRecordBytes)
    }

    /// Proofs for every record with this id: an exchange has an intent and an outcome.
    package func prove(id: String) throws -> [InclusionProof] {
        let indices = try reader.indices(ofID: id)
        if indices.isEmpty { throw AuditError.notFound("a record with the id \(id)") }
        return try indices.map(prove(index:))
    }

    /// - Throws: ``AuditError`` `.notFound` when no checkpoint covers the record yet, `.damaged` when what is stored does not give the
    ///   signed root.
    package func prove(index: UInt64) throws -> InclusionProof {
        guard let signed = try layout.readCheckpoint() else { throw AuditError.notFound("a checkpoint") }
        let size = signed.checkpoint.size
        guard index < size else { throw AuditError.notFound("record \(index) under a checkpoint; the latest covers \(size)") }
        var nodes = StoredNodes(layout: layout, reader: reader, size: size)
        let leaf = try nodes.node(height: 0, index: index)
        let path = try MerkleProof.inclusion(of: index, in: size, from: &nodes)
        let proof = InclusionProof(index: index, size: size, leafHash: leaf, path: path, checkpoint: signed.encoded)
        let record = try reader.record(at: index)
        guard
            record.withUnsafeBytes(MerkleHash.leaf) == leaf,
            MerkleProof.isIncluded(leaf, at: index, size: size, path: path, root: signed.checkpoint.root)
        else { throw AuditError.damaged("record \(index) does not lead to the signed root; run the audit verifier to see where") }
        return proof
    }

    /// - Parameter size: of the newer tree; nil: the latest checkpoint's.
    package func consistency(from oldSize: UInt64, to size: UInt64? = nil) throws -> ConsistencyProof {
        guard let signed = try layout.readCheckpoint() else { throw AuditError.notFound("a checkpoint") }
        let size = size ?? signed.checkpoint.size
        guard oldSize <= size, size <= signed.checkpoint.size else {
            throw AuditError.notFound("a tree of \(max(oldSize, size)) records; the latest checkpoint covers \(signed.checkpoint.size)")
        }
        var nodes = StoredNodes(layout: layout, reader: reader, size: size)
        let path = oldSize == 0 ? [] : try MerkleProof.consistency(from: oldSize, to: size, from: &nodes)
        return ConsistencyProof(oldSize: oldSize, size: size, path: path)
    }
}

/// Nodes of a stored tree: from tiles, and from the records right of the last full tile.
private struct StoredNodes: MerkleNodes {
    let layout: AuditLayout
    let reader: AuditReader
    let size: UInt64
    private var tiles: [String: [MerkleHash]] = [:]
    private var tail: [MerkleHash]?

    init(layout: AuditLayout, reader: AuditReader, size: UInt64) {
        self.layout = layout
        self.reader = reader
        self.size = size
    }

    mutating func node(height: Int, index: UInt64) throws -> MerkleHash {
        let level = height / 8
        let count = 1 << UInt64(height % 8)
        // The entries of this tile level that lie under the node.
        let first = index * UInt64(count)
        let tile = try hashes(level: level, tile: first >> 8)
        let start = Int(first & 255)
        guard start + count <= tile.count else { throw AuditError.damaged("the tree has no node at height \(height), index \(index)") }
        return MerkleTree.root(of: tile[start..<(start + count)])
    }

    private mutating func hashes(level: Int, tile: UInt64) throws -> [MerkleHash] {
        let name = AuditLayout.tileName(level: level, index: tile)
        if let known = tiles[name] { return known }
        let complete = size >> UInt64(8 * (level + 1))
        let hashes: [MerkleHash]
        if tile < complete {
            hashes = try layout.readTile(level: level, index: tile)
        } else if level == 0 {
            hashes = try leaves(from: tile << 8)
        } else {
            // The rightmost tile of a level is not full and not stored: its entries are the roots of the tiles below.
            let end = size >> UInt64(8 * level)
            hashes = try ((tile << 8)..<end).map { MerkleTree.root(of: try self.hashes(level: level - 1, tile: $0)[...]) }
        }
        tiles[name] = hashes
        return hashes
    }

    private func leaves(from index: UInt64) throws -> [MerkleHash] {
        var leaves: [MerkleHash] = []
        try reader.forEach(from: index) { number, line in
            guard number < size else { return false }
            leaves.append(.leaf(line.bytes))
            return number + 1 < size
        }
        return leaves
    }
}
