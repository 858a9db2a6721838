import ArgumentParser
import Foundation
import SallyportCore
import SallyportOversight
import SallyportServer

/// Requests of data subjects.
extension PrivacyCommand {
    struct Requests: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "requests", abstract: "Requests of data subjects: access, export, rectification, erasure, restriction, objection.",
            discussion:
                "In this order: open, verify (who is asking), search, then fulfil or refuse. The clock runs from the day it was received: a month, two more when extended.",
            subcommands: [List.self, Show.self, Open.self, Verify.self, Search.self, Extend.self, Refuse.self, Fulfil.self, Check.self],
            defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "All requests, and when they are due.")
            @OptionGroup var store: StoreOptions
            @Option(help: "Only open ones that are due within this time: 7d.") var due: String?
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let limit = try due.map { now + (try KeyOptions.span($0)) }
                let requests = try store.privacy().requests.list().filter { request in
                    limit.map { request.isOpen && request.dueAt <= $0 } ?? true
                }
                if json { return print(try AccessOutput.json(requests.map { PrivacyDocuments.RequestShown($0, at: now) })) }
                print(
                    requests.isEmpty
                        ? "There are no requests." : requests.map { PrivacyOutput.line($0, at: now) }.joined(separator: "\n"))
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "show", abstract: "One request, as JSON.")
            @Argument(help: "The request's id.") var id: String
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let requests = try store.privacy().requests
                let request = try store.answering { try requests.found(id) }
                print(try AccessOutput.json(PrivacyDocuments.RequestShown(request, at: Int64(Date().timeIntervalSince1970))))
            }
        }

        struct Open: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "open", abstract: "Take in a request.")
            @Argument(help: "access, export, rectification, erasure, restriction or objection.") var kind: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Whose data: a principal's id, or its pseudonym.") var subject: String
            @Option(help: "For an objection the purpose; for a rectification what is wrong.") var detail: String?
            @Option(help: "When it was received, as an ISO 8601 date. Default: now.") var received: String?
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                guard let kind = SubjectRequest.Kind(rawValue: kind) else {
                    throw ValidationError(
                        "'\(kind)' is not one of \(SubjectRequest.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
                }
                let receivedAt = try received.map { try KeyOptions.moment($0, now: now) } ?? now
                let privacy = try store.privacy()
                let name = try store.answering { try privacy.requests.named(subject) }
                let target = "\(kind.rawValue) \(try privacy.pseudonym(of: name))"
                let request = try store.recorded("privacy.requests.open", target: target, result: { $0.id }) {
                    try privacy.requests.receive(kind, subject: name, detail: detail, receivedAt: receivedAt, at: now)
                }
                print(try json ? AccessOutput.json(PrivacyDocuments.RequestShown(request, at: now)) : PrivacyOutput.line(request, at: now))
            }
        }

        struct Verify: ActCommand {
            static let configuration = CommandConfiguration(commandName: "verify", abstract: "Say how it was made sure who is asking.")
            static let act = "privacy.requests.verify"
            @Argument(help: "The request's id.") var id: String
            @OptionGroup var store: StoreOptions
            @Option(help: "How: signed in with MFA, identity card seen ...") var method: String
            var target: String { id }

            func perform(at now: Int64) throws -> String {
                PrivacyOutput.line(try store.privacy().requests.verify(id, method: method, by: operatorName, at: now), at: now)
            }
        }

        struct Search: ActCommand {
            static let configuration = CommandConfiguration(commandName: "search", abstract: "Look through every store.")
            static let act = "privacy.requests.search"
            @Argument(help: "The request's id.") var id: String
            @OptionGroup var store: StoreOptions
            var target: String { id }

            func perform(at now: Int64) throws -> String {
                let privacy = try store.privacy()
                let request = try privacy.requests.search(id)
                let found = request.findings.filter { $0.count > 0 }.map { "  \($0.store)  \($0.count)" }
                let unsearched = privacy.index.unsearched.map { "  not searched: \($0.store): \($0.why)" }
                return ([PrivacyOutput.line(request, at: now)] + found + unsearched).joined(separator: "\n")
            }
        }

        struct Extend: ActCommand {
            static let configuration = CommandConfiguration(commandName: "extend", abstract: "Two months more, with the reason for it.")
            static let act = "privacy.requests.extend"
            @Argument(help: "The request's id.") var id: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Why.") var reason: String
            var target: String { id }

            func perform(at now: Int64) throws -> String {
                PrivacyOutput.line(try store.privacy().requests.extend(id, because: reason, at: now), at: now)
            }
        }

        struct Refuse: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "refuse", abstract: "Refuse, with the reason that the subject is told.")
            @Argument(help: "The request's id.") var id: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Why.") var reason: String
            @Option(help: "Write the signed report here.") var report: String?

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                let request = try store.recorded("privacy.requests.refuse", target: id) {
                    try privacy.requests.refuse(id, because: reason, by: "os-user:\(NSUserName())", at: now)
                }
                print(PrivacyOutput.line(request, at: now))
                if let report { try SubjectReport.write(request, [], privacy, store, to: report, at: now) }
            }
        }

        struct Fulfil: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                commandName: "fulfil", abstract: "Do what was asked, and write a signed report of what was found and done.",
                discussion: "Check the report with 'privacy requests check' and the key that 'reviews export --key' prints.")
            @Argument(help: "The request's id.") var id: String
            @OptionGroup var store: StoreOptions
            @Option(help: "Where the signed report is written; for access and export it holds the data.") var report: String
            @Option(
                help:
                    "For a rectification, what is put right in place: STORE.FIELD=VALUE, such as 'account.display_name=Ann Lee'. May be repeated."
            )
            var correct: [String] = []

            func run() async throws {
                let now = Int64(Date().timeIntervalSince1970)
                let privacy = try store.privacy()
                let corrections = try correct.map(Self.correction)
                guard !FileManager.default.fileExists(atPath: report) else { throw ValidationError("\(report) is there already.") }
                let outbox = AdministrationOutbox(dataDirectory: try store.directory())
                let (request, rows) = try store.recorded("privacy.requests.fulfil", target: id) {
                    try privacy.requests.fulfil(id, by: "os-user:\(NSUserName())", at: now, corrections: corrections) {
                        act, pseudonym, details in
                        try outbox.record(act, target: pseudonym, details: details)
                    }
                }
                try SubjectReport.write(request, rows, privacy, store, to: report, at: now)
                print(PrivacyOutput.line(request, at: now))
                for outcome in request.outcomes {
                    let done = outcome.corrected.map { "put right \($0)" } ?? "removed \(outcome.removed), kept \(outcome.kept)"
                    print("  \(outcome.store)  \(done)\(outcome.why.map { ": \($0)" } ?? "")")
                }
                print("The report is in \(report).")
            }

            private static func correction(_ text: String) throws -> SubjectCorrection {
                let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let names = sides[0].split(separator: ".", omittingEmptySubsequences: false)
                guard sides.count == 2, names.count == 2 else { throw ValidationError("'\(text)' is not of the form STORE.FIELD=VALUE.") }
                return SubjectCorrection(store: String(names[0]), field: String(names[1]), value: String(sides[1]))
            }
        }

        struct Check: AsyncParsableCommand {
            static let configuration = CommandConfiguration(commandName: "check", abstract: "Check a signed report.")
            @Argument(help: "The report's file.") var file: String
            @Option(help: "The public key (name+id+base64).") var key: String

            func run() async throws { try ReportVerification.run(file: file, key: key) }
        }
    }
}

/// The signed report of what was found and done, in a form that a machine can read.
enum SubjectReport {
    static func write(
        _ request: SubjectRequest, _ rows: [SubjectRow], _ privacy: PrivacyAdministration, _ store: StoreOptions, to file: String,
        at now: Int64
    ) throws {
        let (text, digest) = try privacy.report(on: request, rows: rows, at: now)
        // It holds personal data: for nobody but who runs this.
        guard FileManager.default.createFile(atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]) else {
            throw ValidationError("\(file) cannot be written; the request is closed, and 'privacy requests show' has its outcome.")
        }
        try store.recorded("privacy.requests.report", target: "\(request.id) sha256:\(digest)") {}
    }
}
