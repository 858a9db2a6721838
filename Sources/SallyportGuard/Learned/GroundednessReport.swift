import NIOCore
import SallyportCore

/// What is told of a text that is held against its sources: the sentences that nothing supports, why, and the text without them.
///
/// Made by rules from the sources alone: a reason names the closest source sentence and what it does not say; a correction puts that
/// sentence in the place of the unsupported one, or takes it out where no source speaks of the matter.
package struct GroundednessReport: Sendable {
    package struct Detail: Sendable {
        /// Bytes of the text: a whole sentence.
        package let range: Range<Int>
        package let reason: String
    }

    package let details: [Detail]
    /// Share of the sentences' code points that stand in unsupported ones: 0...1.
    package let percentage: Double
    /// The highest probability of being unsupported.
    package let confidence: Double
    /// The text with every unsupported sentence replaced or taken out.
    package let corrected: ByteBuffer

    /// A sentence that shares less than this with the closest source sentence is taken out, not replaced.
    private static let leastOverlap = 0.4
    private static let longestQuote = 240
    private static let mostWords = 6

    package init(_ text: ByteBuffer, claims: [GroundednessAnalysis.Claim], sources: [ByteBuffer]) {
        let ungrounded = claims.filter(\.isUngrounded)
        confidence = ungrounded.map(\.probability).max() ?? 0
        guard !ungrounded.isEmpty else {
            details = []
            percentage = 0
            corrected = text
            return
        }
        let statements = sources.flatMap(Self.statements)
        let bytes = Array(text.readableBytesView)
        func length(_ claim: GroundednessAnalysis.Claim) -> Int { bytes[claim.range].reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }
        let whole = claims.reduce(0) { $0 + length($1) }
        percentage = whole == 0 ? 1 : Double(ungrounded.reduce(0) { $0 + length($1) }) / Double(whole)

        var details: [Detail] = []
        var corrected: [UInt8] = []
        var kept = 0
        // What the text says anyway need not be put in once more.
        var said: Set<[UInt8]> = []
        for claim in claims where !claim.isUngrounded { said.insert(Array(bytes[claim.range])) }
        for claim in ungrounded {
            let sentence = Array(bytes[claim.range])
            let words = Self.words(in: sentence)
            let closest = Self.closest(to: Set(words.map(\.hash)), among: statements)
            details.append(Detail(range: claim.range, reason: Self.reason(words, closest?.statement, overlap: closest?.overlap ?? 0)))
            corrected += bytes[kept..<claim.range.lowerBound]
            kept = claim.range.upperBound
            if let closest, closest.overlap >= Self.leastOverlap, said.insert(closest.statement.text).inserted {
                corrected += closest.statement.text
            } else {
                // One blank less: those before and after the sentence are now one.
                while kept < bytes.count, bytes[kept] == 0x20 { kept += 1 }
            }
        }
        corrected += bytes[kept...]
        while let last = corrected.last, last == 0x20 || last == 0x0A { corrected.removeLast() }
        self.details = details
        self.corrected = ByteBuffer(bytes: corrected)
    }

    // MARK: Source sentences

    private struct Statement {
        let text: [UInt8]
        let terms: Set<UInt64>
    }

    private static func statements(of source: ByteBuffer) -> [Statement] {
        source.withUnsafeReadableBytes { bytes in
            Sentences.ranges(in: bytes).map { range in
                let text = Array(bytes[range])
                return Statement(text: text, terms: Set(words(in: text).map(\.hash)))
            }
        }
    }

    /// - Returns: the statement that shares most words with the sentence, the first of several, and what share of the sentence's that is.
    private static func closest(to terms: Set<UInt64>, among statements: [Statement]) -> (statement: Statement, overlap: Double)? {
        var best: (statement: Statement, shared: Int)?
        for statement in statements {
            let shared = terms.reduce(0) { $0 + (statement.terms.contains($1) ? 1 : 0) }
            if shared > 0, shared > best?.shared ?? 0 { best = (statement, shared) }
        }
        return best.map { ($0.statement, Double($0.shared) / Double(max(1, terms.count))) }
    }

    private static func reason(_ words: [Word], _ closest: Statement?, overlap: Double) -> String {
        guard let closest, overlap > 0 else { return "No sentence of the sources speaks of this." }
        var reason = "The closest sentence of the sources is \"\(quote(closest.text))\""
        var missing: [String] = []
        for word in words where !closest.terms.contains(word.hash) && !missing.contains(word.text) { missing.append(word.text) }
        guard !missing.isEmpty else { return reason + ", which does not say the same." }
        reason += ", which does not mention " + missing.prefix(mostWords).map { "'\($0)'" }.joined(separator: ", ")
        return reason + (missing.count > mostWords ? " and more." : ".")
    }

    private static func quote(_ text: [UInt8]) -> String {
        let scalars = String(decoding: text, as: UTF8.self).unicodeScalars
        guard scalars.count > longestQuote else { return String(scalars) }
        return String(String.UnicodeScalarView(scalars.prefix(longestQuote))) + "…"
    }

    // MARK: Words

    private struct Word {
        let text: String
        let hash: UInt64
    }

    /// Words that carry a meaning of their own, in lower case.
    private static func words(in bytes: [UInt8]) -> [Word] {
        let lowered = String(decoding: bytes, as: UTF8.self).lowercased()
        return lowered.split { !($0.isLetter || $0.isNumber) }.compactMap { part in
            let text = String(part)
            guard !filler.contains(text) else { return nil }
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            return Word(text: text, hash: hash)
        }
    }

    private static let filler: Set<String> = [
        "a", "an", "and", "are", "as", "at", "be", "been", "by", "for", "from", "had", "has", "have", "he", "her", "his", "in", "is", "it",
        "its", "of", "on", "or", "she", "that", "the", "their", "they", "this", "to", "was", "were", "which", "will", "with",
    ]
}
