import SallyportCore

/// Parameters that were found good, in the form in which documents are read with them.
package struct CheckedPersonalDataParameters: Sendable {
    enum Unit: String, Sendable {
        case textElements = "TextElements_v8"
        case codePoints = "UnicodeCodePoint"
        case utf16 = "Utf16CodeUnit"
    }

    enum Mask: Sendable, Hashable {
        case characters(Character, kept: Int, fromEnd: Bool)
        case entity
        case none
    }

    let unit: Unit
    /// nil: all.
    let wanted: Set<String>?
    let unwanted: Set<String>
    let isHealthOnly: Bool
    let masks: [String: Mask]
    let defaultMask: Mask
    let excludedValues: Set<String>
    let isExclusionCaseSensitive: Bool
    let threshold: Double
    let overrides: [PersonalDataParameters.ConfidenceScoreThreshold.Override]
    /// Words for the subjects of the catalogue.
    let synonyms: [(ContextTopic, [String])]
    let validates: Bool

    private static let maskCharacters: Set<String> = ["!", "#", "$", "%", "&", "*", "+", "-", "=", "?", "@", "^", "_", "~"]
    private static let maximumEntries = 256

    init(_ parameters: PersonalDataParameters, minimumConfidence: Double) throws {
        guard let unit = Unit(rawValue: parameters.stringIndexType) else {
            throw Fault(
                .invalidRequest, "stringIndexType must be TextElements_v8, UnicodeCodePoint or Utf16CodeUnit.", param: "stringIndexType")
        }
        self.unit = unit
        switch parameters.domain.lowercased() {
        case "none": isHealthOnly = false
        case "phi": isHealthOnly = true
        default: throw Fault(.invalidRequest, "domain must be none or phi.", param: "domain")
        }
        let listed = try Self.names(parameters.piiCategories, allowing: ["all", "default"], param: "piiCategories")
        wanted = parameters.piiCategories.isEmpty || listed.contains("all") || listed.contains("default") ? nil : listed
        unwanted = try Self.names(parameters.excludePiiCategories, allowing: [], param: "excludePiiCategories")
        (masks, defaultMask) = try Self.masks(parameters)
        let exclusion = parameters.valueExclusionPolicy
        isExclusionCaseSensitive = exclusion?.caseSensitive ?? true
        guard (exclusion?.excludedValues.count ?? 0) <= Self.maximumEntries * 4 else {
            throw Fault(.invalidRequest, "valueExclusionPolicy lists too many values.", param: "valueExclusionPolicy")
        }
        let excluded = exclusion?.excludedValues ?? []
        excludedValues = Set(isExclusionCaseSensitive ? excluded : excluded.map { $0.lowercased() })
        (threshold, overrides) = try Self.threshold(parameters.confidenceScoreThreshold, minimum: minimumConfidence)
        synonyms = try Self.synonyms(parameters.entitySynonyms)
        validates = !parameters.disableEntityValidation
    }

    private static func names(_ names: [String], allowing special: Set<String>, param: String) throws -> Set<String> {
        guard names.count <= maximumEntries else { throw Fault(.invalidRequest, "\(param) lists too many categories.", param: param) }
        return try Set(
            names.map { name in
                let lower = name.lowercased()
                if special.contains(lower) { return lower }
                guard let known = PersonalDataCategories.byLowercaseName[lower] else {
                    throw Fault(.invalidRequest, "\(param) names a category that does not exist.", param: param)
                }
                return known
            })
    }

    // MARK: Redaction

    private static func masks(_ parameters: PersonalDataParameters) throws -> ([String: Mask], Mask) {
        let character = try character(parameters.redactionCharacter, param: "redactionCharacter") ?? "*"
        var masks: [String: Mask] = [:]
        var general: Mask?
        guard parameters.redactionPolicies.count <= maximumEntries else {
            throw Fault(.invalidRequest, "There are too many redaction policies.", param: "redactionPolicies")
        }
        for policy in parameters.redactionPolicies {
            let mask: Mask
            switch policy.policyKind.lowercased() {
            case "charactermask":
                guard policy.unmaskLength >= 0 else {
                    throw Fault(.invalidRequest, "unmaskLength must not be negative.", param: "redactionPolicies")
                }
                let own = try Self.character(policy.redactionCharacter, param: "redactionPolicies") ?? character
                mask = .characters(own, kept: policy.unmaskLength, fromEnd: policy.unmaskFromEnd)
            case "nomask": mask = .none
            case "entitymask": mask = .entity
            case "syntheticreplacement":
                throw Fault(
                    .invalidRequest, "The redaction policy syntheticReplacement is not available here; use entityMask or characterMask.",
                    param: "redactionPolicies")
            default:
                throw Fault(.invalidRequest, "policyKind must be characterMask, noMask or entityMask.", param: "redactionPolicies")
            }
            for name in try names(policy.entityTypes, allowing: [], param: "redactionPolicies") { masks[name] = mask }
            if policy.isDefault || policy.entityTypes.isEmpty {
                guard general == nil else {
                    throw Fault(.invalidRequest, "Only one redaction policy can be the default.", param: "redactionPolicies")
                }
                general = mask
            }
        }
        return (masks, general ?? .characters(character, kept: 0, fromEnd: true))
    }

    private static func character(_ text: String?, param: String) throws -> Character? {
        guard let text else { return nil }
        guard maskCharacters.contains(text), let character = text.first else {
            throw Fault(.invalidRequest, "The redaction character must be one of ! # $ % & * + - = ? @ ^ _ ~.", param: param)
        }
        return character
    }

    // MARK: Confidence and context

    private static func threshold(
        _ given: PersonalDataParameters.ConfidenceScoreThreshold?, minimum: Double
    ) throws -> (Double, [PersonalDataParameters.ConfidenceScoreThreshold.Override]) {
        guard let given else { return (minimum, []) }
        let values = [given.default] + given.overrides.map(\.value)
        guard given.overrides.count <= maximumEntries, values.allSatisfy({ $0 >= 0 && $0 <= 1 }) else {
            throw Fault(.invalidRequest, "confidenceScoreThreshold must be between 0 and 1.", param: "confidenceScoreThreshold")
        }
        let overrides = try given.overrides.map { override in
            guard let known = PersonalDataCategories.byLowercaseName[override.entity.lowercased()] else {
                throw Fault(
                    .invalidRequest, "confidenceScoreThreshold names a category that does not exist.", param: "confidenceScoreThreshold")
            }
            return PersonalDataParameters.ConfidenceScoreThreshold.Override(
                entity: known, value: override.value, language: override.language?.lowercased())
        }
        return (given.default, overrides)
    }

    /// The strictest rule that speaks of a category: one for its language, one for it, the default.
    func threshold(for category: String, language: String?) -> Double {
        let own = overrides.filter { $0.entity == category }
        return own.first { $0.language != nil && $0.language == language?.lowercased() }?.value ?? own.first { $0.language == nil }?.value
            ?? threshold
    }

    private static func synonyms(_ given: [PersonalDataParameters.EntitySynonyms]) throws -> [(ContextTopic, [String])] {
        guard given.count <= 32,
            given.allSatisfy({ $0.synonyms.count <= 32 && $0.synonyms.allSatisfy { (1...64).contains($0.utf8.count) } })
        else {
            throw Fault(.invalidRequest, "entitySynonyms has too many or too long words.", param: "entitySynonyms")
        }
        var words: [(ContextTopic, [String])] = []
        for entry in given {
            guard let known = PersonalDataCategories.byLowercaseName[entry.entityType.lowercased()] else {
                throw Fault(.invalidRequest, "entitySynonyms names a category that does not exist.", param: "entitySynonyms")
            }
            // The first topic of a type is its own; the others it shares.
            for topic in Set(SensitiveDataTypes.all.filter { $0.category == known }.compactMap(\.context.first)) {
                words.append((topic, entry.synonyms))
            }
        }
        return words
    }
}
