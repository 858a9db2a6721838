import SallyportCore

/// The words that hold English sentences together, and the ones that attacks cannot do without: enough to tell a text from letters in
/// another order.
enum CommonWords {
    private static let words: Set<[UInt8]> = Set(
        [
            "the", "and", "you", "your", "are", "for", "with", "that", "this", "not", "all", "now", "from", "have", "will", "what",
            "ignore",
            "previous", "instructions", "system", "prompt", "rules", "must", "tell", "show", "reveal", "print", "answer", "how", "make",
            "is", "to", "of", "in", "me", "my", "do",
        ].map { Array($0.utf8) })

    /// At most the first 4 KB are looked at.
    static func count(in passage: Passage) -> Int { passage.withBytes { count(in: $0.prefix(4096)) } }

    static func count(in bytes: some Sequence<UInt8>) -> Int {
        var count = 0
        var word: [UInt8] = []
        word.reserveCapacity(16)
        for byte in bytes {
            let lower = byte | 0x20
            if lower >= 0x61 && lower <= 0x7A {
                if word.count < 16 { word.append(lower) }
            } else {
                if word.count > 1, words.contains(word) { count += 1 }
                word.removeAll(keepingCapacity: true)
            }
        }
        return word.count > 1 && words.contains(word) ? count + 1 : count
    }
}
