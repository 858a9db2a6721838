import ArgumentParser
import Foundation
import Logging
import SallyportCore
import SallyportOversight
import SallyportServer

/// How the commands read, check and watch the configuration file.
enum LoadedConfiguration {
    static func load(_ file: String) throws -> ServerConfiguration {
        try ServerConfiguration.load(path: file, environment: ProcessInfo.processInfo.environment)
    }

    /// The same, for commands whose only answer to a bad file is to name what is wrong with it.
    static func required(_ file: String) throws -> ServerConfiguration {
        do { return try load(file) } catch let mistakes as ConfigurationMistakes {
            FileHandle.standardError.write(Data((mistakes.description + "\n").utf8))
            throw ExitCode(1)
        }
    }

    /// - Returns: where the log goes, to be flushed at the end.
    static func bootstrapLogging(_ configuration: ServerConfiguration) -> LogOutput {
        let level = Logger.Level(rawValue: configuration.logLevel) ?? .notice
        let format: JSONLogHandler.Format = configuration.logFormat == "json" ? .json : .text
        let output = JSONLogHandler.output(descriptor: STDERR_FILENO, format: format)
        LoggingSystem.bootstrap { label in JSONLogHandler(label: label, format: format, level: level, output: output) }
        return output
    }

    static func check(_ file: String) -> (text: String, isGood: Bool) {
        do {
            let configuration = try load(file)
            let plan = configuration.plan
            var lines = configuration.warnings
            if plan.deployments.isEmpty, !plan.upstreams.contains(where: { $0.kind == .azureAI }) {
                lines.append("there are no deployments: no model can be called")
            }
            let warnings = lines.map { "warning: \($0)\n" }.joined()
            return ("\(warnings)\(file): good: \(plan.upstreams.count) upstreams, \(plan.deployments.count) deployments", true)
        } catch { return (explain(error), false) }
    }

    /// An error as an operator should read it.
    static func explain(_ error: any Error) -> String {
        if let fault = error as? Fault {
            return [fault.message, VaultParts.reason(of: fault)].filter { !$0.isEmpty }.joined(separator: " ")
        }
        return "\(error)"
    }
}
