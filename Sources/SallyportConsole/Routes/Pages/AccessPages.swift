import SallyportCore
import SallyportIdentity

/// Who holds which role where, and who is disabled, for people.
package struct AccessPages: ConsoleRouteGroup {
    let access: AccessRoutes

    package init(_ access: AccessRoutes) { self.access = access }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/access", as: AccessRoutes.row("RoleAssignments_List"), page),
        .page("POST", "/access", as: AccessRoutes.row("RoleAssignments_Create"), add),
        .page(
            "POST", "/access/{id}/remove", as: AccessRoutes.row("RoleAssignments_Delete"),
            done("RoleAssignments_Delete", by: \.access, to: "/access")),
        .page(
            "POST", "/access/disable", as: AccessRoutes.row("Principals_Disable"),
            done("Principals_Disable", by: \.access, sending: ["principal", "note"], to: "/access")),
        .page(
            "POST", "/access/enable", as: AccessRoutes.row("Principals_Enable"),
            done("Principals_Enable", by: \.access, sending: ["principal"], to: "/access")),
    ]

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let assignments: [AccessDocuments.Assignment] = try await access.list("RoleAssignments_List", call)
        let roles: [AccessDocuments.Definition] = try await access.list("Roles_List", call)
        let revoked: [AccessDocuments.Revoked] = try await access.list("Principals_List", call).filter { (one: AccessDocuments.Revoked) in
            one.kind == "principal"
        }
        let mayRemove = call.mayAsk(AccessRoutes.row("RoleAssignments_Delete"))
        let rows: [[HTML]] = assignments.map { one in
            let remove: HTML? =
                mayRemove && one.source == "store"
                ? Page.fold("Remove", Page.form(Page.path("access", one.id, "remove"), call, button: "Take it away", isQuiet: true)) : nil
            return [
                Page.code(one.principal), "\(one.role)", "\(one.scope)", "\(one.effect)", "\(one.condition ?? "")",
                "\(one.expiresAt ?? "never")", "\(one.note ?? "")", remove ?? "\(one.source)",
            ]
        }
        return Administration.page(
            "Access", call,
            """
            \(Page.table(["Who", "Role", "Where", "Effect", "On condition", "Ends", "Note", ""], rows, empty: "Nobody holds a role."))
            \(form(roles.map(\.name), call))
            <h2>Disabled</h2>
            \(disabledTable(revoked, call))
            """)
    }

    private func form(_ roles: [String], _ call: ConsoleCall) -> HTML? {
        guard call.mayAsk(AccessRoutes.row("RoleAssignments_Create")) else { return nil }
        let fields: HTML = """
            \(Page.input("Who", "principal", isRequired: true, hint: "user:local:ann, group:…, service:…, key:…"))
            \(Page.choice("Role", "role", roles))
            \(Page.input("Where", "scope", hint: "/, /projects/NAME, /deployments/NAME, /indexes/NAME"))
            \(Page.choice("Effect", "effect", ["allow", "deny"]))
            \(Page.input("Only on this condition", "condition", hint: #"network in ["10.0.0.0/8"]"#, maximum: 1024))
            \(Page.input("Ends after, or at", "expires", hint: "30d", maximum: 32))
            \(Page.input("Note", "note"))
            """
        return "<h2>Give a role</h2>\(Page.form("/access", call, button: "Give it", fields))"
    }

    private func disabledTable(_ revoked: [AccessDocuments.Revoked], _ call: ConsoleCall) -> HTML {
        let mayEnable = call.mayAsk(AccessRoutes.row("Principals_Enable"))
        let rows: [[HTML]] = revoked.map { one in
            let hidden: HTML = "<input type=\"hidden\" name=\"principal\" value=\"\(one.subject)\">"
            let enable: HTML? = mayEnable ? Page.form("/access/enable", call, button: "Enable", isQuiet: true, hidden) : nil
            return [Page.code(one.subject), "\(one.createdAt)", "\(one.note ?? "")", "\(enable)"]
        }
        let form: HTML? =
            call.mayAsk(AccessRoutes.row("Principals_Disable"))
            ? Page.fold(
                "Disable somebody: keys, tokens and sessions end within a second",
                Page.form(
                    "/access/disable", call, button: "Disable",
                    """
                    \(Page.input("Principal", "principal", isRequired: true, hint: "local:ann"))
                    \(Page.input("Why", "note"))
                    """)) : nil
        return "\(Page.table(["Who", "Since", "Why", ""], rows, empty: "Nobody is disabled."))\(form)"
    }

    private func add(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let members = try Fields(call).members(["principal", "role", "scope", "effect", "condition", "expires", "note"])
        _ = try await access.answer("RoleAssignments_Create", call.sending(members))
        return .redirect(to: "/access")
    }

}
