import NIOCore
import SallyportCore

/// Vectors by words instead of meanings: each word is a direction of its own, so that texts are as close as the words that they share.
package struct ScriptedEmbedder: TextEmbedder {
    package let dimensions = 256
    package let digest: String
    private let fault: TextReadingFault?

    package init(digest: String = "e3bedde5", fault: TextReadingFault? = nil) {
        self.digest = digest
        self.fault = fault
    }

    package func embed(_ texts: [ByteBuffer], completion: @escaping @Sendable (Result<[[Float]], TextReadingFault>) -> Void) {
        completion(fault.map { .failure($0) } ?? .success(texts.map(vector)))
    }

    private func vector(of text: ByteBuffer) -> [Float] {
        var vector = [Float](repeating: 0, count: dimensions)
        for word in String(buffer: text).lowercased().split(whereSeparator: { !$0.isLetter }) {
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for byte in word.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            vector[Int((hash >> 32) % UInt64(dimensions))] += hash & 1 == 0 ? 1 : -1
        }
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length == 0 ? vector : vector.map { $0 / length }
    }
}
