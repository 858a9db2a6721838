import ArgumentParser
import Foundation
import SallyportCore
import SallyportIdentity
import SallyportServer
import SallyportStorage

struct ReviewsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reviews", abstract: "Access reviews: who keeps what access, decided by reviewers.",
        subcommands: [
            Create.self, List.self, Show.self, Preview.self, Start.self, Decide.self, Close.self, Apply.self, Export.self, Verify.self,
        ])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Begin a review of what people, services, groups and API keys hold now.",
            discussion:
                "With --remove-unanswered it is a draft: 'reviews preview' shows what silence would remove, and 'reviews start' wants the preview's digest. Nothing is ever taken from access.breakGlass."
        )
        @Argument(help: "What it is called.") var name: String
        @OptionGroup var store: StoreOptions
        @Option(parsing: .singleValue, help: "Who decides: user:ID, group:ID …; may be given again.") var reviewer: [String]
        @Option(name: .customLong("fallback"), parsing: .singleValue, help: "Who may decide too when half of the time is over.")
        var fallback: [String] = []
        @Option(help: "When it ends: 14d, or an ISO 8601 date.") var ends = "14d"
        @Option(help: "user, service, group, key, separated by commas.") var kinds = "user,service,group,key"
        @Option(help: "Only these roles, separated by commas.") var roles: String?
        @Option(help: "How many days without use make access doubtful.") var lookBack = 90
        @Flag(help: "What is approved needs a reason.") var requireReason = false
        @Flag(help: "Carry decisions out when the time is over.") var applyAtEnd = false
        @Flag(help: "Remove what nobody answers for when the time is over.") var removeUnanswered = false
        @Option(help: "Begin it anew so many days after its end.") var recurs: Int?
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            var settings = AccessReviews.Settings(
                name: name, kinds: Set(KeyOptions.list(kinds)), reviewers: reviewer, endsAt: try KeyOptions.moment(ends, now: now),
                createdBy: "os-user:\(NSUserName())")
            settings.roles = roles.map { Set(KeyOptions.list($0)) }
            settings.fallbackReviewers = fallback
            settings.lookBackDays = lookBack
            settings.requiresReason = requireReason
            settings.onSilence = removeUnanswered ? .remove : .keep
            settings.appliesAtEnd = applyAtEnd
            settings.recursAfterDays = recurs
            let governance = try store.governance()
            try governance.collect(at: now)
            let (campaign, status) = try store.recorded("reviews.create", target: name, result: { $0.campaign.id }) {
                try governance.createReview(settings, at: now)
            }
            let items = try governance.reviews.items(of: campaign.id)
            if json {
                print(try AccessOutput.json(GovernanceDocuments.Review(campaign, status, items: items)))
            } else {
                print(ReviewOutput.line(campaign, status))
                print("\(items.count) items. Decide with: sallyport reviews decide \(campaign.id) ITEM approve|remove|unsure --as REVIEWER")
                if status == .draft { print("Not begun: look at 'sallyport reviews preview \(campaign.id)' first.") }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All reviews.")
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let all = try store.governance().reviews.list()
            if json {
                print(try AccessOutput.json(all.map { GovernanceDocuments.Review($0.campaign, $0.status, items: nil) }))
            } else {
                print(all.isEmpty ? "There are no reviews." : all.map { ReviewOutput.line($0.campaign, $0.status) }.joined(separator: "\n"))
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "A review with its items, evidence and decisions.")
        @Argument(help: "The review's id.") var id: String
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let reviews = try store.governance().reviews
            let (campaign, status) = try store.answering { try reviews.found(id) }
            let items = try reviews.items(of: id)
            if json {
                print(try AccessOutput.json(GovernanceDocuments.Review(campaign, status, items: items)))
            } else {
                print(ReviewOutput.line(campaign, status))
                for item in items { print(ReviewOutput.line(item)) }
            }
        }
    }

    struct Preview: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "preview", abstract: "What the end of a review would remove, and what it would spare.")
        @Argument(help: "The review's id.") var id: String
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let preview = try store.answering { try store.governance().reviews.preview(id) }
            if json { return print(try AccessOutput.json(GovernanceDocuments.Preview(preview))) }
            for (item, cause) in preview.removals {
                print("remove  \(item.subject)  \(item.summary)  (\(cause == .decided ? "decided" : "nobody answered"))")
            }
            for (item, why) in preview.spared { print("spare   \(item.subject)  \(item.summary)  (\(why))") }
            print("\(preview.removals.count) would be removed. Digest: \(preview.digest)")
        }
    }

    struct Start: ActCommand {
        static let configuration = CommandConfiguration(commandName: "start", abstract: "Begin a draft whose preview you have seen.")
        static let act = "reviews.start"
        @Argument(help: "The review's id.") var id: String
        @OptionGroup var store: StoreOptions
        @Option(help: "The preview's digest.") var preview: String
        var target: String { id }

        func perform(at now: Int64) throws -> String {
            ReviewOutput.line(try store.governance().reviews.start(id, previewed: preview, at: now), .open)
        }
    }

    struct Decide: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "decide", abstract: "Answer for one item of a review.")
        @Argument(help: "The review's id.") var id: String
        @Argument(help: "The item's id.") var item: String
        @Argument(help: "approve, remove or unsure.") var decision: String
        @OptionGroup var store: StoreOptions
        @Option(name: .customLong("as"), help: "The reviewer that you are: user:ID …") var reviewer: String
        @Option(parsing: .singleValue, help: "A group that you are in; may be given again.") var group: [String] = []
        @Option(help: "Why.") var reason: String?

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            guard let decision = ReviewItem.Decision(rawValue: decision) else {
                throw ValidationError("'\(decision)' is not approve, remove or unsure.")
            }
            guard let reference = PrincipalReference(reviewer) else { throw ValidationError("'\(reviewer)' is not user:ID or the like.") }
            let reviews = try store.governance().reviews
            let names = Set(group.map { PrincipalReference(.group, $0) })
            let decided = try store.recorded("reviews.decide", target: "\(id) \(item) \(decision.rawValue) as \(reference)") {
                try reviews.decide(id, item: item, decision, reason: reason, by: reference, names: names, at: now)
            }
            print(ReviewOutput.line(decided))
        }
    }

    struct Close: ActCommand {
        static let configuration = CommandConfiguration(commandName: "close", abstract: "End a review before its time.")
        static let act = "reviews.close"
        @Argument(help: "The review's id.") var id: String
        @OptionGroup var store: StoreOptions
        var target: String { id }

        func perform(at now: Int64) throws -> String { ReviewOutput.line(try store.governance().reviews.close(id, at: now), .closed) }
    }

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "apply", abstract: "Carry out the decisions of a review that is over.")
        @Argument(help: "The review's id.") var id: String
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let governance = try store.governance()
            let outbox = AdministrationOutbox(dataDirectory: try store.directory())
            let done = try store.recorded("reviews.apply", target: id) {
                try governance.apply(id, at: now) { try outbox.record($0, target: $1, details: $2) }
            }
            for item in done { print(ReviewOutput.line(item)) }
            print("\(done.filter { $0.result == "removed" }.count) removed.")
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "The whole record of a review, signed.",
            discussion: "Check it with 'reviews verify' and the key that --key prints.")
        @Argument(help: "The review's id.") var id = ""
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print the public key of reports instead.") var key = false

        func run() async throws {
            let reports = try SignedReports(database: try store.database())
            if key { return print(reports.verifierKey) }
            let reviews = try store.governance().reviews
            let (campaign, status) = try store.answering { try reviews.found(id) }
            let (text, digest) = try reports.report(GovernanceDocuments.Review(campaign, status, items: try reviews.items(of: id)))
            try store.recorded("reviews.export", target: "\(id) sha256:\(digest)") {}
            print(text, terminator: "")
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "verify", abstract: "Check a signed report.")
        @Argument(help: "The report's file.") var file: String
        @Option(help: "The public key (name+id+base64).") var key: String

        func run() async throws { try ReportVerification.run(file: file, key: key) }
    }
}

/// How the review commands print.
enum ReviewOutput {
    static func line(_ campaign: ReviewCampaign, _ status: ReviewCampaign.Status) -> String {
        var parts = [campaign.id, status.rawValue, campaign.name, "ends \(KeyOptions.date(campaign.endsAt))"]
        if campaign.onSilence == .remove { parts.append("removes what nobody answers for") }
        return parts.joined(separator: "  ")
    }

    static func line(_ item: ReviewItem) -> String {
        var parts = ["  \(item.id)", item.subject, item.summary, "risk \(item.evidence.risk)"]
        if item.isBreakGlass { parts.append("break-glass") }
        parts.append(item.evidence.lastUsedAt.map { "last used \(KeyOptions.date($0))" } ?? "never used")
        if !item.evidence.reasons.isEmpty { parts.append("(\(item.evidence.reasons.joined(separator: "; ")))") }
        parts.append("advice: \(item.recommendation.rawValue)")
        parts.append(item.decision.map { "\($0.rawValue) by \(item.reviewedBy ?? "")" } ?? "not reviewed")
        if let result = item.result { parts.append("→ \(result)") }
        return parts.joined(separator: "  ")
    }
}

/// Checks reports of any kind.
enum ReportVerification {
    static func run(file: String, key: String) throws {
        guard let bytes = FileManager.default.contents(atPath: file), let report = String(bytes: bytes, encoding: .utf8) else {
            throw ValidationError("\(file) cannot be read.")
        }
        do {
            _ = try SignedReports.text(of: report, signedBy: key)
            print("Good: signed by this key, unchanged.")
        } catch {
            print("NOT GOOD: \(error)")
            throw ExitCode(1)
        }
    }
}

extension StoreOptions {
    /// Says a fault as a command says it.
    func answering<R>(_ work: () throws -> R) throws -> R {
        do { return try work() } catch let fault as Fault { throw ValidationError(fault.message) }
    }
}
