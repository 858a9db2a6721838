import SallyportCore
import SallyportIdentity

/// What everybody who is known may ask about himself, and what everybody may ask.
package struct SelfRoutes: ConsoleRouteGroup {
    package init() {}

    package static let routes: [ConsoleRoute<Self>] = [
        .init("Console_Health", "GET", "/healthz", .open, health),
        .init("WhoAmI", "GET", "/api/whoami", .known, whoAmI),
    ]

    private struct Health: Encodable { let status = "ok" }

    private func health(_ call: ConsoleCall) async throws -> ConsoleAnswer { try .json(Health()) }

    private struct Caller: Encodable {
        let principal: String
        let tenant: String
        let credential: String
        let key: String?
        let name: String?
        let groups: [String]
        let roles: [String]
        let session: String?
        let methods: [String]?
        let expiresAt: String?
        /// The management actions of this surface that the caller holds.
        let actions: [String]
    }

    private func whoAmI(_ call: ConsoleCall) async throws -> ConsoleAnswer {
        let principal = try call.caller()
        return try .json(
            Caller(
                principal: principal.id.rawValue, tenant: principal.tenant.rawValue, credential: principal.credential.name,
                key: principal.key?.rawValue, name: call.session?.name, groups: principal.groups,
                roles: principal.roles.map(\.rawValue).sorted(), session: call.session?.id,
                methods: call.session.map { $0.methods.sorted() },
                expiresAt: (call.session?.expiresAt ?? principal.expiresAt).map(Moments.date),
                actions: ConsoleRoutes.actions.filter { call.may($0) }))
    }
}
