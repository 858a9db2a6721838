import NIOCore

/// A JSON text that was read once, strictly, and is kept as its bytes: a tape of offsets over them, and nothing decoded.
///
/// RFC 8259 without latitude: duplicate keys (compared decoded), invalid UTF-8, lone surrogates, a byte order mark and bytes behind the
/// value are refused, so that no other reader can take the same bytes for another document.
package struct JSONDocument: Sendable {
    /// The document; offsets are from its `readerIndex`.
    package let bytes: ByteBuffer
    /// The tape in document order; node 0 is the root value.
    package let nodes: [JSONNode]

    package init(parsing bytes: ByteBuffer, limits: JSONLimits = .standard) throws(JSONFault) {
        let outcome = bytes.withUnsafeReadableBytes { raw in JSONParser.parse(raw, limits: limits) }
        self.bytes = bytes
        self.nodes = try outcome.get()
    }

    // MARK: Walking

    /// The tape index of a member's value; nil when there is none or `object` is not an object.
    package func member(_ name: StaticString, of object: Int) -> Int? {
        guard nodes[object].kind == .object else { return nil }
        return bytes.withUnsafeReadableBytes { raw in
            name.withUTF8Buffer { wanted in
                nodes.withUnsafeBufferPointer { nodes in
                    let wanted = UnsafeRawBufferPointer(wanted)
                    var key = object + 1
                    let end = nodes[object].next
                    while key < end {
                        if JSONDocument.text(of: nodes[key], in: raw, equals: wanted) { return key + 1 }
                        key = nodes[key].next
                    }
                    return nil
                }
            }
        }
    }

    /// Calls `body` with the tape indices of each key and its value; does nothing when `object` is not an object.
    @inlinable
    package func forEachMember(of object: Int, _ body: (_ key: Int, _ value: Int) throws -> Void) rethrows {
        guard nodes[object].kind == .object else { return }
        var key = object + 1
        let end = nodes[object].next
        while key < end {
            try body(key, key + 1)
            key = nodes[key].next
        }
    }

    /// Calls `body` with each element's position and tape index; does nothing when `array` is not an array.
    @inlinable
    package func forEachElement(of array: Int, _ body: (_ position: Int, _ value: Int) throws -> Void) rethrows {
        guard nodes[array].kind == .array else { return }
        var value = array + 1
        var position = 0
        let end = nodes[array].next
        while value < end {
            try body(position, value)
            value = nodes[value].next
            position += 1
        }
    }

    // MARK: Reading

    /// A string's or key's decoded text; nil for anything else.
    package func string(_ node: Int) -> String? {
        guard isText(node) else { return nil }
        let text = text(node)
        return String(buffer: text.bytes)
    }

    /// Whether a string or key, decoded, is exactly `text`.
    package func equals(_ node: Int, _ text: StaticString) -> Bool {
        guard isText(node) else { return false }
        return bytes.withUnsafeReadableBytes { raw in
            text.withUTF8Buffer { JSONDocument.text(of: nodes[node], in: raw, equals: UnsafeRawBufferPointer($0)) }
        }
    }

    /// Whether a key is the same as one of another document, decoded.
    package func key(_ node: Int, equals theirs: Int, of other: JSONDocument) -> Bool {
        let (own, their) = (nodes[node], other.nodes[theirs])
        if own.hasEscapes || their.hasEscapes { return text(node).bytes == other.text(theirs).bytes }
        return bytes.withUnsafeReadableBytes { left in
            other.bytes.withUnsafeReadableBytes { right in
                Bytes.areEqual(
                    UnsafeRawBufferPointer(rebasing: left[own.start..<own.end]),
                    UnsafeRawBufferPointer(rebasing: right[their.start..<their.end]))
            }
        }
    }

    /// A number's value when it is exactly an integer that fits; `1.0` and `1e2` are, `1.5` is not.
    package func integer(_ node: Int) -> Int? {
        guard nodes[node].kind == .number else { return nil }
        return bytes.withUnsafeReadableBytes {
            JSONNumber.integer(UnsafeRawBufferPointer(rebasing: $0[nodes[node].start..<nodes[node].end]))
        }
    }

    /// A number's nearest double; nil for what is not a number or lies beyond the range of a double.
    package func double(_ node: Int) -> Double? {
        guard nodes[node].kind == .number else { return nil }
        return bytes.withUnsafeReadableBytes {
            JSONNumber.double(UnsafeRawBufferPointer(rebasing: $0[nodes[node].start..<nodes[node].end]))
        }
    }

    package func bool(_ node: Int) -> Bool? {
        switch nodes[node].kind {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// A string's or key's decoded text, or a number's spelling; empty for anything else. No copy unless there are escapes.
    package func text(_ node: Int) -> DecodedText {
        let node = nodes[node]
        switch node.kind {
        case .string, .key, .number:
            return DecodedText(
                content: slice(node.start..<node.end), start: node.start, hasEscapes: node.hasEscapes, isASCII: node.isASCII)
        default:
            return DecodedText(content: ByteBuffer(), start: node.start, hasEscapes: false, isASCII: true)
        }
    }

    /// A node's bytes as they were received, without a copy; strings and keys with their quotes.
    package func raw(_ node: Int) -> ByteBuffer { slice(rawRange(node)) }

    /// Where ``raw(_:)`` stands in the document.
    package func rawRange(_ node: Int) -> Range<Int> {
        let node = nodes[node]
        return node.kind == .string || node.kind == .key ? node.start - 1..<node.end + 1 : node.start..<node.end
    }

    private func isText(_ node: Int) -> Bool { nodes[node].kind == .string || nodes[node].kind == .key }

    private func slice(_ range: Range<Int>) -> ByteBuffer {
        bytes.getSlice(at: bytes.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
    }

    @inline(__always)
    private static func text(of node: JSONNode, in raw: UnsafeRawBufferPointer, equals wanted: UnsafeRawBufferPointer) -> Bool {
        let count = node.end &- node.start
        if !node.hasEscapes {
            guard count == wanted.count else { return false }
            guard count > 0, let left = raw.baseAddress, let right = wanted.baseAddress else { return true }
            return Bytes.areEqual(left + node.start, right, count: count)
        }
        guard count > wanted.count else { return false }
        return JSONText.decodes(UnsafeRawBufferPointer(rebasing: raw[node.start..<node.end]), to: wanted)
    }
}
