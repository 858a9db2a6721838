import SallyportCore
import SallyportGateway

/// The administrative surface.
extension ConfigurationMapping {
    mutating func console() -> ServerPlan.Console? {
        let written = text("server.adminListen")
        if written == "none" { return nil }
        if text("data.identity") != nil {
            for key in ["server.adminListen", "console.publicURL"] where tree.values[key] != nil {
                report("has no effect beside 'data.identity': people and keys are administered at the gateway that keeps them", at: key)
            }
            return nil
        }
        guard let address = ConfigurationValues.address(written ?? "127.0.0.1:8081") else {
            report("must be host:port or none", at: "server.adminListen")
            return nil
        }
        var console = ServerPlan.Console(listen: address)
        console.publicURL = text("console.publicURL").map { url in String(url.reversed().drop { $0 == "/" }.reversed()) }
        console.requiresSecondFactor = text("console.secondFactor") != "optional"
        console.idle = duration("console.sessions.idle").map { $0.components.seconds } ?? console.idle
        console.absolute = duration("console.sessions.absolute").map { $0.components.seconds } ?? console.absolute
        console.isBoundToNetwork = text("console.sessions.binding") != "browser"
        for key in ["allow", "deny"] {
            let ranges = (tree.values["network.console.\(key)"]?.texts ?? []).compactMap { AddressRange($0) }
            if key == "allow" { console.rules.allow = ranges } else { console.rules.deny = ranges }
        }
        return console
    }

    /// How people sign in at an issuer; nil: they do not.
    func signIn(_ issuer: String) -> ServerPlan.SignIn? {
        let base = "identity.issuers.\(issuer).signIn"
        guard let client = text("\(base).clientId") else { return nil }
        let scopes = tree.values["\(base).scopes"]?.texts ?? []
        return ServerPlan.SignIn(
            client: client, secret: text("\(base).clientSecret").map { Redacted($0) }, title: text("\(base).title") ?? issuer,
            scopes: scopes.isEmpty ? ["openid", "profile", "email"] : scopes,
            isTrusted: text("\(base).secondFactor") == "trusted")
    }
}
