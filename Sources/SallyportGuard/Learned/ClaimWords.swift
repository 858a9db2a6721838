import SallyportCore

/// What a claim's words say beside the encoder: how much of it the sources do not have. Words are runs of ASCII letters and digits and of
/// bytes from 0x80 on, compared without ASCII case; exactly as the model's weights were fitted.
struct ClaimWords {
    private var known: Set<UInt64> = []
    private var knownPairs: Set<UInt64> = []
    private let stopWords: Set<UInt64>

    private struct Word {
        let hash: UInt64
        let hasDigit: Bool
        let isCapital: Bool
    }

    init(_ evidence: LexicalEvidence) {
        stopWords = Set(evidence.stopWords.map { Self.hash($0.utf8) })
    }

    mutating func learn(_ source: UnsafeRawBufferPointer) {
        let words = Self.words(in: source)
        known.formUnion(words.map(\.hash))
        for (first, second) in zip(words, words.dropFirst()) { knownPairs.insert(Self.pair(first, second)) }
    }

    /// What is added to the claim's weighted score.
    func evidence(for claim: UnsafeRawBufferPointer, _ weights: LexicalEvidence) -> Double {
        let words = Self.words(in: claim)
        let content = Set(words.map(\.hash)).subtracting(stopWords)
        guard !content.isEmpty else { return 0 }
        let pairs = Set(zip(words, words.dropFirst()).map { Self.pair($0, $1) })
        let novel = Double(content.subtracting(known).count) / Double(content.count)
        let newPairs = pairs.isEmpty ? 0 : Double(pairs.subtracting(knownPairs).count) / Double(pairs.count)
        let numbers = Set(words.filter(\.hasDigit).map(\.hash)).subtracting(known).count
        let names = Set(words.dropFirst().filter(\.isCapital).map(\.hash)).subtracting(known).count
        return weights.novel * novel + weights.pairs * newPairs + weights.numbers * Double(min(3, numbers))
            + weights.names * Double(min(3, names))
    }

    private static func pair(_ first: Word, _ second: Word) -> UInt64 { (first.hash &* 0x9E37_79B9_7F4A_7C15) ^ second.hash }

    private static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    private static func words(in bytes: UnsafeRawBufferPointer) -> [Word] {
        var words: [Word] = []
        var index = 0
        while index < bytes.count {
            let start = index
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            var hasDigit = false
            while index < bytes.count {
                let byte = bytes[index]
                let isDigit = byte >= 0x30 && byte <= 0x39
                guard isDigit || byte >= 0x80 || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) else { break }
                hasDigit = hasDigit || isDigit
                hash = (hash ^ UInt64(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)) &* 0x100_0000_01b3
                index += 1
            }
            if index > start {
                words.append(Word(hash: hash, hasDigit: hasDigit, isCapital: bytes[start] >= 0x41 && bytes[start] <= 0x5A))
            } else {
                index += 1
            }
        }
        return words
    }
}
