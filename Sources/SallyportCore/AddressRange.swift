/// A network in CIDR notation: an address and how many of its leading bits count.
package struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    private let base: IPAddress
    private let prefixLength: Int

    /// `10.0.0.0/8`, `2001:db8::/32`, or an address alone. nil for anything else, and for a network with bits set beyond its prefix:
    /// `10.0.0.1/8` is a typing error more often than a network.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first)?.unmapped else { return nil }
        let bits = if case .v4 = address { 32 } else { 128 }
        var length = bits
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(parts[1]), number <= bits, !first.lowercased().hasPrefix("::ffff:")
            else { return nil }
            length = number
        }
        guard address.masked(to: length) == address else { return nil }
        base = address
        prefixLength = length
    }

    /// An IPv4 address in an IPv6 wrapping is judged as the IPv4 address that it is.
    package func contains(_ address: IPAddress) -> Bool { address.unmapped.masked(to: prefixLength, as: base) == base }

    package var description: String { "\(base)/\(prefixLength)" }
}

extension IPAddress {
    fileprivate func masked(to length: Int) -> IPAddress {
        switch self {
        case .v4(let value): .v4(length == 0 ? 0 : value & (UInt32.max << UInt32(32 - length)))
        case .v6(let high, let low):
            length <= 64
                ? .v6(high: length == 0 ? 0 : high & (UInt64.max << UInt64(64 - length)), low: 0)
                : .v6(high: high, low: low & (UInt64.max << UInt64(128 - length)))
        }
    }

    /// nil when the other is of the other family.
    fileprivate func masked(to length: Int, as other: IPAddress) -> IPAddress? {
        switch (self, other) {
        case (.v4, .v4), (.v6, .v6): masked(to: length)
        default: nil
        }
    }
}
