/// An address as numbers, so that rules are applied to what will be connected to, never to a spelling of it.
package enum IPAddress: Sendable, Hashable {
    /// In host byte order.
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// A dotted quad without leading zeros, or an RFC 4291 IPv6 text without a zone. Nothing else: `127.1`, `0x7f.1` and `2130706433`
    /// are nil.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard let parsed = bytes.contains(UInt8(ascii: ":")) ? IPAddress.parse6(bytes[...]) : IPAddress.parse4(bytes[...]) else {
            return nil
        }
        self = parsed
    }

    /// 4 or 16 bytes in network order.
    package init?(networkOrder bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            let words = bytes.reduce(into: (UInt64(0), UInt64(0))) { words, byte in
                words = (words.0 << 8 | words.1 >> 56, words.1 << 8 | UInt64(byte))
            }
            self = .v6(high: words.0, low: words.1)
        default: return nil
        }
    }

    package var networkOrderBytes: [UInt8] {
        switch self {
        case .v4(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
        case .v6(let high, let low):
            (0..<8).map { UInt8(truncatingIfNeeded: high >> (56 - 8 * $0)) }
                + (0..<8).map { UInt8(truncatingIfNeeded: low >> (56 - 8 * $0)) }
        }
    }

    private static func parse4(_ bytes: ArraySlice<UInt8>) -> IPAddress? {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy({ (48...57).contains($0) }), part.count == 1 || part.first != 48 else {
                return nil
            }
            let number = part.reduce(UInt32(0)) { $0 * 10 + UInt32($1 - 48) }
            guard number <= 255 else { return nil }
            value = value << 8 | number
        }
        return .v4(value)
    }

    private static func parse6(_ bytes: ArraySlice<UInt8>) -> IPAddress? {
        let text = String(decoding: bytes, as: UTF8.self)
        let halves = splitOnce(text, separator: "::")
        guard let front = groups(halves.0) else { return nil }
        var all = front
        if let tail = halves.1 {
            guard !tail.contains("::"), let back = groups(tail), front.count + back.count < 8 else { return nil }
            all += [UInt16](repeating: 0, count: 8 - front.count - back.count) + back
        }
        guard all.count == 8 else { return nil }
        let word = { (part: ArraySlice<UInt16>) in part.reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
        return .v6(high: word(all[..<4]), low: word(all[4...]))
    }

    private static func splitOnce(_ text: String, separator: String) -> (Substring, Substring?) {
        var index = text.startIndex
        while index < text.endIndex {
            if text[index...].hasPrefix(separator) {
                return (text[..<index], text[text.index(index, offsetBy: separator.count)...])
            }
            index = text.index(after: index)
        }
        return (text[...], nil)
    }

    /// Colon-separated groups of up to four hexadecimal digits; the last one may be a dotted quad.
    private static func groups(_ text: Substring) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var result: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.utf8.contains(UInt8(ascii: ".")) {
                guard case .v4(let value)? = parse4(Array(part.utf8)[...]) else { return nil }
                result += [UInt16(value >> 16), UInt16(truncatingIfNeeded: value)]
            } else {
                guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ isHex($0) }), let value = UInt16(part, radix: 16) else {
                    return nil
                }
                result.append(value)
            }
        }
        return result.count <= 8 ? result : nil
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
    }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .v4: networkOrderBytes.map { String($0) }.joined(separator: ".")
        case .v6(let high, let low):
            (0..<8).map { index in
                let word = index < 4 ? high >> (48 - 16 * index) : low >> (48 - 16 * (index - 4))
                return String(UInt16(truncatingIfNeeded: word), radix: 16)
            }.joined(separator: ":")
        }
    }
}

extension IPAddress {
    /// An IPv4 address that came as IPv6 (`::ffff:10.0.0.1`, as dual-stack sockets report it) as what it is.
    package var unmapped: IPAddress {
        if case .v6(0, let low) = self, low >> 32 == 0xffff { return .v4(UInt32(truncatingIfNeeded: low)) }
        return self
    }
}
