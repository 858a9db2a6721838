import SallyportCore

/// The parameters of Azure AI Language's `PiiEntityRecognition` as a request spells them; ``PersonalDataAnalysis/checked(_:)`` judges them.
package struct PersonalDataParameters: Sendable, Hashable {
    /// How what was found is written in `redactedText`.
    package struct RedactionPolicy: Sendable, Hashable {
        /// `characterMask`, `noMask` or `entityMask`; `syntheticReplacement` is not offered.
        package var policyKind: String
        package var redactionCharacter: String?
        /// Characters of each entity that stay to be read.
        package var unmaskLength: Int
        package var unmaskFromEnd: Bool
        /// Applies to these categories; empty: see `isDefault`.
        package var entityTypes: [String]
        /// Applies to all that no other policy names. A single policy without `entityTypes` is the default one as well.
        package var isDefault: Bool

        package init(
            policyKind: String = "characterMask", redactionCharacter: String? = nil, unmaskLength: Int = 0, unmaskFromEnd: Bool = true,
            entityTypes: [String] = [], isDefault: Bool = false
        ) {
            self.policyKind = policyKind
            self.redactionCharacter = redactionCharacter
            self.unmaskLength = unmaskLength
            self.unmaskFromEnd = unmaskFromEnd
            self.entityTypes = entityTypes
            self.isDefault = isDefault
        }
    }

    /// Exact terms that are never reported.
    package struct ValueExclusionPolicy: Sendable, Hashable {
        package var caseSensitive: Bool
        package var excludedValues: [String]
        package init(caseSensitive: Bool, excludedValues: [String]) {
            self.caseSensitive = caseSensitive
            self.excludedValues = excludedValues
        }
    }

    package struct ConfidenceScoreThreshold: Sendable, Hashable {
        package struct Override: Sendable, Hashable {
            package var entity: String
            package var value: Double
            /// ISO 639-1; nil: in every language.
            package var language: String?
            package init(entity: String, value: Double, language: String? = nil) {
                self.entity = entity
                self.value = value
                self.language = language
            }
        }
        package var `default`: Double
        package var overrides: [Override]
        package init(default: Double, overrides: [Override] = []) {
            self.default = `default`
            self.overrides = overrides
        }
    }

    /// Further words that speak for a category when they stand near an identifier.
    package struct EntitySynonyms: Sendable, Hashable {
        package var entityType: String
        package var synonyms: [String]
        package init(entityType: String, synonyms: [String]) {
            self.entityType = entityType
            self.synonyms = synonyms
        }
    }

    /// `none` or `phi`.
    package var domain = "none"
    package var piiCategories: [String] = []
    package var excludePiiCategories: [String] = []
    /// `TextElements_v8`, `UnicodeCodePoint` or `Utf16CodeUnit`.
    package var stringIndexType = "TextElements_v8"
    package var redactionCharacter: String?
    /// `redactionPolicies`, or the one `redactionPolicy` of earlier versions.
    package var redactionPolicies: [RedactionPolicy] = []
    package var valueExclusionPolicy: ValueExclusionPolicy?
    package var confidenceScoreThreshold: ConfidenceScoreThreshold?
    package var entitySynonyms: [EntitySynonyms] = []
    /// A number counts, with a word for it close by, although its check digit is wrong.
    package var disableEntityValidation = false

    package init() {}
}

/// Something personal in a text. `offset` and `length` count what the request's `stringIndexType` says.
package struct PersonalDataEntity: Sendable, Hashable {
    package let text: String
    package let category: String
    package let offset: Int
    package let length: Int
    package let confidenceScore: Double
    /// What stands for it in `redactedText`, and where; only with `entityMask`.
    package let mask: String?
    package let maskOffset: Int?
    package let maskLength: Int?
}

/// What came of one document.
package struct PersonalDataResult: Sendable, Hashable {
    /// In order of their offsets.
    package let entities: [PersonalDataEntity]
    /// nil where the policy is `noMask`.
    package let redactedText: String?
}
