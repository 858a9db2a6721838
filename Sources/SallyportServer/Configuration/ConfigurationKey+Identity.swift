extension ConfigurationKey {
    /// Who is recognised, and from where.
    static let identity: [ConfigurationKey] = [
        .init(
            "identity.keys", .choice(["enabled", "disabled"]), "enabled",
            "`disabled`: API keys are refused with 403 `AuthenticationTypeDisabled` (Azure's `disableLocalAuth`)."),
        .init(
            "identity.issuers.*.issuer", .text, "",
            "An issuer of tokens (OpenID Connect, Microsoft Entra ID): what `iss` says, to the letter. Its name here stands before the names of its principals and groups. Needed."
        ),
        .init("identity.issuers.*.audiences", .texts, "", "One of them must be in `aud`. Needed."),
        .init(
            "identity.issuers.*.discovery", .url, "the issuer and `/.well-known/openid-configuration`",
            "Where the issuer describes itself; https, or http on loopback."),
        .init("identity.issuers.*.jwksUri", .url, "as discovered", "Its keys; needed when they are on another host than its description."),
        .init("identity.issuers.*.caFile", .path, "", "Certificate authorities to trust for it instead of the system's."),
        .init(
            "identity.issuers.*.algorithms", .texts, "RS, PS and ES 256–512, EdDSA",
            "Signature algorithms that are accepted; never others than these."
        ),
        .init("identity.issuers.*.tenants", .texts, "", "Directories (`tid`) whose tokens are accepted."),
        .init("identity.issuers.*.clients", .texts, "", "Applications (`azp`, `appid`, `client_id`) whose tokens are accepted."),
        .init("identity.issuers.*.scopes", .texts, "", "A person's token needs one of them in `scp`."),
        .init("identity.issuers.*.requiredMethods", .texts, "", "A person's token must show them in `amr` (`mfa`)."),
        .init("identity.issuers.*.requiredContexts", .texts, "", "A person's token must show them in `acrs` or `acr`."),
        .init("identity.issuers.*.principalClaims", .texts, "oid, sub", "The claims that name the principal; the first one there counts."),
        .init("identity.issuers.*.groupsClaim", .text, "groups", "The claim with the ids of groups."),
        .init("identity.issuers.*.rolesClaim", .text, "roles", "The claim with roles; `none`: tokens give none."),
        .init(
            "identity.issuers.*.roleMap.*", .text, "",
            "The role that a value of `rolesClaim` stands for; other values must be a role's name."),
        .init("identity.issuers.*.project", .text, "default", "The project of its principals."),
        .init("identity.issuers.*.team", .text, "", "The team whose limits count them."),
        .init("identity.issuers.*.clockSkew", .duration, "60s", "How far its clock may be off; 5m at most."),
        .init("identity.issuers.*.maximumLifetime", .duration, "25h", "Tokens that live longer are refused."),
        .init("identity.issuers.*.refreshInterval", .duration, "1h", "How often its keys are fetched."),
        .init(
            "identity.issuers.*.refetchCooldown", .duration, "30s",
            "The least time between two fetches, also when tokens name unknown keys."),
        .init("identity.issuers.*.offlineGrace", .duration, "24h", "How long its keys are trusted when they cannot be fetched."),
        .init("network.allow", .networks, "everywhere", "Networks that may call."),
        .init("network.deny", .networks, "", "Networks that may not; beats `allow`."),
        .init(
            "network.publicAccess", .choice(["enabled", "disabled"]), "enabled",
            "`disabled`: only loopback and private networks may call, as with a private endpoint."),
        .init("network.trustedProxies", .networks, "", "Peers whose `X-Forwarded-For` and PROXY header are believed."),
        .init(
            "network.proxyProtocol", .choice(["never", "required"]), "never",
            "`required`: connections of trusted proxies begin with a PROXY header (version 1 or 2). Changes with the next start."),
        .init("network.metrics.allow", .networks, "everywhere", "Networks that may reach the metrics listener."),
        .init("network.metrics.deny", .networks, "", "Networks that may not."),
        .init(
            "network.tls.certificate", .path, "",
            "The gateway's certificate chain (PEM): it speaks TLS then. Read again when the file changes."),
        .init("network.tls.key", .path, "", "Its private key (PEM)."),
        .init("network.tls.minimumVersion", .choice(["1.2", "1.3"]), "1.2", "The oldest TLS that is spoken."),
        .init(
            "network.tls.clientCertificates", .choice(["none", "optional", "required"]), "none",
            "Whether clients show certificates. One that is shown stands for its principal when there is no key or token."),
        .init(
            "network.tls.clientAuthorities.*.caFile", .path, "",
            "An authority of client certificates, with the intermediates that issue them (PEM). Needed."),
        .init(
            "network.tls.clientAuthorities.*.crlFile", .path, "",
            "Its revocation lists: without a current one none of its certificates is accepted."),
        .init(
            "network.tls.clientAuthorities.*.principalFrom", .choice(["uri", "dns", "subject"]), "uri",
            "What names the principal: the URI (SPIFFE id) or DNS name among the alternative names, or the subject."),
        .init("network.tls.clientAuthorities.*.prefix", .text, "", "How the name must begin (`spiffe://corp.example/`)."),
        .init("network.tls.clientAuthorities.*.project", .text, "default", "The project of its principals."),
        .init("network.tls.clientAuthorities.*.team", .text, "", "The team whose limits count them."),
        .init("network.tls.clientAuthorities.*.roles", .texts, "", "Roles that all its principals hold."),
    ]
}
