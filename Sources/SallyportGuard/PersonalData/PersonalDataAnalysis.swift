import NIOCore
import SallyportCore

/// Azure AI Language's PII analysis over our detectors: what a text holds, where, and the text without it.
///
/// Identifiers and credentials by their patterns; names of people, places and organisations where the shared encoder has read the text.
package struct PersonalDataAnalysis: Sendable {
    private let sensitive: SensitiveDataDetector
    private let secrets: SecretsDetector
    private let database: any PatternDatabase
    /// The compiled patterns before this index are the identifiers', the others the credentials'.
    private let border: Int
    private let names: NamesDetector?

    /// - Parameter learned: what the shared encoder can score; nil: names are not found.
    /// - Throws: ``PatternError`` when a detector's expression cannot be compiled.
    package init(compiler: any PatternCompiler, learned: EncoderDescription? = nil) throws {
        names = learned.flatMap { NamesDetector($0) }
        sensitive = SensitiveDataDetector(includesEverything: true)
        secrets = SecretsDetector()
        border = sensitive.patterns.count
        database = try compiler.compile(sensitive.patterns + secrets.patterns)
    }

    /// Judges a request's parameters, once for all its documents.
    /// - Parameter minimumConfidence: for requests that name no threshold.
    /// - Throws: ``Fault`` `.invalidRequest` with the parameter at fault.
    package func checked(
        _ parameters: PersonalDataParameters, minimumConfidence: Double = 0.65
    ) throws -> CheckedPersonalDataParameters {
        try CheckedPersonalDataParameters(parameters, minimumConfidence: minimumConfidence)
    }

    /// What the encoder must read of a text for its names; nil: nothing, they are not looked for.
    package func request(for text: String, with parameters: CheckedPersonalDataParameters) -> ReadingRequest? {
        guard let names, !text.isEmpty else { return nil }
        if let wanted = parameters.wanted, !names.categories.contains(where: { wanted.contains($0.name) }) { return nil }
        return ReadingRequest(ByteBuffer(string: text), wantsTokens: true)
    }

    /// Analyses one document.
    /// - Parameters:
    ///   - language: ISO 639-1, for thresholds that name one.
    ///   - reading: what the encoder read; nil: no names.
    package func analyse(
        _ text: String, language: String? = nil, with parameters: CheckedPersonalDataParameters, reading: TextReading? = nil
    ) throws -> PersonalDataResult {
        let found = try spans(in: text, language: language, with: parameters, reading: reading)
        return Redaction(text, found, parameters).result()
    }

    /// Everything that is found in a text at the usual confidence, for measuring: categories as the API names them.
    package func spans(in text: String, reading: TextReading?) throws -> [(range: Range<Int>, category: String, isSecret: Bool)] {
        let parameters = try checked(PersonalDataParameters())
        return try spans(in: text, language: nil, with: parameters, reading: reading).map { ($0.range, $0.category, $0.isSecret) }
    }

    private func spans(
        in text: String, language: String?, with parameters: CheckedPersonalDataParameters, reading: TextReading?
    ) throws -> [PersonalDataSpan] {
        let passage = Passage(text, origin: .user)
        var identifierHits: [PatternHit] = []
        var secretHits: [PatternHit] = []
        try passage.withBytes { bytes in
            try database.scan(bytes) { hit in
                if hit.pattern < border {
                    identifierHits.append(hit)
                } else {
                    secretHits.append(PatternHit(pattern: hit.pattern - border, range: hit.range))
                }
                return true
            }
        }
        let identifiers =
            parameters.synonyms.isEmpty && parameters.validates
            ? sensitive
            : SensitiveDataDetector(synonyms: parameters.synonyms, includesEverything: true, validates: parameters.validates)
        let patterns = try identifiers.findings(in: passage, hits: identifierHits) + secrets.findings(in: passage, hits: secretHits)
        let findings = patterns + named(in: passage, reading)
        let borders = findings.isEmpty || parameters.unit != .textElements ? [] : Self.borders(of: text)
        var spans = findings.map { finding in
            PersonalDataSpan(
                range: borders.isEmpty ? finding.range : Self.widened(finding.range, to: borders),
                category: PersonalDataCategories.name(of: finding.category), confidence: finding.confidence,
                isSecret: finding.category.group == .secret)
        }
        // What lies within something excluded and is weaker is a part of it: the name in an excluded address is no find of its own.
        let excluded = spans.filter { isExcluded($0, in: text, parameters) }
        spans.removeAll { span in
            !isWanted(span, language: language, parameters)
                || excluded.contains {
                    $0.range == span.range && $0.category == span.category
                        || $0.range.lowerBound <= span.range.lowerBound && span.range.upperBound <= $0.range.upperBound
                            && PersonalDataSpan.rank($0) > PersonalDataSpan.rank(span)
                }
        }
        return PersonalDataSpan.settled(spans)
    }

    /// Names as the encoder read them, and places that everybody knows.
    private func named(in passage: Passage, _ reading: TextReading?) -> [Finding] {
        guard let names, let reading else { return [] }
        let read = names.findings(in: reading, of: passage)
        return read + PlaceNames.findings(in: passage, beside: read, detector: names.id)
    }

    private func isWanted(_ span: PersonalDataSpan, language: String?, _ parameters: CheckedPersonalDataParameters) -> Bool {
        if let wanted = parameters.wanted, !wanted.contains(span.category) { return false }
        if parameters.isHealthOnly, !PersonalDataCategories.isHealthRelated(span.category) { return false }
        return span.confidence >= parameters.threshold(for: span.category, language: language)
    }

    private func isExcluded(_ span: PersonalDataSpan, in text: String, _ parameters: CheckedPersonalDataParameters) -> Bool {
        if parameters.unwanted.contains(span.category) { return true }
        guard !parameters.excludedValues.isEmpty else { return false }
        let value = span.text(in: text)
        return parameters.excludedValues.contains(parameters.isExclusionCaseSensitive ? value : value.lowercased())
    }

    /// Where each character that a reader sees begins, in bytes, and the text's end.
    private static func borders(of text: String) -> [Int] {
        var borders = [0]
        borders.reserveCapacity(text.utf8.count + 1)
        var end = 0
        for element in text {
            end += element.utf8.count
            borders.append(end)
        }
        return borders
    }

    /// Moved outwards to whole characters.
    private static func widened(_ range: Range<Int>, to borders: [Int]) -> Range<Int> {
        func firstIndex(notBelow value: Int) -> Int {
            var low = 0
            var high = borders.count - 1
            while low < high {
                let middle = (low + high) / 2
                if borders[middle] < value { low = middle + 1 } else { high = middle }
            }
            return low
        }
        let lower = firstIndex(notBelow: range.lowerBound)
        let start = borders[lower] == range.lowerBound ? lower : max(0, lower - 1)
        return borders[start]..<max(borders[start], borders[firstIndex(notBelow: range.upperBound)])
    }
}

/// What was found where, in UTF-8 bytes.
struct PersonalDataSpan: Sendable, Hashable {
    let range: Range<Int>
    let category: String
    let confidence: Double
    let isSecret: Bool

    func text(in text: String) -> String { String(decoding: text.utf8.dropFirst(range.lowerBound).prefix(range.count), as: UTF8.self) }

    /// The specific before the general, names last of all, then the longer, then the more confident.
    static func rank(_ span: PersonalDataSpan) -> (Int, Int, Double) {
        let kind =
            span.isSecret
            ? 3
            : PersonalDataCategories.names.contains(span.category) ? 0 : PersonalDataCategories.general.contains(span.category) ? 1 : 2
        return (kind, span.range.count, span.confidence)
    }

    /// One for each stretch of text, of several the one that ranks highest.
    static func settled(_ spans: [PersonalDataSpan]) -> [PersonalDataSpan] {
        var kept: [PersonalDataSpan] = []
        for span in spans.sorted(by: { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }) {
            guard let last = kept.last, last.range.upperBound > span.range.lowerBound else {
                kept.append(span)
                continue
            }
            if rank(span) > rank(last) { kept[kept.count - 1] = span }
        }
        return kept
    }
}
