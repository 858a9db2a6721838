import CVectors
import SallyportCore

/// Vectors of one length, a byte a dimension, in blocks: adding never copies more than one block, and nothing is reserved twice.
struct VectorRows: Sendable {
    private static let rowsPerBlock = 1024

    let dimensions: Int
    private(set) var count = 0
    private var values: [[Int8]] = []
    /// Zero: the row has no vector.
    private var scales: [[Float]] = []

    init(dimensions: Int) { self.dimensions = dimensions }

    mutating func append(_ vector: ChunkRecord.Vector?) {
        if count % Self.rowsPerBlock == 0 {
            values.append([])
            scales.append([])
        }
        if let vector, vector.values.count == dimensions, vector.scale.isFinite {
            // The scan takes no -128: its mirror does not fit a byte.
            values[values.count - 1] += vector.values.lazy.map { max(-127, $0) }
            scales[scales.count - 1].append(vector.scale)
        } else {
            values[values.count - 1] += repeatElement(0, count: dimensions)
            scales[scales.count - 1].append(0)
        }
        count += 1
    }

    func vector(_ row: Int) -> ChunkRecord.Vector? {
        let (block, place) = (row / Self.rowsPerBlock, row % Self.rowsPerBlock)
        guard scales[block][place] > 0 else { return nil }
        return ChunkRecord.Vector(scale: scales[block][place], values: Array(values[block][place * dimensions..<(place + 1) * dimensions]))
    }

    /// The likeness of every row to a query, in order; rows without a vector are passed over.
    @inline(__always)
    func scan(_ query: ChunkRecord.Vector, _ body: (_ row: Int, _ likeness: Float) -> Void) {
        guard query.values.count == dimensions, dimensions > 0, count > 0 else { return }
        let wanted = query.values.map { max(-127, $0) }
        var products = [Int32](repeating: 0, count: Self.rowsPerBlock)
        for (number, block) in values.enumerated() {
            let scales = scales[number]
            products.withUnsafeMutableBufferPointer { out in
                block.withUnsafeBufferPointer { rows in
                    wanted.withUnsafeBufferPointer { wanted in
                        guard let out = out.baseAddress, let rows = rows.baseAddress, let wanted = wanted.baseAddress else { return }
                        sallyport_dot_rows(wanted, rows, dimensions, scales.count, out)
                    }
                }
            }
            let start = number * Self.rowsPerBlock
            for row in 0..<scales.count where scales[row] > 0 { body(start + row, Float(products[row]) * scales[row] * query.scale) }
        }
    }

    /// The likeness of one row; nil where it has no vector.
    func likeness(_ row: Int, to query: ChunkRecord.Vector) -> Float? {
        guard query.values.count == dimensions, row < count else { return nil }
        let (block, place) = (row / Self.rowsPerBlock, row % Self.rowsPerBlock)
        let scale = scales[block][place]
        guard scale > 0 else { return nil }
        var sum: Int32 = 0
        let start = place * dimensions
        for index in 0..<dimensions { sum += Int32(values[block][start + index]) * Int32(max(-127, query.values[index])) }
        return Float(sum) * scale * query.scale
    }
}

/// Vectors in a byte per dimension.
package enum QuantisedVector {
    package static func quantise(_ vector: [Float]) -> ChunkRecord.Vector {
        let largest = vector.reduce(0) { max($0, abs($1)) }
        guard largest > 0, largest.isFinite else { return ChunkRecord.Vector(scale: 0, values: [Int8](repeating: 0, count: vector.count)) }
        let scale = largest / 127
        return ChunkRecord.Vector(scale: scale, values: vector.map { Int8(max(-127, min(127, ($0 / scale).rounded()))) })
    }

    /// What the scan runs on here: "avx512-vnni", "avx2" or "portable".
    package static var instructions: String { String(cString: sallyport_dot_kind()) }
}
