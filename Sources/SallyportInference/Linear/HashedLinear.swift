import Foundation

/// A linear model over hashed features, a byte a weight: what the cascade and the language scorer are made of. One file of weights, and
/// beside it a manifest that says what is scored. `training/cascade.py` and `training/languages.py` write them.
struct HashedLinear: Sendable {
    /// What every such manifest says.
    struct Shape: Decodable {
        let format: Int
        let normaliser: String
        let buckets: Int
        let width: Int
        let tasks: [String]
        let scale: [Float]
        let bias: [Float]
        let files: [String: String]
    }

    /// What stands in a manifest: the shape, and what one kind of scorer says besides.
    struct Manifest<Own: Decodable> {
        let file: MappedFile
        let shape: Shape
        let own: Own

        init(of directory: String) throws(ModelError) {
            file = try MappedFile(path: directory + "/manifest.json")
            let bytes = Data(file.bytes)
            do {
                own = try JSONDecoder().decode(Own.self, from: bytes)
                shape = try JSONDecoder().decode(Shape.self, from: bytes)
            } catch {
                throw .manifest(path: file.path, reason: ModelManifest.reason(error))
            }
        }

        func mistake(_ reason: String) -> ModelError { .manifest(path: file.path, reason: reason) }
    }

    let tasks: [String]
    let scales: [Float]
    let biases: [Float]
    private let weights: [Int8]
    private let width: Int
    private let mask: UInt64

    /// - Parameter manifest: the path, for messages.
    init(_ shape: Shape, directory: String, manifest: String) throws(ModelError) {
        func mistake(_ reason: String) -> ModelError { .manifest(path: manifest, reason: reason) }
        let count = shape.tasks.count
        guard shape.format == 1, shape.normaliser == "bert-uncased" else { throw mistake("format or normaliser is not known") }
        guard (1...1 << 24).contains(shape.buckets), shape.buckets & (shape.buckets - 1) == 0 else {
            throw mistake("buckets is not a power of two up to 2^24")
        }
        guard count > 0, shape.width >= count, shape.width <= 64, shape.scale.count == count, shape.bias.count == count else {
            throw mistake("tasks, width, scale and bias do not fit each other")
        }
        let bytes = try Self.file("weights.bin", of: shape, directory: directory, manifest: manifest)
        guard bytes.bytes.count == shape.buckets * shape.width else {
            throw .file(path: bytes.path, reason: "has \(bytes.bytes.count) bytes instead of \(shape.buckets * shape.width)")
        }
        tasks = shape.tasks
        scales = shape.scale
        biases = shape.bias
        weights = bytes.bytes.map { Int8(bitPattern: $0) }
        width = shape.width
        mask = UInt64(shape.buckets - 1)
    }

    /// A file that the manifest names, found to be the right one.
    static func file(_ name: String, of shape: Shape, directory: String, manifest: String) throws(ModelError) -> MappedFile {
        let path = directory + "/" + name
        guard let expected = shape.files[name] else { throw .manifest(path: manifest, reason: "files: lacks \(name)") }
        let file = try MappedFile(path: path)
        guard file.digest == expected.lowercased() else { throw .digest(path: path, expected: expected, found: file.digest) }
        return file
    }

    /// The sum of weights of a feature's bucket, per task, added to `totals`.
    @inline(__always)
    func add(_ hash: UInt64, to totals: UnsafeMutableBufferPointer<Int32>, _ weights: UnsafeBufferPointer<Int8>) {
        let row = Int(truncatingIfNeeded: hash & mask) &* width
        for task in totals.indices { totals[task] &+= Int32(weights[row &+ task]) }
    }

    /// - Parameter each: is given a function to call with every feature's hash.
    /// - Returns: for each task the sum of the features' weights, divided by the root of their number.
    func sums(_ each: ((UInt64) -> Void) -> Void) -> [Float] {
        var totals = [Int32](repeating: 0, count: tasks.count)
        var count = 0
        weights.withUnsafeBufferPointer { weights in
            totals.withUnsafeMutableBufferPointer { totals in
                each { hash in
                    add(hash, to: totals, weights)
                    count += 1
                }
            }
        }
        guard count > 0 else { return Array(repeating: 0, count: tasks.count) }
        let root = Float(count).squareRoot()
        return totals.map { Float($0) / root }
    }
}

/// FNV-1a, 64 bits.
struct FeatureHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    @inline(__always)
    mutating func add(_ byte: UInt64) { value = (value ^ byte) &* 0x100_0000_01B3 }

    @inline(__always)
    init(_ bytes: UInt64...) { for byte in bytes { add(byte) } }

    /// Every run of one to three identifiers: the run's length, then each identifier as two bytes, low byte first.
    @inline(__always)
    static func runs(of count: Int, identifier: (Int) -> UInt64, _ each: (UInt64) -> Void) {
        for start in 0..<count {
            for length in 1...3 where start + length <= count {
                var hash = FeatureHash(UInt64(length))
                for index in start..<start + length {
                    let identifier = identifier(index)
                    hash.add(identifier & 0xFF)
                    hash.add(identifier >> 8)
                }
                each(hash.value)
            }
        }
    }
}
