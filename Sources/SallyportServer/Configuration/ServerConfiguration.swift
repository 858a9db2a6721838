import Foundation
import SallyportCore
import SallyportEgress
import SallyportGateway
import SallyportOversight

/// A configuration file, checked whole and turned into the words of the parts.
package struct ServerConfiguration: Sendable {
    package let plan: ServerPlan
    package let logLevel: String
    package let logFormat: String
    package var warnings: [String] { plan.warnings }
    package var dataDirectory: String { plan.dataDirectory }

    private static let maximumBytes = 1 << 20

    /// - Throws: ``ConfigurationMistakes`` with every mistake and its line.
    package static func load(path: String, environment: [String: String]) throws -> ServerConfiguration {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw ConfigurationMistakes(mistakes: [.init(file: path, line: 1, column: 1, message: "the file cannot be read")])
        }
        guard bytes.count <= maximumBytes else {
            throw ConfigurationMistakes(mistakes: [.init(file: path, line: 1, column: 1, message: "the file is larger than 1 MiB")])
        }
        guard let yaml = String(bytes: bytes, encoding: .utf8) else {
            throw ConfigurationMistakes(mistakes: [.init(file: path, line: 1, column: 1, message: "the file is not UTF-8")])
        }
        return try load(yaml: yaml, file: path, environment: environment)
    }

    package static func load(yaml: String, file: String, environment: [String: String]) throws -> ServerConfiguration {
        var tree = ConfigurationTree(yaml, file: file, environment: environment)
        let warnings = tree.checkWhole()
        var mapping = ConfigurationMapping(tree)
        var plan = mapping.plan()
        plan.warnings += warnings
        guard mapping.tree.mistakes.isEmpty else {
            throw ConfigurationMistakes(
                mistakes: mapping.tree.mistakes.sorted { ($0.line, $0.column, $0.message) < ($1.line, $1.column, $1.message) })
        }
        return ServerConfiguration(
            plan: plan, logLevel: mapping.text("log.level") ?? "notice", logFormat: mapping.text("log.format") ?? "json")
    }
}
