import SallyportCore

/// The policies that every installation has. They are documents like any other: to be read, and to begin one's own with.
extension GuardPolicy {
    /// What a deployment gets when it names no other.
    package static let `default` = read(defaultDocument)
    package static let strict = read(strictDocument)

    /// The policies that every deployment can name.
    /// - Parameter learned: without learned guards, which an operator can switch off, their rules are left out.
    package static func builtIn(learned: Bool) -> [GuardPolicy] {
        guard !learned else { return [.default, .strict] }
        return [GuardPolicy.default, .strict].map { policy in
            var policy = policy
            // All their filters are learned guards' work.
            policy.leaveOutFilters()
            return policy
        }
    }

    /// The document of a built-in policy; nil when none has the name.
    package static func builtInDocument(named name: String) -> [UInt8]? {
        switch name {
        case GuardPolicy.default.id.rawValue: Array(defaultDocument.utf8)
        case GuardPolicy.strict.id.rawValue: Array(strictDocument.utf8)
        default: nil
        }
    }

    private static func read(_ document: String) -> GuardPolicy {
        do { return try PolicyDocument.policy(from: Array(document.utf8)) } catch { preconditionFailure("a built-in policy: \(error)") }
    }

    // Harm from severity 4 (medium) both ways is Azure's default. Masked are numbers whose loss does direct harm, as Azure AI Language
    // spells their categories.
    private static let defaultDocument = """
        {
          "name": "Default",
          "properties": {
            "mode": "Default",
            "contentFilters": [
              {"name": "Hate", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Hate", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Sexual", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Sexual", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Violence", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Violence", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "SelfHarm", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "SelfHarm", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Jailbreak", "source": "Prompt", "enabled": true, "blocking": true},
              {"name": "Indirect Attack", "source": "Prompt", "enabled": true, "blocking": false}
            ],
            "sallyport": {
              "description": "Secrets and high-risk identifiers are masked, data that leaves through links is cut, harm from medium severity and attacks in prompts are blocked; everything else is annotated.",
              "rules": [
                {"detect": "secret", "minimumConfidence": 0.75, "action": "redact"},
                {"detect": "sensitive", "minimumConfidence": 0.65, "action": "annotate"},
                {"detect": "sensitive", "minimumConfidence": 0.75, "action": "mask", "types": [
                  "CreditCardNumber", "EUDebitCardNumber", "InternationalBankingAccountNumber", "ABARoutingNumber",
                  "USSocialSecurityNumber", "USIndividualTaxpayerIdentification", "UKNationalHealthNumber", "UKNationalInsuranceNumber",
                  "PLNationalID", "DETaxIdentificationNumber", "FRSocialSecurityNumber", "ESDNI", "ITFiscalCode",
                  "NLCitizensServiceNumber", "BENationalNumber", "SENationalID", "NOIdentityNumber", "FINationalID",
                  "DKPersonalIdentificationNumber", "BRCPFNumber", "CNResidentIdentityCardNumber", "INUniqueIdentificationNumber",
                  "KRResidentRegistrationNumber", "TRNationalIdentificationNumber", "CASocialInsuranceNumber", "AUTaxFileNumber",
                  "ZAIdentificationNumber", "HRPersonalIdentificationNumber", "ROPersonalNumericalCode", "BGUniformCivilNumber",
                  "CHSocialSecurityNumber", "PTTaxIdentificationNumber"
                ]},
                {"detect": "output", "source": "Completion", "minimumConfidence": 0.75, "action": "redact", "types": [
                  "exfiltration-link", "exfiltration-image", "dangerous-scheme", "lookalike-host", "url-credentials"
                ]},
                {"detect": "output", "types": ["canary"], "source": "Completion", "minimumConfidence": 0.5, "action": "block"},
                {"detect": "output", "source": "Completion", "minimumConfidence": 0.5, "action": "annotate"},
                {"detect": "invisible", "types": ["tag-characters", "variation-selectors"], "source": "Completion", "minimumConfidence": 0.5, "action": "redact"},
                {"detect": "invisible", "minimumConfidence": 0.5, "action": "annotate"}
              ],
              "uninspectable": {"generatedImage": "record", "generatedAudio": "record"}
            }
          }
        }
        """

    // Tools whose names usually stand for an effect on the outside: the policy is careful without knowing them.
    private static let strictDocument = """
        {
          "name": "Strict",
          "properties": {
            "mode": "Default",
            "contentFilters": [
              {"name": "Hate", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Hate", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Sexual", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Sexual", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Violence", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Violence", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "SelfHarm", "source": "Prompt", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "SelfHarm", "source": "Completion", "severityThreshold": "Medium", "enabled": true, "blocking": true},
              {"name": "Jailbreak", "source": "Prompt", "enabled": true, "blocking": true},
              {"name": "Indirect Attack", "source": "Prompt", "enabled": true, "blocking": true}
            ],
            "sallyport": {
              "description": "Nothing doubtful passes: secrets in a prompt are refused, every identifier is pseudonymised on its way out, active content is removed.",
              "rules": [
                {"detect": "secret", "source": "Prompt", "minimumConfidence": 0.65, "action": "block"},
                {"detect": "secret", "source": "Completion", "minimumConfidence": 0.65, "action": "redact"},
                {"detect": "sensitive", "source": "Prompt", "minimumConfidence": 0.65, "action": "pseudonymise"},
                {"detect": "sensitive", "source": "Completion", "minimumConfidence": 0.75, "action": "mask"},
                {"detect": "output", "source": "Completion", "minimumConfidence": 0.5, "action": "redact"},
                {"detect": "output", "types": ["canary"], "source": "Completion", "minimumConfidence": 0.5, "action": "block"},
                {"detect": "invisible", "types": ["tag-characters", "variation-selectors"], "source": "Prompt", "minimumConfidence": 0.5, "action": "block"},
                {"detect": "invisible", "types": ["bidi-control"], "source": "Prompt", "minimumConfidence": 0.75, "action": "block"},
                {"detect": "invisible", "source": "Completion", "minimumConfidence": 0.75, "action": "redact", "types": [
                  "tag-characters", "variation-selectors", "zero-width", "bidi-control", "filler"
                ]},
                {"detect": "invisible", "minimumConfidence": 0.5, "action": "annotate"}
              ],
              "tools": [
                {"name": "send*", "effect": "send"},
                {"name": "*email*", "effect": "send"},
                {"name": "*e_mail*", "effect": "send"},
                {"name": "post_*", "effect": "send"},
                {"name": "publish*", "effect": "send"},
                {"name": "*notify*", "effect": "send"},
                {"name": "*pay*", "effect": "pay"},
                {"name": "*transfer*", "effect": "pay"},
                {"name": "*purchase*", "effect": "pay"},
                {"name": "*order*", "effect": "pay"},
                {"name": "write*", "effect": "write"},
                {"name": "delete*", "effect": "write"},
                {"name": "update*", "effect": "write"},
                {"name": "create*", "effect": "write"},
                {"name": "execute*", "effect": "write"},
                {"name": "run_*", "effect": "write"},
                {"name": "fetch*", "effect": "fetch"},
                {"name": "http*", "effect": "fetch"},
                {"name": "*browse*", "effect": "fetch"},
                {"name": "open_url*", "effect": "fetch"},
                {"name": "download*", "effect": "fetch"}
              ]
            }
          }
        }
        """
}
