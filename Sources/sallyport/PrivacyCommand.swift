import ArgumentParser
import Foundation
import SallyportCore
import SallyportOversight
import SallyportServer

struct PrivacyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "privacy", abstract: "Consents, notices, legal holds, requests of data subjects, registers.",
        subcommands: [
            Consents.self, Notices.self, Holds.self, Requests.self, Subject.self, Stored.self, Statistics.self,
            Processing.self, Sharing.self,
        ])

    // MARK: Consents

    struct Consents: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "consents", abstract: "The consent register.", subcommands: [List.self, Give.self, Withdraw.self],
            defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "list", abstract: "Consents, objections, restrictions; ended ones too.")
            @OptionGroup var store: StoreOptions
            @Option(help: "Only this subject's: a principal's id.") var subject: String?
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let consents = try store.privacy().consents(of: subject)
                print(
                    try json
                        ? AccessOutput.json(consents.map(PrivacyDocuments.ConsentShown.init))
                        : consents.isEmpty ? "Nobody has agreed to anything." : consents.map(PrivacyOutput.line).joined(separator: "\n"))
            }
        }

        struct Give: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "give", abstract: "Record that somebody has agreed.")
            @OptionGroup var store: StoreOptions
            @Option(help: "Who: a principal's id.") var subject: String
            @Option(help: "To what: a name such as model-customisation.") var purpose: String
            @Option(name: .customLong("edition"), help: "The version of the text that was agreed to.") var version: String
            @Option(help: "How it was given: a form, a ticket.") var evidence = ""

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                try store.recorded("privacy.consent.give", target: "\(try privacy.pseudonym(of: subject)) \(purpose)") {
                    try privacy.give(purpose, version: version, subject: subject, evidence: evidence, at: now)
                }
                print("Recorded.")
            }
        }

        struct Withdraw: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "withdraw", abstract: "Record that somebody no longer agrees. Takes effect within a second.")
            @OptionGroup var store: StoreOptions
            @Option(help: "Who: a principal's id.") var subject: String
            @Option(help: "From what.") var purpose: String
            @Option(help: "consent, objection or restriction.") var kind = "consent"

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                guard let kind = Consent.Kind(rawValue: kind) else {
                    throw ValidationError("'\(kind)' is not consent, objection or restriction.")
                }
                let privacy = try store.privacy()
                try store.recorded("privacy.consent.withdraw", target: "\(try privacy.pseudonym(of: subject)) \(purpose)") {
                    try privacy.withdraw(kind, purpose: purpose, subject: subject, at: now)
                }
                print("Withdrawn.")
            }
        }
    }

    // MARK: Notices

    struct Notices: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "notices", abstract: "Privacy notices, their versions, and who has taken note.",
            subcommands: [List.self, Show.self, Publish.self, Acknowledge.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "All versions.")
            @OptionGroup var store: StoreOptions
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let privacy = try store.privacy()
                let known = try privacy.acknowledgements()
                let notices = try privacy.notices().map { PrivacyDocuments.NoticeShown($0, known) }
                if json { return print(try AccessOutput.json(notices)) }
                for notice in notices {
                    print(
                        "\(notice.name)  version \(notice.version)  \(notice.publishedAt)  acknowledged by \(notice.acknowledgedBy.count)")
                }
                if notices.isEmpty { print("There are no notices.") }
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "show", abstract: "A notice's text.")
            @Argument(help: "The notice.") var name: String
            @OptionGroup var store: StoreOptions
            @Option(name: .customLong("edition"), help: "The version. Default: the newest.") var version: Int?

            func run() async throws {
                let versions = try store.privacy().notices().filter { $0.name == name }
                guard let notice = version.map({ wanted in versions.first { $0.version == wanted } }) ?? versions.last else {
                    throw ValidationError("There is no such notice.")
                }
                print(notice.text, terminator: notice.text.hasSuffix("\n") ? "" : "\n")
            }
        }

        struct Publish: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "publish", abstract: "Make a text the newest version of a notice.")
            @Argument(help: "The notice.") var name: String
            @Argument(help: "The file with its text.") var file: String
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                guard let bytes = FileManager.default.contents(atPath: file), let text = String(bytes: bytes, encoding: .utf8) else {
                    throw ValidationError("\(file) cannot be read, or is not UTF-8.")
                }
                let privacy = try store.privacy()
                let version = try store.recorded("privacy.notices.publish", target: name, result: { "\($0)" }) {
                    try privacy.publish(name, text: text, at: now)
                }
                print("\(name) is now version \(version).")
            }
        }

        struct Acknowledge: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "acknowledge", abstract: "Record that somebody has taken note.")
            @Argument(help: "The notice.") var name: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Who: a principal's id.") var subject: String
            @Option(name: .customLong("edition"), help: "The version. Default: the newest.") var version: Int?

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                let known = try store.recorded("privacy.notices.acknowledge", target: "\(name) \(try privacy.pseudonym(of: subject))") {
                    try privacy.acknowledge(name, version: version, subject: subject, at: now)
                }
                print("Recorded for version \(known).")
            }
        }
    }

    // MARK: Holds

    struct Holds: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "holds", abstract: "Legal holds: what must be kept although its time is over.",
            subcommands: [List.self, Place.self, Release.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "All holds, released ones too.")
            @OptionGroup var store: StoreOptions
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let holds = try store.privacy().holds()
                print(
                    try json
                        ? AccessOutput.json(holds.map(PrivacyDocuments.HoldShown.init))
                        : holds.isEmpty ? "There are no holds." : holds.map(PrivacyOutput.line).joined(separator: "\n"))
            }
        }

        struct Place: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "place", abstract: "Keep a subject's or a policy's data, or all.")
            @OptionGroup var store: StoreOptions
            @Option(help: "Whose data: a principal's id. Default: everybody's.") var subject: String?
            @Option(help: "What was stored under this policy. Default: under any.") var policy: String?
            @Option(help: "Why: a case's number.") var reason: String
            @Option(help: "When somebody must look whether it is still needed: 90d, or an ISO 8601 date.") var review = "180d"

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                let until = try KeyOptions.moment(review, now: now)
                let target = "\(try subject.map { try privacy.pseudonym(of: $0) } ?? "everybody") \(policy ?? "every policy")"
                let hold = try store.recorded("privacy.holds.place", target: target, result: { $0.id }) {
                    try privacy.hold(
                        subject: subject, policy: policy, reason: reason, by: "os-user:\(NSUserName())", reviewAt: until, at: now)
                }
                print(PrivacyOutput.line(hold))
            }
        }

        struct Release: ActCommand {
            static let configuration = CommandConfiguration(commandName: "release", abstract: "End a hold.")
            static let act = "privacy.holds.release"
            @Argument(help: "The hold's id.") var id: String
            @OptionGroup var store: StoreOptions
            var target: String { id }

            func perform(at now: Int64) throws -> String {
                try store.privacy().release(id, at: now)
                return "Released \(id)."
            }
        }
    }

    // MARK: Looking

    struct Subject: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "subject", abstract: "What stands for somebody where the name must not, and how much is kept.")
        @Argument(help: "A principal's id, or its pseudonym.") var name: String
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        private struct Shown: Encodable {
            struct Unsearched: Encodable {
                let store: String
                let why: String
            }
            let pseudonym: String
            let findings: [SubjectRequest.Finding]
            let unsearched: [Unsearched]
        }

        func run() async throws {
            let privacy = try store.privacy()
            let subject = try store.answering { try privacy.requests.named(name) }
            let shown = Shown(
                pseudonym: try privacy.pseudonym(of: subject), findings: try privacy.index.findings(about: subject, tenant: .default),
                unsearched: privacy.index.unsearched.map { .init(store: $0.store, why: $0.why) })
            try store.recorded("privacy.subject.search", target: shown.pseudonym) {}
            if json { return print(try AccessOutput.json(shown)) }
            print(shown.pseudonym)
            for finding in shown.findings where finding.count > 0 { print("  \(finding.store)  \(finding.count)") }
            for entry in shown.unsearched { print("  not searched: \(entry.store): \(entry.why)") }
        }
    }

    struct Statistics: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "statistics", abstract: "Who uses what, in groups in which nobody stands out.",
            discussion:
                "Groups of fewer people than privacy.minimumGroup (5) are not shown, nor the one that the total would then give away.")
        @OptionGroup var store: StoreOptions
        @Option(help: "action, deployment or month.") var by = "deployment"
        @Option(help: "How many days back.") var days = 90
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            guard let grouping = PrivacyAdministration.Grouping(rawValue: by) else {
                throw ValidationError("'\(by)' is not action, deployment or month.")
            }
            guard (1...400).contains(days) else { throw ValidationError("The look-back is 1 to 400 days.") }
            try store.governance().collect(at: now)
            let privacy = try store.privacy()
            let table = try privacy.statistics(by: grouping, days: days, at: now)
            if json { return print(try AccessOutput.json(StatisticsShown(table, minimumGroup: privacy.minimumGroup))) }
            for row in table.rows { print("\(row.name)  \(row.people) people  \(row.count) times") }
            if let rest = table.rest { print("others  \(rest.people) people  \(rest.count) times") }
            if table.suppressed > 0 { print("\(table.suppressed) groups are too small to be shown by themselves.") }
        }
    }

    struct Processing: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "processing", abstract: "The record of processing activities (GDPR article 30), as JSON.",
            discussion: "Made from the configuration and the policies; 'gaps' says what they leave open.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let privacy = try store.privacy()
            print(try AccessOutput.json(try store.answering { try privacy.processingRecord() }))
        }
    }

    struct Sharing: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sharing", abstract: "Which upstream gets what, where, under which terms, as JSON.")
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let privacy = try store.privacy()
            print(try AccessOutput.json(try store.answering { try privacy.sharingRegister() }))
        }
    }
}

extension StoreOptions {
    func privacy() throws -> PrivacyAdministration {
        PrivacyAdministration(
            plan: try config.map { try LoadedConfiguration.required($0).plan }, database: try database(), identity: try identity())
    }
}
