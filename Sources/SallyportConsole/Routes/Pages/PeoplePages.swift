import SallyportCore
import SallyportIdentity

/// Local accounts and everybody's sessions, for people.
package struct PeoplePages: ConsoleRouteGroup {
    let accounts: AccountRoutes

    package init(_ accounts: AccountRoutes) { self.accounts = accounts }

    package static let routes: [ConsoleRoute<Self>] = [
        .page("GET", "/accounts", as: AccountRoutes.row("Accounts_List"), page),
        .page("POST", "/accounts", as: AccountRoutes.row("Accounts_Create"), create),
        .page("POST", "/accounts/{name}/link", as: AccountRoutes.row("Accounts_Link"), link),
        .page(
            "POST", "/accounts/{name}/disable", as: AccountRoutes.row("Accounts_Disable"),
            done("Accounts_Disable", by: \.accounts, to: "/accounts")),
        .page(
            "POST", "/accounts/{name}/enable", as: AccountRoutes.row("Accounts_Enable"),
            done("Accounts_Enable", by: \.accounts, to: "/accounts")),
        .page(
            "POST", "/accounts/{name}/unlock", as: AccountRoutes.row("Accounts_Unlock"),
            done("Accounts_Unlock", by: \.accounts, to: "/accounts")),
        .page(
            "POST", "/accounts/{name}/delete", as: AccountRoutes.row("Accounts_Delete"),
            done("Accounts_Delete", by: \.accounts, to: "/accounts")),
        .page("GET", "/sessions", as: AccountRoutes.row("Sessions_List"), sessions),
        .page("POST", "/sessions/{id}/end", as: AccountRoutes.row("Sessions_End"), done("Sessions_End", by: \.accounts, to: "/sessions")),
    ]

    private func page(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let accounts: [AccountDocument] = try await accounts.list("Accounts_List", call)
        let mayWrite = call.mayAsk(AccountRoutes.row("Accounts_Link"))
        let mayDelete = call.mayAsk(AccountRoutes.row("Accounts_Delete"))
        let rows: [[HTML]] = accounts.map { account in
            func button(_ act: String, _ label: String) -> HTML {
                Page.form(Page.path("accounts", account.name, act), call, button: label, isQuiet: true)
            }
            let isDisabled = account.disabledAt != nil
            let acts: HTML? =
                mayWrite
                ? Page.fold(
                    "Change",
                    """
                    \(isDisabled ? button("enable", "Let it sign in again") : button("disable", "Disable"))
                    \(button("unlock", "Forget failed sign-ins"))
                    \(button("link", "Take password and factors away, and make a new link"))
                    """) : nil
            let delete: HTML? = mayDelete ? Page.fold("Delete", button("delete", "Delete it for good")) : nil
            return [
                "\(account.name)<br>\(account.displayName)", Page.code(account.principal),
                "\(account.factors.isEmpty ? "not set up" : account.factors)", "\(isDisabled ? "disabled" : "may sign in")",
                "\(acts)\(delete)",
            ]
        }
        let form: HTML? =
            mayWrite
            ? """
            <h2>A new account</h2>
            \(Page.form(
                "/accounts", call, button: "Make it",
                """
                \(Page.input("Name: small letters, digits and . _ - @", "name", isRequired: true, maximum: 64))
                \(Page.input("What people see", "displayName", maximum: 128))
                """))
            """ : nil
        return Administration.page(
            "Accounts", call,
            """
            \(Page.table(["Account", "Principal", "Signs in with", "State", ""], rows, empty: "There are no accounts."))
            \(form)
            """)
    }

    private struct Link: Decodable { let link: String }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let link: Link = try await accounts.told("Accounts_Create", call.sending(Fields(call).members(["name", "displayName"])))
        return shown(link, call)
    }

    private func link(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        shown(try await accounts.told("Accounts_Link", call), call)
    }

    private func shown(_ link: Link, _ call: ConsoleCall) -> ConsoleAnswer {
        Administration.page(
            "A link for the account's person", call,
            """
            <p>It works once, for a day, and is shown this once. Whoever opens it is the account from then on: give it to its person by a way
            that you trust.</p>
            <p><code id="secret">\(link.link)</code></p>
            <p><a class="button" href="/accounts">I have kept it</a></p>
            """)
    }

    private struct Session: Decodable {
        let id: String
        let principal: String
        let createdAt: String
        let lastUsedAt: String
    }

    private func sessions(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let sessions: [Session] = try await accounts.list("Sessions_List", call)
        let mayEnd = call.mayAsk(AccountRoutes.row("Sessions_End"))
        let rows: [[HTML]] = sessions.map { session in
            let end: HTML? =
                session.id == call.session?.id
                ? "this one"
                : mayEnd ? Page.form(Page.path("sessions", session.id, "end"), call, button: "End", isQuiet: true) : nil
            return [Page.code(session.principal), "\(session.createdAt)", "\(session.lastUsedAt)", "\(end)"]
        }
        return Administration.page(
            "Sessions", call, Page.table(["Who", "Signed in", "Last used", ""], rows, empty: "Nobody is signed in."))
    }
}

extension AccountDocument {
    fileprivate var factors: String {
        [
            hasPassword ? "password" : nil, totp ? "authenticator app" : nil, passkeys > 0 ? "\(passkeys) passkeys" : nil,
            recoveryCodes > 0 ? "\(recoveryCodes) recovery codes" : nil,
        ].compactMap(\.self).joined(separator: ", ")
    }
}
