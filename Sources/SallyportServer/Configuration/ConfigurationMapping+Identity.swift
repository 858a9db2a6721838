import Foundation
import NIOCore
import SallyportCore
import SallyportGateway
import SallyportIdentity

/// Issuers, network rules, TLS.
extension ConfigurationMapping {
    // MARK: Issuers

    mutating func issuers() -> [ServerPlan.IssuerPlan] {
        var plans: [ServerPlan.IssuerPlan] = []
        var names: Set<String> = []
        for entry in tree.names["identity.issuers"] ?? [] {
            let base = "identity.issuers.\(entry.name)"
            guard let issuer = text("\(base).issuer"), !texts("\(base).audiences").isEmpty else {
                report("'\(base)' needs 'issuer' and 'audiences'", line: entry.line, column: entry.column)
                continue
            }
            if entry.name.contains(":") { report("an issuer's name must not hold ':'", line: entry.line, column: entry.column) }
            if entry.name == "local" { report("'local' is the name of local accounts", line: entry.line, column: entry.column) }
            if !names.insert(issuer).inserted { report("this issuer is configured already", at: "\(base).issuer") }
            plans.append(plan(entry.name, issuer))
        }
        return plans
    }

    private mutating func plan(_ name: String, _ iss: String) -> ServerPlan.IssuerPlan {
        let base = "identity.issuers.\(name)"
        var issuer = Issuer(name: name, issuer: iss, audiences: Set(texts("\(base).audiences")))
        let algorithms = texts("\(base).algorithms")
        for text in algorithms where SignatureAlgorithm(rawValue: text) == nil {
            report(
                "'\(text.prefix(16))' is not one of \(SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))",
                at: "\(base).algorithms")
        }
        if !algorithms.isEmpty { issuer.algorithms = Set(algorithms.compactMap(SignatureAlgorithm.init)) }
        issuer.directories = Set(texts("\(base).tenants"))
        issuer.clients = Set(texts("\(base).clients"))
        issuer.scopes = Set(texts("\(base).scopes"))
        issuer.requiredMethods = Set(texts("\(base).requiredMethods"))
        issuer.requiredContexts = Set(texts("\(base).requiredContexts"))
        let claims = texts("\(base).principalClaims")
        if !claims.isEmpty { issuer.principalClaims = claims }
        issuer.groupsClaim = text("\(base).groupsClaim") ?? issuer.groupsClaim
        if let claim = text("\(base).rolesClaim") { issuer.rolesClaim = claim == "none" ? nil : claim }
        let catalog = RoleCatalog(custom: customRoles)
        for entry in tree.names["\(base).roleMap"] ?? [] {
            guard let role = text("\(base).roleMap.\(entry.name)") else { continue }
            if catalog.definition(of: Role(role)) == nil { report("there is no role '\(role)'", at: "\(base).roleMap.\(entry.name)") }
            issuer.roleMap[entry.name] = Role(role)
        }
        issuer.project = ProjectID(text("\(base).project") ?? "default")
        issuer.team = text("\(base).team")
        issuer.clockSkew = seconds("\(base).clockSkew") ?? issuer.clockSkew
        if issuer.clockSkew > 300 { report("must be 5m at most", at: "\(base).clockSkew") }
        issuer.maximumLifetime = seconds("\(base).maximumLifetime") ?? issuer.maximumLifetime
        var policy = IssuerKeys.Policy()
        policy.refreshInterval = seconds("\(base).refreshInterval").map(TimeAmount.seconds) ?? policy.refreshInterval
        policy.cooldown = duration("\(base).refetchCooldown").map(TimeAmount.init) ?? policy.cooldown
        policy.grace = seconds("\(base).offlineGrace").map(TimeAmount.seconds) ?? policy.grace
        var plan = ServerPlan.IssuerPlan(
            issuer: issuer, discovery: text("\(base).discovery") ?? iss.trimmed(of: "/") + "/.well-known/openid-configuration",
            keys: text("\(base).jwksUri"), policy: policy, authoritiesFile: text("\(base).caFile"))
        for (url, key) in [(plan.discovery, "discovery"), (plan.keys ?? plan.discovery, "jwksUri")] where !Self.isSafe(url) {
            // Whoever sits on the line would hand out keys of his own.
            let place = tree.values["\(base).\(key)"] == nil ? "issuer" : key
            report("must be https: its keys are fetched from there (http is for loopback only)", at: "\(base).\(place)")
            break
        }
        plan.signIn = signIn(name)
        return plan
    }

    private static func isSafe(_ text: String) -> Bool {
        guard let url = URL(string: text), let host = url.host else { return false }
        if url.scheme == "https" { return true }
        return url.scheme == "http"
            && (host == "localhost"
                || IPAddress(host).map { $0 == IPAddress("::1") || AddressRange("127.0.0.0/8")?.contains($0) == true } == true)
    }

    private func texts(_ path: String) -> [String] { tree.values[path]?.texts ?? [] }
    private func seconds(_ path: String) -> Int64? { duration(path).map { $0.components.seconds } }
    private func networks(_ path: String) -> [AddressRange] { texts(path).compactMap { AddressRange($0) } }

    // MARK: Network

    func networkRules() -> NetworkRules {
        var rules = NetworkRules()
        rules.allow = networks("network.allow")
        rules.deny = networks("network.deny")
        rules.isPrivateOnly = text("network.publicAccess") == "disabled"
        rules.trustedProxies = networks("network.trustedProxies")
        return rules
    }

    func metricsRules() -> NetworkRules {
        var rules = NetworkRules()
        rules.allow = networks("network.metrics.allow")
        rules.deny = networks("network.metrics.deny")
        return rules
    }

    mutating func listenerTLS() -> ListenerTLS? {
        let base = "network.tls"
        let authorities = tree.names["\(base).clientAuthorities"] ?? []
        guard let certificate = text("\(base).certificate"), let key = text("\(base).key") else {
            if tree.values.keys.contains(where: { $0.hasPrefix("\(base).") }) { report("needs 'certificate' and 'key'", under: base) }
            return nil
        }
        var tls = ListenerTLS(certificateFile: certificate, privateKeyFile: key)
        tls.minimumVersion = text("\(base).minimumVersion").flatMap(ListenerTLS.MinimumVersion.init) ?? .tls12
        tls.clientCertificates = text("\(base).clientCertificates").flatMap(ListenerTLS.ClientCertificates.init) ?? .none
        if tls.clientCertificates == .none, let first = authorities.first {
            report("'\(base).clientAuthorities' has no effect without 'clientCertificates'", line: first.line, column: first.column)
        }
        if tls.clientCertificates != .none, authorities.isEmpty {
            report("needs 'clientAuthorities'", at: "\(base).clientCertificates")
        }
        for entry in authorities {
            let place = "\(base).clientAuthorities.\(entry.name)"
            guard let file = text("\(place).caFile") else {
                report("'\(place)' needs 'caFile'", line: entry.line, column: entry.column)
                continue
            }
            if entry.name.contains(":") { report("an authority's name must not hold ':'", line: entry.line, column: entry.column) }
            let catalog = RoleCatalog(custom: customRoles)
            for role in texts("\(place).roles") where catalog.definition(of: Role(role)) == nil {
                report("there is no role '\(role)'", at: "\(place).roles")
            }
            tls.authorities.append(
                ClientAuthority(
                    name: entry.name, certificatesFile: file, revocationsFile: text("\(place).crlFile"),
                    nameSource: text("\(place).principalFrom").flatMap(ClientAuthority.NameSource.init) ?? .uri,
                    namePrefix: text("\(place).prefix"), project: ProjectID(text("\(place).project") ?? "default"),
                    team: text("\(place).team"), roles: Set(texts("\(place).roles").map { Role($0) })))
        }
        return tls
    }

    /// Names only: what they hold is read elsewhere.
    private var customRoles: [RoleDefinition] {
        (tree.names["access.roles"] ?? []).map { RoleDefinition(id: $0.name, role: Role($0.name), name: $0.name, description: "") }
    }
}

extension String {
    fileprivate func trimmed(of end: Character) -> String { last == end ? String(dropLast()) : self }
}
