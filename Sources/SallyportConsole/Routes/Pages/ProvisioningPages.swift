import SallyportCore
import SallyportIdentity

/// Provisioning, for people: who and what an identity provider has told of, and the keys that it calls with.
package struct ProvisioningPages: ConsoleRouteGroup {
    let provisioning: ProvisioningRoutes
    let keys: KeyRoutes

    package init(_ provisioning: ProvisioningRoutes, keys: KeyRoutes) {
        self.provisioning = provisioning
        self.keys = keys
    }

    private static let role = "scim-provisioner"

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/provisioning", as: ProvisioningRoutes.row("Provisioning_Show"), page),
        .page("GET", "/provisioning/users", as: ProvisioningRoutes.row("Provisioning_Users"), users),
        .page("GET", "/provisioning/groups", as: ProvisioningRoutes.row("Provisioning_Groups"), groups),
        .page("GET", "/provisioning/groups/{id}", as: ProvisioningRoutes.row("Provisioning_Group"), group),
        .page("POST", "/provisioning/keys", as: KeyRoutes.row("Keys_Create"), create),
        .page("POST", "/provisioning/keys/{id}/rotate", as: KeyRoutes.row("Keys_Rotate"), rotate),
        .page(
            "POST", "/provisioning/keys/{id}/revoke", as: KeyRoutes.row("Keys_Revoke"), done("Keys_Revoke", by: \.keys, to: "/provisioning")
        ),
    ]

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let summary: ProvisioningDocuments.Summary = try await provisioning.told("Provisioning_Show", call)
        let hint: HTML? =
            summary.issuer == nil
            ? """
            <p class="note">No issuer is named in <code>provisioning.issuer</code>: people who are provisioned are told apart from those who sign
            in with tokens. Name the issuer, and they are the same.</p>
            """ : nil
        return Administration.page(
            "Provisioning", call,
            """
            <p class="hint">An identity provider brings people and groups by SCIM 2.0. Who is set inactive or deleted there leaves here in the same
            moment: keys, tokens, sessions and elevations end.</p>
            \(hint)
            \(Page.facts([
                ("Address for the identity provider", summary.endpoint), ("Issuer", summary.issuer ?? "none"),
                ("Principals are named", "\(summary.namespace):\(summary.principal)"),
            ]))
            <ul><li><a href="/provisioning/users">\(summary.users) people</a>, \(summary.activeUsers) of them active</li>
            <li><a href="/provisioning/groups">\(summary.groups) groups</a></li></ul>
            \(try await credentials(call))
            """)
    }

    // MARK: Keys

    /// For who may see keys. What they are and may do is the matter of the routes of keys.
    private func credentials(_ call: ConsoleCall) async throws -> HTML? {
        guard call.mayAsk(KeyRoutes.row("Keys_List")) else { return nil }
        let all: [KeyDocument] = try await keys.list("Keys_List", call).filter { (key: KeyDocument) in key.roles.contains(Self.role) }
        let part = ListPage(try ListPage.asked(call), of: all.count)
        let acts = KeyPages.acts(below: "/provisioning/keys", call)
        let rows: [[HTML]] = part.rows(of: all).map { key in
            let isLive = key.isLive(at: call.now)
            return [
                "\(key.name)<br>\(Page.code(key.id))", "\(key.from?.joined(separator: ", ") ?? "anywhere")", "\(key.expiresAt ?? "never")",
                "\(key.lastUsedAt ?? "never")", isLive ? "live" : key.revokedAt == nil ? "expired" : "revoked", "\(acts(key))",
            ]
        }
        return """
            <h2>Keys</h2>
            \(Page.table(
                ["Key", "From", "Ends", "Last used", "State", ""], rows, caption: "Keys with the role \(Self.role)",
                empty: "The identity provider has no key yet."))
            \(part.links("/provisioning"))
            \(call.mayAsk(KeyRoutes.row("Keys_Create")) ? form(call) : nil)
            """
    }

    private func form(_ call: ConsoleCall, problem: String? = nil, said: Fields? = nil) -> HTML {
        """
        <h2>A key for the identity provider</h2>
        \(Page.problem(problem))
        \(Page.form(
            "/provisioning/keys", call, button: "Make it",
            """
            \(Page.input("Name", "name", isRequired: true, hint: "entra", value: said?["name"] ?? "", maximum: 128))
            \(Page.input("Only from these networks", "from", hint: "anywhere", value: said?["from"] ?? ""))
            \(Page.input("Ends after, or at", "expires", hint: "180d", value: said?["expires"] ?? "", maximum: 32))
            """))
        """
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let fields = try Fields(call)
        return try await Self.telling {
            var members = try fields.members(["name", "expires"], lists: ["from"])
            // It may provision, and nothing else.
            members["roles"] = .list([Self.role])
            return KeyPages.shown(try await keys.told("Keys_Create", call.sending(members)), back: "/provisioning", call)
        } again: { refusal in
            Administration.page("Provisioning", call, status: refusal.status, form(call, problem: refusal.message, said: fields))
        }
    }

    private func rotate(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        try await Self.leadingBack(to: "/provisioning") {
            let next: KeyDocument = try await keys.told("Keys_Rotate", call.sending(Fields(call).members(["overlap"])))
            return KeyPages.shown(next, back: "/provisioning", call)
        }
    }

    // MARK: People and groups

    /// The part of a list that a page shows, and the page's number; beyond the end, the last.
    private func part<Row>(_ operation: String, _ call: ConsoleCall, of type: Row.Type) async throws -> (
        rows: [Row], page: ListPage, sought: String?
    ) where Row: Codable & Sendable {
        let (asked, sought) = (try ListPage.asked(call), try call.sought())
        func told(_ skip: Int) async throws -> ProvisioningDocuments.Part<Row> {
            let find = sought.map { [(name: "find", value: $0)] } ?? []
            return try await provisioning.told(
                operation, call.asking(find + [(name: "skip", value: "\(skip)"), (name: "top", value: "\(ListPage.size)")]))
        }
        let first = try await told((asked - 1) * ListPage.size)
        let page = ListPage(asked, of: first.total)
        return (page.number == asked ? first.value : try await told(page.skip).value, page, sought)
    }

    private func users(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (users, page, sought) = try await part("Provisioning_Users", call, of: ProvisioningDocuments.User.self)
        let rows: [[HTML]] = users.map { user in
            let name: HTML? = user.displayName.map { "<br>\($0)" }
            return [
                "\(user.userName)\(name)", Page.code("user:\(user.principal)"), "\(user.externalId ?? "")",
                user.active ? "active" : "inactive: its keys and tokens have ended", "\(user.groups.joined(separator: ", "))",
                "\(user.modifiedAt)",
            ]
        }
        let stop: HTML? =
            call.mayAsk(AccessRoutes.row("Principals_Disable"))
            ? "<p class=\"hint\">To stop somebody before the identity provider does: <a href=\"/access\">disable the principal</a>.</p>"
            : nil
        return Administration.page(
            "People who were provisioned", call,
            """
            \(Page.finder("/provisioning/users", "Find by name or principal", sought))
            \(Page.table(
                ["Person", "Principal", "Id at the provider", "State", "Groups", "Changed"], rows, caption: "\(page.total) people",
                empty: sought == nil
                    ? "Nobody was provisioned yet: give the identity provider the address and a key (<a href=\"/provisioning\">Provisioning</a>)."
                    : "Nobody's name or principal has that in it."))
            \(page.links("/provisioning/users", sought.map { [(name: "find", value: $0)] } ?? []))
            \(stop)
            """)
    }

    private func groups(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let (groups, page, sought) = try await part("Provisioning_Groups", call, of: ProvisioningDocuments.Group.self)
        let rows: [[HTML]] = groups.map { group in
            [
                "<a href=\"\(Page.path("provisioning", "groups", group.id))\">\(group.displayName)</a>", Page.code(group.reference),
                "\(group.members)", "\(group.modifiedAt)",
            ]
        }
        return Administration.page(
            "Groups that were provisioned", call,
            """
            \(Page.finder("/provisioning/groups", "Find by name", sought))
            \(Page.table(
                ["Group", "In role assignments", "Members", "Changed"], rows, caption: "\(page.total) groups",
                empty: sought == nil ? "No group was provisioned yet." : "No group's name has that in it."))
            \(page.links("/provisioning/groups", sought.map { [(name: "find", value: $0)] } ?? []))
            """)
    }

    private func group(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let found: ProvisioningDocuments.GroupMembers = try await provisioning.told("Provisioning_Group", call)
        let part = ListPage(try ListPage.asked(call), of: found.members.count)
        let rows: [[HTML]] = part.rows(of: found.members).map { member in
            let state: HTML =
                switch (member.kind, member.active) {
                case ("user", true): "active"
                case ("user", _): "inactive"
                case ("group", _): "a group"
                default: "gone"
                }
            let principal = member.principal.map { member.kind == "user" ? "user:\($0)" : $0 }
            return ["\(member.name ?? member.id)", Page.code(principal ?? ""), state]
        }
        return Administration.page(
            "Group \(found.group.displayName)", call,
            """
            \(Page.facts([
                ("In role assignments", found.group.reference), ("Id at the provider", found.group.externalId),
                ("Changed", found.group.modifiedAt),
            ]))
            \(Page.table(["Member", "Principal", "State"], rows, caption: "Members: \(found.members.count)", empty: "Nobody is in it."))
            \(part.links(Page.path("provisioning", "groups", found.group.id)))
            <p><a href="/provisioning/groups">All groups</a></p>
            """)
    }
}
