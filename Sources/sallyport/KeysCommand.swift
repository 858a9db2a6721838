import ArgumentParser
import Foundation
import SallyportCore
import SallyportIdentity
import SallyportServer
import SallyportStorage

struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make, list, rotate and revoke API keys.",
        subcommands: [Create.self, List.self, Rotate.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key. Its secret is shown once; only a hash of it is kept.")
        @Argument(help: "What the key is called in lists and records.") var name: String
        @OptionGroup var store: StoreOptions
        @Option(help: "Deployments that it may use, separated by commas. Default: all.") var deployments: String?
        @Option(help: "Its roles, separated by commas; see: sallyport access roles list.") var roles = "model-user"
        @Option(help: "When it ends: 30d, 12h, or an ISO 8601 date. Default: never.") var expires: String?
        @Option(help: "The principal that it speaks for. Default: one of its own.") var principal: String?
        @Option(help: "The project that it belongs to.") var project = "default"
        @Option(help: "The team whose limits count it.") var team: String?
        @Option(help: "Policies that it may select with x-policy-id, separated by commas.") var policies: String?
        @Option(help: "Operations that it may call (ChatCompletions_Create), separated by commas. Default: all that its roles give.")
        var operations: String?
        @Option(help: "Labels of deployments that it may use, separated by commas. Default: every deployment.") var labels: String?
        @Option(
            name: .customLong("from"), help: "Networks that it may be used from (10.0.0.0/8), separated by commas. Default: everywhere.")
        var addresses: String?
        @Flag(help: "A key to be found by thieves: it works nowhere, and its use is told of.") var honey = false
        @Option(help: "Requests per minute.") var requestsPerMinute: Int?
        @Option(help: "Tokens per minute.") var tokensPerMinute: Int?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let catalog = try store.access().catalog
            let roles = try Set(
                KeyOptions.list(roles).map { name in
                    guard let definition = catalog.definition(of: Role(name)) else {
                        let known = catalog.definitions.map(\.role.rawValue).joined(separator: ", ")
                        throw ValidationError("'\(name)' is not a role; there are \(known).")
                    }
                    guard definition.isAssignable(at: .organisation) else {
                        throw ValidationError(
                            "'\(name)' cannot be held in the whole organisation: assign it to the key at a scope instead.")
                    }
                    return definition.role
                })
            for name in KeyOptions.list(operations ?? "") where !AccessAdministration.operations.contains(name) {
                throw ValidationError(
                    "'\(name)' is not an operation; there are \(AccessAdministration.operations.sorted().joined(separator: ", ")).")
            }
            let now = Int64(Date().timeIntervalSince1970)
            let settings = KeyOperations<SystemRandomNumberGenerator>.Settings(
                name: name, principal: principal.map { PrincipalID($0) }, project: ProjectID(project), team: team, roles: roles,
                deployments: deployments.map { Set(KeyOptions.list($0).map { DeploymentID($0) }) },
                grantedPolicies: Set(policies.map { KeyOptions.list($0).map { PolicyID($0) } } ?? []),
                limits: LimitSet(requestsPerMinute: requestsPerMinute, tokensPerMinute: tokensPerMinute),
                operations: operations.map { Set(KeyOptions.list($0)) }, labels: labels.map { Set(KeyOptions.list($0)) },
                addresses: addresses.map(KeyOptions.list), isHoney: honey,
                expiresAt: try expires.map { try KeyOptions.moment($0, now: now) })
            try warnOfUnknownNames()
            let issued = try store.act("keys.create", target: name, result: { $0.record.id.rawValue }) {
                try KeyOperations(store: $0).create(settings, at: now)
            }
            print(
                try json
                    ? KeyOptions.json(issued.record, secret: issued.key.reveal())
                    : KeyOptions.text(issued.record, secret: issued.key.reveal()))
        }

        /// A key may be made before what it names is configured; a typing error must not be found by the first request.
        private func warnOfUnknownNames() throws {
            guard let config = store.config else { return }
            let plan = try LoadedConfiguration.required(config).plan
            let known = Set(plan.deployments.map(\.id.rawValue))
            for name in KeyOptions.list(deployments ?? "") where !known.contains(name) {
                warn("\(config) has no deployment '\(name)'", known: known)
            }
            guard let policies else { return }
            let database = try store.directory() + "/sallyport.sqlite"
            let there = Set(try PolicyLibrary.names(directory: plan.policiesDirectory, database: database).map(\.rawValue))
            for name in KeyOptions.list(policies) where !there.contains(name) { warn("there is no policy '\(name)'", known: there) }
        }

        private func warn(_ message: String, known: Set<String>) {
            let list = known.isEmpty ? "" : "; there are \(known.sorted().joined(separator: ", "))"
            FileHandle.standardError.write(Data("warning: \(message)\(list)\n".utf8))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List all keys, without their secrets.")
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let keyStore = try store.keyStore()
            let keys = try KeyOperations(store: keyStore).list()
            let uses = Dictionary(try keyStore.uses(of: .default).map { ($0.key, $0.at) }) { first, _ in first }
            if json {
                print(
                    "[" + (try keys.map { try KeyOptions.json($0, secret: nil, lastUsedAt: uses[$0.id]) }).joined(separator: ",\n ") + "]")
            } else if keys.isEmpty {
                print("There are no keys. Make one with: sallyport keys create NAME")
            } else {
                for key in keys { print(KeyOptions.line(key, lastUsedAt: uses[key.id])) }
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new key for the same principal; the old one works for a while longer.")
        @Argument(help: "The key's id.") var id: String
        @OptionGroup var store: StoreOptions
        @Option(help: "How long the old key works on: 24h, 30m, 0s.") var overlap = "24h"
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let seconds = try KeyOptions.span(overlap)
            let rotation = try store.act("keys.rotate", target: id, result: { $0.issued.record.id.rawValue }) {
                try KeyOperations(store: $0).rotate(KeyID(id), overlap: seconds, at: now)
            }
            print(
                try json
                    ? KeyOptions.json(rotation.issued.record, secret: rotation.issued.key.reveal())
                    : KeyOptions.text(rotation.issued.record, secret: rotation.issued.key.reveal())
                        + "\nThe old key works until \(KeyOptions.date(rotation.replacedWorksUntil)).")
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a key at once.")
        @Argument(help: "The key's id.") var id: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            try store.act("keys.revoke", target: id) { try KeyOperations(store: $0).revoke(KeyID(id), at: now) }
            print("Revoked \(id).")
        }
    }
}

/// What the key commands read and print.
enum KeyOptions {
    static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    /// `30d`, `12h`, `15m`, `45s` in seconds.
    static func span(_ text: String) throws -> Int64 {
        guard let span = Moments.span(text) else { throw ValidationError("'\(text)' is not a time span such as 30d, 12h or 15m.") }
        return span
    }

    static func moment(_ text: String, now: Int64) throws -> Int64 {
        if let moment = Moments.moment(text) { return moment }
        guard let span = Moments.span(text) else {
            throw ValidationError("'\(text)' is neither a time span such as 30d, 12h or 15m nor an ISO 8601 date such as 2030-01-31.")
        }
        return now + span
    }

    static func date(_ seconds: Int64) -> String { Moments.date(seconds) }

    static func json(_ key: KeyRecord, secret: String?, lastUsedAt: Int64? = nil) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(KeyDocument(key, secret: secret, lastUsedAt: lastUsedAt)), as: UTF8.self)
    }

    static func text(_ key: KeyRecord, secret: String) -> String {
        """
        \(line(key))

        \(secret)

        This is shown once and kept nowhere: copy it now.
        """
    }

    static func line(_ key: KeyRecord, lastUsedAt: Int64? = nil) -> String {
        var parts = [key.id.rawValue, key.name, key.roles.map(\.rawValue).sorted().joined(separator: "+")]
        parts.append(key.deployments.map { $0.map(\.rawValue).sorted().joined(separator: ",") } ?? "all deployments")
        if let expiry = key.expiresAt { parts.append("expires \(date(expiry))") }
        if key.isHoney { parts.append("honey") }
        if !key.grantedPolicies.isEmpty { parts.append("policies \(key.grantedPolicies.map(\.rawValue).sorted().joined(separator: ","))") }
        if let operations = key.operations { parts.append("only \(operations.sorted().joined(separator: ","))") }
        if let labels = key.labels { parts.append("labels \(labels.sorted().joined(separator: ","))") }
        if let addresses = key.addresses { parts.append("from \(addresses.joined(separator: ","))") }
        if let lastUsedAt { parts.append("last used \(date(lastUsedAt))") }
        if let revoked = key.revokedAt { parts.append("revoked \(date(revoked))") }
        return parts.joined(separator: "  ")
    }
}
