import Foundation

/// A file that lives as long as this value.
final class TestFile: Sendable {
    let path: String
    init(_ text: String) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("egress-\(UUID().uuidString).pem").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
    /// In one step, as tools that renew certificates do it.
    func replace(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}
