/// Vectors from counting words, pairs of words and groups of three letters, hashed to a fixed number of places. Texts with common words lie
/// near each other; meaning is not understood. Deterministic on every machine; a learned encoder will take its place.
package enum HashedEmbedding {
    package static let defaultDimensions = 256
    package static let maximumDimensions = 4096
    /// Words that are looked at.
    private static let words = 8192

    /// - Parameter dimensions: nil: 256; else brought into 1...4096.
    /// - Returns: a vector of length one; for a text without words the first unit vector.
    package static func vector(of text: String, dimensions: Int? = nil) -> [Float] {
        let count = min(maximumDimensions, max(1, dimensions ?? defaultDimensions))
        var vector = [Float](repeating: 0, count: count)
        var previous: UInt64?
        for word in Words.folded(text, limit: words) {
            let isCommon = Words.stopWords.contains(word)
            let stem = hash(Words.stem(word).utf8, seed: 1)
            add(stem, weight: isCommon ? 0.1 : 1, to: &vector)
            if let previous { add(mix(previous ^ stem &* 0x9E37_79B9_7F4A_7C15), weight: isCommon ? 0.1 : 0.5, to: &vector) }
            previous = stem
            guard !isCommon else { continue }
            var bytes = [UInt8(ascii: "^")]
            bytes.append(contentsOf: word.utf8)
            bytes.append(UInt8(ascii: "$"))
            for start in 0..<max(0, bytes.count - 2) { add(hash(bytes[start..<start + 3], seed: 2), weight: 0.3, to: &vector) }
        }
        // Often-repeated words count less than their number.
        var square: Double = 0
        for index in vector.indices {
            let value = vector[index]
            vector[index] = value < 0 ? -(-value).squareRoot() : value.squareRoot()
            square += Double(vector[index]) * Double(vector[index])
        }
        guard square > 0 else {
            vector[0] = 1
            return vector
        }
        let scale = Float(1 / square.squareRoot())
        for index in vector.indices { vector[index] *= scale }
        return vector
    }

    /// A place and a sign per feature, so that collisions cancel out on average.
    private static func add(_ hash: UInt64, weight: Float, to vector: inout [Float]) {
        let place = Int(truncatingIfNeeded: ((hash >> 32) &* UInt64(vector.count)) >> 32)
        vector[place] += hash & 1 == 0 ? weight : -weight
    }

    /// FNV-1a, then mixed: Swift's own hashing differs from run to run.
    private static func hash(_ bytes: some Sequence<UInt8>, seed: UInt64) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ seed
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return mix(hash)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ value >> 33) &* 0xFF51_AFD7_ED55_8CCD
        value = (value ^ value >> 33) &* 0xC4CE_B9FE_1A85_EC53
        return value ^ value >> 33
    }
}
