/// Winnowing (S. Schleimer, D. S. Wilkerson and A. Aiken, "Winnowing: local algorithms for document fingerprinting", SIGMOD 2003): of the
/// hashes of all runs of `length` tokens, the smallest of every `window` neighbours is kept. Any copied run of
/// `length + window - 1` tokens shares at least one kept hash with its source, wherever it begins.
struct Winnowing {
    let length: Int
    let window: Int
    /// So many copied tokens in one place are a copy; fewer are how people speak.
    let leastTokens: Int

    static func of(_ kind: MaterialKind) -> Winnowing {
        switch kind {
        case .text: Winnowing(length: 6, window: 6, leastTokens: 16)
        case .code: Winnowing(length: 10, window: 8, leastTokens: 32)
        }
    }

    /// The hash of every run, by its first token. Works of different kinds never share one.
    func runs(of tokens: [UInt64], as kind: MaterialKind) -> [UInt64] {
        guard tokens.count >= length else { return [] }
        return (0...(tokens.count - length)).map { first in
            var hash: UInt64 = 0x9E37_79B9_7F4A_7C15 &+ UInt64(kind.rawValue)
            for token in tokens[first..<(first + length)] {
                hash = (hash ^ token) &* 0xff51_afd7_ed55_8ccd
                hash ^= hash >> 32
            }
            return hash
        }
    }

    /// The hashes that stand for a source: of equal ones the rightmost is taken, each once.
    func fingerprints(of tokens: [UInt64], as kind: MaterialKind) -> [UInt64] {
        let runs = runs(of: tokens, as: kind)
        guard runs.count > window else { return runs.min().map { [$0] } ?? [] }
        var kept: [UInt64] = []
        var last = -1
        for start in 0...(runs.count - window) {
            // The minimum is looked for anew only when it left the window or a smaller one came in.
            if last >= start, runs[last] < runs[start + window - 1] { continue }
            var smallest = start
            for index in start..<(start + window) where runs[index] <= runs[smallest] { smallest = index }
            if smallest != last {
                kept.append(runs[smallest])
                last = smallest
            }
        }
        return kept
    }
}
