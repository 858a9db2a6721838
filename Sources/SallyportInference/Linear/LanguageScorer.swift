import SallyportCore

/// What a linear model says of windows that are not English, beside the encoder, whose vocabulary is: it knows what words of an attack
/// mean in eleven languages. Features and arithmetic stand in `training/languages.py`.
///
/// It changes an encoder's score where a window is in another language, so that the thresholds of the heads hold there too.
package struct LanguageScorer: Sendable {
    /// SHA-256 of the manifest, hexadecimal.
    package let digest: String
    private let model: HashedLinear
    private let lexicon: Lexicon
    private let languages: LanguageGuess
    /// For each task and domain, what becomes of the encoder's score.
    private let fits: [[LanguageGuess.Domain: Fit]]
    private let unknown: Int32

    private struct Fit: Decodable {
        let weight: Float
        let slope: Float
        let offset: Float
    }

    private struct Manifest: Decodable {
        struct SelfTest: Decodable {
            let text: String
            let domain: String
            let scores: [Float]
            let tolerance: Float
        }
        let domains: [String: [String: Fit]]
        let stopWords: [String: [String]]
        let selfTest: [SelfTest]

        enum CodingKeys: String, CodingKey {
            case domains
            case stopWords = "stop_words"
            case selfTest = "self_test"
        }
    }

    /// What is to be done to one window's scores.
    struct Adjustment: Sendable {
        fileprivate let changes: [(task: Int, slope: Float, added: Float)]
    }

    package var tasks: [String] { model.tasks }

    /// - Parameters:
    ///   - directory: holds `manifest.json`, `weights.bin` and `lexicon.txt`.
    ///   - window: the most tokens that a row of the self-test has.
    package init(directory: String, tokenizer: WordPieceTokenizer, window: Int) throws(ModelError) {
        let read = try HashedLinear.Manifest<Manifest>(of: directory)
        let (file, shape, manifest) = (read.file, read.shape, read.own)
        guard tokenizer.vocabularyCount <= 1 << 15 else { throw read.mistake("the vocabulary has more than 32,768 entries") }
        let words = manifest.stopWords
        guard let english = words["english"], let germanic = words["germanic"], let latin = words["latin"] else {
            throw read.mistake("stop_words: lacks english, germanic or latin")
        }
        var fits: [[LanguageGuess.Domain: Fit]] = []
        for task in shape.tasks {
            var own: [LanguageGuess.Domain: Fit] = [:]
            for domain in LanguageGuess.Domain.allCases where domain != .english {
                guard let fit = manifest.domains[task]?[domain.rawValue] else {
                    throw read.mistake("domains: lacks \(domain.rawValue) of \(task)")
                }
                guard fit.slope > 0 else { throw read.mistake("domains: a slope is not positive") }
                own[domain] = fit
            }
            fits.append(own)
        }
        model = try HashedLinear(shape, directory: directory, manifest: file.path)
        let stems = try HashedLinear.file("lexicon.txt", of: shape, directory: directory, manifest: file.path)
        lexicon = try Lexicon(stems.bytes, path: stems.path)
        languages = LanguageGuess(english: english, germanic: germanic, latin: latin)
        digest = file.digest
        self.fits = fits
        unknown = tokenizer.markers.unknown
        guard !manifest.selfTest.isEmpty else { throw read.mistake("self_test is empty") }
        for (number, row) in manifest.selfTest.enumerated() {
            let bytes = Array(row.text.utf8)
            guard let tokens = try? tokenizer.tokens(of: bytes).prefix(window) else {
                throw .selfTest("languages, row \(number): cannot be tokenised")
            }
            let (domain, found) = bytes.withUnsafeBytes { bytes in
                let text = Self.text(of: tokens, in: bytes)
                return (languages.domain(of: text), scores(of: tokens, in: bytes, text))
            }
            guard domain.rawValue == row.domain else {
                throw .selfTest("languages, row \(number): another language than recorded (\(domain.rawValue))")
            }
            guard found.count == row.scores.count, zip(found, row.scores).allSatisfy({ abs($0 - $1) <= row.tolerance }) else {
                throw .selfTest("languages, row \(number): other scores than recorded")
            }
        }
    }

    /// - Parameters:
    ///   - tokens: one window's.
    ///   - bytes: the whole text.
    /// - Returns: nil for a window in English, where the encoder's word stands alone.
    func adjustment(for tokens: ArraySlice<Token>, in bytes: UnsafeRawBufferPointer) -> Adjustment? {
        guard !tokens.isEmpty else { return nil }
        let text = Self.text(of: tokens, in: bytes)
        let domain = languages.domain(of: text)
        guard domain != .english else { return nil }
        let own = scores(of: tokens, in: bytes, text)
        return Adjustment(
            changes: own.indices.compactMap { task in
                fits[task][domain].map { (task, $0.slope, $0.slope * $0.weight * own[task] + $0.offset) }
            })
    }

    /// - Parameter columns: where the scores of ``tasks`` stand; nil: the encoder has no such head.
    static func apply(_ adjustment: Adjustment, to scores: inout [Float], columns: [Int?]) {
        for change in adjustment.changes {
            guard let column = columns[change.task], column < scores.count else { continue }
            scores[column] = change.slope * scores[column] + change.added
        }
    }

    private static func text(of tokens: ArraySlice<Token>, in bytes: UnsafeRawBufferPointer) -> WindowText {
        guard let first = tokens.first, let last = tokens.last else { return WindowText(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return WindowText(UnsafeRawBufferPointer(rebasing: bytes[first.range.lowerBound..<last.range.upperBound]))
    }

    /// Pairs of meanings reach this far, and so many words apart they are near.
    private static let reach = 4
    private static let near = 3

    private func scores(of tokens: ArraySlice<Token>, in bytes: UnsafeRawBufferPointer, _ text: WindowText) -> [Float] {
        let identifiers = tokens.map { token -> UInt64 in
            guard token.identifier == unknown else { return UInt64(UInt32(bitPattern: token.identifier)) }
            var hash = FeatureHash()
            for byte in bytes[token.range] { hash.add(UInt64(byte)) }
            return 0x8000 | hash.value & 0x7FFF
        }
        let runs = model.sums { add in FeatureHash.runs(of: identifiers.count, identifier: { identifiers[$0] }, add) }
        let found = lexicon.meanings(in: text)
        let meanings = model.sums { add in
            for (index, (meaning, word)) in found.enumerated() {
                let a = UInt64(meaning)
                if meaning != 0 { add(FeatureHash(0x81, a).value) }
                for other in found[(index + 1)...].prefix(Self.reach) {
                    let b = UInt64(other.meaning)
                    add(FeatureHash(other.word - word <= Self.near ? 0x82 : 0x83, a, b).value)
                    add(FeatureHash(0x85, min(a, b), max(a, b)).value)
                }
                if index + 2 < found.count {
                    add(FeatureHash(0x84, a, UInt64(found[index + 1].meaning), UInt64(found[index + 2].meaning)).value)
                }
            }
        }
        return runs.indices.map { model.biases[$0] + model.scales[$0] * (runs[$0] + meanings[$0]) }
    }
}

/// Tells English from other languages, and those by their script.
struct LanguageGuess: Sendable {
    enum Domain: String, Sendable, CaseIterable { case english, germanic, latin, cyrillic, han, arabic, other }

    private let english: Set<UInt64>
    private let germanic: Set<UInt64>
    private let latin: Set<UInt64>

    /// - Parameters: the commonest words of English, of German and its kin, and of the other languages in Latin letters that are known.
    init(english: [String], germanic: [String], latin: [String]) {
        func hashes(_ words: [String]) -> Set<UInt64> {
            Set(
                words.map { word in
                    var hash = FeatureHash()
                    for scalar in word.unicodeScalars { hash.add(UInt64(scalar.value)) }
                    return hash.value
                })
        }
        self.english = hashes(english)
        self.germanic = hashes(germanic)
        self.latin = hashes(latin)
    }

    func domain(of text: WindowText) -> Domain {
        var counts: [WindowText.Script: Int] = [:]
        var latinLetters = 0
        var words = 0
        var own = 0
        var north = 0
        var south = 0
        var isASCII = true
        var hash = FeatureHash()
        var length = 0
        func endWord() {
            guard length > 0 else { return }
            words += 1
            if english.contains(hash.value) { own += 1 }
            if germanic.contains(hash.value) { north += 1 }
            if latin.contains(hash.value) { south += 1 }
            hash = FeatureHash()
            length = 0
        }
        for code in text.scalars {
            if WindowText.isBreak(code) {
                endWord()
                continue
            }
            hash.add(UInt64(code))
            length += 1
            if code >= 0x80 { isASCII = false }
            guard WindowText.isLetter(code) else { continue }
            let script = WindowText.script(code)
            if script == .latin { latinLetters += 1 } else { counts[script, default: 0] += 1 }
        }
        endWord()
        let total = latinLetters + counts.values.reduce(0, +)
        guard total > 0 else { return .english }
        if counts[.kana, default: 0] * 10 > total { return .other }
        if counts[.han, default: 0] * 3 > total { return .han }
        if counts[.cyrillic, default: 0] * 3 > total { return .cyrillic }
        if counts[.arabic, default: 0] * 3 > total { return .arabic }
        if counts[.other, default: 0] * 3 > total { return .other }
        let others = max(north, south)
        if own >= others { return own > 0 || isASCII ? .english : .other }
        guard others * 12 >= words else { return .other }
        return north > south ? .germanic : .latin
    }
}
