import NIOCore

/// One text for the shared encoder: read alone, or as the first text of a pair.
package struct ReadingRequest: Sendable, Hashable {
    /// Valid UTF-8.
    package let text: ByteBuffer
    /// The second text of a pair (a source for a claim, a tool call for a request); nil for a text that stands alone.
    package let pair: ByteBuffer?
    /// Scores of single tokens are wanted too (spans, names).
    package let wantsTokens: Bool
    /// Windows that the cheap model in front of the encoder finds plainly benign need not be read.
    package let mayBeCleared: Bool

    package init(_ text: ByteBuffer, pair: ByteBuffer? = nil, wantsTokens: Bool = false, mayBeCleared: Bool = false) {
        self.text = text
        self.pair = pair
        self.wantsTokens = wantsTokens
        self.mayBeCleared = mayBeCleared
    }
}

/// What the shared encoder's heads said about one text: raw scores (logits), window by window.
package struct TextReading: Sendable {
    /// Scores of the tokens of one window, row after row.
    package struct Tokens: Sendable {
        /// Bytes of the first text (of a pair: of the claim) that each token stands for, ascending.
        package let ranges: [Range<Int>]
        /// `ranges.count` rows of one score for each of ``EncoderDescription/tokenColumns``.
        package let scores: [Float]

        package init(ranges: [Range<Int>], scores: [Float]) {
            self.ranges = ranges
            self.scores = scores
        }
    }
    package struct Window: Sendable {
        /// Bytes of the text that stand in this window; of a pair: bytes of the second text.
        package let range: Range<Int>
        /// One score for each of ``EncoderDescription/sequenceColumns``.
        package let scores: [Float]
        package let tokens: Tokens?
        /// How many words stand in it, punctuation not counted; ``Int/max`` where nobody counted.
        package let words: Int

        package init(range: Range<Int>, scores: [Float], tokens: Tokens? = nil, words: Int = .max) {
            self.range = range
            self.scores = scores
            self.tokens = tokens
            self.words = words
        }
    }
    /// Ascending, overlapping; without those that the cheap model cleared.
    package let windows: [Window]
    /// How many windows were cleared without the encoder.
    package let cleared: Int

    package init(windows: [Window], cleared: Int = 0) {
        self.windows = windows
        self.cleared = cleared
    }

    /// All windows of the text, read or cleared.
    package var windowCount: Int { windows.count + cleared }
}

/// How much it weighs that a claim's words are missing in its sources: fitted with the head that it belongs to.
package struct LexicalEvidence: Sendable, Hashable {
    package var intercept: Double
    /// The weight of the encoder's own score.
    package var encoder: Double
    /// What it weighs besides, as far as it lies above ``certainFrom``.
    package var certain = 0.0
    package var certainFrom = 0.0
    /// Of the share of the claim's content words that are missing.
    package var novel: Double
    /// Of the share of its pairs of neighbouring words that are missing.
    package var pairs: Double
    /// Of each missing word with a digit, up to three.
    package var numbers: Double
    /// Of each missing word with a capital letter, up to three.
    package var names: Double
    /// In lower case; carry no content.
    package var stopWords: Set<String>

    package init(
        intercept: Double, encoder: Double, novel: Double, pairs: Double, numbers: Double, names: Double, stopWords: Set<String>
    ) {
        self.intercept = intercept
        self.encoder = encoder
        self.novel = novel
        self.pairs = pairs
        self.numbers = numbers
        self.names = names
        self.stopWords = stopWords
    }
}

/// What a model can score, and how its scores become probabilities and decisions.
package struct EncoderDescription: Sendable {
    /// p = 1 / (1 + exp(-(slope * score + intercept))), fitted on held-out rows (Platt 1999).
    package struct Calibration: Sendable, Hashable {
        package let slope: Double
        package let intercept: Double
        package init(slope: Double = 1, intercept: Double = 0) {
            self.slope = slope
            self.intercept = intercept
        }
    }
    package struct Head: Sendable {
        package enum Kind: String, Sendable { case sigmoid, ordinal, bio, tokenSigmoid = "token-sigmoid" }
        package let kind: Kind
        /// Indices among the sequence columns (`sigmoid`, `ordinal`) or the token columns (`bio`, `token-sigmoid`).
        package let columns: [Int]
        /// One for each column; none for `bio`.
        package let calibrations: [Calibration]
        /// The probability above which this share of benign texts is reported: false-positive rate and probability, ascending by rate.
        package let thresholds: [(rate: Double, probability: Double)]
        /// For each column, what a text's score loses for each factor e of its windows (up to 64): the best of many windows is higher by chance.
        package let windowPenalties: [Double]
        /// For each column, what the score of a text of fewer than ``shortWords`` words loses for each factor e that it has fewer: a word or two
        /// say little, and models that learned from sentences say much about them.
        package let shortPenalties: [Double]
        package static let shortWords = 8

        /// What a claim's words add to the encoder's score; nil: nothing.
        package var lexical: LexicalEvidence?

        package init(
            kind: Kind, columns: [Int], calibrations: [Calibration], thresholds: [(rate: Double, probability: Double)],
            windowPenalties: [Double] = [], shortPenalties: [Double] = []
        ) {
            self.kind = kind
            self.columns = columns
            self.calibrations = calibrations
            self.thresholds = thresholds
            self.windowPenalties = windowPenalties
            self.shortPenalties = shortPenalties
        }
    }
    package let name: String
    package let version: String
    /// SHA-256 over the model's files, hexadecimal: goes on record with every verdict.
    package let digest: String
    package let sequenceColumns: [String]
    package let tokenColumns: [String]
    package let heads: [String: Head]

    package init(
        name: String, version: String, digest: String, sequenceColumns: [String], tokenColumns: [String], heads: [String: Head]
    ) {
        self.name = name
        self.version = version
        self.digest = digest
        self.sequenceColumns = sequenceColumns
        self.tokenColumns = tokenColumns
        self.heads = heads
    }
}

/// Why a text was not read.
package enum TextReadingFault: Error, Sendable {
    /// More is queued than may be; try again later.
    case overloaded(retryAfter: Duration)
    /// The text alone is longer than may be read at once.
    case tooLong
    /// Not valid UTF-8.
    case malformed
    /// The engine could not do its work.
    case failed(String)
    case cancelled
}

/// The shared encoder: each text is tokenised once and run once, for all heads.
package protocol TextReader: Sendable {
    var description: EncoderDescription { get }
    /// Reads all texts; the answer has one reading for each, in order. Returns at once; `completion` is called once, on a thread of the
    /// reader's own, where it must not block.
    func read(_ requests: [ReadingRequest], completion: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void)
    /// ``read(_:completion:)`` that can be taken back: what is returned ends the call with ``TextReadingFault/cancelled`` unless it is done.
    func begin(
        _ requests: [ReadingRequest], completion: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void
    ) -> @Sendable () -> Void
}

extension TextReader {
    package func begin(
        _ requests: [ReadingRequest], completion: @escaping @Sendable (Result<[TextReading], TextReadingFault>) -> Void
    ) -> @Sendable () -> Void {
        read(requests, completion: completion)
        return {}
    }
}

/// Turns texts into vectors of length one for search and categories.
package protocol TextEmbedder: Sendable {
    var dimensions: Int { get }
    /// Identifies the model: vectors of different models do not compare.
    var digest: String { get }
    /// One vector for each text, in order; called back on a thread of the embedder's own.
    func embed(_ texts: [ByteBuffer], completion: @escaping @Sendable (Result<[[Float]], TextReadingFault>) -> Void)
    /// How long a text is for the model; nil: it does not say. May block as long as loading the model takes.
    func tokenCount(of text: [UInt8]) -> Int?
}

extension TextEmbedder {
    package func tokenCount(of text: [UInt8]) -> Int? { nil }
}
