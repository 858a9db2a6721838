/// Names of members, prepared so that one look at a key's first bytes tells which of them it can be.
package struct JSONNames: Sendable {
    private let names: [StaticString]
    /// Each name's length in the highest byte, and its first seven bytes below.
    private let heads: [UInt64]

    package init(_ names: [StaticString]) {
        self.names = names
        heads = names.map { name in name.withUTF8Buffer { JSONNames.head(UnsafeRawBufferPointer($0), 0..<$0.count) } }
    }

    @inline(__always)
    private static func head(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> UInt64 {
        let length = range.count
        let taken = min(7, length)
        var head: UInt64 = 0
        if range.lowerBound &+ 8 <= bytes.count, let base = bytes.baseAddress {
            head = taken == 0 ? 0 : Bytes.word(base + range.lowerBound) & (~0 >> (64 &- 8 &* UInt64(taken)))
        } else {
            for offset in 0..<taken { head |= UInt64(bytes[range.lowerBound &+ offset]) << (8 &* UInt64(offset)) }
        }
        return head | UInt64(min(length, 255)) << 56
    }

    /// What is known of a key.
    package enum Match: Sendable {
        case name(Int)
        /// None of them, and none in other letters either.
        case other
        /// None of them, but there are capitals or escapes in it: it may be one in other letters.
        case spelledOtherwise
    }

    fileprivate func match(_ key: JSONNode, in raw: UnsafeRawBufferPointer) -> Match {
        let range = key.start..<key.end
        let wanted = JSONNames.head(raw, range)
        return heads.withUnsafeBufferPointer { heads in
            for index in 0..<heads.count where heads[index] == wanted {
                let isSame = names[index].withUTF8Buffer { name in
                    guard name.count == range.count, let own = name.baseAddress, let base = raw.baseAddress else {
                        return name.count == range.count
                    }
                    return Bytes.areEqual(base + range.lowerBound, own, count: range.count)
                }
                if isSame { return .name(index) }
            }
            for byte in raw[range] where byte >= 0x41 && byte <= 0x5A { return .spelledOtherwise }
            return .other
        }
    }
}

extension JSONDocument {
    /// Which of the names a key is. Keys with escapes are compared decoded.
    package func match(_ key: Int, among names: JSONNames, decoded: (Int) -> Int?) -> JSONNames.Match {
        let node = nodes[key]
        if node.hasEscapes {
            if let index = decoded(key) { return .name(index) }
            return .spelledOtherwise
        }
        return bytes.withUnsafeReadableBytes { names.match(node, in: $0) }
    }
}
