import SallyportCore

/// The words that a policy can use: the kinds of findings of each group, and the guards that settings can name.
package enum PolicyVocabulary {
    /// What detectors of this group report; nil where names are data (blocklists).
    package static func types(of group: Finding.Category.Group) -> Set<String>? {
        switch group {
        case .sensitive: sensitive
        case .secret: secrets
        case .output:
            [
                "exfiltration-link", "exfiltration-image", "dangerous-scheme", "url-credentials", "ip-host", "lookalike-host",
                "active-html",
                "canary",
            ]
        case .invisible:
            [
                "tag-characters", "variation-selectors", "bidi-control", "zero-width", "filler", "combining-flood", "homoglyphs",
                "nested-encoding-limit",
            ]
        case .attack: ["jailbreak", "indirect_attack"]
        case .harm: Set(HarmDetector.Harm.allCases.map(\.rawValue))
        case .protectedMaterial: Set(MaterialKind.allCases.map(\.name))
        case .blocklist, .groundedness, .taskAdherence, .category: nil
        }
    }

    private static let sensitive: Set<String> =
        Set(SensitiveDataTypes.all.map(\.category)).union([
            "Email", "Address", "EUGPSCoordinates", "DateOfBirth", "SWIFTCode", "IPAddress", "MACAddress", "PhoneNumber",
            "MachineReadableZone", "LicensePlate", "ICD10Code", "CryptocurrencyAddress", "Person", "Organization", "Location",
        ])

    private static let secrets: Set<String> =
        Set(SecretFamilies.all.map(\.name)).union([
            "PGPPrivateKey", "GoogleServiceAccountKey", "PrivateKey", "PuTTYPrivateKey", "JSONWebToken", "URLCredentials", "Password",
            "BasicCredentials", "BearerToken", "AWSSecretAccessKey", "AzureAPIKey", "GenericSecret", "AzureRedisCacheString",
            "SQLServerConnectionString", "AzureIAASDatabaseConnectionAndSQLString",
        ])

    private static let guards: Set<String> = {
        let learned = ["prompt-attack", "document-attack", "names", "protected-material", "normaliser", "canary", "blocklist"]
        return Set(DetectorCatalog.all().map(\.id.rawValue) + learned + HarmDetector.Harm.allCases.map { "harm-\($0.rawValue)" })
    }()

    /// What is wrong with a document that can be read: words that no guard knows, so that a rule would never apply.
    /// - Parameters:
    ///   - blocklists: those that there are; nil: not known here.
    ///   - others: further guards, such as remote ones.
    package static func mistakes(in policy: GuardPolicy, blocklists: Set<String>?, others: Set<String> = []) -> [String] {
        var mistakes: [String] = []
        for rule in policy.rules {
            if rule.group == .blocklist {
                mistakes.append("a rule detects 'blocklist': name the lists in customBlocklists")
            }
            guard let names = rule.names, let known = types(of: rule.group) else { continue }
            for name in names.subtracting(known).sorted() {
                // Azure's own words are no slip of the pen, found here or not.
                if rule.group == .sensitive, PersonalDataCategories.byLowercaseName[name.lowercased()] == name { continue }
                let hint = nearest(to: name, in: known).map { ": did you mean '\($0)'?" } ?? ""
                mistakes.append("'\(name)' is no type of '\(rule.group.rawValue)'\(hint)")
            }
        }
        // Guards of other parts, and filters that Azure alone runs, have names of their own: only a slip of the pen is told.
        for id in policy.settings.keys.map(\.rawValue).sorted()
        where !guards.contains(id) && !others.contains(id) && !policy.unavailableFilters.contains(id) && !azureFilters.contains(id) {
            if let meant = nearest(to: id, in: guards) { mistakes.append("guards.\(id): there is no such guard: did you mean '\(meant)'?") }
        }
        if let blocklists {
            for name in Set(policy.blocklists.map(\.name)).subtracting(blocklists).sorted() {
                mistakes.append("the blocklist '\(name)' does not exist: requests under this policy would be refused")
            }
        }
        var seen: Set<String> = []
        return mistakes.filter { seen.insert($0).inserted }
    }

    private static let azureFilters: Set<String> = [
        "hate", "sexual", "violence", "selfharm", "jailbreak", "indirectattack", "protectedmaterialtext", "protectedmaterialcode",
        "profanity", "groundedness", "pii", "personallyidentifiableinformation",
    ]

    /// The known word that differs in letter case, signs or one end only.
    private static func nearest(to name: String, in known: Set<String>) -> String? {
        let bare = ContentFilter.bare(name)
        guard bare.utf8.count >= 3 else { return nil }
        return known.sorted().first { ContentFilter.bare($0) == bare }
            ?? known.sorted().first { ContentFilter.bare($0).hasPrefix(bare) || bare.hasPrefix(ContentFilter.bare($0)) }
    }
}
