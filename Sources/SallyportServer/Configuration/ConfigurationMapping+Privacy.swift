import SallyportCore
import SallyportIdentity

/// Controller, regions, activities, and what is known of the upstreams as recipients.
extension ConfigurationMapping {
    mutating func privacy() -> ServerPlan.Privacy {
        var privacy = ServerPlan.Privacy()
        privacy.controller = text("privacy.controller.name")
        privacy.contact = text("privacy.controller.contact")
        privacy.officer = text("privacy.controller.officer")
        privacy.minimumGroup = int("privacy.minimumGroup") ?? privacy.minimumGroup
        for entry in tree.names["privacy.regions"] ?? [] {
            privacy.regions[entry.name.lowercased()] = Set(
                (tree.values["privacy.regions.\(entry.name)"]?.texts ?? []).map { $0.lowercased() })
        }
        for entry in tree.names["privacy.activities"] ?? [] {
            let base = "privacy.activities.\(entry.name)"
            func texts(_ key: String) -> [String] { tree.values["\(base).\(key)"]?.texts ?? [] }
            guard let purpose = text("\(base).purpose"), let basis = text("\(base).legalBasis") else {
                report("'\(base)' needs 'purpose' and 'legalBasis'", line: entry.line, column: entry.column)
                continue
            }
            privacy.activities.append(
                .init(
                    name: entry.name, purpose: purpose, legalBasis: basis, subjects: texts("subjects"), categories: texts("categories"),
                    recipients: texts("recipients"), retention: text("\(base).retention"), measures: texts("measures")))
        }
        for entry in tree.names["upstreams"] ?? [] {
            let base = "upstreams.\(entry.name)"
            privacy.recipients[UpstreamID(entry.name)] = .init(
                endpoint: tree.values["\(base).endpoint"].flatMap { $0.unset == nil ? Self.host($0.text) : nil },
                region: text("\(base).region")?.lowercased(), recipient: text("\(base).sharing.recipient"),
                role: text("\(base).sharing.role") ?? (text("\(base).kind") == "embedded" ? "own" : "processor"),
                terms: text("\(base).sharing.terms"), transfer: text("\(base).sharing.transfer"),
                retention: text("\(base).sharing.retention"), training: text("\(base).sharing.training") ?? "unknown")
        }
        return privacy
    }

    mutating func provisioning() -> SCIMService.Settings {
        let issuer = text("provisioning.issuer")
        if let issuer, !(tree.names["identity.issuers"] ?? []).contains(where: { $0.name == issuer }) {
            report("the issuer '\(issuer)' is not configured", at: "provisioning.issuer")
        }
        return SCIMService.Settings(issuer: issuer, usesUserName: text("provisioning.principal") == "userName")
    }

    /// The host of a URL, for people; its path may hold what is nobody's business.
    private static func host(_ url: String) -> String? {
        guard let start = url.range(of: "://")?.upperBound else { return nil }
        let authority = url[start...].prefix { $0 != "/" && $0 != "?" }
        return authority.split(separator: "@").last.map(String.init)
    }
}
