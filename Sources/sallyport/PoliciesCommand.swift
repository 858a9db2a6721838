import ArgumentParser
import Foundation
import SallyportCore
import SallyportGuard
import SallyportStorage

struct PoliciesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policies", abstract: "Guard policies, in Azure's raiPolicies shape.",
        subcommands: [List.self, Show.self, Put.self, Delete.self, Check.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the policies in the database, with their versions.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            for policy in GuardPolicy.builtIn(learned: true) { print("\(policy.id)  built in") }
            for policy in try SQLPolicyStore(store.database()).policies(of: .default) { print("\(policy.name)  version \(policy.version)") }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print a policy document.")
        @Argument var name: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            guard let policy = try SQLPolicyStore(store.database()).policies(of: .default).first(where: { $0.name.rawValue == name }) else {
                throw ValidationError("There is no policy '\(name)' in the database.")
            }
            print(String(decoding: policy.document, as: UTF8.self))
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a policy or a new version of it; a running gateway takes it into use within a second.")
        @Argument(help: "The document.") var file: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let policy = try Check.read(file)
            try store.refuseUnderFourEyes(.policies)
            guard let bytes = FileManager.default.contents(atPath: file) else { throw ValidationError("\(file) cannot be read.") }
            let policies = SQLPolicyStore(try store.database())
            let version = try store.recorded("policies.put", target: policy.id.rawValue) {
                try policies.put(policy.id, document: Array(bytes), of: .default, at: Int64(Date().timeIntervalSince1970))
            }
            print("\(policy.id) is now version \(version).")
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a policy from the database.")
        @Argument var name: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try store.refuseUnderFourEyes(.policies)
            let policies = SQLPolicyStore(try store.database())
            let existed = try store.recorded("policies.delete", target: name) { try policies.delete(PolicyID(name), of: .default) }
            guard existed else { throw ValidationError("There is no policy '\(name)' in the database.") }
            print("Removed \(name).")
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Check a policy document.")
        @Argument(help: "The document.") var file: String

        func run() async throws {
            let policy = try Check.read(file)
            print("\(policy.id): \(policy.rules.count) rules, \(policy.blocklists.count) blocklists.")
            for filter in policy.unavailableFilters.sorted() {
                print("note: no detector here for '\(filter)': it must run at the upstream (azure-openai), or requests are refused.")
            }
        }

        static func read(_ file: String) throws -> GuardPolicy {
            guard let bytes = FileManager.default.contents(atPath: file) else { throw ValidationError("\(file) cannot be read.") }
            do {
                return try PolicyDocument.policy(
                    from: Array(bytes), named: URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent)
            } catch let mistake as PolicyDocument.Mistake {
                throw ValidationError("\(file): \(mistake)")
            }
        }
    }
}
