import ArgumentParser
import Foundation
import SallyportCore
import SallyportServer

struct UpstreamsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upstreams", abstract: "The providers' own keys, and who could pass the gateway by.",
        subcommands: [Rotate.self, Bypass.self])

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Make both keys of an upstream's account anew, one after the other; the running gateway uses a good one all the while.")
        @Argument(help: "The upstream, with `keyRotation` in its configuration.") var upstream: String
        @Option(help: "The configuration file.") var config: String

        func run() async throws {
            let loaded = try LoadedConfiguration.required(config)
            guard let plan = loaded.plan.keyRotations.first(where: { $0.upstream.rawValue == upstream }) else {
                throw ValidationError("The upstream '\(upstream)' has no keyRotation in the configuration.")
            }
            let outbox = AdministrationOutbox(dataDirectory: loaded.dataDirectory)
            let rotation = try KeyRotation(plan, secrets: VaultParts.secretStore(loaded.plan.vault, dataDirectory: loaded.dataDirectory))
            try outbox.record("upstreams.rotate", target: upstream)
            do {
                var step = try rotation.advance(isWanted: true)
                if case .begun(let key) = step {
                    print("\(key) is new and in use; the other one is made anew when \(plan.overlap.components.seconds) s have passed.")
                }
                while case .begun = step {
                    usleep(250_000)
                    step = try rotation.advance(isWanted: false)
                }
                try outbox.record("upstreams.rotate", target: upstream, details: [(name: "result", value: "both keys are new")])
                print("Both keys of \(upstream) are new.")
            } catch {
                try outbox.record("upstreams.rotate", target: upstream, details: [(name: "result", value: "failed")])
                throw ValidationError("\(LoadedConfiguration.explain(error)). What was begun goes on with the next call.")
            }
        }
    }

    struct Bypass: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Who could call the provider without the gateway: listers of keys, holders of data roles, open networks.",
            discussion: """
                Reads exports, asks nobody: az role assignment list --all --include-inherited -o json > assignments.json; \
                az role definition list --custom-role-only true -o json > definitions.json; az cognitiveservices account show … -o json > account.json. \
                Exit status 0: nobody; 1: somebody.
                """)
        @Option(help: "The role assignments.") var roleAssignments: String
        @Option(help: "The custom roles' definitions.") var roleDefinitions: String?
        @Option(help: "The account.") var account: String?
        @Option(name: .customLong("gateway"), help: "The object id of the gateway's own principal; may be repeated.") var gateways:
            [String] = []
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            func content(_ file: String) throws -> Data {
                guard let data = FileManager.default.contents(atPath: file) else { throw ValidationError("\(file) cannot be read.") }
                return data
            }
            let report: BypassReport
            do {
                report = try BypassReport(
                    assignments: content(roleAssignments), definitions: roleDefinitions.map(content), account: account.map(content),
                    gateway: Set(gateways))
            } catch let mistake as BypassReport.Mistake { throw ValidationError("\(mistake.description).") }
            if json {
                print(try VaultCommand.json(report))
            } else {
                for finding in report.findings {
                    let who = finding.principal.map { id in
                        "\(finding.principalType ?? "principal") \(finding.principalName ?? id) (\(finding.role ?? "") at \(finding.scope ?? "")): "
                    }
                    print("\(finding.way.rawValue)  \(who ?? "")\(finding.reason)")
                }
                for role in report.unknownRoles {
                    print("unknown  the role \(role) is not known: give its definition with --role-definitions")
                }
                if account == nil { print("note     without --account neither the network nor the setting of keys is judged") }
                if !report.isOpen { print("Nobody but the gateway.") }
            }
            if report.isOpen { throw ExitCode(1) }
        }
    }
}
