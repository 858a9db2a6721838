import SallyportCore

extension GuardPolicy {
    private static let generatedMedia: [Uninspectable: UninspectableAction] = [.generatedImage: .record, .generatedAudio: .record]

    /// What a deployment gets when it names no other: secrets and high-risk identifiers are masked, data exfiltration through
    /// links is cut, everything else is annotated.
    package static let `default` = GuardPolicy(
        id: "Default",
        // Azure's default: harm at Medium, both ways; attacks in prompts. Attacks in documents are shown, not blocked.
        filters: ContentFilter.harm(from: 4) + [
            ContentFilter("jailbreak", .prompt), ContentFilter("indirectattack", .prompt, isBlocking: false),
        ],
        rules: [
            Rule(.secret, minimumConfidence: 0.75, action: .redact),
            Rule(.sensitive, minimumConfidence: 0.65, action: .annotate),
            Rule(.sensitive, names: highRisk, minimumConfidence: 0.75, action: .mask),
            Rule(.output, names: exfiltration, direction: .completion, minimumConfidence: 0.75, action: .redact),
            Rule(.output, names: ["canary"], direction: .completion, minimumConfidence: 0.5, action: .block),
            Rule(.output, direction: .completion, minimumConfidence: 0.5, action: .annotate),
            Rule(
                .invisible, names: ["tag-characters", "variation-selectors"], direction: .completion, minimumConfidence: 0.5,
                action: .redact),
            Rule(.invisible, minimumConfidence: 0.5, action: .annotate),
        ],
        uninspectable: generatedMedia)

    /// Nothing doubtful passes: secrets in a prompt are refused, every identifier is pseudonymised on its way out, active content is removed.
    package static let strict = GuardPolicy(
        id: "Strict",
        filters: ContentFilter.harm(from: 4) + [ContentFilter("jailbreak", .prompt), ContentFilter("indirectattack", .prompt)],
        rules: [
            Rule(.secret, direction: .prompt, minimumConfidence: 0.65, action: .block),
            Rule(.secret, direction: .completion, minimumConfidence: 0.65, action: .redact),
            Rule(.sensitive, direction: .prompt, minimumConfidence: 0.65, action: .pseudonymise),
            Rule(.sensitive, direction: .completion, minimumConfidence: 0.75, action: .mask),
            Rule(.output, direction: .completion, minimumConfidence: 0.5, action: .redact),
            Rule(.output, names: ["canary"], direction: .completion, minimumConfidence: 0.5, action: .block),
            Rule(.invisible, names: ["tag-characters", "variation-selectors"], direction: .prompt, minimumConfidence: 0.5, action: .block),
            Rule(.invisible, names: ["bidi-control"], direction: .prompt, minimumConfidence: 0.75, action: .block),
            Rule(
                .invisible, names: ["tag-characters", "variation-selectors", "zero-width", "bidi-control", "filler"],
                direction: .completion,
                minimumConfidence: 0.75, action: .redact),
            Rule(.invisible, minimumConfidence: 0.5, action: .annotate),
        ],
        uninspectable: [:])

    /// The policies that every deployment can name.
    /// - Parameter learned: without learned guards, which an operator can switch off, their rules are left out.
    package static func builtIn(learned: Bool) -> [GuardPolicy] {
        [GuardPolicy.default, .strict].map { policy in
            // All their filters are learned guards' work.
            var policy =
                learned
                ? policy
                : GuardPolicy(id: policy.id, version: policy.version, rules: policy.ownRules, uninspectable: policy.uninspectable)
            if policy.id == "Strict" { policy.outwardTools = usualOutwardTools }
            return policy
        }
    }

    /// Numbers whose loss does direct harm, as Azure AI Language spells their categories.
    private static let highRisk: Set<String> = [
        "CreditCardNumber", "EUDebitCardNumber", "InternationalBankingAccountNumber", "ABARoutingNumber", "USSocialSecurityNumber",
        "USIndividualTaxpayerIdentification", "UKNationalHealthNumber", "UKNationalInsuranceNumber", "PLNationalID",
        "DETaxIdentificationNumber",
        "FRSocialSecurityNumber", "ESDNI", "ITFiscalCode", "NLCitizensServiceNumber", "BENationalNumber", "SENationalID",
        "NOIdentityNumber",
        "FINationalID", "DKPersonalIdentificationNumber", "BRCPFNumber", "CNResidentIdentityCardNumber", "INUniqueIdentificationNumber",
        "KRResidentRegistrationNumber", "TRNationalIdentificationNumber", "CASocialInsuranceNumber", "AUTaxFileNumber",
        "ZAIdentificationNumber",
        "HRPersonalIdentificationNumber", "ROPersonalNumericalCode", "BGUniformCivilNumber", "CHSocialSecurityNumber",
        "PTTaxIdentificationNumber",
    ]

    private static let exfiltration: Set<String> = [
        "exfiltration-link", "exfiltration-image", "dangerous-scheme", "lookalike-host", "url-credentials",
    ]
}
