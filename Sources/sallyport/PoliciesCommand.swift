import ArgumentParser
import Foundation
import SallyportCore
import SallyportGuard
import SallyportServer
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
            try store.refuseUnderFourEyes(.policies)
            let database = try store.database()
            let policies = SQLPolicyStore(database)
            let bytes = try Check.bytes(of: file)
            let policy = try Check.read(file, bytes, among: try PoliciesCommand.family(store))
            // A list may be made later; a word that nothing knows never means anything.
            let lists = Set(try SQLBlocklistStore(database).blocklists(of: .default).map(\.name))
            let mistakes = PolicyVocabulary.mistakes(in: policy, blocklists: nil)
            guard mistakes.isEmpty else { throw ValidationError(mistakes.map { "\(file): \($0)" }.joined(separator: "\n")) }
            for note in PolicyVocabulary.mistakes(in: policy, blocklists: lists) { print("note: \(note)") }
            let version = try store.recorded("policies.put", target: policy.id.rawValue) {
                try policies.put(policy.id, document: bytes, of: .default, at: Int64(Date().timeIntervalSince1970))
            }
            print("\(policy.id) is now version \(version).")
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a policy from the database. One that others are based on stays.")
        @Argument var name: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try store.refuseUnderFourEyes(.policies)
            let policies = SQLPolicyStore(try store.database())
            let rest = try PoliciesCommand.family(store, without: PolicyID(name))
            if let broken = try PoliciesCommand.family(store).broken(by: rest).first {
                throw ValidationError("\(name) is needed: \(broken)")
            }
            let existed = try store.recorded("policies.delete", target: name) { try policies.delete(PolicyID(name), of: .default) }
            guard existed else { throw ValidationError("There is no policy '\(name)' in the database.") }
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
            let bytes = try Check.bytes(of: file)
            let policy = try Check.read(file, bytes, among: isPlaced ? try PoliciesCommand.family(store) : PolicyFamily(learned: true))
            let lists = isPlaced ? Set(try SQLBlocklistStore(store.database()).blocklists(of: .default).map(\.name)) : nil
            let mistakes = PolicyVocabulary.mistakes(in: policy, blocklists: lists)
            guard mistakes.isEmpty else { throw ValidationError(mistakes.map { "\(file): \($0)" }.joined(separator: "\n")) }
            print("\(policy.id): \(policy.rules.count) rules, \(policy.blocklists.count) blocklists.")
            if let lineage = policy.lineage { print("based on \(lineage)") }
            for filter in policy.unavailableFilters.sorted() {
                print("note: no detector here for '\(filter)': it must run at the upstream (azure-openai), or requests are refused.")
            }
            if !isPlaced, !policy.blocklists.isEmpty { print("note: with --config, the blocklists are checked too.") }
        }

        static func bytes(of file: String) throws -> [UInt8] {
            guard let bytes = FileManager.default.contents(atPath: file) else { throw ValidationError("\(file) cannot be read.") }
            return Array(bytes)
        }

        /// The document as it would be in force beside these others.
        static func read(_ file: String, _ bytes: [UInt8], among others: PolicyFamily) throws -> GuardPolicy {
            do {
                let name = try PolicyDocument.name(
                    of: bytes, named: URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent)
                return try others.policy(putting: StoredPolicy(name: name, version: 1, document: bytes, createdAt: 0))
            } catch let mistake as PolicyDocument.Mistake {
                throw ValidationError("\(file): \(mistake)")
            } catch let mistake as PolicyLibrary.Mistake {
                throw ValidationError("\(file): \(mistake)")
            }
        }
    }

    /// All documents that there are where the data is.
    static func family(_ store: StoreOptions, without removed: PolicyID? = nil) throws -> PolicyFamily {
        let configuration = try store.config.map { try LoadedConfiguration.required($0) }
        return try PolicyLibrary.family(
            directory: configuration?.plan.policiesDirectory, store: SQLPolicyStore(store.database()),
            learned: configuration?.plan.learned.isEnabled ?? true, without: removed)
    }
}
