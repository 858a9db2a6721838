import SallyportCore
import SallyportIdentity

/// Taking a role up for a while, and letting others, for people.
package struct ElevationPages: ConsoleRouteGroup {
    let elevations: ElevationRoutes

    package init(_ elevations: ElevationRoutes) { self.elevations = elevations }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/elevations", as: ElevationRoutes.row("Elevations_List"), page),
        .page("POST", "/elevations", as: ElevationRoutes.row("Elevations_Request"), request),
        .page(
            "POST", "/elevations/{id}/approve", as: ElevationRoutes.row("Elevations_Approve"),
            done("Elevations_Approve", by: \.elevations, to: "/elevations")),
        .page(
            "POST", "/elevations/{id}/deny", as: ElevationRoutes.row("Elevations_Deny"),
            done("Elevations_Deny", by: \.elevations, to: "/elevations")),
        .page(
            "POST", "/elevations/{id}/end", as: ElevationRoutes.row("Elevations_End"),
            done("Elevations_End", by: \.elevations, to: "/elevations")),
        .page("POST", "/elevations/eligible", as: ElevationRoutes.row("Eligible_Create"), add),
        .page(
            "POST", "/elevations/eligible/{id}/remove", as: ElevationRoutes.row("Eligible_Delete"),
            done("Eligible_Delete", by: \.elevations, to: "/elevations")),
    ]

    private typealias Eligible = ConditionalDocuments.Eligible

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let own: [Eligible] = try await elevations.list("Eligible_Own", call)
        let asked: [ConditionalDocuments.ElevationShown] = try await elevations.list("Elevations_List", call)
        let caller = try call.caller().id.rawValue
        let taken: [[HTML]] = own.map { one in
            let form = Page.form(
                "/elevations", call, button: "Ask for it",
                """
                <input type="hidden" name="eligible" value="\(one.id)">
                \(Page.input("Why", "reason", isRequired: true, maximum: 512))
                \(Page.input("For how long", "duration", hint: "\(one.maximumDuration / 60)m", maximum: 16))
                """)
            return ["\(one.role)", "\(one.scope)", "\(Self.terms(one))", Page.fold("Take it up", form)]
        }
        let rows: [[HTML]] = asked.map { one in
            func button(_ act: String, _ label: String) -> HTML {
                Page.form(Page.path("elevations", one.id, act), call, button: label, isQuiet: true)
            }
            let acts: HTML? =
                switch one.state {
                case "pending" where one.principal != caller: "\(button("approve", "Approve")) \(button("deny", "Deny"))"
                case "pending", "active": button("end", "End")
                default: nil
                }
            return [
                Page.code(one.principal), "\(one.role)", "\(one.scope)", "\(one.reason)", "\(one.state)", "\(one.requestedAt)",
                "\(one.decidedBy ?? "")", "\(one.endsAt ?? "")", "\(acts)",
            ]
        }
        return Administration.page(
            "Elevation", call,
            """
            <h2>What you may take up</h2>
            \(Page.table(["Role", "Where", "Terms", ""], taken, empty: "There is nothing for you to take up."))
            <h2>Asked for</h2>
            \(Page.table(
                ["Who", "Role", "Where", "Why", "State", "Asked", "Decided by", "Ends", ""], rows, empty: "Nobody has asked for anything."))
            \(try await eligible(call))
            """)
    }

    private static func terms(_ one: Eligible) -> String {
        [
            "up to \(one.maximumDuration / 60) minutes", one.needsMfa ? "second factor" : nil,
            one.needsApproval ? "approval\(one.approvers.isEmpty ? "" : " by \(one.approvers.joined(separator: ", "))")" : "no approval",
            one.note,
        ].compactMap(\.self).joined(separator: "; ")
    }

    /// Who may take up what, for those who look after it.
    private func eligible(_ call: ConsoleCall) async throws -> HTML? {
        guard call.mayAsk(ElevationRoutes.row("Eligible_List")) else { return nil }
        let eligible: [Eligible] = try await elevations.list("Eligible_List", call)
        let mayWrite = call.mayAsk(ElevationRoutes.row("Eligible_Create"))
        let rows: [[HTML]] = eligible.map { one in
            let remove: HTML? =
                mayWrite
                ? Page.fold(
                    "Remove", Page.form(Page.path("elevations", "eligible", one.id, "remove"), call, button: "Take it away", isQuiet: true))
                : nil
            return [Page.code(one.principal), "\(one.role)", "\(one.scope)", "\(Self.terms(one))", "\(remove)"]
        }
        let form: HTML? =
            mayWrite
            ? Page.fold(
                "Let somebody take up a role",
                Page.form(
                    "/elevations/eligible", call, button: "Let him",
                    """
                    \(Page.input("Who", "principal", isRequired: true, hint: "user:local:ann, group:…"))
                    \(Page.input("Role", "role", isRequired: true))
                    \(Page.input("Where", "scope", hint: "/"))
                    \(Page.input("For how long at most", "maximumDuration", hint: "8h", maximum: 16))
                    \(Page.input("Who may approve, besides those who hold the action", "approvers", hint: "user:local:bob"))
                    \(Page.input("Note", "note"))
                    """)) : nil
        return """
            <h2>Who may take up what</h2>
            \(Page.table(["Who", "Role", "Where", "Terms", ""], rows, empty: "Nobody may take up anything."))
            \(form)
            """
    }

    private func request(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        _ = try await elevations.answer("Elevations_Request", call.sending(Fields(call).members(["eligible", "reason", "duration"])))
        return .redirect(to: "/elevations")
    }

    private func add(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let members = try Fields(call).members(["principal", "role", "scope", "maximumDuration", "note"], lists: ["approvers"])
        _ = try await elevations.answer("Eligible_Create", call.sending(members))
        return .redirect(to: "/elevations")
    }
}
