import SallyportCore

/// Finds names of persons, organisations and places, under the category names of Azure AI Language.
///
/// The model scores pieces of words; ``NameReader`` judges each word as a whole and among its neighbours, and what belongs to one name is put
/// together: hyphens, apostrophes, `&`, and the dots of initials. ``NameRules`` then settle what words alone tell: titles, legal forms, months.
package struct NamesDetector: LearnedDetector {
    package let id: DetectorID = "names"
    package let categories = ["Person", "Location", "Organization"].map { Finding.Category(.sensitive, $0) }
    package let needsTokens = true
    /// O, then B and I of each category, in the order of `categories`.
    private let columns: [Int]
    private let width: Int
    /// How likely a word must be a part of some name. Where a name that is missed costs four times one too many (F2), the best border is a
    /// fifth of what F2 is then.
    private let floor: Double

    package init?(_ description: EncoderDescription, floor: Double = 0.16) {
        guard let head = description.heads["names"], head.columns.count == 7 else { return nil }
        columns = head.columns
        width = description.tokenColumns.count
        self.floor = floor
    }

    package func reads(_ origin: PassageOrigin) -> Bool { true }

    package func findings(in reading: TextReading, of passage: Passage) -> [Finding] {
        var found: [Finding] = []
        passage.withBytes { text in
            for window in reading.windows {
                guard let tokens = window.tokens else { continue }
                for span in NameRules(text: text).settled(joined(spans(in: tokens, text), text)) {
                    let finding = Finding(id, categories[span.kind.rawValue], at: span.range, confidence: span.confidence)
                    // Windows overlap: the longer reading of the same name counts.
                    if let last = found.last, last.range.overlaps(finding.range) {
                        if finding.range.count > last.range.count { found[found.count - 1] = finding }
                    } else {
                        found.append(finding)
                    }
                }
            }
        }
        return found
    }

    private func spans(in tokens: TextReading.Tokens, _ text: UnsafeRawBufferPointer) -> [NameSpan] {
        let words = words(in: tokens, text)
        return zip(words, NameReader(text: text).probabilities(of: words)).compactMap { word, kinds in
            let share = min(1, kinds.reduce(0, +))
            guard share >= floor, let best = kinds.max(), let kind = kinds.firstIndex(of: best).flatMap(NameSpan.Kind.init) else {
                return nil
            }
            // What only just counts has 0.65, as a pattern that nothing near it speaks for.
            let certainty: Double = (share - floor) / (1 - floor)
            let confidence: Double = 0.65 + 0.35 * certainty
            return NameSpan(range: word.range, kind: kind, confidence: confidence, begins: word.begins)
        }
    }

    /// The pieces of a word stand next to each other and are letters or digits; what the encoder says of each is taken together.
    private func words(in tokens: TextReading.Tokens, _ text: UnsafeRawBufferPointer) -> [NameReader.Word] {
        var words: [NameReader.Word] = []
        var index = 0
        while index < tokens.ranges.count {
            var end = index + 1
            while end < tokens.ranges.count, tokens.ranges[end].lowerBound == tokens.ranges[end - 1].upperBound,
                Self.isWord(text, tokens.ranges[end].lowerBound), Self.isWord(text, tokens.ranges[end - 1].lowerBound)
            { end += 1 }
            defer { index = end }
            // One character may be several pieces (Hangul): the first has it.
            let start = max(tokens.ranges[index].lowerBound, words.last?.range.upperBound ?? 0)
            let range = start..<max(start, tokens.ranges[end - 1].upperBound)
            guard !range.isEmpty, range.upperBound <= text.count, Self.isWord(text, range.lowerBound) else { continue }
            let pieces = (index..<end).map { probabilities(at: $0, tokens) }
            let mean = pieces[0].indices.map { column in pieces.reduce(0) { $0 + $1[column] } / Double(pieces.count) }
            words.append(NameReader.Word(range: range, mean: mean, first: pieces[0]))
        }
        return words
    }

    /// Of O, then B and I of each category.
    private func probabilities(at piece: Int, _ tokens: TextReading.Tokens) -> [Double] {
        let scores = columns.map { Double(tokens.scores[piece * width + $0]) }
        let top = scores.max() ?? 0
        let weights = scores.map { Exponential.of($0 - top) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }

    /// Words of one name become one span.
    private func joined(_ words: [NameSpan], _ text: UnsafeRawBufferPointer) -> [NameSpan] {
        var spans: [NameSpan] = []
        for word in words {
            guard var last = spans.last, last.kind == word.kind,
                let gap = Gap(text, last.range.upperBound..<word.range.lowerBound), gap == .tight || !word.begins,
                gap != .comma || word.kind == .organization
            else {
                spans.append(word)
                continue
            }
            last.range = last.range.lowerBound..<word.range.upperBound
            last.confidence = min(last.confidence, word.confidence)
            spans[spans.count - 1] = last
        }
        return spans
    }

    private enum Gap {
        /// Within a word or between initials.
        case tight
        case blank
        /// Firms list their partners; persons and places that commas part are several.
        case comma

        init?(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) {
            guard range.count <= 4 else { return nil }
            let bytes = Array(text[range])
            switch bytes {
            case [], [0x2D], [0x27], [0xE2, 0x80, 0x99], [0x26]: self = .tight
            case [0x20], [0xC2, 0xA0], Array(" & ".utf8), Array(". ".utf8), Array(".".utf8), Array(" -".utf8), Array("- ".utf8):
                self = .blank
            case Array(", ".utf8): self = .comma
            default: return nil
            }
        }
    }

    /// A letter or digit begins here, no punctuation.
    private static func isWord(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        guard index < text.count else { return false }
        let byte = text[index]
        if byte < 0x80 { return IdentifierText.isAlphanumeric(byte) }
        return byte != 0xC2 && !(byte == 0xE2 && index + 1 < text.count && text[index + 1] == 0x80)
    }
}
