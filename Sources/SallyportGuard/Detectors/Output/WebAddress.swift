/// An address taken apart as a browser would, from the bytes of a link's destination.
struct WebAddress {
    /// Lower case; empty for an address relative to the scheme (`//host`).
    var scheme = ""
    var userInfo: [UInt8]?
    /// Lower case, percent-decoded; empty where there is none.
    var host = ""
    var path: [UInt8] = []
    var query: [UInt8] = []
    var fragment: [UInt8] = []
    /// After the scheme, for schemes without a host.
    var opaque: [UInt8] = []

    static let webSchemes: Set<String> = ["http", "https", "ws", "wss", "ftp", ""]
    static let maximumLength = 65_536

    /// - Parameter destination: with character references and escapes resolved.
    /// - Returns: nil for an address without scheme and host.
    init?(_ destination: [UInt8]) {
        // Browsers drop control characters before an address, and tabs and line ends within it.
        var bytes = destination.prefix(Self.maximumLength).drop { $0 <= 0x20 }.filter { $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
        func isSlash(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") }
        var rest = bytes[...]
        if let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0, colon <= 32, bytes[0].isASCIILetter,
            bytes[..<colon].allSatisfy({ $0.isASCIIAlphanumeric || "+-.".utf8.contains($0) })
        {
            scheme = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
            rest = bytes[(colon + 1)...]
            guard Self.webSchemes.contains(scheme) else {
                opaque = Array(rest)
                return
            }
        } else {
            guard bytes.count > 2, isSlash(bytes[0]), isSlash(bytes[1]) else { return nil }
        }
        rest = rest.drop(while: isSlash)
        let authorityEnd = rest.firstIndex { isSlash($0) || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") } ?? rest.endIndex
        var authority = rest[..<authorityEnd]
        rest = rest[authorityEnd...]
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) {
            userInfo = Array(authority[..<at])
            authority = authority[(at + 1)...]
        }
        if authority.first != UInt8(ascii: "["), let colon = authority.lastIndex(of: UInt8(ascii: ":")) { authority = authority[..<colon] }
        host = String(decoding: Percent.decoded(authority), as: UTF8.self).lowercased()
        // Other full stops that browsers take for one.
        if !host.utf8.allSatisfy({ $0 < 0x80 }) {
            host = String(
                String.UnicodeScalarView(host.unicodeScalars.map { "\u{3002}\u{FF0E}\u{FF61}".unicodeScalars.contains($0) ? "." : $0 }))
        }
        while host.hasSuffix(".") { host.removeLast() }
        if let hash = rest.firstIndex(of: UInt8(ascii: "#")) {
            fragment = Array(rest[(hash + 1)...])
            rest = rest[..<hash]
        }
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            query = Array(rest[(mark + 1)...])
            rest = rest[..<mark]
        }
        path = Array(rest)
        if host.isEmpty { return nil }
        labels = host.utf8.split(separator: UInt8(ascii: ".")).map { Substring($0) }
    }

    /// The host's labels.
    private(set) var labels: [Substring] = []

    /// Equal to one of the hosts, or below one.
    func isWithin(_ hosts: Set<String>) -> Bool {
        if hosts.isEmpty { return false }
        var rest = Substring(host)
        while true {
            if hosts.contains(String(rest)) { return true }
            guard let dot = rest.firstIndex(of: ".") else { return false }
            rest = rest[rest.index(after: dot)...]
        }
    }
}

/// Percent-decoding and the escapes of the formats that links stand in.
enum Percent {
    static func decoded(_ bytes: some Sequence<UInt8>, plusIsSpace: Bool = false) -> [UInt8] {
        let bytes = Array(bytes)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), index + 2 < bytes.count, let high = ASCII.hexValue(bytes[index + 1]),
                let low = ASCII.hexValue(bytes[index + 2])
            {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
                index += 1
            }
        }
        return result
    }

    private static let named: [String: UInt8] = [
        "amp": 0x26, "colon": 0x3A, "tab": 0x09, "newline": 0x0A, "sol": 0x2F, "period": 0x2E, "lpar": 0x28, "rpar": 0x29, "quot": 0x22,
        "apos": 0x27, "lt": 0x3C, "gt": 0x3E, "num": 0x23, "quest": 0x3F, "equals": 0x3D, "commat": 0x40, "bsol": 0x5C,
    ]

    /// Resolves HTML character references, and Markdown's backslash escapes where they hold.
    static func unescaped(_ bytes: some Collection<UInt8>, backslashes: Bool) -> [UInt8] {
        let bytes = Array(bytes)
        guard bytes.contains(where: { $0 == UInt8(ascii: "&") || $0 == UInt8(ascii: "\\") }) else { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "&"), let (scalar, end) = reference(bytes, at: index) {
                result.append(contentsOf: String(Character(scalar)).utf8)
                index = end
            } else if backslashes, bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count, bytes[index + 1] < 0x80,
                !bytes[index + 1].isASCIIAlphanumeric, bytes[index + 1] > 0x20
            {
                result.append(bytes[index + 1])
                index += 2
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    private static func reference(_ bytes: [UInt8], at start: Int) -> (Unicode.Scalar, Int)? {
        var index = start + 1
        guard index < bytes.count else { return nil }
        if bytes[index] == UInt8(ascii: "#") {
            index += 1
            let isHex = index < bytes.count && bytes[index] | 0x20 == UInt8(ascii: "x")
            if isHex { index += 1 }
            var value: UInt32 = 0
            let digits = index
            while index < bytes.count, let digit = ASCII.hexValue(bytes[index]), isHex || digit < 10 {
                value = min(0x110000, value * (isHex ? 16 : 10) + UInt32(digit))
                index += 1
            }
            guard index > digits, let scalar = Unicode.Scalar(value) else { return nil }
            if index < bytes.count, bytes[index] == UInt8(ascii: ";") { index += 1 }
            return (scalar, index)
        }
        while index < bytes.count, bytes[index].isASCIILetter, index - start <= 8 { index += 1 }
        guard index < bytes.count, bytes[index] == UInt8(ascii: ";"),
            let value = named[String(decoding: bytes[start + 1..<index], as: UTF8.self).lowercased()]
        else { return nil }
        return (Unicode.Scalar(value), index + 1)
    }
}
