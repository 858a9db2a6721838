import NIOCore
import SallyportCore

/// Gives a text in the readings that detectors ask for: folded, joined, respelled, decoded. Deterministic and without state, so
/// that windows of a stream go through it like whole texts. Cost is linear in the text; plain ASCII costs one pass.
package struct Normaliser: Sendable {
    package struct Configuration: Sendable {
        /// Decoding steps that are followed.
        package var maximumDepth = 3
        /// Bytes that may be decoded from one text: this, or the text's size times the factor, whichever is more.
        package var minimumByteBudget = 64 << 10
        package var byteBudgetFactor = 2
        /// Letters set apart that make a word worth joining.
        package var leastSpacedLetters = 4
        /// Characters of base64, or hex digits, that make a region.
        package var leastEncodedLength = 16
        package init() {}
        package static let standard = Configuration()
    }

    package static let detectorID: DetectorID = "normaliser"

    private let configuration: Configuration
    private let trie = FoldTrie.standard

    package init(configuration: Configuration = .standard) { self.configuration = configuration }

    /// - Parameter kinds: the readings that anyone looks at; others are not made. Readings of decoded texts (a rot13 inside a
    ///   base64) are made when both kinds are wanted. Decoded texts are given folded.
    package func layers(of passage: Passage, wanting kinds: TextLayer.Kinds) -> NormalisedText {
        var work = Work(passage, wanting: kinds, configuration, trie)
        work.run()
        return NormalisedText(layers: work.layers, observations: work.observations, isComplete: work.isComplete)
    }
}

/// The normalisation of one text.
private struct Work {
    private(set) var layers: [TextLayer]
    private(set) var observations: [Finding] = []
    private(set) var isComplete = true
    private let passage: Passage
    private let kinds: TextLayer.Kinds
    private let configuration: Normaliser.Configuration
    private let trie: FoldTrie
    private let undoesEscapes: Bool
    private let decodesRegions: Bool
    private var budget: Int

    init(_ passage: Passage, wanting kinds: TextLayer.Kinds, _ configuration: Normaliser.Configuration, _ trie: FoldTrie) {
        self.passage = passage
        self.kinds = kinds
        self.configuration = configuration
        self.trie = trie
        undoesEscapes = kinds.contains(.url) || kinds.contains(.htmlEntities)
        decodesRegions = kinds.contains(.base64) || kinds.contains(.hex) || kinds.contains(.morse)
        budget = max(configuration.minimumByteBudget, configuration.byteBudgetFactor * passage.count)
        layers = [TextLayer(kind: .original, depth: 0, passage: passage, map: .identity)]
    }

    mutating func run() {
        expand(Reading(text: passage.text, isASCII: passage.isASCII, map: .identity), kind: .original, depth: 0)
    }

    private mutating func emit(_ reading: Reading, _ kind: TextLayer.Kind, _ depth: Int) {
        layers.append(TextLayer(kind: kind, depth: depth, passage: reading.passage(passage.origin), map: reading.map))
    }

    /// - Parameters:
    ///   - reading: the original, or a text that was decoded.
    ///   - depth: the decoding steps that led to it.
    private mutating func expand(_ reading: Reading, kind: TextLayer.Kind, depth: Int) {
        var reading = reading
        var depth = depth
        var survey = reading.text.withUnsafeReadableBytes { Survey($0) }
        if survey.hasNonASCII, let folded = fold(reading, depth) {
            reading = folded
            survey = reading.text.withUnsafeReadableBytes { Survey($0) }
            if kind == .original, kinds.contains(.folded) { emit(reading, .folded, 0) }
        }
        if kind != .original, kinds.contains(kind) { emit(reading, kind, depth) }
        if undoesEscapes, survey.mayHoldEscapes { undoEscapes(&reading, &survey, &depth) }
        respell(reading, survey, depth)
        if decodesRegions { decodeRegions(reading, survey, depth) }
    }

    /// Folds, notes what was hidden, and follows the hidden texts.
    private mutating func fold(_ reading: Reading, _ depth: Int) -> Reading? {
        let (folded, folding) = reading.text.withUnsafeReadableBytes { bytes in
            var folding = Folding(bytes, trie: trie)
            let folded = folding.fold(reading)
            return (folded, folding)
        }
        observations.append(contentsOf: folding.notes.findings.map { $0.moved(to: reading.map.original($0.range)) })
        reveal(folding.tags, of: reading, .tagCharacters, depth)
        reveal(folding.selectors, of: reading, .variationSelectors, depth)
        return folded
    }

    private mutating func reveal(_ hidden: Folding.Hidden, of reading: Reading, _ kind: TextLayer.Kind, _ depth: Int) {
        guard kinds.contains(kind), let first = hidden.runs.first else { return }
        let isText = hidden.bytes.withUnsafeBytes { Plausibility.isText($0) }
        guard isText || kind == .tagCharacters else { return }
        guard depth < configuration.maximumDepth else { return giveUp(at: reading.map.original(first.source)) }
        guard pay(hidden.bytes.count) else { return giveUp(at: reading.map.original(first.source)) }
        let text = Array(String(decoding: hidden.bytes, as: UTF8.self).utf8)
        // Mending the UTF-8 changes lengths; then the whole stands for the whole.
        let last = hidden.runs.last ?? first
        let runs =
            text.count == hidden.bytes.count
            ? hidden.runs
            : [.init(derived: 0..<text.count, source: first.source.lowerBound..<last.source.upperBound, isLinear: false)]
        expand(reading.derive(text, runs: runs), kind: kind, depth: depth + 1)
    }

    /// Undoes escapes until none are left and gives the last reading: the ones between are half-way.
    private mutating func undoEscapes(_ reading: inout Reading, _ survey: inout Survey, _ depth: inout Int) {
        var kind: TextLayer.Kind?
        while survey.mayHoldEscapes {
            let parent = reading
            let (undone, made) = parent.text.withUnsafeReadableBytes { bytes in
                var escapes = Escapes(bytes)
                let undone = escapes.undo(parent)
                return (undone, escapes.kind)
            }
            guard var next = undone else { break }
            if depth >= configuration.maximumDepth {
                giveUp(at: reading.map.original(0..<reading.text.readableBytes))
                break
            }
            kind = kind ?? made
            depth += 1
            survey = next.text.withUnsafeReadableBytes { Survey($0) }
            if survey.hasNonASCII, let folded = fold(next, depth) {
                next = folded
                survey = next.text.withUnsafeReadableBytes { Survey($0) }
            }
            reading = next
        }
        if let kind { emit(reading, kind, depth) }
    }

    private mutating func respell(_ reading: Reading, _ survey: Survey, _ depth: Int) {
        if kinds.contains(.rot13) {
            emit(reading.respelled(reading.text.withUnsafeReadableBytes { Respelling.rot13($0) }), .rot13, depth + 1)
        }
        if kinds.contains(.reversed) {
            let map = OffsetMap(runs: reading.map.runs, reversedLength: reading.text.readableBytes)
            let text = reading.text.withUnsafeReadableBytes { Respelling.reversed($0) }
            emit(Reading(text: text, isASCII: reading.isASCII, map: map), .reversed, depth + 1)
        }
        var reading = reading
        var survey = survey
        if kinds.contains(.joined) || kinds.contains(.leet), !survey.spaced.isEmpty || survey.hasHyphenation {
            let parent = reading
            let joined = parent.text.withUnsafeReadableBytes { bytes in
                var joining = Joining(bytes, leastLetters: configuration.leastSpacedLetters)
                return joining.join(parent, survey)
            }
            if let joined {
                reading = joined
                if kinds.contains(.joined) { emit(joined, .joined, depth + 1) }
                if kinds.contains(.leet) { survey = joined.text.withUnsafeReadableBytes { Survey($0) } }
            }
        }
        if kinds.contains(.leet), !survey.mixed.isEmpty {
            for text in reading.text.withUnsafeReadableBytes({ Leet($0).readings(survey) }) {
                emit(reading.respelled(text), .leet, depth + 1)
            }
        }
    }

    private mutating func decodeRegions(_ reading: Reading, _ survey: Survey, _ depth: Int) {
        let isSpelled = kinds.contains(.morse) && reading.text.withUnsafeReadableBytes { SpellingAlphabet.mayOccur(in: $0) }
        if survey.longRuns.isEmpty, survey.mixed.isEmpty, survey.spaced.isEmpty, survey.dotted.isEmpty, !isSpelled { return }
        let isDeepest = depth >= configuration.maximumDepth
        let regions = reading.text.withUnsafeReadableBytes { bytes in
            var regions = EncodedRegions(bytes, least: configuration.leastEncodedLength, limit: budget, stopsAtFirst: isDeepest)
            regions.find(survey)
            if kinds.contains(.morse) { regions.findMorse(survey) }
            if isSpelled { regions.findSpelled() }
            return regions
        }
        if let first = regions.first, isDeepest || regions.exceedsLimit { giveUp(at: reading.map.original(first)) }
        if isDeepest { return }
        let found = [(regions.base64, TextLayer.Kind.base64), (regions.hex, .hex), (regions.morse, .morse)]
        for (decoded, kind) in found where !decoded.bytes.isEmpty {
            guard pay(decoded.bytes.count) else { continue }
            expand(reading.derive(decoded.bytes, runs: decoded.runs), kind: kind, depth: depth + 1)
        }
    }

    /// Takes bytes off the budget.
    private mutating func pay(_ bytes: Int) -> Bool {
        if bytes > budget { return false }
        budget -= bytes
        return true
    }

    private mutating func giveUp(at range: Range<Int>) {
        if isComplete {
            observations.append(Finding(Normaliser.detectorID, .init(.invisible, "nested-encoding-limit"), at: range))
        }
        isComplete = false
    }
}
