import ArgumentParser
import Foundation
import SallyportCore
import SallyportOversight
import SallyportServer

/// Texts of exchanges that policies want kept, and their end.
extension PrivacyCommand {
    struct Stored: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stored", abstract: "Exchanges whose texts a policy wants kept.",
            subcommands: [List.self, Show.self, Export.self, Proof.self, Expire.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "What is stored, without the texts.")
            @OptionGroup var store: StoreOptions
            @Option(help: "Only this subject's: a principal's id.") var subject: String?
            @Option(help: "At most this many, the newest first.") var limit = 1000
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let found = try store.privacy().stored(of: subject, limit: limit)
                if json { return print(try AccessOutput.json(found.map(PrivacyDocuments.ExchangeShown.init))) }
                if found.isEmpty { print("Nothing is stored.") }
                for exchange in found {
                    print(
                        "\(exchange.id)  \(exchange.subject)  \(exchange.deployment)  \(exchange.policy)  until \(KeyOptions.date(exchange.expiresAt))"
                    )
                }
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "show", abstract: "An exchange with its texts, as JSON. It goes on record, with the reason.")
            @Argument(help: "The exchange's id.") var id: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Why: a case's number.") var reason: String

            func run() async throws {
                guard !reason.isEmpty, reason.utf8.count <= 256 else { throw ValidationError("A reason has 1 to 256 bytes.") }
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                let exchange = try store.recorded("content.reveal", target: id, details: [("reason", reason)]) {
                    try privacy.reveal(id, at: now)
                }
                print(try AccessOutput.json(PrivacyDocuments.ExchangeShown(exchange)))
            }
        }

        struct Export: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "export", abstract: "Stored texts for a purpose, one line of JSON each.",
                discussion: "Only of subjects with a live consent to that very purpose: nothing is ever used to train without it.")
            @OptionGroup var store: StoreOptions
            @Option(help: "What for: customising.") var purpose: String
            @Option(help: "At most this many, the newest first.") var limit = 10_000

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                let found = try store.recorded("content.export", target: purpose) {
                    try privacy.stored(for: purpose, limit: limit, at: now)
                }
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                for exchange in found {
                    print(String(decoding: try encoder.encode(PrivacyDocuments.ExchangeShown(exchange)), as: UTF8.self))
                }
            }
        }

        struct Expire: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "expire", abstract: "Delete now what is over its time; a running gateway does it by itself.")
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                let outbox = AdministrationOutbox(dataDirectory: try store.directory())
                let outcome = try store.answering {
                    try privacy.retention.run(at: now) { try outbox.record($0, target: $1, details: $2) }
                }
                print("\(outcome.removed) deleted, \(outcome.held) kept by holds or restrictions.")
            }
        }

        struct Proof: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "proof", abstract: "When and why an exchange was deleted, against what the audit log says of its batch.",
                discussion: "Ends with status 0 when the log's digest is that of the batch, 1 when it is not, 2 when nothing was deleted.")
            @Argument(help: "The exchange's id.") var id: String
            @OptionGroup var store: StoreOptions

            private struct Shown: Encodable {
                let id: String
                let removedAt: String
                let reason: String
                let batch: String
                let digest: String
                let recorded: String?
                let record: UInt64?
                let proven: Bool
            }

            func run() async throws {
                guard let (removal, digest) = try store.privacy().retention.proof(of: id) else {
                    print("No deletion of \(id) is remembered.")
                    throw ExitCode(2)
                }
                var recorded: String?
                var number: UInt64?
                let reader = AuditReader(directory: try store.directory() + "/audit")
                try reader.forEach(where: AuditFilter(types: ["admin.act"])) { index, line in
                    guard line.field("operation", is: "privacy.retention.delete"), let raw = line.field("details") else { return true }
                    let details = AuditLine(raw)
                    guard details.field("target", is: removal.batch) else { return true }
                    recorded = details.string("digest")
                    number = index
                    return false
                }
                let isProven = recorded == digest
                print(
                    try AccessOutput.json(
                        Shown(
                            id: id, removedAt: KeyOptions.date(removal.removedAt), reason: removal.reason, batch: removal.batch,
                            digest: digest, recorded: recorded, record: number, proven: isProven)))
                if !isProven { throw ExitCode(1) }
            }
        }
    }
}
