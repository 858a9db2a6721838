import NIOCore
import SallyportCore

/// Finds personal and financial identifiers: shape, check digit, and the words around them (after Purview's sensitive information types).
///
/// Confidence: 0.65 a weak shape alone, 0.75 shape and check, 0.85 with a context word within 300 bytes. Evidence says what spoke for
/// a finding (`check`, `context`, `check+context`, `pattern`) or that it is a published sample (`test`).
package struct SensitiveDataDetector: Detector {
    package let id: DetectorID = "sensitive-data"
    package let layers: Set<TextLayer.Kind> = [
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
    package init(
        types: [SensitiveDataType] = SensitiveDataTypes.all, synonyms: [(ContextTopic, [String])] = [], includesEverything: Bool = false
    ) {
        identifiers = IdentifierScanner(types)
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
            case .fiscalWord:
                // The first long word after it.
                var word = end
                var start = end
                while word < text.count, word - end < 48 {
                    if !IdentifierText.isAlphanumeric(text[word]) {
                        if word - start == 16 { break }
                        start = word + 1
                    }
                    word += 1
                }
                if word - start == 16, word > identifiersEnd {
                    identifiersEnd = identifiers.scan(text, around: word, from: max(identifiersEnd, start), context: &context, into: &found)
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
            case .birth: ContactScanner.birthDate(text, after: end, into: &found)
            case .plate: VehicleScanner.plate(text, after: end, into: &found)
            case .diagnosis: HealthScanner.diagnosis(text, after: end, into: &found)
            case .bankCode: ContactScanner.bic(text, after: end, into: &found)
            case .machineReadable: TravelDocumentScanner.scan(text, around: end, into: &found)
            case .base58, .bech32, .ethereum, .coin: CryptoScanner.scan(text, around: end, context: &context, into: &found)
            case .web: ContactScanner.web(text, at: end, into: &found)
            case .age: ContactScanner.age(text, around: end, into: &found)
            case .monthName: ContactScanner.date(text, around: end, into: &found)
            }
        }
        return found
    }
}

extension SensitiveDataTypes {
    /// Built on first use and shared: some thousand nodes.
    static let trie = KeywordTrie(ContextWords.all)
}
