/// Tells texts of a category from others by their vectors: logistic regression over vectors of length one.
package struct LinearClassifier: Sendable, Hashable {
    /// Identifies the model that the vectors are from.
    package let digest: String
    let weights: [Float]
    let bias: Float
    /// The probability from which a text belongs to the category.
    package let threshold: Float
    /// The mean of both sides' share that was told right, on samples that were held out in turn.
    package let accuracy: Float

    /// Below this the samples do not make a category.
    package static let leastAccuracy: Float = 0.75

    init(digest: String, weights: [Float], bias: Float, threshold: Float, accuracy: Float) {
        self.digest = digest
        self.weights = weights
        self.bias = bias
        self.threshold = threshold
        self.accuracy = accuracy
    }

    package func probability(of vector: [Float]) -> Float {
        guard vector.count == weights.count else { return 0 }
        return Self.sigmoid(Self.score(vector, weights, bias))
    }

    // MARK: Training

    /// The same samples in the same order give the same classifier.
    /// - Parameters:
    ///   - positive: vectors of texts that belong to the category; five at least.
    ///   - negative: vectors of texts that do not.
    package static func trained(positive: [[Float]], negative: [[Float]], digest: String) -> LinearClassifier {
        let folds = 5
        var held: [(score: Float, isPositive: Bool)] = []
        for fold in 0..<folds {
            let fit = fitted(
                positive: positive.enumerated().filter { $0.offset % folds != fold }.map(\.element),
                negative: negative.enumerated().filter { $0.offset % folds != fold }.map(\.element))
            for (offset, vector) in positive.enumerated() where offset % folds == fold {
                held.append((sigmoid(score(vector, fit.weights, fit.bias)), true))
            }
            for (offset, vector) in negative.enumerated() where offset % folds == fold {
                held.append((sigmoid(score(vector, fit.weights, fit.bias)), false))
            }
        }
        let (threshold, accuracy) = best(held)
        let fit = fitted(positive: positive, negative: negative)
        return LinearClassifier(digest: digest, weights: fit.weights, bias: fit.bias, threshold: threshold, accuracy: accuracy)
    }

    /// The threshold at which held-out samples are told apart best: in the middle between two scores.
    private static func best(_ held: [(score: Float, isPositive: Bool)]) -> (threshold: Float, accuracy: Float) {
        let ordered = held.sorted { $0.score < $1.score }
        let positives = Float(max(1, held.count { $0.isPositive }))
        let negatives = Float(max(1, held.count { !$0.isPositive }))
        var best: (threshold: Float, accuracy: Float) = (0.5, 0)
        var missed: Float = 0
        var cleared: Float = 0
        for (index, entry) in ordered.enumerated() {
            if entry.isPositive { missed += 1 } else { cleared += 1 }
            let next = index + 1 < ordered.count ? ordered[index + 1].score : 1
            let accuracy = ((positives - missed) / positives + cleared / negatives) / 2
            if accuracy > best.accuracy { best = (min(0.9, max(0.3, (entry.score + next) / 2)), accuracy) }
        }
        return best
    }

    /// Gradient descent on the logistic loss, both sides weighing the same, with weight decay.
    private static func fitted(positive: [[Float]], negative: [[Float]]) -> (weights: [Float], bias: Float) {
        let dimensions = positive.first?.count ?? negative.first?.count ?? 0
        var weights = [Float](repeating: 0, count: dimensions)
        var bias: Float = 0
        let rows =
            positive.map { ($0, Float(1), 0.5 / Float(max(1, positive.count))) }
            + negative.map { ($0, Float(0), 0.5 / Float(max(1, negative.count))) }
        let decay: Float = 0.002
        for step in 0..<400 {
            var gradient = [Float](repeating: 0, count: dimensions)
            var slope: Float = 0
            for (vector, label, weight) in rows {
                let error = (sigmoid(score(vector, weights, bias)) - label) * weight
                slope += error
                for index in 0..<dimensions { gradient[index] += error * vector[index] }
            }
            let rate: Float = 20 / (1 + Float(step) / 100)
            for index in 0..<dimensions { weights[index] -= rate * (gradient[index] + decay * weights[index]) }
            bias -= rate * slope * 0.2
        }
        return (weights, bias)
    }

    private static func score(_ vector: [Float], _ weights: [Float], _ bias: Float) -> Float {
        var sum = bias
        for index in 0..<min(vector.count, weights.count) { sum += vector[index] * weights[index] }
        return sum
    }

    private static func sigmoid(_ score: Float) -> Float { Float(1 / (1 + Exponential.of(-Double(score)))) }

    // MARK: At rest

    package var encoded: [UInt8] { VectorCoding.encode(digest, [[threshold, accuracy, bias], weights]) }

    /// nil for bytes that hold no classifier.
    package init?(encoded: [UInt8]) {
        guard let (digest, rows) = VectorCoding.decode(encoded), rows.count == 2, rows[0].count == 3 else { return nil }
        self.init(digest: digest, weights: rows[1], bias: rows[0][2], threshold: rows[0][0], accuracy: rows[0][1])
    }
}

/// Rows of numbers with the digest of the model that they belong to, as bytes: counts and numbers of four bytes, little-endian.
enum VectorCoding {
    static func encode(_ digest: String, _ rows: [[Float]]) -> [UInt8] {
        var bytes: [UInt8] = []
        func put(_ number: UInt32) { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
        put(UInt32(digest.utf8.count))
        bytes += Array(digest.utf8)
        put(UInt32(rows.count))
        for row in rows {
            put(UInt32(row.count))
            for value in row { put(value.bitPattern) }
        }
        return bytes
    }

    static func decode(_ bytes: [UInt8]) -> (digest: String, rows: [[Float]])? {
        var offset = 0
        func number() -> UInt32? {
            guard offset + 4 <= bytes.count else { return nil }
            defer { offset += 4 }
            return bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
        }
        guard let length = number().map(Int.init), offset + length <= bytes.count else { return nil }
        let digest = String(decoding: bytes[offset..<(offset + length)], as: UTF8.self)
        offset += length
        guard let count = number().map(Int.init), count <= bytes.count / 4 else { return nil }
        var rows: [[Float]] = []
        for _ in 0..<count {
            guard let size = number().map(Int.init), size <= (bytes.count - offset) / 4 else { return nil }
            var row: [Float] = []
            row.reserveCapacity(size)
            for _ in 0..<size {
                guard let value = number() else { return nil }
                row.append(Float(bitPattern: value))
            }
            rows.append(row)
        }
        return (digest, rows)
    }
}
