import SallyportCore
import SallyportIdentity

/// Local accounts and sessions of everybody: what `sallyport accounts` does.
package struct AccountRoutes: ConsoleRouteGroup {
    let services: SignInServices
    let access: @Sendable () -> AccessOperations

    package init(_ services: SignInServices, access: @escaping @Sendable () -> AccessOperations) {
        self.services = services
        self.access = access
    }

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Accounts_List", "GET", "/api/accounts", .action("Sallyport/accounts/read"), list),
        .init("Accounts_Create", "POST", "/api/accounts", .action("Sallyport/accounts/write"), act: "accounts.create", create),
        .init("Accounts_Link", "POST", "/api/accounts/{name}/link", .action("Sallyport/accounts/write"), act: "accounts.link", link),
        .init(
            "Accounts_Disable", "POST", "/api/accounts/{name}/disable", .action("Sallyport/accounts/write"), act: "accounts.disable",
            disable),
        .init(
            "Accounts_Enable", "POST", "/api/accounts/{name}/enable", .action("Sallyport/accounts/write"), act: "accounts.enable", enable),
        .init(
            "Accounts_Unlock", "POST", "/api/accounts/{name}/unlock", .action("Sallyport/accounts/write"), act: "accounts.unlock", unlock),
        .init("Accounts_Delete", "DELETE", "/api/accounts/{name}", .action("Sallyport/accounts/delete"), act: "accounts.delete", delete),
        .init("Sessions_List", "GET", "/api/sessions", .action("Sallyport/sessions/read"), sessions),
        .init("Sessions_End", "DELETE", "/api/sessions/{id}", .action("Sallyport/sessions/delete"), act: "session.end", endSession),
        .init(
            "Sessions_EndAll", "POST", "/api/principals/{id}/end-sessions", .action("Sallyport/sessions/delete"), act: "session.end-all",
            endSessions),
    ]

    /// An account is as good as the rights that it holds.
    private func check(_ name: String, _ call: ConsoleCall) async throws {
        let guarding = GrantGuard(access())
        let principal = PrincipalID(AccountRecord.principalPrefix + name)
        guard try call.caller().id != principal else {
            throw ConsoleRefusal(403, "SelfAssignment", "Nobody administers his own account: use the account page.")
        }
        try await call.blocking { try guarding.checkKey(principal: principal, roles: [], by: call) }
    }

    private func list(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let accounts = services.accounts
        return try .list(
            try await call.blocking {
                try accounts.list().map { AccountDocument($0, factors: try accounts.factors(of: $0.name)) }
            })
    }

    private struct NewAccount: Decodable {
        let name: String
        let displayName: String?
    }

    private struct Made: Encodable, Sendable {
        let account: AccountDocument
        /// To be given to the person by a way that is trusted; works once.
        let link: String
    }

    private func create(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let wanted: NewAccount = try call.json(allowing: ["name", "displayName"])
        // Roles may wait for an account that is not there yet, or no more: whoever gets the link gets them.
        try await check(wanted.name, call)
        let (accounts, url) = (services.accounts, services.settings.publicURL)
        let made = try await call.act(on: String(wanted.name.prefix(64))) {
            let account = try accounts.create(wanted.name, displayName: wanted.displayName, at: call.now)
            return Made(
                account: AccountDocument(account, factors: []),
                link: "\(url)/setup?link=\(try accounts.makeLink(for: account.name, at: call.now))")
        }
        return try .json(made, status: 201)
    }

    /// Takes what there was away: whoever holds the link is the account from then on.
    private func link(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        try await check(name, call)
        let (services, url) = (services, services.settings.publicURL)
        let link = try await call.act(on: name) {
            try services.accounts.reset(name)
            try services.sessions.endAll(of: PrincipalID(AccountRecord.principalPrefix + name))
            return "\(url)/setup?link=\(try services.accounts.makeLink(for: name, at: call.now))"
        }
        return try .json(["link": link])
    }

    private func disable(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        let services = services
        guard try call.caller().id.rawValue != AccountRecord.principalPrefix + name else {
            throw ConsoleRefusal(409, "Conflict", "You would lock yourself out: let somebody else do it.")
        }
        try await call.act(on: name) {
            try services.accounts.disable(name, at: call.now)
            try services.sessions.endAll(of: PrincipalID(AccountRecord.principalPrefix + name))
        }
        return .empty
    }

    private func enable(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        try await check(name, call)
        let accounts = services.accounts
        try await call.act(on: name) { try accounts.enable(name) }
        return .empty
    }

    private func unlock(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        let accounts = services.accounts
        try await call.act(on: name) { try accounts.unlock(name) }
        return .empty
    }

    private func delete(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let name = try call.parameter("name")
        try await check(name, call)
        let accounts = services.accounts
        try await call.act(on: name) { try accounts.remove(name) }
        return .empty
    }

    private struct Listed: Encodable {
        let id: String
        let principal: String
        let account: String?
        let createdAt: String
        let lastUsedAt: String
    }

    private func sessions(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let desk = services.sessions
        return try .list(
            try await call.blocking { try desk.list(of: nil, at: call.now) }.map {
                Listed(
                    id: $0.id, principal: $0.principal.rawValue, account: $0.account, createdAt: Moments.date($0.createdAt),
                    lastUsedAt: Moments.date($0.lastUsedAt))
            })
    }

    private func endSession(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let desk = services.sessions
        try await call.act(on: id) { try desk.end(id: id, tenant: .default) }
        return .empty
    }

    private func endSessions(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let id = try call.parameter("id")
        let desk = services.sessions
        let ended = try await call.act(on: id) { try desk.endAll(of: PrincipalID(id)) }
        return try .json(["ended": ended])
    }
}
