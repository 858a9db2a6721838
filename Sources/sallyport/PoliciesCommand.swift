import ArgumentParser
import Foundation
import SallyportConsole
import SallyportCore
import SallyportGuard
import SallyportServer
import SallyportStorage

struct PoliciesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policies", abstract: "Guard policies, in Azure's raiPolicies shape.",
        subcommands: [List.self, Show.self, Put.self, Delete.self, Check.self])

    /// The document of a built-in policy, unless a file of that name is in force instead.
    static func builtIn(_ name: String, under administration: PolicyAdministration) throws -> [UInt8]? {
        try administration.files().contains(PolicyID(name)) ? nil : GuardPolicy.builtInDocument(named: name)
    }

    static func missing(_ name: String, under administration: PolicyAdministration) throws -> ValidationError {
        if try administration.files().contains(PolicyID(name)) {
            return ValidationError("'\(name)' is a file of the policy directory, not in the database.")
        }
        return GuardPolicy.builtInDocument(named: name) != nil
            ? ValidationError("'\(name)' is built in and stays. A document of that name in the database takes its place.")
            : ValidationError("There is no policy '\(name)' in the database.")
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the policies in the database, with their versions.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            for policy in GuardPolicy.builtIn(learned: true) { print("\(policy.id)  built in") }
            for policy in try SQLPolicyStore(store.database()).policies(of: .default) { print("\(policy.name)  version \(policy.version)") }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a policy document, a built-in one too.")
        @Argument var name: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            // What is built in can be read before there is any data.
            if store.config == nil, store.data == nil, let document = GuardPolicy.builtInDocument(named: name) {
                print(String(decoding: document, as: UTF8.self))
                return
            }
            let (policies, administration) = try store.policies()
            let stored = try policies.policies(of: .default).first { $0.name.rawValue == name }
            guard let document = try stored?.document ?? PoliciesCommand.builtIn(name, under: administration) else {
                throw try PoliciesCommand.missing(name, under: administration)
            }
            print(String(decoding: document, as: UTF8.self))
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a policy or a new version of it; a running gateway takes it into use within a second.")
        @Argument(help: "The document.") var file: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try store.refuseUnderFourEyes(.policies)
            let (policies, administration) = try store.policies()
            let bytes = try Check.bytes(of: file)
            let findings = try Check.findings(file, bytes, by: administration)
            for note in findings.notes { print("note: \(note)") }
            let name = PolicyID(findings.name)
            let version = try store.recorded("policies.put", target: name.rawValue) {
                try policies.put(name, document: bytes, of: .default, at: Int64(Date().timeIntervalSince1970))
            }
            print("\(name) is now version \(version).")
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a policy from the database. One that others are based on, or that a deployment or upstream names, stays.")
        @Argument var name: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try store.refuseUnderFourEyes(.policies)
            let (policies, administration) = try store.policies()
            do { try administration.checkRemoval(name) } catch let fault as Fault { throw ValidationError(fault.message) }
            let existed = try store.recorded("policies.delete", target: name) { try policies.delete(PolicyID(name), of: .default) }
            guard existed else { throw try PoliciesCommand.missing(name, under: administration) }
            print("Removed \(name).")
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a policy document.",
            discussion: """
                Its shape, and that every type and guard that it names exists. With --config or --data also that its blocklists, and the \
                policy that it is based on, exist there.
                """)
        @Argument(help: "The document.") var file: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let isPlaced = store.config != nil || store.data != nil
            let administration = isPlaced ? try store.policies().administration : PolicyAdministration()
            let findings = try Check.findings(file, try Check.bytes(of: file), by: administration, needingLists: true)
            print("\(findings.name): \(findings.rules) rules, \(findings.blocklists) blocklists.")
            if let lineage = findings.basedOn { print("based on \(lineage)") }
            for note in findings.notes { print("note: \(note)") }
            if findings.rules == 0, findings.blocklists == 0, findings.basedOn == nil {
                print("note: it has no rule, filter, blocklist or base: nothing is looked for under it.")
            }
            if !isPlaced, findings.blocklists > 0 { print("note: with --config, the blocklists are checked too.") }
        }

        static func bytes(of file: String) throws -> [UInt8] {
            guard let bytes = FileManager.default.contents(atPath: file) else {
                throw ValidationError("\(file): \(UnreadableFile.reason(file)).")
            }
            return Array(bytes)
        }

        /// The document as it would be in force beside all others.
        static func findings(
            _ file: String, _ bytes: [UInt8], by administration: PolicyAdministration, needingLists: Bool = false
        ) throws -> PolicyFindings {
            do {
                let name = try PolicyDocument.name(
                    of: bytes, named: URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent)
                return try administration.check(name.rawValue, bytes, needingLists: needingLists)
            } catch let mistake as PolicyDocument.Mistake {
                throw ValidationError("\(file): \(mistake)")
            } catch let fault as Fault {
                throw ValidationError("\(file): \(fault.message)")
            }
        }
    }
}

extension StoreOptions {
    /// Policies where the data is, and what judges changes of them: with a configuration, by its deployments and files too.
    fileprivate func policies() throws -> (store: SQLPolicyStore, administration: PolicyAdministration) {
        let database = try database()
        let policies = SQLPolicyStore(database)
        let plan = try config.map { try LoadedConfiguration.required($0).plan }
        return (policies, PolicyAdministration(plan: plan, policies: policies, blocklists: SQLBlocklistStore(database)))
    }
}
