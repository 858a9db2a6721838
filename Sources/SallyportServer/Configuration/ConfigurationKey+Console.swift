extension ConfigurationKey {
    /// The administrative surface.
    static let console: [ConfigurationKey] = [
        .init(
            "console.publicURL", .url, "`http://localhost` and the port, https with TLS",
            "Where browsers reach the administrative surface: names it in links, cookies and passkeys. Needed when it listens elsewhere than on loopback and people sign in."
        ),
        .init(
            "console.secondFactor", .choice(["required", "optional"]), "required",
            "`required`: a session that has shown one factor may do nothing but add a second."),
        .init("console.sessions.idle", .duration, "30m", "A session without a request ends after so long."),
        .init("console.sessions.absolute", .duration, "12h", "Every session ends after so long."),
        .init(
            "console.sessions.binding", .choice(["network", "browser"]), "network",
            "`network`: a session ends where it is used from another network (a /24, or a /64) than it was made in; `browser`: only its browser is compared."
        ),
        .init(
            "identity.issuers.*.signIn.clientId", .text, "",
            "People may sign in at the administrative surface with this issuer (OpenID Connect, code flow with PKCE); the address to register there is the `console.publicURL` and `/signin/callback`."
        ),
        .init("identity.issuers.*.signIn.clientSecret", .secret, "", "Without it the client is a public one; PKCE is used either way."),
        .init("identity.issuers.*.signIn.title", .text, "the issuer's name", "What the button says."),
        .init("identity.issuers.*.signIn.scopes", .texts, "openid, profile, email", "What is asked for."),
        .init(
            "identity.issuers.*.signIn.secondFactor", .choice(["claims", "trusted"]), "claims",
            "`claims`: a second factor counts when the token says `mfa` (`amr`, `acr` or `acrs`); `trusted`: the issuer asks everybody for one."
        ),
        .init(
            "access.fourEyes", .texts, "",
            "What takes a second person: `policies` (guard policies and conditional access), `keyStore` (keys of the vault), `audit` (the `audit.*` settings)."
        ),
        .init("network.console.allow", .networks, "everywhere", "Networks that may reach the administrative listener."),
        .init("network.console.deny", .networks, "", "Networks that may not."),
    ]
}
