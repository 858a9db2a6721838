/// Vectors of an incident's samples: what is close to one of them is the same again.
package struct IncidentVectors: Sendable {
    /// Cosine from which a text counts as another form of a sample.
    package static let threshold: Float = 0.62

    package let digest: String
    let vectors: [[Float]]

    package init(digest: String, vectors: [[Float]]) {
        self.digest = digest
        self.vectors = vectors
    }

    /// nil for bytes that hold no vectors.
    package init?(encoded: [UInt8]) {
        guard let (digest, rows) = VectorCoding.decode(encoded) else { return nil }
        self.init(digest: digest, vectors: rows)
    }

    package var encoded: [UInt8] { VectorCoding.encode(digest, vectors) }

    /// The cosine with the nearest sample; -1 without any.
    package func similarity(to vector: [Float]) -> Float {
        var best: Float = -1
        for sample in vectors where sample.count == vector.count {
            var sum: Float = 0
            for index in 0..<sample.count { sum += sample[index] * vector[index] }
            best = max(best, sum)
        }
        return best
    }
}
