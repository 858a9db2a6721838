import Crypto

/// A SHA-256 digest as a dictionary's key.
struct KeyDigest: Hashable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// nil unless there are 32 bytes.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        words = bytes.withUnsafeBytes(Self.load)
    }

    init(hashing credential: UnsafeRawBufferPointer) {
        words = SHA256.hash(data: credential).withUnsafeBytes(Self.load)
    }

    private static func load(_ bytes: UnsafeRawBufferPointer) -> (UInt64, UInt64, UInt64, UInt64) {
        (
            bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
            bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
        )
    }

    static func == (a: KeyDigest, b: KeyDigest) -> Bool { a.words == b.words }

    /// One word is enough: a digest's words are uniform, and nobody but a key's maker puts digests into the table.
    func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
