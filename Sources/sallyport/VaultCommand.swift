import ArgumentParser
import Foundation
import SallyportCore
import SallyportServer
import SallyportStorage
import SallyportVault

struct VaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault", abstract: "The keys that stored data is encrypted under: status, rotation, revocation, erasure.",
        subcommands: [
            Status.self, Rotate.self, Rewrap.self, Revoke.self, GiveBack.self, DestroySubject.self, Prune.self, Secrets.self,
            Tombstones.self,
        ])

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Which keys there are, who wraps them, and how far a rotation is. Exit status 1: the key-encryption key is not to be had.")
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let (_, vault) = try store.opened()
            let keys = try vault.store.tenantKeys()
            let locked = vault.confirm()
            let task = try vault.store.task(Resealing.kind)
            let newest = try? vault.provider.newestVersion()
            if json {
                print(
                    try VaultCommand.json(
                        Report(
                            encryption: vault.mode.rawValue, provider: vault.provider.name, newestVersion: newest,
                            locked: locked.map(VaultParts.words),
                            keys: keys.map {
                                .init(
                                    tenant: $0.tenant.rawValue, version: $0.version, state: $0.state.rawValue, provider: $0.provider,
                                    wrappingKey: $0.wrappingKey, wrappingVersion: $0.wrappingVersion, createdAt: $0.createdAt)
                            }, rotation: task)))
            } else {
                print("encryption \(vault.mode.rawValue), provider \(vault.provider.name), its newest version \(newest ?? "unknown")")
                if let locked { print("LOCKED: \(VaultParts.words(locked))") }
                for key in keys {
                    print(
                        "tenant \(key.tenant)  data key \(key.version)  \(key.state.rawValue)  wrapped by \(key.provider) \(key.wrappingKey) version \(key.wrappingVersion)"
                    )
                }
                if let task { print(VaultCommand.words(task)) }
            }
            if locked != nil { throw ExitCode(1) }
        }

        private struct Report: Encodable {
            struct Key: Encodable {
                let tenant: String
                let version: Int
                let state, provider, wrappingKey, wrappingVersion: String
                let createdAt: Int64
            }
            let encryption, provider: String
            let newestVersion, locked: String?
            let keys: [Key]
            let rotation: VaultTask?
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new version of a key, without stopping anything.",
            discussion: """
                data-key: what is stored from now on is sealed under a new key; the running gateway seals older values anew in the background \
                (see: sallyport vault status). Old and new values can be read all the while, and a kill loses nothing.
                key-encryption-key: the provider makes a new version, and the few data keys are wrapped under it at once.
                """)
        enum Which: String, ExpressibleByArgument, CaseIterable {
            case dataKey = "data-key"
            case keyEncryptionKey = "key-encryption-key"
        }
        @Argument(help: "data-key or key-encryption-key.") var which: Which
        @OptionGroup var store: StoreOptions
        @Option(help: "The tenant whose data key it is.") var tenant = "default"
        @Flag(help: "Seal older values anew here and now, and end when that is done.") var wait = false

        func run() async throws {
            try store.awaitSecondPerson(.keyStore, "vault.rotate", target: "\(which.rawValue) \(tenant)")
            let (database, open) = try store.openedVault()
            let vault = open.vault
            switch which {
            case .dataKey:
                let made = try store.recorded(
                    "vault.rotate", target: "data-key \(tenant)", result: { (made: VaultKeyRecord) in "version \(made.version)" }
                ) {
                    let made = try vault.rotate(TenantID(tenant))
                    _ = try open.resealing(database).begin()
                    return made
                }
                print("The data key of \(tenant) has version \(made.version) now.")
                if wait {
                    try VaultCommand.finish(open.resealing(database))
                } else {
                    print("Older values are sealed anew in the background.")
                }
            case .keyEncryptionKey:
                let (version, done) = try store.recorded("vault.rotate", target: "key-encryption-key", result: { "version \($0.0)" }) {
                    (try vault.provider.makeVersion(), try vault.rewrap())
                }
                print("The key-encryption key has version \(version) now; \(done.changed) of \(done.all) data keys were wrapped anew.")
            }
        }
    }

    struct Rewrap: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring everything under the newest keys, here and now: after a change of provider, or to finish what was broken off.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let (database, open) = try store.openedVault()
            let vault = open.vault
            let resealing = open.resealing(database)
            let done = try store.recorded(
                "vault.rewrap", target: vault.provider.name, result: { (done: (changed: Int, all: Int)) in "\(done.changed) keys" }
            ) {
                let done = try vault.rewrap()
                _ = try resealing.begin()
                return done
            }
            print("\(done.changed) of \(done.all) data keys were wrapped anew by \(vault.provider.name).")
            try VaultCommand.finish(resealing)
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop every reading and writing of a tenant's stored data, within seconds, until it is given back.")
        @OptionGroup var store: StoreOptions
        @Option(help: "The tenant.") var tenant = "default"

        func run() async throws {
            try store.awaitSecondPerson(.keyStore, "vault.revoke", target: tenant)
            let (_, vault) = try store.opened()
            guard try store.recorded("vault.revoke", target: tenant, { try vault.revoke(TenantID(tenant)) }) else {
                throw ValidationError("The tenant '\(tenant)' has no key that could be revoked.")
            }
            print("The data key of \(tenant) is revoked.")
        }
    }

    struct GiveBack: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "give-back", abstract: "Undo a revocation.")
        @OptionGroup var store: StoreOptions
        @Option(help: "The tenant.") var tenant = "default"

        func run() async throws {
            try store.awaitSecondPerson(.keyStore, "vault.give-back", target: tenant)
            let (_, vault) = try store.opened()
            guard try store.recorded("vault.give-back", target: tenant, { try vault.giveBack(TenantID(tenant)) }) else {
                throw ValidationError("The data key of '\(tenant)' is not revoked.")
            }
            print("The data key of \(tenant) is given back.")
        }
    }

    struct DestroySubject: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "destroy-subject",
            abstract: "Erase what is sealed under a subject's key, by destroying the key. Cannot be undone.",
            discussion: "The audit log stays provable: its commitments to that subject's texts can no longer be opened by anybody.")
        @Argument(help: "The subject: a principal's id.") var subject: String
        @OptionGroup var store: StoreOptions
        @Option(help: "The tenant.") var tenant = "default"
        @Option(help: "Why; goes on record.") var reason: String

        func run() async throws {
            try store.awaitSecondPerson(.keyStore, "vault.destroy-subject", target: subject)
            let (_, vault) = try store.opened()
            // The record names whom it was about: a fingerprint would prove to nobody that it was done.
            let existed = try store.recorded("vault.destroy-subject", target: subject, result: { $0 ? reason : "there was no key" }) {
                try vault.destroy(subject: subject, of: TenantID(tenant), reason: reason)
            }
            guard existed else { throw ValidationError("'\(subject)' has no key.") }
            print("The key of \(subject) is destroyed.")
        }
    }

    struct Prune: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Destroy old versions of data keys that nothing is sealed under any more. Backups keep their own.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let (database, vault) = try store.opened()
            let retired = try vault.store.tenantKeys().filter { $0.state == .retired }
            guard !retired.isEmpty else { return print("There are no old versions.") }
            guard let task = try vault.store.task(Resealing.kind), task.finishedAt != nil else {
                throw ValidationError("A rotation must be finished first: sallyport vault rewrap.")
            }
            guard try !VaultParts.isSigningKeyOutdated(in: try store.directory(), vault) else {
                throw ValidationError("The audit log's signing key is sealed under an old key: restart the gateway first.")
            }
            let old = retired.filter { $0.createdAt < task.startedAt }
            if !old.isEmpty {
                try store.awaitSecondPerson(.keyStore, "vault.prune", target: "vault")
                let sweep = SealingSweep(database, adoptsClear: false)
                var position = SealingSweep.Position()
                while !position.isAtEnd {
                    let step = try sweep.step(position, limit: 200)
                    guard step.changed == 0 else { throw ValidationError("Something was sealed under an old key just now; try again.") }
                    position = step.next
                }
                try store.recorded("vault.prune", target: old.map { "\($0.tenant)/\($0.version)" }.joined(separator: " ")) {
                    for key in old { try vault.store.remove(key) }
                }
            }
            print("\(old.count) old versions were destroyed.")
        }
    }

    struct Tombstones: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print who was erased, as fingerprints: keep it apart from backups, for `sallyport restore --tombstones`.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let (_, vault) = try store.opened()
            print(try VaultCommand.json(vault.store.tombstones()))
        }
    }

    struct Secrets: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Secrets that the configuration names as vault:NAME. Their values are never printed.",
            subcommands: [Put.self, List.self, Remove.self])

        struct Put: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Store a secret, read from standard input or a file. A running gateway takes it up within a second.")
            @Argument(help: "Its name.") var name: String
            @OptionGroup var store: StoreOptions
            @Option(help: "The file that it stands in; without it standard input is read.") var file: String?

            func run() async throws {
                guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                    throw ValidationError("'\(name)' is not a name of a secret.")
                }
                let data = try file.map { path in
                    guard let data = FileManager.default.contents(atPath: path) else { throw ValidationError("\(path) cannot be read.") }
                    return data
                }
                let text = String(decoding: data ?? FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self).trimmingCharacters(
                    in: .newlines)
                guard !text.isEmpty, text.utf8.count <= 64 << 10 else { throw ValidationError("A secret has 1 to 65536 bytes.") }
                let secrets = try store.secrets()
                try store.recorded("vault.secrets.put", target: name) {
                    try secrets.put(
                        StoredSecret(name: name, value: Redacted(text), changedAt: Int64(Date().timeIntervalSince1970)), of: .default)
                }
                print("Stored \(name).")
            }
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Names of secrets, and when they were changed.")
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let secrets = try store.secrets().list(of: .default)
                for secret in secrets {
                    print("\(secret.name)  \(Date(timeIntervalSince1970: Double(secret.changedAt)).formatted(.iso8601))")
                }
                if secrets.isEmpty { print("There are none.") }
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Remove a secret.")
            @Argument(help: "Its name.") var name: String
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let secrets = try store.secrets()
                guard try store.recorded("vault.secrets.remove", target: name, { try secrets.remove(name, of: .default) }) else {
                    throw ValidationError("There is no secret '\(name)'.")
                }
                print("Removed \(name).")
            }
        }
    }

    // MARK: Shared

    static func words(_ task: VaultTask) -> String {
        guard task.finishedAt == nil else { return "the last rotation is finished: \(task.total) values" }
        return "rotation: \(task.done) of \(task.total) values are under the newest key"
    }

    static func finish(_ resealing: Resealing) throws {
        let isTerminal = isatty(STDERR_FILENO) == 1
        while let task = try resealing.step(limit: 200), task.finishedAt == nil {
            if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K\(words(task))".utf8)) }
            if task.done >= task.total { usleep(50_000) }
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        print("Every stored value is under the newest key.")
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
