import ArgumentParser
import Foundation
import SallyportCore
import SallyportIdentity
import SallyportServer

/// Least privilege and separation of duty.
extension AccessCommand {
    struct Usage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "usage", abstract: "What everybody may do and never did, from the audit log, and smaller roles that would do.",
            discussion: "Proposes; changes nothing. Rights that are held through the issuer's groups count where the log names them.")
        @OptionGroup var store: StoreOptions
        @Option(help: "Only this one: user:ID, group:ID, service:ID or key:ID.") var principal: String?
        @Option(help: "How many days back.") var days = 90
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let holder = try principal.map { text in
                guard let reference = PrincipalReference(text) else {
                    throw ValidationError("'\(text)' is not user:ID, group:ID, service:ID or key:ID.")
                }
                return reference
            }
            guard (1...400).contains(days) else { throw ValidationError("The look-back is 1 to 400 days.") }
            let governance = try store.governance()
            try governance.collect(at: now)
            let (advice, reports) = try governance.leastPrivilege(lookBackDays: days, of: holder, at: now)
            if json {
                print(try AccessOutput.json(GovernanceDocuments.Usage(advice, reports)))
            } else {
                print(Self.text(advice, reports))
            }
        }

        // MARK: Printing

        private static func text(_ advice: LeastPrivilege, _ reports: [LeastPrivilege.Report]) -> String {
            var lines = ["Observed for \(advice.observedDays) days\(advice.isLearning ? ": too short to take anything away for" : "")."]
            for report in reports {
                lines.append("\(report.holder)\(report.isBreakGlass ? "  (break-glass: never used is what it should be)" : "")")
                for use in report.grants {
                    let seen = use.lastUsedAt.map { "\(use.uses) uses, last \(KeyOptions.date($0))" } ?? "never used"
                    lines.append("  \(use.grant.source)  \(use.grant.role) at \(use.grant.scope): \(seen)")
                    if !use.unused.isEmpty { lines.append("    never used: \(use.unused.joined(separator: ", "))") }
                    switch use.proposal {
                    case .keep: lines.append("    proposal: keep it")
                    case .remove: lines.append("    proposal: take it away")
                    case .narrow(let role, let scopes, let exact):
                        lines.append("    proposal: \(role) at \(scopes.map(\.description).joined(separator: ", "))")
                        lines.append("    or a role of your own with dataActions: [\(exact.map { "\"\($0)\"" }.joined(separator: ", "))]")
                    }
                }
                for (action, count) in report.denied { lines.append("  asked \(count) times in vain for \(action)") }
            }
            return lines.joined(separator: "\n")
        }
    }

    struct Conflicts: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "conflicts", abstract: "Who can do two things that belong to two people.",
            discussion: "Ends with status 2 when there are any. Rules of your own: access.separation in the configuration.")
        @OptionGroup var store: StoreOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let conflicts = try store.governance().conflicts(at: Int64(Date().timeIntervalSince1970))
            if json {
                print(try AccessOutput.json(conflicts.map(GovernanceDocuments.Conflict.init)))
            } else if conflicts.isEmpty {
                print("There are no conflicts.")
            } else {
                for conflict in conflicts {
                    print("\(conflict.holder)  \(conflict.rule.id): \(conflict.rule.reason)")
                    print("  \(Self.names(conflict.first)) against \(Self.names(conflict.second))")
                }
            }
            if !conflicts.isEmpty { throw ExitCode(2) }
        }

        private static func names(_ grants: [HeldAccess.Grant]) -> String {
            grants.map { "\($0.role) at \($0.scope) (\($0.source))" }.joined(separator: ", ")
        }
    }
}

extension StoreOptions {
    /// With the configuration when one is named: its roles, assignments and rules count too.
    func governance() throws -> GovernanceAdministration {
        let identity = try identity()
        if let borrowed = identity.borrowed {
            throw ValidationError(
                "The access of this gateway is governed where it is kept: name the configuration of the gateway of \(borrowed.directory).")
        }
        return GovernanceAdministration(
            plan: try config.map { try LoadedConfiguration.required($0).plan }, database: identity.database,
            auditDirectory: try directory() + "/audit")
    }
}
