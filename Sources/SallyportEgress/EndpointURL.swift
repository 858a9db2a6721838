import SallyportCore

/// Where an upstream is: `http` or `https`, host, port, base path. Parsed strictly; what two parsers could read differently is refused.
package struct EndpointURL: Sendable, Hashable {
    package enum Scheme: String, Sendable {
        case http, https
    }

    package enum Host: Sendable, Hashable {
        /// Lower case, without a final dot.
        case name(String)
        case address(IPAddress)

        /// Whether the configuration itself says which machine is meant.
        var namesItsAddress: Bool {
            switch self {
            case .name(let name): name == "localhost"
            case .address: true
            }
        }
    }

    package struct ParseError: Error, Sendable, Hashable, CustomStringConvertible {
        package let description: String
    }

    package let scheme: Scheme
    package let host: Host
    package let port: Int
    /// Empty, or begins with `/` and does not end with one.
    package let basePath: String

    package init(parsing text: String) throws(ParseError) {
        let bytes = Array(text.utf8)
        guard bytes.count <= 2048 else { throw ParseError(description: "the URL is longer than 2048 bytes") }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw ParseError(description: "the URL holds blanks, control characters or non-ASCII characters")
        }
        let defaultPort: Int
        let rest: Substring
        if text.lowercasedASCII.hasPrefix("https://") {
            (scheme, defaultPort, rest) = (.https, 443, text.dropFirst(8))
        } else if text.lowercasedASCII.hasPrefix("http://") {
            (scheme, defaultPort, rest) = (.http, 80, text.dropFirst(7))
        } else {
            throw ParseError(description: "the URL must begin with http:// or https://")
        }
        for (character, what) in [("@", "user information"), ("?", "a query"), ("#", "a fragment"), ("\\", "a backslash")]
        where rest.contains(character) {
            throw ParseError(description: "the URL must not hold \(what)")
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let (hostText, portText) = try EndpointURL.splitAuthority(rest[..<slash])
        host = try EndpointURL.parseHost(hostText)
        port = try EndpointURL.parsePort(portText) ?? defaultPort
        basePath = try EndpointURL.parsePath(rest[slash...])
    }

    /// As `host` and `:authority` are sent: the port only where it is not the scheme's own.
    package var authority: String {
        port == (scheme == .https ? 443 : 80) ? hostText : "\(hostText):\(port)"
    }

    package var hostText: String {
        switch host {
        case .name(let name): name
        case .address(.v4(let value)): IPAddress.v4(value).description
        case .address(let address): "[\(address)]"
        }
    }

    private static func splitAuthority(_ text: Substring) throws(ParseError) -> (Substring, Substring?) {
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { throw ParseError(description: "the IPv6 address lacks its closing bracket") }
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.first == ":" else { throw ParseError(description: "only a port may follow the IPv6 address") }
            return (text[...end], after.isEmpty ? nil : after.dropFirst())
        }
        guard let colon = text.firstIndex(of: ":") else { return (text, nil) }
        return (text[..<colon], text[text.index(after: colon)...])
    }

    private static func parseHost(_ text: Substring) throws(ParseError) -> Host {
        if text.first == "[" {
            guard case .v6(let high, let low)? = IPAddress(text.dropFirst().dropLast()) else {
                throw ParseError(description: "the text in brackets is not an IPv6 address")
            }
            return .address(.v6(high: high, low: low))
        }
        if let address = IPAddress(text) { return .address(address) }
        var name = String(text).lowercasedASCII
        if name.hasSuffix(".") { name.removeLast() }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let plain = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.utf8.first != 45 && label.utf8.last != 45
                && label.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 95 }
        }
        guard !name.isEmpty, name.utf8.count <= 253, plain else { throw ParseError(description: "the host name is empty or malformed") }
        // 127.1, 0x7f.0.0.1 and 2130706433 are addresses to some resolvers.
        guard let last = labels.last, !last.utf8.allSatisfy({ (48...57).contains($0) }), !last.hasPrefix("0x") else {
            throw ParseError(description: "the host looks like an address but is not a plain one")
        }
        return .name(name)
    }

    private static func parsePort(_ text: Substring?) throws(ParseError) -> Int? {
        guard let text else { return nil }
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }), let port = Int(text),
            (1...65535).contains(port)
        else { throw ParseError(description: "the port must be a number from 1 to 65535") }
        return port
    }

    private static func parsePath(_ text: Substring) throws(ParseError) -> String {
        var path = String(text)
        while path.hasSuffix("/") { path.removeLast() }
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        for segment in segments {
            let plain = segment.lowercased().split(separator: "%2e", omittingEmptySubsequences: false).joined(separator: ".")
            if segment.isEmpty || plain == "." || plain == ".." {
                throw ParseError(description: "the base path must not hold empty, . or .. segments")
            }
        }
        return path
    }
}

extension EndpointURL: CustomStringConvertible {
    package var description: String { "\(scheme.rawValue)://\(authority)\(basePath)" }
}

extension String {
    var lowercasedASCII: String {
        String(decoding: utf8.map { $0 &- 65 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
