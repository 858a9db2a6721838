import SallyportCore

/// Finds canaries in what a model gives back, also with other case, and with spaces, signs or invisible characters between the letters.
///
/// Made per exchange from the canaries of its prompt; needs no patterns. Category `output`/`canary`; the evidence says whether all of it
/// or only a part leaked.
package struct CanaryDetector: Detector {
    package let id: DetectorID = "canary"
    package let layers: TextLayer.Kinds = .all

    /// The random parts; the word before them gives nothing away.
    private let tails: [[UInt8]]
    /// Bytes that may stand between two letters.
    private static let maximumGap = 8
    /// Letters that are no accident: 60 bits.
    private static let enough = 12

    /// - Parameter tokens: whole canaries, as ``Canary/token(for:secret:)`` makes them.
    package init(tokens: [String]) {
        tails = tokens.map { Array($0.lowercased().utf8.suffix(Canary.tailLength)) }.filter { $0.count == Canary.tailLength }
    }

    package func findings(in passage: Passage, hits: [PatternHit]) throws -> [Finding] {
        guard passage.origin.direction == .completion, !tails.isEmpty else { return [] }
        return passage.withBytes { text in tails.flatMap { find($0, in: text) } }
    }

    private func find(_ tail: [UInt8], in text: UnsafeRawBufferPointer) -> [Finding] {
        var found: [Finding] = []
        var index = 0
        let first = tail[0]
        while index < text.count {
            guard text[index].lowercasedASCII == first else {
                index += 1
                continue
            }
            let (matched, end) = match(tail, in: text, at: index)
            guard matched >= Self.enough else {
                index += 1
                continue
            }
            let start = prefixStart(in: text, before: index)
            found.append(
                Finding(
                    id, Finding.Category(.output, "canary"), at: start..<end, confidence: matched == tail.count ? 1 : 0.9,
                    evidence: matched == tail.count ? "whole" : "part"))
            index = end
        }
        return found
    }

    /// How many letters follow one another from here, whatever stands between.
    private func match(_ tail: [UInt8], in text: UnsafeRawBufferPointer, at start: Int) -> (count: Int, end: Int) {
        var matched = 1
        var index = start + 1
        var end = index
        var gap = 0
        while matched < tail.count, index < text.count {
            let byte = text[index].lowercasedASCII
            if byte == tail[matched] {
                matched += 1
                index += 1
                end = index
                gap = 0
            } else if byte.isASCIIAlphanumeric || gap >= Self.maximumGap {
                break
            } else {
                gap += 1
                index += 1
            }
        }
        return (matched, end)
    }

    /// Where `sp-canary-` begins when it stands before the letters.
    private func prefixStart(in text: UnsafeRawBufferPointer, before start: Int) -> Int {
        let letters = Array("yranacps".utf8)
        var matched = 0
        var index = start - 1
        var gap = 0
        while index >= 0, gap <= Self.maximumGap {
            let byte = text[index].lowercasedASCII
            if byte == letters[matched] {
                matched += 1
                gap = 0
                if matched == letters.count { return index }
            } else if byte.isASCIIAlphanumeric {
                return start
            } else {
                gap += 1
            }
            index -= 1
        }
        return start
    }
}
