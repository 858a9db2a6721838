import SallyportCore
import SallyportIdentity
import SallyportOversight

/// Requests of data subjects for the officer, and what everybody may do about his own data.
package struct PrivacyPages: ConsoleRouteGroup {
    let privacy: PrivacyRoutes

    package init(_ privacy: PrivacyRoutes) { self.privacy = privacy }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/privacy", as: PrivacyRoutes.row("Privacy_Requests"), page),
        .page("POST", "/privacy", as: PrivacyRoutes.row("Privacy_Open"), open),
        .page("GET", "/privacy/{id}", as: PrivacyRoutes.row("Privacy_Request"), show),
        .page(
            "POST", "/privacy/{id}/verify", as: PrivacyRoutes.row("Privacy_Verify"),
            done("Privacy_Verify", by: \.privacy, sending: ["method"], to: "/privacy/{id}")),
        .page(
            "POST", "/privacy/{id}/search", as: PrivacyRoutes.row("Privacy_Search"),
            done("Privacy_Search", by: \.privacy, sending: [], to: "/privacy/{id}")),
        .page(
            "POST", "/privacy/{id}/extend", as: PrivacyRoutes.row("Privacy_Extend"),
            done("Privacy_Extend", by: \.privacy, sending: ["reason"], to: "/privacy/{id}")),
        .page("POST", "/privacy/{id}/refuse", as: PrivacyRoutes.row("Privacy_Refuse"), refuse),
        .page("POST", "/privacy/{id}/fulfil", as: PrivacyRoutes.row("Privacy_Fulfil"), fulfil),
        .page("GET", "/my/privacy", as: PrivacyRoutes.row("My_Consents"), mine),
        .page("POST", "/my/privacy/requests", as: PrivacyRoutes.row("My_Request"), openOwn),
        .page("POST", "/my/privacy/withdraw", as: PrivacyRoutes.row("My_Withdraw"), withdraw),
        .page("POST", "/my/privacy/notices/{name}/acknowledge", as: PrivacyRoutes.row("My_Acknowledge"), acknowledge),
    ]

    private typealias Request = PrivacyDocuments.RequestShown

    private static let kinds = SubjectRequest.Kind.allCases.map(\.rawValue)

    // MARK: The officer

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let requests: [Request] = try await privacy.list("Privacy_Requests", call)
        let rows: [[HTML]] = requests.sorted { ($0.isOpen ? 0 : 1, $0.dueAt) < ($1.isOpen ? 0 : 1, $1.dueAt) }.map { request in
            [
                "<a href=\"\(Page.path("privacy", request.id))\">\(request.kind)</a>", Page.code(request.subject), "\(request.status)",
                "\(request.receivedAt)", "\(request.due)", "\(request.handledBy ?? "")",
            ]
        }
        let form: HTML? =
            call.mayAsk(PrivacyRoutes.row("Privacy_Open"))
            ? """
            <h2>A new request</h2>
            \(Page.form(
                "/privacy", call, button: "Open it",
                """
                \(Page.choice("What is asked for", "kind", Self.kinds))
                \(Page.input("Whose data: a principal's id, or its pseudonym", "subject", isRequired: true))
                \(Page.input("In detail (an objection: the purpose)", "detail", maximum: 2048))
                \(Page.input("Received on; empty: today", "received", hint: "2027-01-31", maximum: 32))
                """))
            """ : nil
        return Administration.page(
            "Privacy requests", call,
            """
            \(Page.table(["Request", "Subject", "Status", "Received", "Due", "Handled by"], rows, empty: "Nobody has asked for anything."))
            \(form)
            """)
    }

    private func open(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let made: Request = try await privacy.told(
            "Privacy_Open", call.sending(Fields(call).members(["kind", "subject", "detail", "received"])))
        return .redirect(to: Page.path("privacy", made.id))
    }

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let request: Request = try await privacy.told("Privacy_Request", call)
        let found: [[HTML]] = request.findings.map { ["\($0.store)", "\($0.count)"] }
        let outcomes: [[HTML]] = request.outcomes.map {
            ["\($0.store)", "\($0.removed)", "\($0.kept)", "\($0.corrected ?? 0)", "\($0.why ?? "")"]
        }
        return Administration.page(
            "\(request.kind) for \(request.subject)", call,
            """
            \(Page.facts([
                ("Status", request.status), ("Pseudonym", request.pseudonym), ("In detail", request.detail),
                ("Received", request.receivedAt), ("Due", request.isOpen ? request.due : nil), ("Extended because", request.extendedBecause),
                ("Identity", request.identityMethod.map { "\($0), checked by \(request.identityCheckedBy ?? "")" }),
                ("Refused because", request.refusal), ("Closed", request.closedAt), ("Handled by", request.handledBy),
                ("Report", request.reportDigest.map { "sha256:\($0)" }),
            ]))
            \(request.isOpen ? acts(request, call) : nil)
            <h2>Found</h2>
            \(Page.table(["Store", "Entries"], found, empty: "Nothing, or not searched yet."))
            <h2>Done</h2>
            \(Page.table(["Store", "Removed", "Kept", "Put right", ""], outcomes, empty: "Nothing yet."))
            """)
    }

    private func acts(_ request: Request, _ call: ConsoleCall) -> HTML? {
        guard call.mayAsk(PrivacyRoutes.row("Privacy_Verify")) else { return nil }
        func form(_ act: String, _ button: String, _ fields: HTML = "") -> HTML {
            Page.form(Page.path("privacy", request.id, act), call, button: button, fields)
        }
        let next: HTML? =
            switch request.status {
            case "received":
                form("verify", "The identity is checked", Page.input("How it was checked", "method", isRequired: true, maximum: 256))
            case "verified": form("search", "Look through every store")
            case "searched" where call.mayAsk(PrivacyRoutes.row("Privacy_Fulfil")):
                Page.fold("Do what was asked for", form("fulfil", "Do it, and download the signed report", corrections(request)))
            default: nil
            }
        return """
            \(next)
            \(Page.fold("More time", form("extend", "Two more months", Page.input("Why", "reason", isRequired: true, maximum: 2048))))
            \(Page.fold("Refuse", form("refuse", "Refuse it", Page.input("Why", "reason", isRequired: true, maximum: 2048))))
            """
    }

    private func corrections(_ request: Request) -> HTML {
        guard request.kind == SubjectRequest.Kind.rectification.rawValue else { return "" }
        return """
            \(Page.input("What is put right in place; empty: the correction stands beside it", "field", hint: "account.display_name", maximum: 128))
            \(Page.input("What is right", "value", maximum: 256))
            """
    }

    private struct Corrections: Encodable {
        struct Correction: Encodable {
            let store: String
            let field: String
            let value: String
        }
        let corrections: [Correction]
    }

    private func refuse(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        Self.download(try await privacy.answer("Privacy_Refuse", call.sending(Fields(call).members(["reason"]))))
    }

    /// The answer is the report: it is kept nowhere else.
    private static func download(_ report: ConsoleAnswer) -> ConsoleAnswer {
        report.adding("content-disposition", "attachment; filename=\"report.txt\"")
    }

    private func fulfil(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let fields = try Fields(call)
        var corrections: [Corrections.Correction] = []
        if let field = fields["field"] {
            let names = field.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard names.count == 2, let value = fields["value"] else {
                throw Fault(.invalidRequest, "A correction names STORE.FIELD, and what is right.")
            }
            corrections = [Corrections.Correction(store: names[0], field: names[1], value: value)]
        }
        return Self.download(try await privacy.answer("Privacy_Fulfil", call.sending(Corrections(corrections: corrections))))
    }

    // MARK: One's own

    private func mine(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let consents: [PrivacyDocuments.ConsentShown] = try await privacy.list("My_Consents", call)
        let requests: [Request] = try await privacy.list("My_Requests", call)
        let notices: [PrivacyDocuments.NoticeText] = try await privacy.list("Privacy_Notices", call)
        let agreed: [[HTML]] = consents.map { one in
            let withdraw: HTML? =
                one.withdrawnAt == nil && one.kind == "consent"
                ? Page.form(
                    "/my/privacy/withdraw", call, button: "Withdraw", isQuiet: true,
                    "<input type=\"hidden\" name=\"purpose\" value=\"\(one.purpose)\">") : nil
            return ["\(one.kind)", "\(one.purpose)", "\(one.version)", "\(one.givenAt)", "\(one.withdrawnAt ?? "")", "\(withdraw)"]
        }
        let asked: [[HTML]] = requests.map { request in
            ["\(request.kind)", "\(request.status)", "\(request.receivedAt)", "\(request.due)", "\(request.refusal ?? "")"]
        }
        let newest = Dictionary(notices.map { ($0.name, $0) }) { $0.version > $1.version ? $0 : $1 }
        let texts: [HTML] = newest.values.sorted { $0.name < $1.name }.map { notice in
            Page.fold(
                "\(notice.name), version \(notice.version) of \(notice.publishedAt)",
                """
                <pre>\(notice.text)</pre>
                \(Page.form(Page.path("my", "privacy", "notices", notice.name, "acknowledge"), call, button: "I have taken note"))
                """)
        }
        return Administration.page(
            "Your data", call,
            """
            <h2>What you asked for</h2>
            \(Page.table(["Request", "Status", "Received", "Due", "Refused because"], asked, empty: "You have asked for nothing."))
            \(Page.fold(
                "Ask",
                Page.form(
                    "/my/privacy/requests", call, button: "Ask",
                    """
                    \(Page.choice("For", "kind", Self.kinds))
                    \(Page.input("In detail (an objection: the purpose; a rectification: what is right)", "detail", maximum: 2048))
                    """)))
            <h2>What you agreed to</h2>
            \(Page.table(["Kind", "Purpose", "Version", "Given", "Withdrawn", ""], agreed, empty: "You have agreed to nothing."))
            <h2>Privacy notices</h2>
            \(texts)
            """)
    }

    private func openOwn(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        _ = try await privacy.answer("My_Request", call.sending(Fields(call).members(["kind", "detail"])))
        return .redirect(to: "/my/privacy")
    }

    private func withdraw(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        _ = try await privacy.answer("My_Withdraw", call.sending(Fields(call).members(["purpose"])))
        return .redirect(to: "/my/privacy")
    }

    private func acknowledge(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        _ = try await privacy.answer("My_Acknowledge", call.sending([String: Int]()))
        return .redirect(to: "/my/privacy")
    }
}

extension PrivacyDocuments.RequestShown {
    fileprivate var isOpen: Bool { closedAt == nil }
    fileprivate var due: String { isOpen ? "\(dueAt)\(overdue ? " (overdue)" : "")" : "" }
}
