/// The pieces of a vocabulary as a double-array trie over UTF-8: one look-up for each byte of a word.
///
/// Two roots: pieces that begin a word, and pieces that go on one (written with `##` in the vocabulary).
struct VocabularyTrie: Sendable {
    /// base: 22 bits, check: 22 bits, identifier + 1: 20 bits (0: no piece ends here).
    let nodes: [UInt64]

    static let wordRoot = 0
    static let continuationRoot = 1
    private static let maximumSlots = 1 << 22
    static let maximumPieces = 1 << 20

    @inline(__always) static func base(_ node: UInt64) -> Int { Int(truncatingIfNeeded: node & 0x3F_FFFF) }
    @inline(__always) static func check(_ node: UInt64) -> Int { Int(truncatingIfNeeded: node >> 22 & 0x3F_FFFF) }
    /// -1: no piece ends here.
    @inline(__always) static func identifier(_ node: UInt64) -> Int32 { Int32(truncatingIfNeeded: node >> 44) &- 1 }

    /// No slot has this parent: it marks what is free.
    private static let nobody: UInt64 = 0x3F_FFFF

    private struct Piece {
        let bytes: ArraySlice<UInt8>
        let identifier: UInt64
    }

    /// - Parameter pieces: by identifier; an empty one is never matched. Of equal pieces the last counts.
    init(_ pieces: [ArraySlice<UInt8>]) throws(ModelError) {
        guard pieces.count < Self.maximumPieces else { throw .vocabulary("more than \(Self.maximumPieces) entries") }
        var words: [Piece] = []
        var continuations: [Piece] = []
        for (identifier, bytes) in pieces.enumerated() where !bytes.isEmpty {
            if bytes.count > 2, bytes.starts(with: [UInt8(ascii: "#"), UInt8(ascii: "#")]) {
                continuations.append(Piece(bytes: bytes.dropFirst(2), identifier: UInt64(identifier)))
            } else {
                words.append(Piece(bytes: bytes, identifier: UInt64(identifier)))
            }
        }
        let order: (Piece, Piece) -> Bool = {
            $0.bytes.lexicographicallyPrecedes($1.bytes) || ($0.bytes == $1.bytes && $0.identifier < $1.identifier)
        }
        words.sort(by: order)
        continuations.sort(by: order)
        var builder = Builder()
        try builder.add(words[...], at: Self.wordRoot)
        try builder.add(continuations[...], at: Self.continuationRoot)
        nodes = builder.finished()
    }

    private struct Builder {
        var nodes = [UInt64](repeating: VocabularyTrie.nobody << 22, count: 4096)
        var used = [Bool](repeating: false, count: 4096)
        // Bases are never below one, so what lies below the largest byte would stay free and be tried again and again.
        var firstFree = 257
        var wideStart = 257
        var highest = 2

        init() {
            used[0] = true
            used[1] = true
        }

        /// Sorted pieces below the slot, level by level.
        mutating func add(_ pieces: ArraySlice<Piece>, at root: Int) throws(ModelError) {
            var open: [(pieces: ArraySlice<Piece>, slot: Int, depth: Int)] = [(pieces, root, 0)]
            var next = 0
            while next < open.count {
                var (rest, slot, depth) = open[next]
                next += 1
                while let first = rest.first, first.bytes.count == depth {
                    nodes[slot] = nodes[slot] & ~(UInt64(0xF_FFFF) << 44) | (first.identifier + 1) << 44
                    rest = rest.dropFirst()
                }
                var groups: [(byte: UInt8, pieces: ArraySlice<Piece>)] = []
                while let first = rest.first {
                    let byte = first.bytes[first.bytes.startIndex + depth]
                    let end = rest.firstIndex { $0.bytes[$0.bytes.startIndex + depth] != byte } ?? rest.endIndex
                    groups.append((byte, rest[rest.startIndex..<end]))
                    rest = rest[end...]
                }
                guard !groups.isEmpty else { continue }
                let base = try place(groups.map(\.byte))
                nodes[slot] = nodes[slot] & ~0x3F_FFFF | UInt64(base)
                for (byte, pieces) in groups {
                    let child = base + Int(byte)
                    used[child] = true
                    highest = max(highest, child)
                    nodes[child] = UInt64(slot) << 22
                    open.append((pieces, child, depth + 1))
                }
            }
        }

        /// A base at which the slots of all bytes (ascending) are free. For nodes with several children the search begins where it last
        /// became long: the holes before that are left to nodes with one child.
        mutating func place(_ bytes: [UInt8]) throws(ModelError) -> Int {
            while firstFree < used.count, used[firstFree] { firstFree += 1 }
            let first = Int(bytes[0])
            var slot = bytes.count > 1 ? max(firstFree, wideStart) : firstFree
            let start = slot
            while true {
                grow(to: slot + 512)
                guard slot + 512 < VocabularyTrie.maximumSlots else { throw .vocabulary("too large") }
                if isFree(bytes, at: slot - first) { break }
                slot += 1
            }
            if slot - start > 32, bytes.count > 1 { wideStart = slot }
            return slot - first
        }

        private func isFree(_ bytes: [UInt8], at base: Int) -> Bool {
            for byte in bytes where used[base + Int(byte)] { return false }
            return true
        }

        private mutating func grow(to count: Int) {
            guard count > nodes.count else { return }
            let more = max(count, nodes.count * 2) - nodes.count
            nodes.append(contentsOf: repeatElement(VocabularyTrie.nobody << 22, count: more))
            used.append(contentsOf: repeatElement(false, count: more))
        }

        /// With room behind the last slot, so that no step from any base leaves the array.
        func finished() -> [UInt64] {
            var nodes = Array(nodes[...highest])
            nodes.append(contentsOf: repeatElement(VocabularyTrie.nobody << 22, count: 512))
            // A leaf's base is zero: steps from it land in the first 256 slots, whose parents it is not.
            return nodes
        }
    }
}
