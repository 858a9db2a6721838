import ArgumentParser
import Foundation
import SallyportCore
import SallyportIdentity
import SallyportStorage

extension AccessCommand {
    /// What a question is about, as both commands take it.
    struct QuestionOptions: ParsableArguments {
        @Option(help: "The action.") var action: String
        @Flag(help: "It is a management action (Sallyport/keys/write), not a data action.") var management = false
        @Option(help: "Where.") var scope = "/"
        @Option(help: "The operation's name, for conditions.") var operation = ""
        @Option(name: .customLong("from"), help: "The address that it comes from, for conditions.") var address: String?
        @Option(help: "When, as an ISO 8601 date. Default: now.") var at: String?

        func question(now: Int64) throws -> AccessOperations.Question {
            guard let place = AccessScope(scope) else {
                throw ValidationError("'\(scope)' is not /, /projects/NAME, /deployments/NAME or /indexes/NAME.")
            }
            let source = try address.map { text in
                guard let address = IPAddress(text) else { throw ValidationError("'\(text)' is not an address.") }
                return address
            }
            return .init(
                action: action, management ? .management : .data, scope: place, operation: operation, address: source,
                now: try at.map { try KeyOptions.moment($0, now: now) } ?? now)
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "explain", abstract: "Say whether somebody may do something, and why; before and after a change.",
            discussion: """
                Roles and conditional access together. With a change (--with, --without, --with-policy, --without-policy) both answers are
                shown; nothing is changed. Ends with status 0 when it is allowed (after the change) and 2 when it is not.
                """)
        @OptionGroup var store: StoreOptions
        @OptionGroup var asked: QuestionOptions
        @Option(help: "user:ID, service:ID or key:ID.") var principal: String
        @Option(parsing: .singleValue, help: "A group that the token names; may be given again.") var group: [String] = []
        @Option(parsing: .singleValue, help: "A role that the token names; may be given again.") var role: [String] = []
        @Option(parsing: .singleValue, help: "How the person proved who he is (mfa); may be given again.") var method: [String] = []
        @Option(help: "The application that the token was issued to.") var client: String?
        @Option(help: "The device that the token names.") var device: String?
        @Option(help: "How long ago the person signed in: 30m.") var signedIn: String?
        @Option(parsing: .singleValue, help: "An assignment to add: \"user:a openai-user /\" (\"deny …\" for a denial).") var with:
            [String] = []
        @Option(parsing: .singleValue, help: "The id of an assignment to leave out.") var without: [String] = []
        @Option(parsing: .singleValue, help: "The file of a conditional access policy to add, named for the file.") var withPolicy:
            [String] = []
        @Option(parsing: .singleValue, help: "The name of a conditional access policy to leave out.") var withoutPolicy: [String] = []
        @Flag(help: "Print JSON.") var json = false

        private struct Answer: Encodable {
            let allowed: Bool
            let reason: String
            let considered: [AccessDocuments.Explained.Line]
            let conditional: ConditionalDocuments.Outcome?
        }

        private struct Both: Encodable {
            let allowed: Bool
            let reason: String
            let considered: [AccessDocuments.Explained.Line]
            let conditional: ConditionalDocuments.Outcome?
            let before: Answer
            let after: Answer
        }

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let access = try store.access()
            let question = try asked.question(now: now)
            do {
                let found = try access.principal(principal, groups: group, roles: role, keys: try store.keyStore())
                let caller = found.with(
                    methods: Set(method), authenticatedAt: try signedIn.map { question.now - (try KeyOptions.span($0)) }, device: device)
                let stored = SQLConditionalAccessStore(try store.identity().database)
                let policies = try ConditionalAccessDirectory.read(stored, catalog: access.catalog)
                let before = try answer(access, policies, caller, question, .init())
                guard !(with.isEmpty && without.isEmpty && withPolicy.isEmpty && withoutPolicy.isEmpty) else {
                    print(try json ? AccessOutput.json(before) : text(before))
                    if !before.allowed { throw ExitCode(2) }
                    return
                }
                let change = AccessOperations.Change(adding: try with.enumerated().map(assignment), removing: Set(without))
                let after = try answer(access, try changed(policies, stored, access.catalog), caller, question, change)
                let both = Both(
                    allowed: after.allowed, reason: after.reason, considered: after.considered, conditional: after.conditional,
                    before: before, after: after)
                print(try json ? AccessOutput.json(both) : "Before the change\n\(text(before))\n\nAfter it\n\(text(after))")
                if !after.allowed { throw ExitCode(2) }
            } catch let fault as Fault { throw ValidationError(fault.message) }
        }

        private func answer(
            _ access: AccessOperations, _ policies: ConditionalAccessDirectory.Snapshot, _ caller: Principal,
            _ question: AccessOperations.Question, _ change: AccessOperations.Change
        ) throws -> Answer {
            let explanation = try access.explain(caller, question, change)
            let shown = AccessDocuments.Explained(explanation)
            guard !policies.isEmpty else {
                return Answer(allowed: shown.allowed, reason: shown.reason, considered: shown.considered, conditional: nil)
            }
            let context = access.context(of: caller, question, client: client)
            let roles = try access.snapshot(change).roles(of: caller, in: context)
            let outcome = policies.outcome(
                for: caller, roles: roles, in: ConditionalContext(question.plane == .management ? .console : .data, context))
            let reason = shown.allowed && !outcome.isAllowed ? outcome.sentence : shown.reason
            return Answer(
                allowed: shown.allowed && outcome.isAllowed, reason: reason, considered: shown.considered,
                conditional: ConditionalDocuments.Outcome(outcome, at: question.now))
        }

        private func text(_ answer: Answer) -> String {
            var lines = ["\(answer.allowed ? "Allowed" : "Denied"): \(answer.reason)\(answer.reason.hasSuffix(".") ? "" : ".")"]
            lines += answer.considered.map { line in
                "  \(line.source)  \(line.effect) \(line.role) at \(line.scope)" + (line.principal.map { " for \($0)" } ?? "")
                    + ": \(line.outcome)"
            }
            if let conditional = answer.conditional {
                lines += conditional.findings.map { "  conditional access '\($0.policy)': \($0.demand)" }
                lines += conditional.reported.map { "  conditional access '\($0.policy)', report-only: \($0.demand)" }
            }
            return lines.joined(separator: "\n")
        }

        private func assignment(_ index: Int, _ text: String) throws -> RoleAssignment {
            var words = text.split(separator: " ").map(String.init)
            let isDenial = words.first == "deny"
            if isDenial { words.removeFirst() }
            guard (2...3).contains(words.count), let principal = PrincipalReference(words[0]),
                let scope = AccessScope(words.count == 3 ? words[2] : "/")
            else { throw ValidationError("'\(text)' is not an assignment such as \"user:a openai-user /deployments/x\".") }
            return RoleAssignment(
                id: "change-\(index + 1)", principal: principal, role: Role(words[1]), scope: scope, effect: isDenial ? .deny : .allow)
        }

        private func changed(
            _ policies: ConditionalAccessDirectory.Snapshot, _ store: any ConditionalAccessStore, _ catalog: RoleCatalog
        ) throws -> ConditionalAccessDirectory.Snapshot {
            let added = try withPolicy.map { file in try AccessCommand.Conditional.read(file).policy }
            let names = Set(withoutPolicy + added.map(\.name))
            return ConditionalAccessDirectory.Snapshot(
                policies: policies.policies.filter { !names.contains($0.name) } + added, devices: try store.devices(),
                risks: try store.risks(), catalog: catalog)
        }
    }

    struct Who: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "who", abstract: "List everybody who may do something, and why.",
            discussion:
                "By roles: keys with roles of their own, and whoever assignments name. Conditional access is not asked: it depends on the request."
        )
        @OptionGroup var store: StoreOptions
        @OptionGroup var asked: QuestionOptions
        @Flag(help: "Print JSON.") var json = false

        private struct Line: Encodable {
            let principal: String
            let reason: String
        }

        func run() async throws {
            let now = Int64(Date().timeIntervalSince1970)
            let access = try store.access()
            do {
                let found = try access.who(try asked.question(now: now), keys: try store.keyStore()).map {
                    Line(principal: $0.principal.description, reason: AccessDocuments.reason($0.decision))
                }
                print(
                    try json
                        ? AccessOutput.json(found)
                        : found.isEmpty ? "Nobody." : found.map { "\($0.principal)  \($0.reason)" }.joined(separator: "\n"))
            } catch let fault as Fault { throw ValidationError(fault.message) }
        }
    }
}
