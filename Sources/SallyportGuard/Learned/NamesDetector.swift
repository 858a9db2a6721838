import SallyportCore

/// Finds names of persons, organisations and places, under the category names of Azure AI Language.
package struct NamesDetector: LearnedDetector {
    package let id: DetectorID = "names"
    package let categories = ["Person", "Location", "Organization"].map { Finding.Category(.sensitive, $0) }
    package let needsTokens = true
    /// O, then B and I of each category, in the order of `categories`.
    private let columns: [Int]
    private let width: Int

    package init?(_ description: EncoderDescription) {
        guard let head = description.heads["names"], head.columns.count == 7 else { return nil }
        columns = head.columns
        width = description.tokenColumns.count
    }

    package func reads(_ origin: PassageOrigin) -> Bool { true }

    package func findings(in reading: TextReading, of passage: Passage) -> [Finding] {
        var found: [Finding] = []
        for window in reading.windows {
            guard let tokens = window.tokens else { continue }
            for span in spans(in: tokens) {
                let finding = Finding(id, categories[span.category], at: span.range, confidence: span.confidence)
                // Windows overlap: the longer reading of the same name counts.
                if let last = found.last, last.range.overlaps(finding.range), last.category == finding.category {
                    if finding.range.count > last.range.count { found[found.count - 1] = finding }
                } else {
                    found.append(finding)
                }
            }
        }
        return found
    }

    private struct Span {
        var range: Range<Int>
        var category: Int
        var confidence: Double
    }

    private func spans(in tokens: TextReading.Tokens) -> [Span] {
        var spans: [Span] = []
        var open: Span?
        for (index, range) in tokens.ranges.enumerated() {
            let (label, probability) = best(tokens.scores[(index * width)..<((index + 1) * width)])
            guard label > 0 else {
                if let done = open { spans.append(done) }
                open = nil
                continue
            }
            let category = (label - 1) / 2
            let begins = label % 2 == 1
            if var current = open, current.category == category, !begins || range.lowerBound == current.range.upperBound {
                current.range = current.range.lowerBound..<max(current.range.upperBound, range.upperBound)
                current.confidence = min(current.confidence, probability)
                open = current
            } else {
                if let done = open { spans.append(done) }
                open = Span(range: range, category: category, confidence: probability)
            }
        }
        if let done = open { spans.append(done) }
        return spans
    }

    /// The likeliest label and its share after softmax, B and I of the same category together.
    private func best(_ row: ArraySlice<Float>) -> (label: Int, probability: Double) {
        let scores = columns.map { Double(row[row.startIndex + $0]) }
        let top = scores.max() ?? 0
        let weights = scores.map { Exponential.of($0 - top) }
        let total = weights.reduce(0, +)
        let label = scores.firstIndex(of: top) ?? 0
        guard label > 0 else { return (0, weights[0] / total) }
        let category = (label - 1) / 2
        return (label, (weights[1 + 2 * category] + weights[2 + 2 * category]) / total)
    }
}
