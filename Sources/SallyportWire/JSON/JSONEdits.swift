import NIOCore

/// Changes to a document's bytes, gathered first and applied in one pass; everything outside them goes on byte for byte.
///
/// Replacements may overlap: one that lies inside another (or repeats it) gives way to the larger (or the first), others stand side by
/// side. No byte of any replaced range is ever put out. An insertion strictly inside a replaced range is dropped.
package struct JSONEdits: Sendable {
    private struct Edit: Sendable {
        var lower: Int
        var upper: Int
        var bytes: ByteBuffer
    }
    private var edits: [Edit] = []
    private var isSorted = true

    package init() {}

    package var isEmpty: Bool { edits.isEmpty }
    package var count: Int { edits.count }

    /// Replaces a range of document offsets; an empty range inserts.
    package mutating func replace(_ range: Range<Int>, with bytes: ByteBuffer) {
        if let last = edits.last, last.lower > range.lowerBound || (last.lower == range.lowerBound && last.upper > last.lower) {
            isSorted = false
        }
        edits.append(Edit(lower: range.lowerBound, upper: range.upperBound, bytes: bytes))
    }

    package mutating func replace(_ range: Range<Int>, with bytes: [UInt8]) {
        replace(range, with: ByteBuffer(bytes: bytes))
    }

    package mutating func replace(_ range: Range<Int>, with text: StaticString) {
        replace(range, with: ByteBuffer(staticString: text))
    }

    /// Adds another's edits of the same document.
    package mutating func append(contentsOf other: JSONEdits) {
        for edit in other.edits { replace(edit.lower..<edit.upper, with: edit.bytes) }
    }

    /// Inserts at a document offset. Insertions at one offset keep the order of their calls and stand before a replacement that starts there.
    package mutating func insert(_ bytes: ByteBuffer, at offset: Int) { replace(offset..<offset, with: bytes) }
    package mutating func insert(_ bytes: [UInt8], at offset: Int) { replace(offset..<offset, with: bytes) }
    package mutating func insert(_ text: StaticString, at offset: Int) { replace(offset..<offset, with: text) }

    /// The document with all edits done: one allocation, untouched ranges copied as blocks. Offsets beyond the document count as its end.
    package func apply(to document: ByteBuffer, allocator: ByteBufferAllocator = ByteBufferAllocator()) -> ByteBuffer {
        guard !edits.isEmpty else { return document }
        let count = document.readableBytes
        var ordered = edits
        if !isSorted {
            // Insertions first at an offset, then the longest replacement; otherwise in order of the calls.
            let order = edits.indices.sorted { a, b in
                let (x, y) = (edits[a], edits[b])
                if x.lower != y.lower { return x.lower < y.lower }
                let (xEmpty, yEmpty) = (x.lower == x.upper, y.lower == y.upper)
                if xEmpty != yEmpty { return xEmpty }
                if x.upper != y.upper { return x.upper > y.upper }
                return a < b
            }
            ordered = order.map { edits[$0] }
        }
        let size = ordered.reduce(count) { $0 + $1.bytes.readableBytes }
        var out = allocator.buffer(capacity: size)
        var covered = 0
        /// The end of the furthest replacement so far; an edit that starts before it lies in replaced ground.
        var replacedEnd = -1
        for edit in ordered {
            let lower = Swift.min(Swift.max(edit.lower, 0), count)
            let upper = Swift.min(Swift.max(edit.upper, lower), count)
            if lower == upper {
                if lower < replacedEnd { continue }
            } else if upper <= replacedEnd {
                continue
            }
            if lower > covered {
                copy(document, covered..<lower, to: &out)
                covered = lower
            }
            out.writeImmutableBuffer(edit.bytes)
            if upper > lower {
                covered = Swift.max(covered, upper)
                replacedEnd = Swift.max(replacedEnd, upper)
            }
        }
        copy(document, covered..<count, to: &out)
        return out
    }

    private func copy(_ document: ByteBuffer, _ range: Range<Int>, to out: inout ByteBuffer) {
        document.withUnsafeReadableBytes { _ = out.writeBytes(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
}
