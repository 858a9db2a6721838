import SallyportCore
import SallyportPatterns
import Testing

@testable import SallyportGuard

@Suite struct PersonalDataAnalysisTests {
    private static let analysis = Result { try PersonalDataAnalysis(compiler: HyperscanCompiler()) }

    private func analyse(
        _ text: String, language: String? = nil, _ change: (inout PersonalDataParameters) -> Void = { _ in }
    ) throws -> PersonalDataResult {
        var parameters = PersonalDataParameters()
        change(&parameters)
        let analysis = try Self.analysis.get()
        return try analysis.analyse(text, language: language, with: analysis.checked(parameters))
    }

    static let text = "Mail ann@harbour.example, card 4111 1111 1111 1111."

    /// The service's own sample documents; their expected categories and redactions stand in its published example.
    static let samples: [(text: String, category: String, redacted: String)] = [
        ("My SSN is 859-98-0987", "USSocialSecurityNumber", "My SSN is ***********"),
        (
            "Your ABA number - 111000025 - is the first 9 digits in the lower left hand corner of your personal check.", "ABARoutingNumber",
            "Your ABA number - ********* - is the first 9 digits in the lower left hand corner of your personal check."
        ),
        ("Is 998.214.865-68 your Brazilian CPF number?", "BRCPFNumber", "Is ************** your Brazilian CPF number?"),
    ]

    @Test(arguments: samples) func answersTheServicesOwnSamples(text: String, category: String, redacted: String) throws {
        let result = try analyse(text)
        #expect(result.entities.map(\.category) == [category])
        #expect(result.redactedText == redacted)
    }

    @Test func givesTextCategoryPlaceAndConfidence() throws {
        let result = try analyse(Self.text)
        #expect(result.entities.map(\.category) == ["Email", "CreditCardNumber"])
        #expect(result.entities.map(\.text) == ["ann@harbour.example", "4111 1111 1111 1111"])
        #expect(result.entities.map(\.offset) == [5, 31])
        #expect(result.entities.map(\.length) == [19, 19])
        #expect(result.entities.allSatisfy { $0.confidenceScore > 0 && $0.confidenceScore <= 1 && $0.mask == nil })
        #expect(result.redactedText == "Mail *******************, card *******************.")
    }

    @Test(arguments: [("UnicodeCodePoint", 3), ("Utf16CodeUnit", 5), ("TextElements_v8", 2)])
    func countsInTheUnitAskedFor(unit: String, offset: Int) throws {
        let result = try analyse("\u{1F44B}\u{1F3FD} a@b.example") { $0.stringIndexType = unit }
        #expect(result.entities.map(\.offset) == [offset])
        #expect(result.entities.map(\.length) == [11])
        #expect(result.redactedText == "\u{1F44B}\u{1F3FD} ***********")
    }

    @Test(arguments: ["UnicodeCodePoint", "Utf16CodeUnit", "TextElements_v8"])
    func keepsOffsetsValidInTheRedactedText(unit: String) throws {
        let text = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} jörg@müller.example e\u{301} 4111\u{A0}1111\u{A0}1111\u{A0}1111 \u{1F600}"
        let result = try analyse(text) { $0.stringIndexType = unit }
        let redacted = try #require(result.redactedText)
        switch unit {
        case "UnicodeCodePoint": #expect(redacted.unicodeScalars.count == text.unicodeScalars.count)
        case "Utf16CodeUnit": #expect(redacted.utf16.count == text.utf16.count)
        default: #expect(redacted.count == text.count)
        }
        #expect(result.entities.contains { $0.category == "CreditCardNumber" })
    }

    @Test func listsOnlyTheCategoriesAskedFor() throws {
        let listed = try analyse(Self.text) { $0.piiCategories = ["email"] }
        #expect(listed.entities.map(\.category) == ["Email"])
        #expect(listed.redactedText?.contains("4111 1111 1111 1111") == true)
        let excluded = try analyse(Self.text) { $0.excludePiiCategories = ["Email"] }
        #expect(excluded.entities.map(\.category) == ["CreditCardNumber"])
        #expect(excluded.redactedText?.contains("ann@harbour.example") == true)
        #expect(try analyse(Self.text) { $0.piiCategories = ["Email", "Default"] }.entities.count == 2)
        #expect(try analyse(Self.text) { $0.piiCategories = ["All"] }.entities.count == 2)
    }

    /// A part of what was excluded that only ranks below it goes with it; what ranks above it stays.
    @Test func excludesWhatLiesWithinTheExcluded() throws {
        let address = "See https://ann:hunter2!x@host.example/a now"
        let listed = try analyse(address) { $0.excludePiiCategories = ["URL"] }
        #expect(listed.entities.contains { $0.category != "URL" }, "the credentials in an excluded address")
        #expect(listed.redactedText?.contains("hunter2!x") == false)
        let inner = PersonalDataSpan(range: 5..<15, category: "Person", confidence: 0.9, isSecret: false)
        let outer = PersonalDataSpan(range: 5..<30, category: "Email", confidence: 0.8, isSecret: false)
        #expect(PersonalDataSpan.rank(outer) > PersonalDataSpan.rank(inner))
    }

    @Test func keepsCredentialsOutOfTheHealthDomain() throws {
        let text = "Mail ann@harbour.example, password: hunter2!x"
        #expect(try analyse(text).entities.map(\.category) == ["Email", "Password"])
        #expect(try analyse(text) { $0.domain = "phi" }.entities.map(\.category) == ["Email"])
    }

    @Test func masksWithTheCharacterGiven() throws {
        #expect(try analyse("to a@b.example") { $0.redactionCharacter = "-" }.redactedText == "to -----------")
        #expect(
            try analyse("to a@b.example") { $0.redactionPolicies = [.init(redactionCharacter: "#", unmaskLength: 4)] }.redactedText
                == "to #######mple")
        #expect(
            try analyse("to a@b.example") { $0.redactionPolicies = [.init(unmaskLength: 2, unmaskFromEnd: false)] }.redactedText
                == "to a@*********")
        #expect(try analyse("to a@b.example") { $0.redactionPolicies = [.init(unmaskLength: 99)] }.redactedText == "to a@b.example")
    }

    @Test func masksNothingWhenToldSo() throws {
        let result = try analyse("to a@b.example") { $0.redactionPolicies = [.init(policyKind: "noMask")] }
        #expect(result.redactedText == nil)
        #expect(result.entities.count == 1)
    }

    @Test func numbersEntitiesAndSaysWhereTheirMasksAre() throws {
        let result = try analyse("a@b.example, c@d.example and a@b.example") { $0.redactionPolicies = [.init(policyKind: "entityMask")] }
        #expect(result.redactedText == "[EMAIL_1], [EMAIL_2] and [EMAIL_1]")
        #expect(result.entities.map(\.mask) == ["[EMAIL_1]", "[EMAIL_2]", "[EMAIL_1]"])
        #expect(result.entities.map(\.maskOffset) == [0, 11, 25])
        #expect(result.entities.map(\.maskLength) == [9, 9, 9])
    }

    @Test func usesEachPolicyForItsOwnCategories() throws {
        let result = try analyse(Self.text) {
            $0.redactionPolicies = [.init(policyKind: "entityMask", entityTypes: ["Email"]), .init(policyKind: "noMask", isDefault: true)]
        }
        #expect(result.redactedText == "Mail [EMAIL_1], card 4111 1111 1111 1111.")
    }

    @Test func leavesExcludedValuesAlone() throws {
        let strict = try analyse("A@b.example a@b.example") {
            $0.valueExclusionPolicy = .init(caseSensitive: true, excludedValues: ["a@b.example"])
        }
        #expect(strict.redactedText == "*********** a@b.example")
        let loose = try analyse("A@b.example a@b.example") {
            $0.valueExclusionPolicy = .init(caseSensitive: false, excludedValues: ["a@B.example"])
        }
        #expect(loose.entities.isEmpty)
    }

    @Test func dropsWhatIsBelowTheThreshold() throws {
        #expect(try analyse(Self.text) { $0.confidenceScoreThreshold = .init(default: 1) }.entities.isEmpty)
        let override = PersonalDataParameters.ConfidenceScoreThreshold(
            default: 1, overrides: [.init(entity: "email", value: 0.1, language: "de")])
        #expect(try analyse(Self.text, language: "de") { $0.confidenceScoreThreshold = override }.entities.map(\.category) == ["Email"])
        #expect(try analyse(Self.text, language: "en") { $0.confidenceScoreThreshold = override }.entities.isEmpty)
    }

    @Test func takesSynonymsAsContext() throws {
        let text = "Hafenkennung 943 476 5919"
        #expect(try analyse(text).entities.contains { $0.category == "UKNationalHealthNumber" } == false)
        let result = try analyse(text) { $0.entitySynonyms = [.init(entityType: "UKNationalHealthNumber", synonyms: ["Hafenkennung"])] }
        #expect(result.entities.map(\.category) == ["UKNationalHealthNumber"])
    }

    static let faults: [(param: String, change: @Sendable (inout PersonalDataParameters) -> Void)] = [
        ("piiCategories", { $0.piiCategories = ["NoSuch"] }), ("excludePiiCategories", { $0.excludePiiCategories = ["All"] }),
        ("domain", { $0.domain = "legal" }), ("stringIndexType", { $0.stringIndexType = "bytes" }),
        ("redactionCharacter", { $0.redactionCharacter = "x" }), ("redactionCharacter", { $0.redactionCharacter = "**" }),
        ("redactionPolicies", { $0.redactionPolicies = [.init(policyKind: "syntheticReplacement")] }),
        ("redactionPolicies", { $0.redactionPolicies = [.init(policyKind: "shred")] }),
        ("redactionPolicies", { $0.redactionPolicies = [.init(redactionCharacter: "/")] }),
        ("redactionPolicies", { $0.redactionPolicies = [.init(isDefault: true), .init(isDefault: true)] }),
        ("confidenceScoreThreshold", { $0.confidenceScoreThreshold = .init(default: 1.5) }),
        ("confidenceScoreThreshold", { $0.confidenceScoreThreshold = .init(default: .nan) }),
        ("entitySynonyms", { $0.entitySynonyms = [.init(entityType: "NoSuch", synonyms: ["x"])] }),
    ]

    @Test(arguments: faults.indices) func namesTheParameterAtFault(index: Int) throws {
        let fault = try #require(throws: Fault.self) { try analyse("x", Self.faults[index].change) }
        #expect(fault.code == .invalidRequest)
        #expect(fault.param == Self.faults[index].param)
    }

    @Test func namesCredentialsAsAzureDoes() throws {
        let key = String(repeating: "aB3dE5gH7jK9mN1pQ4sT6v", count: 4).prefix(86) + "=="
        #expect(try analyse("AccountName=a;AccountKey=\(key)").entities.map(\.category) == ["AzureStorageAccountKey"])
        #expect(try analyse("glpat-aB3dE5gH7jK9mN1pQ4sT").entities.map(\.category) == ["Password"])
    }

    @Test func findsNothingInNothing() throws {
        #expect(try analyse("") == PersonalDataResult(entities: [], redactedText: ""))
    }
}
