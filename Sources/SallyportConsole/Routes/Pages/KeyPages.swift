import SallyportCore
import SallyportIdentity

/// API keys, for people.
package struct KeyPages: ConsoleRouteGroup {
    let keys: KeyRoutes

    package init(_ keys: KeyRoutes) { self.keys = keys }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/keys", as: KeyRoutes.row("Keys_List"), page),
        .page("POST", "/keys", as: KeyRoutes.row("Keys_Create"), create),
        .page("POST", "/keys/{id}/rotate", as: KeyRoutes.row("Keys_Rotate"), rotate),
        .page("POST", "/keys/{id}/revoke", as: KeyRoutes.row("Keys_Revoke"), done("Keys_Revoke", by: \.keys, to: "/keys")),
    ]

    private typealias Key = KeyDocument

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let keys: [Key] = try await keys.list("Keys_List", call)
        let acts = Self.acts(below: "/keys", call)
        let rows: [[HTML]] = keys.map { key in
            let isLive = key.isLive(at: call.now)
            let state = isLive ? (key.honey ? "honey" : "live") : key.revokedAt == nil ? "expired" : "revoked"
            return [
                "\(key.name)<br>\(Page.code(key.id))", Page.code(key.principal), "\(key.roles.joined(separator: ", "))",
                "\(key.deployments?.joined(separator: ", ") ?? "all")", "\(key.expiresAt ?? "never")", "\(key.lastUsedAt ?? "never")",
                "\(state)", "\(acts(key))",
            ]
        }
        let form: HTML? =
            call.mayAsk(KeyRoutes.row("Keys_Create"))
            ? """
            <h2>A new key</h2>
            \(Page.form(
                "/keys", call, button: "Make it",
                """
                \(Page.input("Name", "name", isRequired: true, maximum: 128))
                \(Page.input("Who it speaks for; empty: itself", "principal", hint: "app-7"))
                \(Page.input("Roles", "roles", hint: "model-user"))
                \(Page.input("Only these deployments", "deployments", hint: "all"))
                \(Page.input("Only from these networks", "from", hint: "10.0.0.0/8"))
                \(Page.input("Ends after, or at", "expires", hint: "90d", maximum: 32))
                """))
            """ : nil
        return Administration.page(
            "Keys", call,
            """
            \(Page.table(
                ["Key", "Speaks for", "Roles", "Deployments", "Ends", "Last used", "State", ""], rows, empty: "There are no keys."))
            \(form)
            """)
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let members = try Fields(call).members(["name", "principal", "expires"], lists: ["roles", "deployments", "from"])
        return Self.shown(try await keys.told("Keys_Create", call.sending(members)), call)
    }

    private func rotate(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        Self.shown(try await keys.told("Keys_Rotate", call.sending(Fields(call).members(["overlap"]))), call)
    }

    /// Ways to rotate and revoke a live key, for who may.
    /// - Parameter path: of the page's routes for that.
    static func acts(below path: String, _ call: ConsoleCall) -> (KeyDocument) -> HTML {
        let (mayRotate, mayRevoke) = (call.mayAsk(KeyRoutes.row("Keys_Rotate")), call.mayAsk(KeyRoutes.row("Keys_Revoke")))
        return { key in
            guard key.isLive(at: call.now) else { return "" }
            let own = "\(path)/\(Page.segment(key.id))"
            let rotate: HTML? =
                mayRotate
                ? Page.fold(
                    "Rotate",
                    Page.form(
                        "\(own)/rotate", call, button: "Make the next key",
                        Page.input("How long both work", "overlap", hint: "24h", maximum: 16))) : nil
            let revoke: HTML? =
                mayRevoke ? Page.fold("Revoke", Page.form("\(own)/revoke", call, button: "End it for good", isQuiet: true)) : nil
            return "\(rotate)\(revoke)"
        }
    }

    /// Right after it was made.
    static func shown(_ key: KeyDocument, back: String = "/keys", _ call: ConsoleCall) -> ConsoleAnswer {
        Administration.page(
            "The key \(key.name)", call,
            """
            <p>It is shown this once: only a hash of it is kept.</p>
            <p><code id="secret">\(key.secret ?? "")</code></p>
            <p><a class="button" href="\(back)">I have kept it</a></p>
            """)
    }
}

extension KeyDocument {
    func isLive(at now: Int64) -> Bool {
        [expiresAt, revokedAt].compactMap { $0.flatMap(Moments.moment) }.allSatisfy { $0 > now }
    }
}
