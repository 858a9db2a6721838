import NIOCore
import SallyportCore

/// Finds personal and financial identifiers: shape, check digit, and the words around them (after Purview's sensitive information types).
///
/// Confidence: 0.65 a weak shape alone, 0.75 shape and check, 0.85 with a context word within 300 bytes. Evidence says what spoke for
/// a finding (`check`, `context`, `check+context`, `pattern`) or that it is a published sample (`test`).
package struct SensitiveDataDetector: Detector {
    package let id: DetectorID = "sensitive-data"
    package let layers: TextLayer.Kinds = [
        .original, .folded, .base64, .hex, .url, .htmlEntities, .tagCharacters, .variationSelectors,
    ]
    package let patterns: [Pattern]

    private let identifiers: IdentifierScanner
    private let trie: KeywordTrie
    private let extra: KeywordTrie?
    private let triggers: [SensitiveTrigger]

    /// - Parameters:
    ///   - types: what is looked for besides the scanners' own kinds.
    ///   - synonyms: further context words, for the Language API.
    ///   - includesEverything: also report what is seldom sensitive in itself: plain URLs, dates, ages.
    ///   - validates: false: a shape with a word of context close by counts although its check fails.
    package init(
        types: [SensitiveDataType] = SensitiveDataTypes.all, synonyms: [(ContextTopic, [String])] = [], includesEverything: Bool = false,
        validates: Bool = true
    ) {
        identifiers = IdentifierScanner(validates ? types : types + types.map(\.withoutCheck))
        trie = SensitiveDataTypes.trie
        extra = synonyms.isEmpty ? nil : KeywordTrie(synonyms.map { ($0.0, ["*": $0.1.joined(separator: "|")]) })
        triggers = SensitiveTrigger.allCases.filter { includesEverything || !$0.isSeldomSensitive }
        patterns = triggers.map(\.pattern)
    }

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        guard !hits.isEmpty else { return [] }
        return passage.withBytes { text in
            SensitiveCandidate.settled(candidates(in: text, hits: hits)).map {
                Finding(id, Finding.Category(.sensitive, $0.category), at: $0.range, confidence: $0.confidence, evidence: $0.evidence)
            }
        }
    }

    private func candidates(in text: UnsafeRawBufferPointer, hits: [PatternHit]) -> [SensitiveCandidate] {
        var found: [SensitiveCandidate] = []
        var context = KeywordIndex(trie, text, extra: extra)
        var identifiersEnd = 0
        var phonesEnd = 0
        var addressesEnd = 0
        var machineEnd = 0
        for hit in hits {
            let end = hit.range.upperBound
            guard end <= text.count else { continue }
            switch triggers[hit.pattern] {
            case .digits:
                if end > identifiersEnd {
                    identifiersEnd = identifiers.scan(text, around: end, from: identifiersEnd, context: &context, into: &found)
                }
                if end > phonesEnd { phonesEnd = PhoneScanner.scan(text, around: end, from: phonesEnd, context: &context, into: &found) }
            case .lettersAfterDigits, .fiscalCode:
                if end > identifiersEnd {
                    identifiersEnd = identifiers.scan(text, around: end, from: identifiersEnd, context: &context, into: &found)
                }
            case .announcement:
                if let word = Self.announced(text, after: end), word.upperBound > identifiersEnd {
                    let floor = max(identifiersEnd, word.lowerBound)
                    identifiersEnd = identifiers.scan(text, around: word.upperBound, from: floor, context: &context, into: &found)
                }
            case .at: ContactScanner.email(text, at: end, context: &context, into: &found)
            case .dottedQuad:
                if end > machineEnd { machineEnd = NetworkScanner.ipv4(text, around: end, context: &context, into: &found) }
            case .colons:
                if end > machineEnd { machineEnd = NetworkScanner.colonGroups(text, around: end, into: &found) }
            case .hexDashes:
                if end > machineEnd { machineEnd = NetworkScanner.dashedMAC(text, around: end, into: &found) }
            case .coordinates: ContactScanner.coordinates(text, at: end, context: &context, into: &found)
            case .street:
                if end > addressesEnd { addressesEnd = AddressScanner.numberFirst(text, around: end, into: &found) }
            case .streetFirst:
                if end > addressesEnd { addressesEnd = AddressScanner.numberLast(text, around: end, into: &found) }
            case .zip:
                if end > addressesEnd { addressesEnd = AddressScanner.american(text, at: end, into: &found) }
            case .postTown: _ = PostalAddressScanner.codeFirst(text, at: end, into: &found)
            case .townPost: _ = PostalAddressScanner.townFirst(text, at: end, into: &found)
            case .birth: ContactScanner.birthDate(text, after: end, into: &found)
            case .plate: VehicleScanner.plate(text, after: end, into: &found)
            case .diagnosis: HealthScanner.diagnosis(text, after: end, into: &found)
            case .bankCode: ContactScanner.bic(text, after: end, into: &found)
            case .machineReadable: TravelDocumentScanner.scan(text, around: end, into: &found)
            case .base58, .bech32, .ethereum, .coin: CryptoScanner.scan(text, around: end, context: &context, into: &found)
            case .wallet: CryptoScanner.announced(text, after: end, into: &found)
            case .web: ContactScanner.web(text, at: end, into: &found)
            case .age: ContactScanner.age(text, around: end, into: &found)
            case .monthName: ContactScanner.date(text, around: end, into: &found)
            case .number: ContactScanner.agePlacedByCommas(text, after: end, into: &found)
            }
        }
        return found
    }

    /// The first word within 64 bytes that is long enough for an identifier and has a digit.
    private static func announced(_ text: UnsafeRawBufferPointer, after end: Int) -> Range<Int>? {
        var start = end
        var hasDigit = false
        for index in end..<min(text.count, end + 64) {
            if IdentifierText.isAlphanumeric(text[index]) {
                if text[index] <= 0x39 { hasDigit = true }
                continue
            }
            if hasDigit && index - start >= 7 { return start..<index }
            start = index + 1
            hasDigit = false
        }
        let limit = min(text.count, end + 64)
        return hasDigit && limit - start >= 7 && limit - start <= 40 ? start..<limit : nil
    }
}

extension SensitiveDataTypes {
    /// Built on first use and shared: some thousand nodes.
    static let trie = KeywordTrie(ContextWords.all)
}
