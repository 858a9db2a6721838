import Foundation

/// Where a secret comes from when it does not stand in the configuration: `file:PATH`, read anew when it changes, or `vault:NAME`.
package enum SecretReference: Sendable, Hashable {
    case file(String)
    case vault(String)

    private static let maximumBytes = 64 << 10

    /// nil: it is the secret itself.
    init?(_ text: String) {
        if text.hasPrefix("file:"), text.utf8.count > 5 {
            self = .file(String(text.dropFirst(5)))
        } else if text.hasPrefix("vault:"), text.utf8.count > 6 {
            self = .vault(String(text.dropFirst(6)))
        } else {
            return nil
        }
    }

    /// A small text without the line's end that editors put there.
    static func content(of file: String) -> String? {
        guard let handle = FileHandle(forReadingAtPath: file) else { return nil }
        defer { try? handle.close() }
        guard let data = try? handle.read(upToCount: maximumBytes + 1), data.count <= maximumBytes,
            let text = String(bytes: data, encoding: .utf8)
        else { return nil }
        let trimmed = text.trimmingCharacters(in: .newlines)
        return trimmed.isEmpty ? nil : trimmed
    }
}

extension ConfigurationKey.Kind {
    var isSecret: Bool {
        switch self {
        case .secret, .headerValue: true
        default: false
        }
    }
}
