/// A second look at words that the encoder has read for names: a linear model over what the encoder says of a word and its neighbours, how
/// they are written and what stands between them. `training/names.py` fits it; the features here and there are the same.
struct NameReader {
    /// A word: its bytes, and what the encoder says of it.
    struct Word {
        let range: Range<Int>
        /// The mean over its pieces of the probabilities of O, then B and I of each kind.
        let mean: [Double]
        /// Those of its first piece.
        let first: [Double]

        /// A name begins here, says the encoder.
        var begins: Bool {
            for kind in 0..<3 {
                let beginning: Double = first[1 + 2 * kind]
                if beginning > first[0], beginning > first[2 + 2 * kind] { return true }
            }
            return false
        }
    }

    let text: UnsafeRawBufferPointer

    /// For each word the probabilities that it is a part of a person's, a place's or an organisation's name.
    func probabilities(of words: [Word]) -> [[Double]] {
        let said = words.map(said)
        let shapes = words.map { shape($0.range) }
        return words.indices.map { index in
            var sums = NameWeights.intercept
            var feature = 0
            func add(_ value: Double) {
                if value != 0 { for kind in 0..<3 { sums[kind] += NameWeights.features[kind][feature] * value } }
                feature += 1
            }
            for step in -2...2 {
                let near = words.indices.contains(index + step) ? said[index + step] : Self.far
                near.forEach(add)
            }
            let top = max(said[index][0], said[index][1], said[index][2])
            add(top)
            add(top > 0 ? top * top / 10 : 0)
            for step in -1...1 {
                let own = words.indices.contains(index + step) ? shapes[index + step] : 6
                for shape in 0..<7 { add(own == shape ? 1 : 0) }
            }
            surroundings(of: index, among: words).forEach { add($0 ? 1 : 0) }
            // Against a word that is no name, whose sum is 0.
            let highest = max(0, sums.max() ?? 0)
            let weights = sums.map { Exponential.of($0 - highest) }
            let total = weights.reduce(Exponential.of(-highest), +)
            return weights.map { $0 / total }
        }
    }

    // MARK: Features

    /// Where there is no word.
    private static let far: [Double] = [-3, -3, -3, 0]

    /// Log-odds of each kind against none, and of a beginning against an inner part.
    private func said(_ word: Word) -> [Double] {
        let (mean, first) = (word.mean, word.first)
        func odds(_ a: Double, _ b: Double, _ limit: Double) -> Double {
            min(max(Logarithm.of(max(a, 1e-4) / max(b, 1e-4)), -limit), limit)
        }
        return [
            odds(mean[1] + mean[2], mean[0], 7), odds(mean[3] + mean[4], mean[0], 7), odds(mean[5] + mean[6], mean[0], 7),
            odds(first[1] + first[3] + first[5], first[2] + first[4] + first[6], 5),
        ]
    }

    /// 0 number, 1 small, 2 capital first, 3 capitals, 4 one capital, 5 mixed.
    private func shape(_ range: Range<Int>) -> Int {
        let first = text[range.lowerBound]
        if IdentifierText.isDigit(first) { return 0 }
        let rest = text[range.lowerBound + 1..<range.upperBound]
        let isLarge = rest.contains { $0 >= 0x41 && $0 <= 0x5A }
        guard first >= 0x41 && first <= 0x5A else { return isLarge ? 5 : 1 }
        if rest.isEmpty { return 4 }
        let isSmall = rest.contains { $0 >= 0x61 && $0 <= 0x7A || $0 >= 0x80 }
        return isLarge ? (isSmall ? 5 : 3) : 2
    }

    /// What stands right before and after a word, and between it and its neighbours.
    private func surroundings(of index: Int, among words: [Word]) -> [Bool] {
        let range = words[index].range
        let before: UInt8 = range.lowerBound > 0 ? text[range.lowerBound - 1] : 0
        let after: UInt8 = range.upperBound < text.count ? text[range.upperBound] : 0
        let gap = index > 0 ? text[words[index - 1].range.upperBound..<range.lowerBound] : text[0..<0]
        let next = index + 1 < words.count ? text[range.upperBound..<words[index + 1].range.lowerBound] : text[0..<0]
        return [
            before == 0x23, before == 0x40, before == 0x22 || isQuote(range.lowerBound - 3, 0x9C),
            after == 0x22 || isQuote(range.upperBound, 0x9D), before == 0x28, after == 0x29,
            gap.elementsEqual(" ".utf8), gap.elementsEqual("-".utf8), next.elementsEqual(" ".utf8), next.elementsEqual("-".utf8),
            index == 0 || gap.elementsEqual(". ".utf8), gap.contains(0x2C), next.contains(0x2C), next.contains(0x3A),
            next.contains(0x27) || holdsApostrophe(next), gap.contains(0x26) || next.contains(0x26),
        ]
    }

    /// A typographic quote begins here.
    private func isQuote(_ index: Int, _ last: UInt8) -> Bool {
        index >= 0 && index + 2 < text.count && text[index] == 0xE2 && text[index + 1] == 0x80 && text[index + 2] == last
    }

    private func holdsApostrophe(_ gap: Slice<UnsafeRawBufferPointer>) -> Bool { gap.indices.contains { isQuote($0, 0x99) } }
}
