import Foundation
import NIOCore
import SallyportCore
import SallyportIdentity
import SallyportWire

/// Conditional access, for people: policies, and what they would ask of whom.
package struct ConditionalPages: ConsoleRouteGroup {
    let conditional: ConditionalRoutes

    package init(_ conditional: ConditionalRoutes) { self.conditional = conditional }

    private static let form = 3 * ConditionalPolicy.maximumBytes

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/conditional-access", as: ConditionalRoutes.row("ConditionalAccess_List"), page),
        .page("POST", "/conditional-access", as: ConditionalRoutes.row("ConditionalAccess_Put"), maximumBody: form, create),
        .page("GET", "/conditional-access/explain", as: ConditionalRoutes.row("ConditionalAccess_List"), ask),
        .page("POST", "/conditional-access/explain", as: ConditionalRoutes.row("ConditionalAccess_Evaluate"), maximumBody: form, explain),
        .page("GET", "/conditional-access/policies/{name}", as: ConditionalRoutes.row("ConditionalAccess_Show"), show),
        .page("POST", "/conditional-access/policies/{name}", as: ConditionalRoutes.row("ConditionalAccess_Put"), maximumBody: form, save),
        .page("POST", "/conditional-access/policies/{name}/state", as: ConditionalRoutes.row("ConditionalAccess_Put"), setState),
        .page("POST", "/conditional-access/policies/{name}/delete", as: ConditionalRoutes.row("ConditionalAccess_Delete"), delete),
    ]

    private static let states: [(value: String, word: String)] = [
        (ConditionalPolicy.State.enabled.rawValue, "on"), (ConditionalPolicy.State.disabled.rawValue, "off"),
        (ConditionalPolicy.State.reportOnly.rawValue, "report only"),
    ]

    private static let template = """
        {
          "displayName": "Second factor outside the office",
          "state": "enabledForReportingButNotEnforced",
          "conditions": {
            "users": {"includeUsers": ["All"], "excludeUsers": ["user:local:breakglass"]},
            "locations": {"include": ["All"], "exclude": ["10.0.0.0/8"]}
          },
          "grantControls": {"operator": "AND", "builtInControls": ["mfa"]}
        }
        """

    private static func path(_ name: String, _ act: String...) -> String {
        Page.path("conditional-access", "policies", name) + act.map { "/\($0)" }.joined()
    }

    // MARK: All

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let all: [ConditionalDocuments.Policy] = try await conditional.list("ConditionalAccess_List", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let mayWrite = call.mayAsk(ConditionalRoutes.row("ConditionalAccess_Put"))
        let rows: [[HTML]] = part.rows(of: all).map { policy in
            let isReadable = policy.state != "unreadable"
            let state: HTML =
                isReadable
                ? "\(Self.states.first { $0.value == policy.state }?.word ?? policy.state)"
                : "<strong>cannot be read: it blocks everybody</strong>"
            let change: HTML? =
                mayWrite && isReadable
                ? Page.fold(
                    "Switch",
                    Page.form(
                        Self.path(policy.name, "state"), call, button: "Switch", isQuiet: true,
                        """
                        \(Page.hidden("version", "\(policy.version)"))\(Page.choice("State", "state", Self.states, chosen: policy.state))
                        """)) : nil
            return [
                "<a href=\"\(Self.path(policy.name))\">\(policy.name)</a>", state, "\(policy.demands.joined(separator: ", "))",
                "\(policy.version)", "\(policy.createdAt)", "\(change)",
            ]
        }
        return Administration.page(
            "Conditional access", call,
            """
            <p class="hint">Roles say what somebody may do; these policies say under which circumstances. None of them gives anything.</p>
            \(Page.table(
                ["Policy", "State", "Asks for", "Version", "Saved", ""], rows, caption: "Policies",
                empty: "There are no policies: roles alone decide."))
            \(part.links("/conditional-access"))
            <p><a class="button" href="/conditional-access/explain">What would they ask of somebody?</a></p>
            \(mayWrite ? fresh(DocumentDraft(text: Self.template), call) : nil)
            """)
    }

    private func fresh(_ draft: DocumentDraft, _ call: ConsoleCall, problem: String? = nil) -> HTML {
        """
        <h2>A new policy</h2>
        <p class="hint">In the shape of Microsoft Graph's <code>conditionalAccessPolicy</code>. Begin with
        <code>enabledForReportingButNotEnforced</code>: it only puts on record what it would have asked for.</p>
        \(editor(draft, call, to: "/conditional-access", problem: problem))
        """
    }

    private func editor(_ draft: DocumentDraft, _ call: ConsoleCall, to path: String, problem: String? = nil) -> HTML {
        "\(Page.problem(problem))\(draft.form(call, to: path, name: "Name: letters, digits, blanks and . _ -", rows: 18))"
    }

    private func again(_ draft: DocumentDraft, _ call: ConsoleCall, _ refusal: ConsoleRefusal) -> ConsoleAnswer {
        guard draft.version != nil else {
            return Administration.page(
                "Conditional access", call, status: refusal.status, fresh(draft, call, problem: refusal.message))
        }
        return Administration.page(
            draft.name, call, status: refusal.status,
            """
            \(editor(draft, call, to: Self.path(draft.name), problem: refusal.message))
            <p><a href="\(Self.path(draft.name))">What is in force</a></p>
            """)
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await put(DocumentDraft(call).asNew, replacing: 0, call)
    }

    private func save(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let draft = try DocumentDraft(call)
        return try await put(draft, replacing: draft.replaced(), call)
    }

    private func put(_ draft: DocumentDraft, replacing version: Int, _ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.telling {
            let answer = try await conditional.answer(
                "ConditionalAccess_Put", call.sending(document: draft.text, replacing: version, naming: ["name": draft.name]))
            return try Administration.settled(answer, to: Self.path(draft.name), call)
        } again: { refusal in
            again(draft, call, refusal)
        }
    }

    // MARK: One

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        let stored = try await conditional.answer("ConditionalAccess_Show", call)
        let text = Page.indented(String(buffer: stored.body))
        let version = stored.taggedVersion
        let document: HTML =
            call.mayAsk(ConditionalRoutes.row("ConditionalAccess_Put"))
            ? editor(DocumentDraft(name: name, text: text, version: version), call, to: Self.path(name)) : "<pre>\(text)</pre>"
        let delete: HTML? =
            call.mayAsk(ConditionalRoutes.row("ConditionalAccess_Delete"))
            ? Page.fold("Delete", Page.form(Self.path(name, "delete"), call, button: "Delete the policy", isQuiet: true)) : nil
        return Administration.page(
            name, call,
            """
            <p>Version \(version) is in force. <a href="/conditional-access/explain">What would it ask of somebody?</a></p>
            \(document)
            \(delete)
            """)
    }

    /// The document with another state; everything else in it stays as it was written.
    private func setState(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: "/conditional-access") {
            let fields = try Fields(call)
            guard let state = fields["state"], ConditionalPolicy.State(rawValue: state) != nil else {
                throw Fault(.invalidRequest, "'state' is one of \(Self.states.map(\.value).joined(separator: ", ")).")
            }
            guard let version = fields["version"].flatMap({ Int($0) }), version > 0 else {
                throw DocumentDraft.withoutVersion
            }
            let stored = try await conditional.answer("ConditionalAccess_Show", call)
            let changed = try Self.document(stored.body, withState: state)
            let answer = try await conditional.answer("ConditionalAccess_Put", call.sending(document: changed, replacing: version))
            return try Administration.settled(answer, to: "/conditional-access", call)
        }
    }

    static func document(_ bytes: ByteBuffer, withState state: String) throws -> String {
        guard let document = try? JSONDocument(parsing: bytes), let member = document.member("state", of: 0) else {
            throw Fault(.conflict, "The policy cannot be read: write it anew.")
        }
        var edits = JSONEdits()
        edits.replace(document.rawRange(member), with: Array("\"\(state)\"".utf8))
        return String(buffer: edits.apply(to: bytes))
    }

    private func delete(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: Self.path(call.parameter("name"))) {
            try Administration.settled(
                try await conditional.answer("ConditionalAccess_Delete", call), to: "/conditional-access", call)
        }
    }

    // MARK: What they would ask

    private func ask(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        Administration.page("What would they ask?", call, Self.question([:], call))
    }

    /// - Parameter said: what was asked before.
    private static func question(_ said: [String: String], _ call: ConsoleCall) -> HTML {
        func input(_ label: String, _ name: String, hint: String = "", isRequired: Bool = false) -> HTML {
            Page.input(label, name, isRequired: isRequired, hint: hint, value: said[name] ?? "")
        }
        let draft: HTML = """
            \(input("Its name", "draftName"))
            \(Page.text("Its document", "draft", said["draft"] ?? "", isRequired: false, rows: 12))
            """
        let fields: HTML = """
            \(input("Of whom", "principal", hint: "user:local:ann, service:app-7, key:…", isRequired: true))
            \(Page.choice("Where", "surface", ["data", "console"], chosen: said["surface"]))
            \(input("Deployment", "deployment"))
            \(input("Label; empty: the deployment's", "label"))
            \(input("From the address", "from", hint: "203.0.113.7"))
            \(input("How it signed in", "methods", hint: "mfa"))
            \(input("Device", "device"))
            \(input("Application", "client"))
            \(input("In the groups", "groups"))
            \(input("With the roles", "roles"))
            \(input("Signed in so long ago", "signedIn", hint: "2h"))
            \(input("At; empty: now", "at", hint: "2027-01-31T08:00:00Z"))
            \(input("As if these policies were not there", "without"))
            \(Page.fold("As if one more policy were there, or another in its place", draft))
            """
        return Page.form("/conditional-access/explain", call, button: "Ask", fields)
    }

    private func explain(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let said = try call.form()
        return try await Self.telling {
            let body = try Self.body(Fields(call), at: call.now)
            let outcome: ConditionalDocuments.Outcome = try await conditional.told(
                "ConditionalAccess_Evaluate", call.sending(document: body))
            return Administration.page(
                "What would they ask?", call, "\(Self.shown(outcome))<h2>Ask again</h2>\(Self.question(said, call))")
        } again: { refusal in
            Administration.page(
                "What would they ask?", call, status: refusal.status, "\(Page.problem(refusal.message))\(Self.question(said, call))")
        }
    }

    /// The form's fields as the question for programs; the draft's document goes in as it was written.
    private static func body(_ fields: Fields, at now: Int64) throws -> String {
        var members = try fields.members(
            ["principal", "surface", "deployment", "label", "from", "device", "client", "at"],
            lists: ["methods", "groups", "roles", "without"])
        if let text = fields["signedIn"] {
            guard let span = Moments.span(text) else { throw Fault(.invalidRequest, "'Signed in so long ago' is a span such as 2h.") }
            members["signedInSecondsAgo"] = .number(Int(span))
        }
        guard members["principal"] != nil else { throw Fault(.invalidRequest, "Say of whom: user:ID, service:ID or key:ID.") }
        let body = String(decoding: try JSONEncoder().encode(members), as: UTF8.self)
        guard let draft = fields["draft"] else { return body }
        guard (try? JSONDocument(parsing: ByteBuffer(string: draft))) != nil else {
            throw Fault(.invalidRequest, "The policy is not a JSON text that has one meaning.")
        }
        let name = String(decoding: try JSONEncoder().encode(fields["draftName"] ?? "draft"), as: UTF8.self)
        return "\(body.dropLast()),\"with\":{\"name\":\(name),\"policy\":\(draft)}}"
    }

    static func shown(_ outcome: ConditionalDocuments.Outcome) -> HTML {
        func rows(_ findings: [ConditionalDocuments.Outcome.Finding], _ state: String) -> [[HTML]] {
            findings.map { ["\($0.policy)", "\(words($0.demand))", "\(state)"] }
        }
        let all = rows(outcome.findings, "enforced") + rows(outcome.reported, "report only")
        return """
            <p role="status"><strong id="outcome">\(outcome.allowed ? "Nothing stands in the way." : "It would not pass.")</strong></p>
            \(Page.table(["Policy", "Asks for", ""], all, caption: "What policies say", empty: "No policy has anything to say here."))
            """
    }

    private static func words(_ demand: String) -> String {
        switch ConditionalOutcome.Demand(rawValue: demand) {
        case .block: "nothing: it blocks"
        case .mfa: "a second factor"
        case .compliantDevice: "a compliant device"
        case .recentSignIn: "signing in anew"
        case nil: demand
        }
    }
}
