/// A full tile: 256 neighbouring hashes of one tile level (C2SP tlog-tiles).
struct MerkleTile: Sendable {
    /// 0: record hashes; each level above holds the roots of the tiles below.
    let level: Int
    let index: UInt64
    let hashes: [MerkleHash]

    /// Hashes in a full tile.
    static let width = 256

    var content: [UInt8] { hashes.flatMap(\.bytes) }
    /// The root of the complete subtree under the tile.
    var root: MerkleHash { MerkleTree.root(of: hashes[...]) }
}

/// A growing tree in logarithmic memory: per tile level, the hashes that do not fill a tile yet.
struct MerkleTree: Sendable {
    private(set) var size: UInt64 = 0
    private var levels: [[MerkleHash]] = []

    init() {}

    /// A tree whose size is a multiple of 256, from the entries right of its last full tile on each level, level 1 first.
    init(size: UInt64, upperLevels: [[MerkleHash]]) {
        precondition(size % UInt64(MerkleTile.width) == 0, "a tree is resumed at a tile's border")
        self.size = size
        levels = [[]] + upperLevels
    }

    /// Adds a record's hash. `onTile` gets every tile that this fills, lowest level first.
    mutating func append(_ leaf: MerkleHash, onTile: (MerkleTile) throws -> Void) rethrows {
        size += 1
        var entry = leaf
        var level = 0
        while true {
            if level == levels.count {
                levels.append([])
                levels[level].reserveCapacity(MerkleTile.width)
            }
            levels[level].append(entry)
            guard levels[level].count == MerkleTile.width else { return }
            let index = (size >> UInt64(8 * (level + 1))) - 1
            let tile = MerkleTile(level: level, index: index, hashes: levels[level])
            levels[level].removeAll(keepingCapacity: true)
            try onTile(tile)
            entry = tile.root
            level += 1
        }
    }

    var root: MerkleHash {
        var right: MerkleHash?
        for level in levels {
            // A level's entries are roots of complete subtrees of one size; what lies right of them is smaller: one more, last entry.
            let entries = right.map { level + [$0] } ?? level
            if !entries.isEmpty { right = Self.root(of: entries[...]) }
        }
        return right ?? .emptyTree
    }

    /// RFC 9162 section 2.1.1 over hashes that are already nodes. Never called with none.
    static func root(of hashes: ArraySlice<MerkleHash>) -> MerkleHash {
        guard let first = hashes.first else { return .emptyTree }
        if hashes.count == 1 { return first }
        let middle = hashes.startIndex + Int(split(UInt64(hashes.count)))
        return .node(root(of: hashes[..<middle]), root(of: hashes[middle...]))
    }

    /// The largest power of two below `size`, which is at least 2.
    static func split(_ size: UInt64) -> UInt64 { 1 << UInt64(63 - (size - 1).leadingZeroBitCount) }
}
