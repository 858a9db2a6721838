import Foundation

/// How values are spelled.
enum ConfigurationValues {
    /// What is wrong with a spelling; nil: nothing. Never repeats a secret.
    static func mistake(in text: String, as kind: ConfigurationKey.Kind) -> String? {
        switch kind {
        case .text, .secret, .path: return text.isEmpty ? "must not be empty" : nil
        case .url:
            guard let url = URL(string: text), ["http", "https"].contains(url.scheme ?? ""), let host = url.host, !host.isEmpty else {
                return "must be an http or https URL with a host"
            }
            if url.user != nil || url.password != nil { return "must not hold credentials" }
            if url.query != nil || url.fragment != nil { return "must not hold a query or a fragment" }
            return nil
        case .address: return address(text) == nil ? "must be host:port, such as 127.0.0.1:8080" : nil
        case .integer(let range):
            guard let number = Int(text), range.contains(number) else { return "must be a whole number from \(range.lowerBound) to \(range.upperBound)" }
            return nil
        case .fraction: return Double(text).map { (0...1).contains($0) } == true ? nil : "must be a number from 0 to 1"
        case .amount: return micros(text) == nil ? "must be a number that is not negative" : nil
        case .duration: return duration(text) == nil ? "must be a duration such as 500ms, 30s, 2m or 1h" : nil
        case .size: return size(text) == nil ? "must be a size such as 512KiB or 32MiB" : nil
        case .flag: return ["true", "false"].contains(text) ? nil : "must be true or false"
        case .choice(let values): return values.contains(text) ? nil : "must be one of \(values.joined(separator: ", "))"
        case .texts, .pairs, .objects: return "must be a list"
        }
    }

    static func address(_ text: String) -> ServerPlan.Address? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port) else { return nil }
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
            if let count = Int(text.dropLast(suffix.count)), count > 0, count < 1 << 40 { return count * unit }
        }
        return nil
    }

    /// Millionths.
    static func micros(_ text: String) -> Int64? {
        guard let value = Decimal(string: text, locale: Locale(identifier: "en_US_POSIX")), value >= 0, value < 1_000_000_000,
            text.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2E })
        else { return nil }
        return NSDecimalNumber(decimal: value * 1_000_000).int64Value
    }
}
