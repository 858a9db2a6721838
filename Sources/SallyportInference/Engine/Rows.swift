/// One row of a model's input: a window of a text, or a text and a window of a second one.
struct Row: Sendable, Hashable {
    /// Which text of the call.
    let text: Int
    /// Tokens of the first text.
    let first: Range<Int>
    /// Tokens of the second text; nil: the row holds one text.
    let second: Range<Int>?

    /// With the special tokens.
    var length: Int { first.count + 2 + (second.map { $0.count + 1 } ?? 0) }
}

/// How texts are cut into rows. The same rules stand in `training/reading.py`, and the model was trained with them.
struct RowLayout: Sendable, Hashable {
    let maximumTokens: Int
    let window: Int
    let stride: Int

    /// Ranges of at most `size` of `count` tokens, `step` apart; the last one reaches the end. One empty window for an empty text.
    static func windows(of count: Int, size: Int, step: Int) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var start = 0
        while true {
            found.append(start..<min(start + size, count))
            if start + size >= count { return found }
            start += step
        }
    }

    /// - Parameter pair: how many tokens the second text has; nil: there is none.
    func rows(text: Int, count: Int, pair: Int?) -> [Row] {
        guard let pair else {
            return Self.windows(of: count, size: window, step: stride).map { Row(text: text, first: $0, second: nil) }
        }
        // [CLS] text [SEP] window [SEP]: the text has at most half of what the three special tokens leave.
        let room = maximumTokens - 3
        let first = 0..<min(count, room / 2)
        let size = room - first.count
        return Self.windows(of: pair, size: size, step: max(1, size - (window - stride))).map { Row(text: text, first: first, second: $0) }
    }
}

/// A text after tokenising.
struct TokenizedText: Sendable {
    let tokens: [Token]
    let pair: [Token]?
    let wantsTokens: Bool
}

/// What a model said about one row.
struct RowResult: Sendable {
    var scores: [Float]
    /// A row of scores for each token of the first text.
    var tokenScores: [Float]?
}
