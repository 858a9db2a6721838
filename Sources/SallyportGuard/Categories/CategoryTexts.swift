import NIOCore

/// How texts are cut before they become vectors: a long text says many things, and one of them may be what is looked for.
package enum CategoryTexts {
    private static let mostParts = 48

    /// The whole text, then its stretches of some sentences where there are several.
    package static func parts(of text: ByteBuffer) -> [ByteBuffer] {
        let stretches = text.withUnsafeReadableBytes { Sentences.passages(in: $0, words: 40, step: 25) }
        return [text] + (stretches.count > 1 ? slices(stretches, of: text) : [])
    }

    /// The whole text, then each sentence.
    package static func sentences(of text: ByteBuffer) -> [ByteBuffer] {
        let sentences = text.withUnsafeReadableBytes { Sentences.ranges(in: $0) }
        return [text] + (sentences.count > 1 ? slices(sentences, of: text) : [])
    }

    private static func slices(_ ranges: [Range<Int>], of text: ByteBuffer) -> [ByteBuffer] {
        ranges.prefix(mostParts).compactMap { text.getSlice(at: text.readerIndex + $0.lowerBound, length: $0.count) }
    }
}
