import NIOCore

/// A string of a document as detectors read it, and the way back to the document's bytes.
package struct DecodedText: Sendable {
    /// Valid UTF-8; a slice of the document when the string holds no escapes.
    package let bytes: ByteBuffer
    package let isASCII: Bool

    /// The string's content as it stands in the document.
    private let content: ByteBuffer
    private let start: Int
    private let hasEscapes: Bool
    /// Pairs of a decoded and a raw offset, both at the start of the same unit, so that a look-up walks a short way only.
    private let marks: [Mark]

    struct Mark: Sendable {
        var decoded: UInt32
        var raw: UInt32
    }

    init(content: ByteBuffer, start: Int, hasEscapes: Bool, isASCII: Bool) {
        self.content = content
        self.start = start
        self.hasEscapes = hasEscapes
        self.isASCII = isASCII
        if hasEscapes {
            var decoded = ByteBufferAllocator().buffer(capacity: content.readableBytes)
            var marks: [Mark] = []
            content.withUnsafeReadableBytes { JSONText.decode($0, into: &decoded, marks: &marks) }
            self.bytes = decoded
            self.marks = marks
        } else {
            self.bytes = content
            self.marks = []
        }
    }

    /// Where a range of the decoded text stands in the document.
    ///
    /// An escape sequence maps as a whole, a surrogate pair as one, and so does a code point of several bytes: an edit of the result
    /// never leaves half of one behind. An empty range maps to an empty one. Offsets beyond the text are taken as its end.
    package func rawRange(of decoded: Range<Int>) -> Range<Int> {
        let count = bytes.readableBytes
        let lower = Swift.min(Swift.max(decoded.lowerBound, 0), count)
        let upper = Swift.min(Swift.max(decoded.upperBound, lower), count)
        let first = unit(at: lower)
        guard upper > lower else { return start + first.lowerBound..<start + first.lowerBound }
        let last = unit(at: upper - 1)
        return start + first.lowerBound..<start + last.upperBound
    }

    /// The raw unit (offsets in `content`) that the decoded byte at `offset` comes from; empty at the end of the text.
    private func unit(at offset: Int) -> Range<Int> {
        guard offset < bytes.readableBytes else { return content.readableBytes..<content.readableBytes }
        return content.withUnsafeReadableBytes { raw in
            guard hasEscapes else { return UTF8Text.codePoint(around: offset, in: raw) }
            var low = 0
            var high = marks.count
            while low < high {
                let middle = (low + high) / 2
                if Int(marks[middle].decoded) <= offset { low = middle + 1 } else { high = middle }
            }
            var decodedOffset = low > 0 ? Int(marks[low - 1].decoded) : 0
            var rawOffset = low > 0 ? Int(marks[low - 1].raw) : 0
            while true {
                let escape = JSONText.nextEscape(in: raw, from: rawOffset)
                let plain = escape - rawOffset
                if offset < decodedOffset + plain {
                    return UTF8Text.codePoint(around: rawOffset + offset - decodedOffset, in: raw)
                }
                decodedOffset += plain
                let (scalar, length) = JSONText.escape(at: escape, in: raw)
                let width = UTF8Text.width(of: scalar)
                if offset < decodedOffset + width { return escape..<escape + length }
                decodedOffset += width
                rawOffset = escape + length
            }
        }
    }
}

extension DecodedText {
    /// A text that stands unescaped in some other body, from byte `start` on: offsets map one to one (by whole code points).
    package static func plain(_ text: ByteBuffer, at start: Int = 0, isASCII: Bool? = nil) -> DecodedText {
        DecodedText(
            content: text, start: start, hasEscapes: false, isASCII: isASCII ?? text.withUnsafeReadableBytes { UTF8Text.isASCII($0) })
    }
}
