/// Gives the hashes of complete, aligned subtrees: the nodes that proofs are made of.
protocol MerkleNodes {
    /// The root of leaves `index << height ..< (index + 1) << height`.
    mutating func node(height: Int, index: UInt64) throws -> MerkleHash
}

/// Proofs of RFC 9162 sections 2.1.3 and 2.1.4.
package enum MerkleProof {
    /// - Parameter index: below `size`.
    static func inclusion(of index: UInt64, in size: UInt64, from nodes: inout some MerkleNodes) throws -> [MerkleHash] {
        try path(index, 0..<size, &nodes)
    }

    private static func path(_ index: UInt64, _ range: Range<UInt64>, _ nodes: inout some MerkleNodes) throws -> [MerkleHash] {
        let count = range.upperBound - range.lowerBound
        if count <= 1 { return [] }
        let middle = range.lowerBound + MerkleTree.split(count)
        if index < middle {
            return try path(index, range.lowerBound..<middle, &nodes) + [root(of: middle..<range.upperBound, &nodes)]
        }
        return try path(index, middle..<range.upperBound, &nodes) + [root(of: range.lowerBound..<middle, &nodes)]
    }

    /// - Parameter old: 0 < `old` <= `size`.
    static func consistency(from old: UInt64, to size: UInt64, from nodes: inout some MerkleNodes) throws -> [MerkleHash] {
        try subproof(old, 0..<size, true, &nodes)
    }

    private static func subproof(
        _ old: UInt64, _ range: Range<UInt64>, _ isComplete: Bool, _ nodes: inout some MerkleNodes
    ) throws -> [MerkleHash] {
        let count = range.upperBound - range.lowerBound
        if old == count { return isComplete ? [] : [try root(of: range, &nodes)] }
        let half = MerkleTree.split(count)
        let middle = range.lowerBound + half
        if old <= half {
            return try subproof(old, range.lowerBound..<middle, isComplete, &nodes) + [root(of: middle..<range.upperBound, &nodes)]
        }
        return try subproof(old - half, middle..<range.upperBound, false, &nodes) + [root(of: range.lowerBound..<middle, &nodes)]
    }

    /// The root over a range that a tree's own splitting gives, so that its complete parts are aligned.
    static func root(of range: Range<UInt64>, _ nodes: inout some MerkleNodes) throws -> MerkleHash {
        let count = range.upperBound - range.lowerBound
        if count == 0 { return .emptyTree }
        if count & (count - 1) == 0 {
            let height = count.trailingZeroBitCount
            return try nodes.node(height: height, index: range.lowerBound >> UInt64(height))
        }
        let middle = range.lowerBound + MerkleTree.split(count)
        return .node(try root(of: range.lowerBound..<middle, &nodes), try root(of: middle..<range.upperBound, &nodes))
    }

    /// RFC 9162 section 2.1.3.2.
    package static func isIncluded(
        _ leaf: MerkleHash, at index: UInt64, size: UInt64, path: [MerkleHash], root: MerkleHash
    ) -> Bool {
        guard index < size, path.count <= 64 else { return false }
        var (fn, sn, result) = (index, size - 1, leaf)
        for hash in path {
            if sn == 0 { return false }
            if fn & 1 == 1 || fn == sn {
                result = .node(hash, result)
                if fn & 1 == 0 {
                    while fn != 0 && fn & 1 == 0 { (fn, sn) = (fn >> 1, sn >> 1) }
                }
            } else {
                result = .node(result, hash)
            }
            (fn, sn) = (fn >> 1, sn >> 1)
        }
        return sn == 0 && result == root
    }

    /// RFC 9162 section 2.1.4.2. A tree is consistent with the empty one, by an empty path, whatever it holds.
    package static func isConsistent(
        oldSize: UInt64, oldRoot: MerkleHash, size: UInt64, root: MerkleHash, path: [MerkleHash]
    ) -> Bool {
        guard oldSize <= size, path.count <= 128 else { return false }
        if oldSize == size { return path.isEmpty && oldRoot == root }
        if oldSize == 0 { return path.isEmpty && oldRoot == .emptyTree }
        let hashes = oldSize & (oldSize - 1) == 0 ? [oldRoot] + path : path
        guard let first = hashes.first else { return false }
        var (fn, sn) = (oldSize - 1, size - 1)
        while fn & 1 == 1 { (fn, sn) = (fn >> 1, sn >> 1) }
        var (fr, sr) = (first, first)
        for hash in hashes.dropFirst() {
            if sn == 0 { return false }
            if fn & 1 == 1 || fn == sn {
                fr = .node(hash, fr)
                sr = .node(hash, sr)
                if fn & 1 == 0 {
                    while fn != 0 && fn & 1 == 0 { (fn, sn) = (fn >> 1, sn >> 1) }
                }
            } else {
                sr = .node(sr, hash)
            }
            (fn, sn) = (fn >> 1, sn >> 1)
        }
        return sn == 0 && fr == oldRoot && sr == root
    }
}
