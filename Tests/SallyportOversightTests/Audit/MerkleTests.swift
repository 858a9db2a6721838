import Crypto
import Testing

@testable import SallyportOversight

/// The tree and its proofs, from the definitions of RFC 9162 word for word, sharing nothing with the product.
private enum Naive {
    static func hash(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

    static func root(_ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
        if leaves.isEmpty { return hash([]) }
        if leaves.count == 1 { return hash([0] + leaves[leaves.startIndex]) }
        let k = split(leaves)
        return hash([1] + root(leaves[..<k]) + root(leaves[k...]))
    }

    private static func split(_ leaves: ArraySlice<[UInt8]>) -> Int {
        var k = 1
        while k * 2 < leaves.count { k *= 2 }
        return leaves.startIndex + k
    }

    static func path(_ m: Int, _ leaves: ArraySlice<[UInt8]>) -> [[UInt8]] {
        if leaves.count == 1 { return [] }
        let k = split(leaves)
        return m < k - leaves.startIndex
            ? path(m, leaves[..<k]) + [root(leaves[k...])]
            : path(m - (k - leaves.startIndex), leaves[k...]) + [root(leaves[..<k])]
    }

    static func proof(_ m: Int, _ leaves: ArraySlice<[UInt8]>, _ isWhole: Bool = true) -> [[UInt8]] {
        if m == leaves.count { return isWhole ? [] : [root(leaves)] }
        let k = split(leaves)
        let left = k - leaves.startIndex
        return m <= left
            ? proof(m, leaves[..<k], isWhole) + [root(leaves[k...])]
            : proof(m - left, leaves[k...], false) + [root(leaves[..<k])]
    }
}

/// Nodes of a tree held in memory.
private struct Nodes: MerkleNodes {
    let leaves: [MerkleHash]
    mutating func node(height: Int, index: UInt64) -> MerkleHash {
        let width = 1 << height
        return MerkleTree.root(of: leaves[(Int(index) * width)..<(Int(index + 1) * width)])
    }
}

private func leaf(_ bytes: [UInt8]) -> MerkleHash { bytes.withUnsafeBytes(MerkleHash.leaf) }

@Suite struct MerkleTests {
    /// Leaves and roots of the Certificate Transparency reference implementation's tests.
    private static let leaves: [[UInt8]] = [
        [], [0x00], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43], Array(0x50...0x57), Array(0x60...0x6F),
    ]
    private static let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    @Test func givesTheRootsOfTheReferenceImplementation() {
        var tree = MerkleTree()
        #expect(tree.root.description == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        for (bytes, root) in zip(Self.leaves, Self.roots) {
            tree.append(leaf(bytes)) { _ in Issue.record("eight leaves fill no tile") }
            #expect(tree.root.description == root)
        }
    }

    @Test func agreesWithTheRecursiveDefinitionOverTileBorders() {
        let leaves = (0..<700).map { Array("leaf \($0)".utf8) }
        var tree = MerkleTree()
        var tiles = 0
        for (index, bytes) in leaves.enumerated() {
            tree.append(leaf(bytes)) { tile in
                tiles += 1
                #expect(tile.root.bytes == Naive.root(leaves[(Int(tile.index) * 256)..<(Int(tile.index + 1) * 256)]))
            }
            if [1, 2, 3, 254, 255, 256, 257, 300, 511, 512, 513, 640, 699, 700].contains(index + 1) {
                #expect(tree.root.bytes == Naive.root(leaves[...index]), "at size \(index + 1)")
            }
        }
        #expect(tiles == 2)
    }

    @Test func fillsTilesOfTheSecondLevel() {
        var tree = MerkleTree()
        var levels: [Int: Int] = [:]
        let same = leaf([1])
        for _ in 0..<65_536 { tree.append(same) { levels[$0.level, default: 0] += 1 } }
        #expect(levels == [0: 256, 1: 1])
        var expected = same
        for _ in 0..<16 { expected = .node(expected, expected) }
        #expect(tree.root == expected)
    }

    @Test func provesEveryLeafOfEverySmallTree() throws {
        let leaves = (0..<33).map { Array("leaf \($0)".utf8) }
        for size in 1...leaves.count {
            var nodes = Nodes(leaves: leaves[..<size].map(leaf))
            let root = try #require(MerkleHash(Naive.root(leaves[..<size])))
            for index in 0..<size {
                let path = try MerkleProof.inclusion(of: UInt64(index), in: UInt64(size), from: &nodes)
                #expect(path.map(\.bytes) == Naive.path(index, leaves[..<size]))
                let target = leaf(leaves[index])
                #expect(MerkleProof.isIncluded(target, at: UInt64(index), size: UInt64(size), path: path, root: root))
                // Neither another leaf, nor another place, nor a longer or shorter path is proven.
                #expect(!MerkleProof.isIncluded(leaf([0xFF]), at: UInt64(index), size: UInt64(size), path: path, root: root))
                #expect(!MerkleProof.isIncluded(target, at: UInt64(index), size: UInt64(size), path: path + [root], root: root))
                for other in 0..<size where other != index {
                    #expect(!MerkleProof.isIncluded(target, at: UInt64(other), size: UInt64(size), path: path, root: root))
                }
                if !path.isEmpty {
                    #expect(
                        !MerkleProof.isIncluded(target, at: UInt64(index), size: UInt64(size), path: Array(path.dropLast()), root: root))
                }
            }
            #expect(!MerkleProof.isIncluded(leaf(leaves[0]), at: UInt64(size), size: UInt64(size), path: [], root: root))
        }
    }

    @Test func provesThatEverySmallTreeGrewFromEverySmallerOne() throws {
        let leaves = (0..<33).map { Array("leaf \($0)".utf8) }
        for size in 1...leaves.count {
            var nodes = Nodes(leaves: leaves[..<size].map(leaf))
            let root = try #require(MerkleHash(Naive.root(leaves[..<size])))
            for old in 1...size {
                let oldRoot = try #require(MerkleHash(Naive.root(leaves[..<old])))
                let path = try MerkleProof.consistency(from: UInt64(old), to: UInt64(size), from: &nodes)
                #expect(path.map(\.bytes) == Naive.proof(old, leaves[..<size]))
                func holds(_ oldRoot: MerkleHash, _ root: MerkleHash, _ path: [MerkleHash]) -> Bool {
                    MerkleProof.isConsistent(oldSize: UInt64(old), oldRoot: oldRoot, size: UInt64(size), root: root, path: path)
                }
                #expect(holds(oldRoot, root, path))
                #expect(!holds(.emptyTree, root, path))
                #expect(!holds(oldRoot, .emptyTree, path))
                #expect(!holds(oldRoot, root, path + [root]))
                for position in path.indices {
                    var wrong = path
                    wrong[position] = .emptyTree
                    #expect(!holds(oldRoot, root, wrong))
                }
            }
        }
        #expect(MerkleProof.isConsistent(oldSize: 0, oldRoot: .emptyTree, size: 8, root: leaf([1]), path: []))
        #expect(!MerkleProof.isConsistent(oldSize: 9, oldRoot: .emptyTree, size: 8, root: .emptyTree, path: []))
    }

    @Test(arguments: [(0, UInt64(0), "0/000"), (1, 999, "1/999"), (0, 1000, "0/x001/000"), (0, 1_234_067, "0/x001/x234/067")])
    func namesTilesAsTheSpecificationDoes(level: Int, index: UInt64, name: String) {
        #expect(AuditLayout.tileName(level: level, index: index) == name)
    }
}
