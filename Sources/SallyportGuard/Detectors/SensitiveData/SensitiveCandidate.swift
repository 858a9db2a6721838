/// Something that may become a finding, before overlaps are settled.
struct SensitiveCandidate {
    let range: Range<Int>
    let category: String
    let confidence: Double
    let evidence: String
    /// Position in the catalogue: the earlier wins a draw.
    let order: Int
    /// Bytes to the word that speaks for it.
    var distance = Int.max

    /// One candidate for each stretch of text: the certain before the doubtful, then the longer, then the more confident.
    static func settled(_ candidates: [SensitiveCandidate]) -> [SensitiveCandidate] {
        guard candidates.count > 1 else { return candidates }
        let sorted = candidates.sorted { $0.range.lowerBound < $1.range.lowerBound }
        var kept: [SensitiveCandidate] = []
        var start = 0
        while start < sorted.count {
            // A cluster: candidates that overlap, directly or through others.
            var end = start + 1
            var reach = sorted[start].range.upperBound
            while end < sorted.count, sorted[end].range.lowerBound < reach {
                reach = max(reach, sorted[end].range.upperBound)
                end += 1
            }
            if end - start == 1 {
                kept.append(sorted[start])
            } else {
                kept += winners(among: sorted[start..<end])
            }
            start = end
        }
        return kept
    }

    private static func winners(among cluster: ArraySlice<SensitiveCandidate>) -> [SensitiveCandidate] {
        let ranked = cluster.sorted { a, b in
            let (certainA, certainB) = (a.confidence >= 0.75, b.confidence >= 0.75)
            if certainA != certainB { return certainA }
            if a.range.count != b.range.count { return a.range.count > b.range.count }
            if a.confidence != b.confidence { return a.confidence > b.confidence }
            if a.distance != b.distance { return a.distance < b.distance }
            return a.order < b.order
        }
        // Kept ones in order of their place, so that a look-up is a binary search: clusters may be as long as the text.
        var kept: [SensitiveCandidate] = []
        for candidate in ranked {
            var low = 0
            var high = kept.count
            while low < high {
                let middle = (low + high) / 2
                if kept[middle].range.lowerBound < candidate.range.lowerBound { low = middle + 1 } else { high = middle }
            }
            let clashesLeft = low > 0 && kept[low - 1].range.upperBound > candidate.range.lowerBound
            let clashesRight = low < kept.count && kept[low].range.lowerBound < candidate.range.upperBound
            if !clashesLeft && !clashesRight { kept.insert(candidate, at: low) }
        }
        return kept
    }
}
