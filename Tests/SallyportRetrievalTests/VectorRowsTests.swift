import SallyportCore
import Testing

@testable import SallyportRetrieval

@Suite struct VectorRowsTests {
    /// The wide instructions give what plain arithmetic gives, for lengths that fill registers and that do not.
    @Test(arguments: [1, 15, 16, 63, 64, 65, 127, 384, 400])
    func scansExactly(_ dimensions: Int) throws {
        var generator = SeededGenerator(state: UInt64(dimensions))
        func vector() -> ChunkRecord.Vector {
            ChunkRecord.Vector(scale: 1, values: (0..<dimensions).map { _ in Int8(Int.random(in: -127...127, using: &generator)) })
        }
        let vectors = (0..<2100).map { $0 % 7 == 3 ? nil : vector() }
        var rows = VectorRows(dimensions: dimensions)
        for vector in vectors { rows.append(vector) }
        let query = vector()
        var found: [Int: Float] = [:]
        rows.scan(query) { found[$0] = $1 }
        for (row, vector) in vectors.enumerated() {
            let expected = vector.map { Float(zip($0.values, query.values).reduce(0) { $0 + Int($1.0) * Int($1.1) }) }
            #expect(found[row] == expected)
            #expect(rows.likeness(row, to: query) == expected)
            #expect(rows.vector(row) == vector)
        }
    }

    @Test func vectorsOfAnotherLengthAreLeftOut() {
        var rows = VectorRows(dimensions: 8)
        rows.append(ChunkRecord.Vector(scale: 1, values: [1, 2, 3]))
        rows.append(ChunkRecord.Vector(scale: .nan, values: [Int8](repeating: 1, count: 8)))
        var seen = 0
        rows.scan(ChunkRecord.Vector(scale: 1, values: [Int8](repeating: 1, count: 8))) { _, _ in seen += 1 }
        rows.scan(ChunkRecord.Vector(scale: 1, values: [1])) { _, _ in seen += 1 }
        #expect(seen == 0)
    }

    @Test func listsOfChunksKeepEveryEntry() {
        var generator = SeededGenerator(state: 5)
        for _ in 0..<50 {
            var expected: [(Int, Int)] = []
            var chunk = Int.random(in: 0..<5, using: &generator)
            var list: PostingList?
            for _ in 0..<Int.random(in: 1...200, using: &generator) {
                let frequency = Int.random(in: 0..<4, using: &generator) == 0 ? Int.random(in: 1...255, using: &generator) : 1
                expected.append((chunk, frequency))
                if list == nil {
                    list = PostingList(chunk: UInt32(chunk), frequency: UInt8(frequency))
                } else {
                    list?.append(chunk: UInt32(chunk), frequency: UInt8(frequency))
                }
                chunk += Int.random(in: 1...100_000, using: &generator)
            }
            var found: [(Int, Int)] = []
            list?.forEach { found.append(($0, $1)) }
            #expect(found.elementsEqual(expected) { $0 == $1 })
            #expect(Int(list?.count ?? 0) == expected.count)
        }
    }

    @Test func topListsAreSortedAndBounded() {
        var generator = SeededGenerator(state: 7)
        let scores = (0..<1000).map { _ in Float(Int.random(in: 0..<50, using: &generator)) }
        var top = TopList<Int>(20, isBefore: <)
        for (number, score) in scores.enumerated() where top.admits(score) { top.insert(number, score: score) }
        let expected = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(20)
        #expect(top.elements.map(\.element) == Array(expected))
    }
}
