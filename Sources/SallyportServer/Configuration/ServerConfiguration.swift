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
            throw ConfigurationMistakes(mistakes: [.init(file: path, line: 1, column: 1, message: UnreadableFile.reason(path))])
        }
        guard bytes.count <= maximumBytes else {
            throw ConfigurationMistakes(mistakes: [.init(file: path, line: 1, column: 1, message: "the file is larger than 1 MiB")])
        }
        guard let yaml = String(bytes: bytes, encoding: .utf8) else {
            throw ConfigurationMistakes(mistakes: [.init(file: path, line: 1, column: 1, message: "the file is not UTF-8")])
        }
        return try load(yaml: yaml, file: path, environment: environment, looksForFiles: true)
    }

    /// - Parameter looksForFiles: the certificates that are named must be there.
    package static func load(
        yaml: String, file: String, environment: [String: String], looksForFiles: Bool = false
    ) throws -> ServerConfiguration {
        var tree = try tree(yaml, file: file, environment: environment)
        var warnings = tree.checkWhole()
        if looksForFiles { warnings += tree.checkCertificates() }
        var mapping = ConfigurationMapping(tree)
        var plan = mapping.plan()
        plan.warnings += warnings
        plan.secrets = mapping.tree.references
        plan.secretStamps = mapping.tree.stamps
        plan.literalSecrets = mapping.tree.literalSecrets
        guard mapping.tree.mistakes.isEmpty else {
            throw ConfigurationMistakes(
                mistakes: mapping.tree.mistakes.sorted { ($0.line, $0.column, $0.message) < ($1.line, $1.column, $1.message) })
        }
        return ServerConfiguration(
            plan: plan, logLevel: mapping.text("log.level") ?? "notice", logFormat: mapping.text("log.format") ?? "json")
    }

    /// Read once, and once more with the vault's secrets where some are named: where the vault is stands in the same file.
    private static func tree(_ yaml: String, file: String, environment: [String: String]) throws -> ConfigurationTree {
        let tree = ConfigurationTree(yaml, file: file, environment: environment)
        let names = Set(tree.references.values.compactMap { if case .vault(let name) = $0 { name } else { nil } })
        guard !names.isEmpty else { return tree }
        var mapping = ConfigurationMapping(tree)
        let settings = mapping.vault()
        let known: (secrets: [String: String], revision: Int64)
        do {
            known = try VaultParts.secrets(names, settings, dataDirectory: mapping.text("data.directory") ?? "./var")
        } catch let fault as Fault {
            throw ConfigurationMistakes(mistakes: [
                .init(file: file, line: 1, column: 1, message: "\(fault.message) \(VaultParts.reason(of: fault))")
            ])
        }
        // What the first reading saw of files: they are read twice, and may have changed between.
        var stamps = tree.stamps
        stamps.noteVault(known.revision)
        return ConfigurationTree(yaml, file: file, environment: environment, stamps: stamps) { known.secrets[$0] }
    }
}
