import NIOConcurrencyHelpers
import NIOCore
import SallyportConsole
import SallyportCore
import SallyportEgress
import SallyportIdentity

/// The issuers that people sign in with, through the egress client.
struct SignInProviders: SignInProviding {
    /// As the configuration is now.
    let plans: @Sendable () -> [ServerPlan.IssuerPlan]
    /// Keys of issuers, as they are kept fresh for tokens.
    let egress: EgressClient
    let group: any EventLoopGroup

    var providers: [(name: String, title: String)] {
        plans().compactMap { plan in plan.signIn.map { (plan.issuer.name, $0.title) } }
    }

    func isTrustedForSecondFactor(_ name: String) -> Bool { (try? plan(name))?.1.isTrusted ?? false }

    func authorizationURL(_ pending: PendingSignIns.Pending.Provider, redirect: String) async throws -> String {
        let (plan, signIn) = try plan(pending.name)
        let loop = group.next()
        let endpoints = try await reached { try await loop.flatSubmit { IssuerSources.endpoints(of: plan, egress, on: loop) }.get() }
        return OpenIDSignIn(issuer: plan.issuer, client: signIn.client, scopes: signIn.scopes)
            .authorizationURL(endpoints.authorization, redirect: redirect, pending: pending)
    }

    func person(
        code: String, _ pending: PendingSignIns.Pending.Provider, redirect: String, at now: Int64
    ) async throws -> OpenIDSignIn.Person {
        let (plan, signIn) = try plan(pending.name)
        let flow = OpenIDSignIn(issuer: plan.issuer, client: signIn.client, scopes: signIn.scopes)
        let loop = group.next()
        let form = flow.tokenRequest(code: code, verifier: pending.verifier, redirect: redirect, secret: signIn.secret?.reveal())
        let (answer, keys) = try await reached {
            let endpoints = try await loop.flatSubmit { IssuerSources.endpoints(of: plan, egress, on: loop) }.get()
            let answer = try await loop.flatSubmit {
                IssuerSources.token(endpoints.token, form: form, of: plan, egress, on: loop)
            }.get()
            // Fetched anew: signing in is rare, and a key that was just rotated must not stop it.
            let keys = try await loop.flatSubmit { IssuerSources.keys(of: plan, egress, on: loop) }.get()
            return (answer, keys)
        }
        guard let token = OpenIDSignIn.idToken(in: answer) else { throw Fault(.upstreamInvalid, "The identity provider sent no identity.") }
        return try flow.person(token, keys: keys, nonce: pending.nonce, at: now)
    }

    private func plan(_ name: String) throws -> (ServerPlan.IssuerPlan, ServerPlan.SignIn) {
        guard let plan = plans().first(where: { $0.issuer.name == name }), let signIn = plan.signIn else {
            throw Fault(.notFound, "There is no identity provider of this name.")
        }
        return (plan, signIn)
    }

    private func reached<R: Sendable>(_ work: () async throws -> R) async throws -> R {
        do { return try await work() } catch {
            throw Fault(
                .upstreamUnavailable, "The identity provider cannot be reached, or did not accept.", retryAfter: .seconds(5), cause: error)
        }
    }
}
