import NIOCore
import SallyportCore

/// Azure AI Language's PII analysis over our detectors: what a text holds, where, and the text without it.
///
/// Identifiers and credentials only; names of people, places and organisations are not found (their categories are accepted).
package struct PersonalDataAnalysis: Sendable {
    private let sensitive: SensitiveDataDetector
    private let secrets: SecretsDetector
    private let database: any PatternDatabase
    /// The compiled patterns before this index are the identifiers', the others the credentials'.
    private let border: Int

    /// - Throws: ``PatternError`` when a detector's expression cannot be compiled.
    package init(compiler: any PatternCompiler) throws {
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

    /// Analyses one document.
    /// - Parameter language: ISO 639-1, for thresholds that name one.
    package func analyse(
        _ text: String, language: String? = nil, with parameters: CheckedPersonalDataParameters
    ) throws -> PersonalDataResult {
        let found = try spans(in: text, language: language, with: parameters)
        return Redaction(text, found, parameters).result()
    }

    private func spans(in text: String, language: String?, with parameters: CheckedPersonalDataParameters) throws -> [PersonalDataSpan] {
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
            parameters.synonyms.isEmpty ? sensitive : SensitiveDataDetector(synonyms: parameters.synonyms, includesEverything: true)
        let findings = try identifiers.findings(in: passage, hits: identifierHits) + secrets.findings(in: passage, hits: secretHits)
        let borders = findings.isEmpty || parameters.unit != .textElements ? [] : Self.borders(of: text)
        var spans = findings.map { finding in
            PersonalDataSpan(
                range: borders.isEmpty ? finding.range : Self.widened(finding.range, to: borders),
                category: PersonalDataCategories.name(of: finding.category), confidence: finding.confidence,
                isSecret: finding.category.group == .secret)
        }
        spans.removeAll { !isWanted($0, in: text, language: language, parameters) }
        return PersonalDataSpan.settled(spans)
    }

    private func isWanted(_ span: PersonalDataSpan, in text: String, language: String?, _ parameters: CheckedPersonalDataParameters) -> Bool
    {
        if let wanted = parameters.wanted, !wanted.contains(span.category) { return false }
        if parameters.unwanted.contains(span.category) { return false }
        if parameters.isHealthOnly, !PersonalDataCategories.isHealthRelated(span.category) { return false }
        if span.confidence < parameters.threshold(for: span.category, language: language) { return false }
        if !parameters.excludedValues.isEmpty {
            let value = span.text(in: text)
            if parameters.excludedValues.contains(parameters.isExclusionCaseSensitive ? value : value.lowercased()) { return false }
        }
        return true
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

    /// One for each stretch of text: the specific before the general, then the longer, then the more confident.
    static func settled(_ spans: [PersonalDataSpan]) -> [PersonalDataSpan] {
        func rank(_ span: PersonalDataSpan) -> (Int, Int, Double) {
            (span.isSecret ? 2 : PersonalDataCategories.general.contains(span.category) ? 0 : 1, span.range.count, span.confidence)
        }
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
