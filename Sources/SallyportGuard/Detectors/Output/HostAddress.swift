/// A host that is a number instead of a name.
struct HostAddress {
    /// Not four plain decimal numbers: browsers read it, people do not.
    let isDisguised: Bool
    /// Loopback, private, link-local or documentation: leads nowhere outside.
    let isLocal: Bool

    init?(_ host: String) {
        if host.hasPrefix("[") {
            isDisguised = false
            isLocal = ["[::1", "[fc", "[fd", "[fe8", "[::]", "[2001:db8"].contains { host.hasPrefix($0) }
            return
        }
        guard host.utf8.first?.isASCIIDigit == true else { return nil }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...4).contains(parts.count), parts.allSatisfy({ $0.utf8.first?.isASCIIDigit == true }) else { return nil }
        var numbers: [UInt64] = []
        var isPlain = parts.count == 4
        for part in parts {
            let (value, isDecimal) = Self.number(part)
            guard let value else { return nil }
            if !isDecimal { isPlain = false }
            numbers.append(value)
        }
        guard let last = numbers.last, numbers.dropLast().allSatisfy({ $0 < 256 }), last < UInt64(1) << (8 * UInt64(5 - numbers.count))
        else { return nil }
        var address = last
        for (index, number) in numbers.dropLast().enumerated() { address |= number << UInt64(24 - 8 * index) }
        isDisguised = !isPlain
        let (first, second, third) = (address >> 24, address >> 16 & 255, address >> 8 & 255)
        isLocal =
            switch (first, second) {
            case (0, _), (10, _), (127, _), (192, 168), (169, 254), (172, 16...31): true
            case (192, 0): third == 2 || third == 0
            case (198, 51): third == 100
            case (203, 0): third == 113
            default: false
            }
    }

    /// As browsers read it: decimal, `0x` hexadecimal, or octal with a leading zero.
    private static func number(_ part: Substring) -> (UInt64?, isDecimal: Bool) {
        if part.hasPrefix("0x") { return (UInt64(part.dropFirst(2), radix: 16) ?? (part.count == 2 ? 0 : nil), false) }
        if part.utf8.count > 1, part.hasPrefix("0") { return (UInt64(part, radix: 8), false) }
        return (UInt64(part), true)
    }
}
