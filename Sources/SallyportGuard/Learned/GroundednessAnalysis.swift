import NIOCore
import SallyportCore

/// Which parts of a text its sources do not support: each sentence is held against the passages that share most with it.
package struct GroundednessAnalysis: Sendable {
    /// One sentence of the text.
    package struct Claim: Sendable {
        /// Bytes of the text.
        package let range: Range<Int>
        /// How likely no passage supports it.
        package let probability: Double
        /// The most telling bytes within it, where the model names some; else the whole sentence.
        package let span: Range<Int>
        package let isUngrounded: Bool
    }

    /// What is to be read, and how the answers are put together.
    package struct Plan: Sendable {
        package let requests: [ReadingRequest]
        fileprivate let claims: [(range: Range<Int>, prefix: Int, requests: Range<Int>, lexical: Double)]
    }

    /// Passages that are held against each sentence.
    private static let candidates = 2
    /// A longer question is left out: it would crowd out the claim.
    private static let longestQuestion = 160
    private let head: EncoderDescription.Head
    private let token: EncoderDescription.Head?
    private let width: Int
    /// The probability above which a sentence counts as not supported.
    private let threshold: Double

    /// nil when the model has no head for it.
    package init?(_ description: EncoderDescription) {
        guard let head = description.heads["ungrounded"] else { return nil }
        self.head = head
        token = description.heads["unsupported"]
        width = description.tokenColumns.count
        threshold = 0.5
    }

    // MARK: Reading

    /// Sources cut into passages, once for all texts that are held against them.
    package struct Sources: Sendable {
        fileprivate let passages: [Passage]
        fileprivate let frequency: [UInt64: Int]
        fileprivate let words: ClaimWords?
        package var isEmpty: Bool { passages.isEmpty }
    }

    package func prepare(_ sources: [ByteBuffer]) -> Sources {
        var passages: [Passage] = []
        for source in sources {
            source.withUnsafeReadableBytes { bytes in
                for range in Sentences.passages(in: bytes) {
                    guard let slice = source.getSlice(at: source.readerIndex + range.lowerBound, length: range.count) else { continue }
                    passages.append(Passage(text: slice, terms: Self.terms(in: UnsafeRawBufferPointer(rebasing: bytes[range]))))
                }
            }
        }
        var frequency: [UInt64: Int] = [:]
        for passage in passages { for term in passage.terms { frequency[term, default: 0] += 1 } }
        var words = head.lexical.map { ClaimWords($0) }
        for source in sources { source.withUnsafeReadableBytes { words?.learn($0) } }
        return Sources(passages: passages, frequency: frequency, words: words)
    }

    /// - Parameters:
    ///   - text: the answer or summary, valid UTF-8.
    ///   - query: the question that it answers, if any.
    package func plan(_ text: ByteBuffer, query: String?, sources: [ByteBuffer]) -> Plan {
        plan(text, from: 0, query: query, sources: prepare(sources))
    }

    /// - Parameter start: sentences that end before it are left out.
    package func plan(_ text: ByteBuffer, from start: Int, query: String?, sources: Sources) -> Plan {
        let (passages, frequency) = (sources.passages, sources.frequency)
        let question = query.map { $0.utf8.count < Self.longestQuestion && !$0.isEmpty ? Array(($0 + " ").utf8) : [] } ?? []
        var requests: [ReadingRequest] = []
        var claims: [(range: Range<Int>, prefix: Int, requests: Range<Int>, lexical: Double)] = []
        let weights = head.lexical
        text.withUnsafeReadableBytes { bytes in
            for range in Sentences.ranges(in: bytes) where range.upperBound > start {
                let own = Self.terms(in: UnsafeRawBufferPointer(rebasing: bytes[range]))
                var claim = ByteBuffer(bytes: question)
                claim.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[range]))
                let first = requests.count
                let ranked = passages.map { passage in
                    own.reduce(0.0) { $0 + (passage.terms.contains($1) ? 1 / Double(frequency[$1] ?? 1).squareRoot() : 0) }
                }
                let best = passages.indices.sorted { (ranked[$0], $1) > (ranked[$1], $0) }.prefix(Self.candidates)
                for index in best { requests.append(ReadingRequest(claim, pair: passages[index].text, wantsTokens: token != nil)) }
                let lexical =
                    weights.flatMap { weights in
                        sources.words?.evidence(for: UnsafeRawBufferPointer(rebasing: bytes[range]), weights)
                    } ?? 0
                claims.append((range, question.count, first..<requests.count, lexical))
            }
        }
        return Plan(requests: requests, claims: claims)
    }

    fileprivate struct Passage: Sendable {
        let text: ByteBuffer
        let terms: Set<UInt64>
    }

    /// Hashes of the words, without case and punctuation, numbers included.
    private static func terms(in bytes: UnsafeRawBufferPointer) -> Set<UInt64> {
        var terms: Set<UInt64> = []
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        var isOpen = false
        for byte in bytes {
            let lower = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
            if lower >= 0x80 || (lower >= 0x61 && lower <= 0x7A) || (lower >= 0x30 && lower <= 0x39) {
                hash = (hash ^ UInt64(lower)) &* 0x100_0000_01b3
                isOpen = true
            } else if isOpen {
                terms.insert(hash)
                hash = 0xcbf2_9ce4_8422_2325
                isOpen = false
            }
        }
        if isOpen { terms.insert(hash) }
        return terms
    }

    // MARK: Judging

    /// - Parameter readings: one for each of the plan's requests, in order.
    package func claims(of plan: Plan, readings: [TextReading]) -> [Claim] {
        plan.claims.map { claim in
            // The passage that supports it best counts; without any passage nothing supports it.
            var best = 1.0
            var span = claim.range
            for index in claim.requests where index < readings.count {
                for window in readings[index].windows {
                    let probability = probability(in: window, lexical: claim.lexical)
                    guard probability < best else { continue }
                    best = probability
                    span = unsupported(in: window, of: claim.range, prefix: claim.prefix)
                }
            }
            return Claim(range: claim.range, probability: best, span: span, isUngrounded: best >= threshold)
        }
    }

    /// Where the head was fitted together with the claim's words, they have their say.
    private func probability(in window: TextReading.Window, lexical: Double) -> Double {
        guard let weights = head.lexical, let column = head.columns.first, column < window.scores.count else {
            return head.probability(in: window.scores)
        }
        let encoder = Double(window.scores[column])
        let score =
            weights.intercept + weights.encoder * encoder + weights.certain * max(0, encoder - weights.certainFrom) + lexical
        return (head.calibrations.first ?? .init()).probability(of: Float(score))
    }

    private func unsupported(in window: TextReading.Window, of claim: Range<Int>, prefix: Int) -> Range<Int> {
        guard let token, let column = token.columns.first, let tokens = window.tokens else { return claim }
        let calibration = token.calibrations.first ?? .init()
        let marked = tokens.ranges.indices.filter {
            tokens.ranges[$0].lowerBound >= prefix && calibration.probability(of: tokens.scores[$0 * width + column]) >= 0.5
        }
        guard let first = marked.first, let last = marked.last else { return claim }
        let lower = claim.lowerBound + tokens.ranges[first].lowerBound - prefix
        let upper = claim.lowerBound + tokens.ranges[last].upperBound - prefix
        return lower < upper && upper <= claim.upperBound ? lower..<upper : claim
    }
}
