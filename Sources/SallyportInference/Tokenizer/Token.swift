/// The case of the word that a token is a piece of, as the model takes it.
package enum CaseClass: Int32, Sendable, CaseIterable {
    /// Small letters, or a script without case.
    case plain
    case capitalised
    /// Two or more capitals and nothing else.
    case capitals
    case mixed
    /// A word with a digit in it.
    case digit
    /// Punctuation, and the tokens that stand for no text.
    case special
}

/// A piece of a word: its number in the vocabulary and what it stands for. 16 bytes.
package struct Token: Sendable, Hashable {
    package let identifier: Int32
    /// UTF-8 byte offsets in the text.
    let start: UInt32
    let end: UInt32
    /// The word's number, and in the lowest three bits its case.
    let wordAndCase: UInt32

    package var range: Range<Int> { Int(start)..<Int(end) }
    /// Words count from zero; pieces of one word share the number.
    package var word: Int { Int(wordAndCase >> 3) }
    package var caseClass: CaseClass { CaseClass(rawValue: Int32(wordAndCase & 7)) ?? .plain }
}

/// Why a text cannot be tokenised.
package enum TokenizationError: Error, Sendable, Hashable {
    /// Not valid UTF-8 from this byte on.
    case malformed(at: Int)
    /// More tokens than the caller allows.
    case tooLong
}
