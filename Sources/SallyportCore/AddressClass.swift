/// What kind of place an address is.
package enum AddressClass: Sendable, Hashable {
    case publicNetwork
    /// Loopback, private, shared and other networks that are not the Internet.
    case privateNetwork
    /// Link-local, and the places where clouds serve machine credentials.
    case metadata
    /// Not a host: unspecified, multicast, broadcast, reserved.
    case unusable
}

extension IPAddress {
    /// Where the address lies, by IANA's registries and the clouds' own habits.
    package var networkClass: AddressClass {
        switch self {
        case .v4(let value): Self.classify4(value)
        case .v6(let high, let low): Self.classify6(high, low)
        }
    }

    private static func classify4(_ value: UInt32) -> AddressClass {
        func within(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ bits: UInt32) -> Bool {
            (value ^ (a << 24 | b << 16 | c << 8 | d)) >> (32 - bits) == 0
        }
        // 100.100.100.200 Alibaba, 168.63.129.16 Azure's wire server, 192.0.0.192 Oracle.
        if within(169, 254, 0, 0, 16) || value == 0x6464_64c8 || value == 0xa83f_8110 || value == 0xc000_00c0 { return .metadata }
        if within(0, 0, 0, 0, 8) || within(224, 0, 0, 0, 3) { return .unusable }
        let privateNetwork =
            within(10, 0, 0, 0, 8) || within(172, 16, 0, 0, 12) || within(192, 168, 0, 0, 16) || within(127, 0, 0, 0, 8)
            || within(100, 64, 0, 0, 10) || within(192, 0, 0, 0, 24) || within(198, 18, 0, 0, 15)
            || within(192, 0, 2, 0, 24) || within(198, 51, 100, 0, 24) || within(203, 0, 113, 0, 24)
        return privateNetwork ? .privateNetwork : .publicNetwork
    }

    private static func classify6(_ high: UInt64, _ low: UInt64) -> AddressClass {
        // Addresses that carry an IPv4 address are judged by it: mapped and compatible, NAT64, 6to4.
        if high == 0 {
            if low == 0 { return .unusable }
            if low == 1 { return .privateNetwork }
            if low >> 32 == 0xffff || low >> 32 == 0 { return classify4(UInt32(truncatingIfNeeded: low)) }
        }
        if high == 0x0064_ff9b_0000_0000, low >> 32 == 0 { return classify4(UInt32(truncatingIfNeeded: low)) }
        if high >> 48 == 0x2002 { return classify4(UInt32(truncatingIfNeeded: high >> 16)) }
        // fd00:ec2::254 AWS, fd20:ce::254 Google.
        if low == 0x254, high == 0xfd00_0ec2_0000_0000 || high == 0xfd20_00ce_0000_0000 { return .metadata }
        if high >> 54 == 0x3fa { return .metadata }  // fe80::/10
        if high >> 56 == 0xff { return .unusable }
        if high >> 57 == 0x7e || high >> 54 == 0x3fb { return .privateNetwork }  // fc00::/7, fec0::/10
        if high >> 32 == 0x2001_0000 || high >> 32 == 0x2001_0db8 || high >> 16 == 0x0064_ff9b_0001 { return .privateNetwork }
        // Only 2000::/3 is handed out as global unicast.
        return high >> 61 == 1 ? .publicNetwork : .unusable
    }
}
