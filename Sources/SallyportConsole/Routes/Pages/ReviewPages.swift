import SallyportCore
import SallyportIdentity

/// Access reviews, for those who hold them and for reviewers.
package struct ReviewPages: ConsoleRouteGroup {
    let reviews: ReviewRoutes

    package init(_ reviews: ReviewRoutes) { self.reviews = reviews }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/reviews", as: ReviewRoutes.row("Reviews_List"), page),
        .page("POST", "/reviews", as: ReviewRoutes.row("Reviews_Create"), create),
        .page("GET", "/reviews/{id}", as: ReviewRoutes.row("Reviews_Show"), show),
        .page("POST", "/reviews/{id}/start", as: ReviewRoutes.row("Reviews_Start"), start),
        .page(
            "POST", "/reviews/{id}/close", as: ReviewRoutes.row("Reviews_Close"), done("Reviews_Close", by: \.reviews, to: "/reviews/{id}")),
        .page(
            "POST", "/reviews/{id}/apply", as: ReviewRoutes.row("Reviews_Apply"), done("Reviews_Apply", by: \.reviews, to: "/reviews/{id}")),
        .page("POST", "/reviews/{id}/export", as: ReviewRoutes.row("Reviews_Export"), export),
        .page("GET", "/my/reviews", as: ReviewRoutes.row("Reviews_Mine"), mine),
        .page("POST", "/my/reviews/{id}/items/{item}", as: ReviewRoutes.row("Reviews_Decide"), decide),
    ]

    private typealias Review = GovernanceDocuments.Review
    private typealias Preview = GovernanceDocuments.Preview

    // MARK: Those who hold reviews

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let reviews: [Review] = try await reviews.list("Reviews_List", call)
        let rows: [[HTML]] = reviews.map { review in
            [
                "<a href=\"\(Page.path("reviews", review.id))\">\(review.name)</a>", "\(review.status)", "\(review.endsAt)",
                "\(review.reviewers.joined(separator: ", "))", "\(review.onSilence == "remove" ? "is removed" : "is kept")",
            ]
        }
        return Administration.page(
            "Access reviews", call,
            """
            \(Page.table(["Review", "Status", "Ends", "Reviewers", "What nobody answers for"], rows, empty: "There are no reviews."))
            \(form(call))
            """)
    }

    private func form(_ call: ConsoleCall) -> HTML? {
        guard call.mayAsk(ReviewRoutes.row("Reviews_Create")) else { return nil }
        let fields: HTML = """
            \(Page.input("Name", "name", isRequired: true, maximum: 128))
            \(Page.input("Reviewers", "reviewers", isRequired: true, hint: "user:local:ann, group:…"))
            \(Page.input("Who may decide too when half of the time is over", "fallbackReviewers"))
            \(Page.input("Ends after, or at", "ends", hint: "14d", maximum: 32))
            \(Page.input("Kinds", "kinds", hint: "user, service, group, key"))
            \(Page.input("Only these roles", "roles", hint: "all"))
            \(Page.input("Days without use that make access doubtful", "lookBackDays", hint: "90", maximum: 3))
            \(Page.input("Begin anew so many days after its end", "recursAfterDays", hint: "not", maximum: 4))
            \(Page.box("What is approved needs a reason", "requireReason"))
            \(Page.box("Carry decisions out when the time is over", "applyAtEnd"))
            \(Page.box("Remove what nobody answers for (after a preview, never from break-glass accounts)", "removeUnanswered"))
            """
        return "<h2>A new review</h2>\(Page.form("/reviews", call, button: "Begin", fields))"
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let members = try Fields(call).members(
            ["name", "ends"], lists: ["reviewers", "fallbackReviewers", "kinds", "roles"],
            flags: ["requireReason", "applyAtEnd", "removeUnanswered"], numbers: ["lookBackDays", "recursAfterDays"])
        let made: Review = try await reviews.told("Reviews_Create", call.sending(members))
        return .redirect(to: Page.path("reviews", made.id))
    }

    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let review: Review = try await reviews.told("Reviews_Show", call)
        let preview: Preview? = review.status == "applied" ? nil : try await reviews.told("Reviews_Preview", call)
        let rows: [[HTML]] = (review.items ?? []).map { item in
            [
                Page.code(item.subject), "\(item.summary)", "\(item.evidence)", "\(item.danger)", "\(item.recommendation)",
                "\(item.answer)", "\(item.result ?? "")",
            ]
        }
        return Administration.page(
            review.name, call,
            """
            \(Page.facts([
                ("Status", review.status), ("Ends", review.endsAt), ("Reviewers", review.reviewers.joined(separator: ", ")),
                ("Later also", review.fallbackReviewers.isEmpty ? nil : review.fallbackReviewers.joined(separator: ", ")),
                ("What nobody answers for", review.onSilence == "remove" ? "is removed" : "is kept"),
                ("At the end", review.appliesAtEnd ? "decisions are carried out by themselves" : "somebody carries decisions out"),
                ("Made by", review.createdBy),
            ]))
            \(acts(review, preview, call))
            <h2>Items</h2>
            \(Page.table(["Whose", "What", "Evidence", "Risk", "Advice", "Decision", "Result"], rows, empty: "There is nothing to review."))
            \(preview.map(shown))
            """)
    }

    private func shown(_ preview: Preview) -> HTML {
        func table(_ lines: [Preview.Line]) -> HTML {
            Page.table(
                ["Whose", "What", "Why"], lines.map { [Page.code($0.subject), "\($0.summary)", "\($0.cause)"] }, empty: "Nothing.")
        }
        return """
            <h2>What its end would remove</h2>
            \(table(preview.removals))
            <h2>What it spares</h2>
            \(table(preview.spared))
            """
    }

    private func acts(_ review: Review, _ preview: Preview?, _ call: ConsoleCall) -> HTML {
        let mayWrite = call.mayAsk(ReviewRoutes.row("Reviews_Close"))
        func button(_ act: String, _ label: String, _ fields: HTML = "") -> HTML {
            Page.form(Page.path("reviews", review.id, act), call, button: label, isQuiet: true, fields)
        }
        let next: HTML? =
            switch review.status {
            case "draft":
                preview.map {
                    Page.fold(
                        "Begin, having seen what silence would remove",
                        button("start", "Begin", "<input type=\"hidden\" name=\"preview\" value=\"\($0.digest)\">"))
                }
            case "open": Page.fold("End it before its time", button("close", "End it"))
            case "closed": Page.fold("Carry the decisions out", button("apply", "Remove what is listed below"))
            default: nil
            }
        return "\(mayWrite ? next : nil)\(button("export", "Download the signed record"))"
    }

    private func start(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        _ = try await reviews.answer("Reviews_Start", call.sending(Fields(call).members(["preview"])))
        return .redirect(to: Page.path("reviews", try call.parameter("id")))
    }

    private func export(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await reviews.answer("Reviews_Export", call).adding("content-disposition", "attachment; filename=\"review.txt\"")
    }

    // MARK: Reviewers

    private func mine(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let reviews: [Review] = try await reviews.list("Reviews_Mine", call)
        let parts: [HTML] = reviews.map { review in
            let rows: [[HTML]] = (review.items ?? []).map { item in
                let form = Page.form(
                    Page.path("my", "reviews", review.id, "items", item.id), call, button: "Answer",
                    """
                    \(Page.choice("Decision", "decision", ["approve", "remove", "unsure"]))
                    \(Page.input("Why", "reason", isRequired: false, maximum: 2048))
                    """)
                return [
                    Page.code(item.subject), "\(item.summary)", "\(item.evidence)", "\(item.danger)", "\(item.recommendation)",
                    "\(item.answer)", Page.fold("Answer", form),
                ]
            }
            return """
                <h2>\(review.name)</h2>
                <p>Until \(review.endsAt). What nobody answers for \(review.onSilence == "remove" ? "is removed" : "is kept").
                \(review.requiresReason ? "What you approve needs a reason." : "")</p>
                \(Page.table(["Whose", "What", "Evidence", "Risk", "Advice", "Decision", ""], rows, empty: "There is nothing to review."))
                """
        }
        return Administration.page(
            "Your reviews", call, reviews.isEmpty ? "<p>No review waits for your answers.</p>" : "\(parts)")
    }

    private func decide(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        _ = try await reviews.answer("Reviews_Decide", call.sending(Fields(call).members(["decision", "reason"])))
        return .redirect(to: "/my/reviews")
    }
}

extension GovernanceDocuments.Item {
    fileprivate var evidence: String {
        [
            lastUsedAt.map { "last used \($0)" } ?? "never used", "\(uses) uses", denials > 0 ? "\(denials) in vain" : nil,
            "since \(createdAt)", expiresAt.map { "ends \($0)" } ?? "never ends", breakGlass ? "break-glass" : nil,
        ].compactMap(\.self).joined(separator: "; ")
    }

    fileprivate var danger: String { reasons.isEmpty ? risk : "\(risk): \(reasons.joined(separator: "; "))" }
    fileprivate var answer: String { [decision, reviewedBy.map { "by \($0)" }, reason].compactMap(\.self).joined(separator: " ") }
}
