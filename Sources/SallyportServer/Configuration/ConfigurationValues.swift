import Foundation
import SallyportCore

/// How values are spelled.
enum ConfigurationValues {
    /// What is wrong with a spelling; nil: nothing. Never repeats a secret.
    static func mistake(in text: String, as kind: ConfigurationKey.Kind) -> String? {
        switch kind {
        case .text, .texts, .path:
            if text.isEmpty { return "must not be empty" }
            return text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } ? nil : "must not hold control characters"
        case .headerValue:
            let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } && text.first != " " && text.last != " "
            return text.isEmpty || !isPlain ? "must be printable ASCII without line breaks or blanks at its ends" : nil
        case .secret:
            // A line break at the end of a file that a variable was filled from would travel in a header.
            if text.isEmpty { return "must not be empty" }
            return text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? nil : "must be printable ASCII without blanks or line breaks"
        case .url:
            guard let url = URL(string: text), ["http", "https"].contains(url.scheme ?? ""), let host = url.host, !host.isEmpty else {
                return "must be an http or https URL with a host"
            }
            if url.user != nil || url.password != nil { return "must not hold credentials" }
            if url.query != nil || url.fragment != nil { return "must not hold a query or a fragment" }
            return nil
        case .address: return address(text) == nil ? "must be host:port, such as 127.0.0.1:8080" : nil
        case .integer(let range):
            guard let number = Int(text), range.contains(number) else {
                return "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
            }
            return nil
        case .fraction: return Double(text).map { (0...1).contains($0) } == true ? nil : "must be a number from 0 to 1"
        case .amount: return micros(text) == nil ? "must be a number that is not negative, with six decimals at most" : nil
        case .duration:
            guard let duration = duration(text) else { return "must be a duration such as 500ms, 30s, 2m or 1h" }
            return duration > .zero && duration <= longest ? nil : "must be from 1ms to 720h"
        case .durationOrNone:
            guard let duration = duration(text) else { return "must be a duration such as 500ms, 30s, 2m or 1h, or 0s" }
            return duration <= longest ? nil : "must be from 0s to 720h"
        case .size(let range):
            guard let size = size(text) else { return "must be a size such as 512KiB or 32MiB" }
            return range.contains(size) ? nil : "must be from \(spelled(range.lowerBound)) to \(spelled(range.upperBound))"
        case .flag: return ["true", "false"].contains(text) ? nil : "must be true or false"
        case .choice(let values): return values.contains(text) ? nil : "must be one of \(values.joined(separator: ", "))"
        case .requestPath: return isRequestPath(text) ? nil : "must be a path that begins with /"
        case .headerName: return isHeaderName(text) ? nil : "must be the name of a header field that holds no credentials"
        case .keyHeaderName:
            return isKeyHeaderName(text) ? nil : "must be the name of a header field that may hold a key, such as x-api-key"
        case .prefixes:
            guard isRequestPath(text), text != "/", !text.hasSuffix("/"), !text.contains("//"),
                !text.utf8.contains(where: { "%?#;".utf8.contains($0) }),
                !text.split(separator: "/").contains(where: { $0 == "." || $0 == ".." })
            else { return "must list paths such as /translator, in plain spelling and without a slash at the end" }
            // The one call of our own that an upstream has to answer: what an image shows.
            if text == "/contentsafety/image:analyze" { return nil }
            return ownPaths.contains(String(text.split(separator: "/")[0])) ? "must not take the gateway's own paths" : nil
        case .digests:
            let isDigest = text.utf8.count == 64 && text.utf8.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
            return isDigest ? nil : "must list SHA-256 digests of 64 hexadecimal digits"
        case .networks: return AddressRange(text) == nil ? "must list networks such as 10.0.0.0/8 or 2001:db8::/32" : nil
        case .objects: return "must be a list"
        }
    }

    /// What a name that the operator chooses may be: it stands in paths, metrics and records.
    static func isName(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.first != "."
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "._-:@*".utf8.contains(byte)
                }
            }
    }

    /// First segments of paths that the gateway answers itself.
    private static let ownPaths: Set<String> = ["openai", "v1", "contentsafety", "healthz", "readyz", "metrics"]

    /// Longer than anything that anyone waits for, and far from what overflows in nanoseconds.
    private static let longest = Duration.seconds(720 * 3600)

    private static func isRequestPath(_ text: String) -> Bool {
        text.hasPrefix("/") && text.utf8.count <= 1024
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#") }
    }

    private static func isHeaderName(_ text: String) -> Bool {
        let isToken =
            !text.isEmpty && text.utf8.count <= 128
            && text.utf8.allSatisfy {
                $0 == UInt8(ascii: "-") || Character(UnicodeScalar($0)).isLetter && $0 < 0x80 || (0x30...0x39).contains($0)
            }
        return isToken
            && !["authorization", "api-key", "ocp-apim-subscription-key", "cookie", "proxy-authorization"].contains(text.lowercased())
    }

    /// Header fields of which the client writes its own: an upstream's are not set in the configuration.
    static let reservedHeaders: Set<String> = [
        "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "keep-alive", "te", "trailer",
        "upgrade", "expect", "http2-settings", "proxy-connection", "proxy-authenticate", "proxy-authorization", "accept-encoding",
        "traceparent", "cookie",
    ]

    private static func isKeyHeaderName(_ text: String) -> Bool {
        isFieldName(text) && !reservedHeaders.contains(text.lowercased())
    }

    static func isFieldName(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 < 0x80 && Character(UnicodeScalar($0)).isLetter
                    || (0x30...0x39).contains($0)
            }
    }

    private static func spelled(_ bytes: Int) -> String {
        for (unit, suffix) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] where bytes % unit == 0 {
            return "\(bytes / unit)\(suffix)"
        }
        return "\(bytes)"
    }

    static func address(_ text: String) -> ServerPlan.Address? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) } else if host.contains(":") { return nil }
        return host.isEmpty ? nil : .init(host: host, port: port)
    }

    static func duration(_ text: String) -> Duration? {
        for (suffix, unit) in [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)] as [(String, Int64)] where text.hasSuffix(suffix) {
            guard let count = Int64(text.dropLast(suffix.count)), count >= 0, count < 1_000_000_000 else { continue }
            return .milliseconds(count * unit)
        }
        return nil
    }

    static func size(_ text: String) -> Int? {
        for (suffix, unit) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)] where text.hasSuffix(suffix) {
            guard let count = Int(text.dropLast(suffix.count)), count > 0 else { continue }
            let (bytes, overflow) = count.multipliedReportingOverflow(by: unit)
            return overflow ? nil : bytes
        }
        return nil
    }

    /// Millionths: digits, and up to six decimals. What cannot be kept exactly is refused, not rounded to nothing.
    static func micros(_ text: String) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let decimals = parts.count == 2 ? String(parts[1]) : "0"
        guard let whole = parts.first, (1...9).contains(whole.utf8.count), (1...6).contains(decimals.utf8.count),
            (whole + decimals).utf8.allSatisfy({ (0x30...0x39).contains($0) }), let units = Int64(whole),
            let millionths = Int64(decimals.padding(toLength: 6, withPad: "0", startingAt: 0))
        else { return nil }
        return units * 1_000_000 + millionths
    }
}
