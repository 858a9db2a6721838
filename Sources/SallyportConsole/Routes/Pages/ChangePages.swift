import SallyportCore
import SallyportIdentity

/// Changes that wait for a second person, for people.
package struct ChangePages: ConsoleRouteGroup {
    let changes: ChangeRoutes

    package init(_ changes: ChangeRoutes) { self.changes = changes }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/changes", as: ChangeRoutes.row("Changes_List"), page),
        .page("GET", "/changes/{id}", as: ChangeRoutes.row("Changes_Show"), show),
        .page(
            "POST", "/changes/{id}/approve", as: ChangeRoutes.row("Changes_Approve"), done("Changes_Approve", by: \.changes, to: "/changes")
        ),
        .page(
            "POST", "/changes/{id}/reject", as: ChangeRoutes.row("Changes_Reject"), done("Changes_Reject", by: \.changes, to: "/changes")),
    ]

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let changes: [ConditionalDocuments.Change] = try await changes.list("Changes_List", call)
        let rows: [[HTML]] = changes.map { change in
            let look: HTML = "<a href=\"\(Page.path("changes", change.id))\">Look</a>"
            return [
                "\(change.act)", "\(change.target)", "\(change.state)", Page.code(change.requestedBy), "\(change.requestedAt)",
                "\(change.decidedBy ?? "")", change.state == "pending" ? look : "",
            ]
        }
        return Administration.page(
            "Changes", call,
            Page.table(["Act", "On", "State", "Asked by", "Asked", "Decided by", ""], rows, empty: "No change waits for a second person."))
    }

    /// What one lets happen, one must have seen.
    private func show(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let known: [ConditionalDocuments.Change] = try await changes.list("Changes_List", call)
        let content = try await changes.answer("Changes_Show", call)
        guard let change = known.first(where: { $0.id == id }) else { throw Fault(.notFound, "There is no such change.") }
        let isOwn = change.requestedBy == (try call.caller().id.rawValue)
        let acts: HTML? =
            change.state == "pending" && !isOwn && call.mayAsk(ChangeRoutes.row("Changes_Approve"))
            ? """
            \(Page.form(Page.path("changes", id, "approve"), call, button: "Let it happen"))
            \(Page.form(Page.path("changes", id, "reject"), call, button: "Reject it", isQuiet: true))
            """ : nil
        return Administration.page(
            "\(change.act) \(change.target)", call,
            """
            <p>Asked by \(Page.code(change.requestedBy)) at \(change.requestedAt): \(change.state).</p>
            <pre>\(String(buffer: content.body))</pre>
            \(acts)
            """)
    }
}
