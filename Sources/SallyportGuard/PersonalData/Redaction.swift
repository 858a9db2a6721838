/// Writes a document without what was found in it, and counts places in the unit that the request asked for.
struct Redaction {
    private let text: String
    private let spans: [PersonalDataSpan]
    private let parameters: CheckedPersonalDataParameters

    /// - Parameter spans: sorted, not overlapping.
    init(_ text: String, _ spans: [PersonalDataSpan], _ parameters: CheckedPersonalDataParameters) {
        self.text = text
        self.spans = spans
        self.parameters = parameters
    }

    func result() -> PersonalDataResult {
        var entities: [PersonalDataEntity] = []
        var redacted = ""
        // Units of the text read, and of the text written.
        var read = 0
        var written = 0
        var position = text.utf8.startIndex
        var offset = 0
        var numbers: [String: [String: Int]] = [:]
        for span in spans {
            let start = text.utf8.index(position, offsetBy: span.range.lowerBound - offset)
            let end = text.utf8.index(start, offsetBy: span.range.count)
            let between = text[position..<start]
            let value = text[start..<end]
            let gap = units(of: between)
            let length = units(of: value)
            redacted += between
            read += gap
            written += gap
            let policy = parameters.masks[span.category] ?? parameters.defaultMask
            let mask = mask(of: value, length: length, category: span.category, policy, &numbers)
            let maskLength = units(of: mask[...])
            let isNamed = policy == .entity
            entities.append(
                PersonalDataEntity(
                    text: String(value), category: span.category, offset: read, length: length, confidenceScore: span.confidence,
                    mask: isNamed ? mask : nil, maskOffset: isNamed ? written : nil, maskLength: isNamed ? maskLength : nil))
            redacted += mask
            read += length
            written += maskLength
            position = end
            offset = span.range.upperBound
        }
        redacted += text[position...]
        // Asked to mask nothing: there is no redacted text to return.
        let isSilent = parameters.defaultMask == .none && parameters.masks.values.allSatisfy { $0 == .none }
        return PersonalDataResult(entities: entities, redactedText: isSilent ? nil : redacted)
    }

    private func units(of part: Substring) -> Int {
        switch parameters.unit {
        case .textElements: part.count
        case .codePoints: part.unicodeScalars.count
        case .utf16: part.utf16.count
        }
    }

    private func mask(
        of value: Substring, length: Int, category: String, _ policy: CheckedPersonalDataParameters.Mask,
        _ numbers: inout [String: [String: Int]]
    ) -> String {
        switch policy {
        case .none: return String(value)
        case .entity:
            // The same value has the same number throughout a document.
            let next = (numbers[category]?.count ?? 0) + 1
            let number = numbers[category]?[String(value)] ?? next
            numbers[category, default: [:]][String(value)] = number
            return "[\(category.uppercased())_\(number)]"
        case .characters(let character, let kept, let fromEnd):
            guard kept > 0 else { return String(repeating: character, count: length) }
            // Never more than the value has; whole characters only.
            let part = fromEnd ? value.suffix(kept) : value.prefix(kept)
            let masked = String(repeating: character, count: max(0, length - units(of: part)))
            return fromEnd ? masked + part : part + masked
        }
    }
}
