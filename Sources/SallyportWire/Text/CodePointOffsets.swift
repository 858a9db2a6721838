import NIOCore

/// Turns byte offsets of a text into code points or UTF-16 units. Ascending offsets cost one pass over the text in all.
package struct CodePointOffsets: Sendable {
    private let text: ByteBuffer
    private let isASCII: Bool
    private var byte = 0
    private var points = 0
    private var wide = 0

    /// - Parameter text: valid UTF-8.
    package init(_ text: ByteBuffer, isASCII: Bool = false) {
        self.text = text
        self.isASCII = isASCII
    }

    /// How many code points begin before a byte offset. An offset beyond the text counts as its end.
    package mutating func codePoints(beforeByte offset: Int) -> Int {
        if isASCII { return Swift.min(Swift.max(offset, 0), text.readableBytes) }
        advance(to: offset)
        return points
    }

    /// How many UTF-16 units stand before a byte offset, which is at the start of a code point.
    package mutating func utf16(beforeByte offset: Int) -> Int {
        if isASCII { return Swift.min(Swift.max(offset, 0), text.readableBytes) }
        advance(to: offset)
        return points + wide
    }

    private mutating func advance(to offset: Int) {
        let target = Swift.min(Swift.max(offset, 0), text.readableBytes)
        if target < byte { (byte, points, wide) = (0, 0, 0) }
        let counts = text.withUnsafeReadableBytes { UTF8Text.counts(UnsafeRawBufferPointer(rebasing: $0[byte..<target])) }
        points += counts.codePoints
        wide += counts.wide
        byte = target
    }
}
