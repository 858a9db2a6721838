import Foundation
import SallyportCore
import SallyportGuard
import SallyportIdentity

/// Guard policies, for people.
package struct PolicyPages: ConsoleRouteGroup {
    let policies: PolicyRoutes

    package init(_ policies: PolicyRoutes) { self.policies = policies }

    /// A document in a form is longer than it is.
    private static let form = 3 * PolicyRoutes.largest

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/policies", as: PolicyRoutes.row("Policies_List"), page),
        .page("POST", "/policies", as: PolicyRoutes.row("Policies_Put"), maximumBody: form, create),
        // Not below /policies: everything there is a policy's name.
        .page("POST", "/check/policies", as: PolicyRoutes.row("Policies_Check"), maximumBody: form, check),
        .page("GET", "/policies/{name}", as: PolicyRoutes.row("Policies_Show"), show),
        .page("POST", "/policies/{name}", as: PolicyRoutes.row("Policies_Put"), maximumBody: form, save),
        .page("POST", "/policies/{name}/delete", as: PolicyRoutes.row("Policies_Delete"), delete),
        .page("GET", "/policies/{name}/versions", as: PolicyRoutes.row("Policies_Versions"), versions),
        .page("GET", "/policies/{name}/versions/{version}", as: PolicyRoutes.row("Policies_Version"), former),
        .page("POST", "/policies/{name}/versions/{version}/restore", as: PolicyRoutes.row("Policies_Put"), restore),
    ]

    private static let template = """
        {
          "properties": {
            "mode": "Default",
            "basePolicyName": "Default",
            "contentFilters": [],
            "sallyport": {}
          }
        }
        """

    // MARK: All

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let all: [PolicyRoutes.Listed] = try await policies.list("Policies_List", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let stored = Set(all.filter { $0.source == "store" }.map(\.name))
        let files = Set(all.filter { $0.source == "file" }.map(\.name))
        let rows: [[HTML]] = part.rows(of: all).map { policy in
            let cover =
                policy.source == "store"
                ? nil
                : stored.contains(policy.name)
                    ? "the database has one" : policy.builtIn && files.contains(policy.name) ? "there is a file" : nil
            let name: HTML =
                policy.source == "store" || (policy.builtIn && cover == nil)
                ? "<a href=\"\(Page.path("policies", policy.name))\">\(policy.name)</a>" : "\(policy.name)"
            let place: HTML =
                switch policy.source {
                case "store": "database"
                case "file": "a file of the policy directory"
                default: "built in"
                }
            let covered: HTML? = cover.map { "; not in force: \($0) of this name" }
            return [name, "\(place)\(covered)", "\(policy.version.map { "\($0)" } ?? "")", "\(policy.createdAt ?? "")"]
        }
        return Administration.page(
            "Policies", call,
            """
            \(Page.table(["Policy", "Kept in", "Version", "Saved"], rows, caption: "Guard policies", empty: "There are no policies."))
            \(part.links("/policies"))
            \(call.mayAsk(PolicyRoutes.row("Policies_Put")) ? fresh(DocumentDraft(text: Self.template), call) : nil)
            """)
    }

    // MARK: Drafts

    private func fresh(_ draft: DocumentDraft, _ call: ConsoleCall, problem: String? = nil, _ findings: PolicyFindings? = nil) -> HTML {
        """
        <h2>A new policy</h2>
        <p class="hint">In the shape of Azure's <code>raiPolicies</code>, with our own rules under <code>properties.sallyport</code>. One that names
        another as its <code>basePolicyName</code> says only what differs.</p>
        \(editor(draft, call, to: "/policies", problem: problem, findings))
        """
    }

    /// The form with the document, what is wrong with it, and what was found.
    private func editor(
        _ draft: DocumentDraft, _ call: ConsoleCall, to path: String, problem: String? = nil, _ findings: PolicyFindings? = nil
    ) -> HTML {
        """
        \(Page.problem(problem))
        \(findings.map { Self.found($0) })
        \(draft.form(
            call, to: path, name: "Name: letters, digits and . _ -",
            also: "<button class=\"quiet\" formaction=\"/check/policies\">Check without saving</button>"))
        """
    }

    static func found(_ findings: PolicyFindings) -> HTML {
        let notes: [HTML] = findings.notes.map { "<li>\($0)</li>" }
        let list: HTML? = notes.isEmpty ? nil : "<ul>\(notes)</ul>"
        return """
            <div class="note" role="status"><p>The document can be taken: \(findings.rules) rules, \(findings.blocklists) blocklists\
            \(findings.basedOn.map { ", based on \($0)" } ?? "").</p>\(list)</div>
            """
    }

    /// The place where a draft is worked on.
    private func again(
        _ draft: DocumentDraft, _ call: ConsoleCall, problem: String? = nil, status: Int = 200, _ findings: PolicyFindings? = nil
    ) -> ConsoleAnswer {
        guard draft.version != nil else {
            return Administration.page("Policies", call, status: status, fresh(draft, call, problem: problem, findings))
        }
        let path = Page.path("policies", draft.name)
        return Administration.page(
            draft.name, call, status: status,
            """
            \(editor(draft, call, to: path, problem: problem, findings))
            <p><a href="\(path)">What is in force</a></p>
            """)
    }

    private func check(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let draft = try DocumentDraft(call)
        return try await Self.telling {
            let findings: PolicyFindings = try await policies.told(
                "Policies_Check", call.sending(document: draft.text, naming: ["name": draft.name]))
            return again(draft, call, findings)
        } again: { refusal in
            again(draft, call, problem: refusal.message, status: refusal.status)
        }
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
            let answer = try await policies.answer(
                "Policies_Put", call.sending(document: draft.text, replacing: version, naming: ["name": draft.name]))
            return try Administration.settled(answer, to: Page.path("policies", draft.name), call)
        } again: { refusal in
            again(draft, call, problem: refusal.message, status: refusal.status)
        }
    }

    // MARK: One

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        let stored = try await policies.answer("Policies_Show", call)
        let text = Page.indented(String(buffer: stored.body))
        let version = stored.taggedVersion
        guard version > 0 else { return builtIn(name, text, call) }
        var problem: String?
        var findings: PolicyFindings?
        do {
            findings = try await policies.told("Policies_Check", call.sending(document: String(buffer: stored.body)))
        } catch let fault as Fault where fault.code == .invalidRequest {
            problem = "What is in force cannot be read: \(fault.message)"
        }
        let mayWrite = call.mayAsk(PolicyRoutes.row("Policies_Put"))
        let document: HTML =
            mayWrite
            ? editor(
                DocumentDraft(name: name, text: text, version: version), call, to: Page.path("policies", name), problem: problem, findings)
            : "\(Page.problem(problem))\(findings.map { Self.found($0) })<pre>\(text)</pre>"
        let delete: HTML? =
            call.mayAsk(PolicyRoutes.row("Policies_Delete"))
            ? Page.fold(
                "Delete",
                """
                <p>Its versions stay, so that records that name them can be read. What others are based on, or a deployment names, is not deleted.</p>
                \(Page.form(Page.path("policies", name, "delete"), call, button: "Delete the policy", isQuiet: true))
                """) : nil
        return Administration.page(
            name, call,
            """
            <p>Version \(version) is in force. <a href="\(Page.path("policies", name, "versions"))">All versions</a></p>
            \(document)
            \(delete)
            """)
    }

    private func builtIn(_ name: String, _ text: String, _ call: ConsoleCall) -> ConsoleAnswer {
        Administration.page(
            name, call,
            """
            <p>It is built in. A policy of yours can be based on it; one of the same name takes its place.</p>
            <pre>\(text)</pre>
            """)
    }

    private func delete(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: Page.path("policies", call.parameter("name"))) {
            try Administration.settled(try await policies.answer("Policies_Delete", call), to: "/policies", call)
        }
    }

    // MARK: Versions

    private func versions(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        let all: [PolicyRoutes.Former] = try await policies.list("Policies_Versions", call)
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let rows: [[HTML]] = part.rows(of: all).map { one in
            [
                "<a href=\"\(Page.path("policies", name, "versions", "\(one.version)"))\">Version \(one.version)</a>", "\(one.createdAt)",
                one.current ? "in force" : "",
            ]
        }
        let path = Page.path("policies", name, "versions")
        return Administration.page(
            "Versions of \(name)", call,
            """
            \(Page.table(["Version", "Saved", ""], rows, caption: "The newest first", empty: "There are no versions."))
            \(part.links(path))
            """)
    }

    private func former(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (name, version) = (try call.parameter("name"), try call.parameter("version"))
        let document = try await policies.answer("Policies_Version", call)
        let all: [PolicyRoutes.Former] = try await policies.list("Policies_Versions", call)
        let isCurrent = all.contains { $0.current && "\($0.version)" == version }
        let restore: HTML? =
            !isCurrent && call.mayAsk(PolicyRoutes.row("Policies_Put"))
            ? Page.fold(
                "Bring it back",
                Page.form(Page.path("policies", name, "versions", version, "restore"), call, button: "Save it as the newest version"))
            : nil
        return Administration.page(
            "\(name), version \(version)", call,
            """
            <p>\(isCurrent ? "It is in force." : "It is not in force.") <a href="\(Page.path("policies", name, "versions"))">All versions</a></p>
            <pre>\(Page.indented(String(buffer: document.body)))</pre>
            \(restore)
            """)
    }

    /// A former version as the newest: it is judged anew, beside what there is now.
    private func restore(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (name, version) = (try call.parameter("name"), try call.parameter("version"))
        return try await Self.leadingBack(to: Page.path("policies", name, "versions", version)) {
            let document = try await policies.answer("Policies_Version", call)
            let answer = try await policies.answer("Policies_Put", call.sending(document: String(buffer: document.body)))
            return try Administration.settled(answer, to: Page.path("policies", name), call)
        }
    }
}
