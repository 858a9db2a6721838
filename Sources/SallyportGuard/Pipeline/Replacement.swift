import NIOCore
import SallyportCore

/// What is written in the place of a finding.
enum Replacement {
    /// Merged, sorted edits for all findings whose action rewrites (or blocks: then the text is hidden too, should it be shown at all).
    static func edits(
        for decided: [DecidedFinding], in passage: Passage, mint: (@Sendable (String, Finding.Category) -> [UInt8]?)?
    ) -> [TextEdit] {
        let active = decided.filter { $0.mode == .enforce && $0.action > .annotate && !$0.finding.range.isEmpty }
            .sorted { ($0.finding.range.lowerBound, -$0.finding.range.count) < ($1.finding.range.lowerBound, -$1.finding.range.count) }
        var edits: [TextEdit] = []
        var index = 0
        while index < active.count {
            // Findings that overlap become one edit, written as the strictest of them demands.
            var range = active[index].finding.range
            var leader = active[index]
            var next = index + 1
            while next < active.count, active[next].finding.range.lowerBound < range.upperBound {
                let other = active[next]
                range = range.lowerBound..<max(range.upperBound, other.finding.range.upperBound)
                if (other.action, other.finding.confidence) > (leader.action, leader.finding.confidence) { leader = other }
                next += 1
            }
            let clamped = range.clamped(to: 0..<passage.count)
            if !clamped.isEmpty {
                edits.append(TextEdit(range: clamped, replacement: bytes(for: leader, over: clamped, in: passage, mint: mint)))
            }
            index = next
        }
        return edits
    }

    private static func bytes(
        for decided: DecidedFinding, over range: Range<Int>, in passage: Passage, mint: (@Sendable (String, Finding.Category) -> [UInt8]?)?
    ) -> [UInt8] {
        let category = decided.finding.category
        if category.group == .invisible { return [] }
        switch decided.action {
        case .pseudonymise where decided.layer == .original || decided.layer == .folded:
            if let value = passage.text.getString(at: passage.text.readerIndex + range.lowerBound, length: range.count),
                let token = mint?(value, category)
            {
                return token
            }
            return label(category)
        case .mask where category.group != .output:
            return [UInt8](repeating: UInt8(ascii: "*"), count: passage.codePoints(in: range))
        default: return label(category)
        }
    }

    /// `[CREDITCARDNUMBER]`: a name that cannot be taken for content.
    private static func label(_ category: Finding.Category) -> [UInt8] {
        Array("[".utf8) + category.name.utf8.map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 0x20 : $0 } + Array("]".utf8)
    }
}

extension Passage {
    /// Unicode code points between two byte offsets.
    package func codePoints(in range: Range<Int>) -> Int {
        isASCII ? range.count : withBytes { bytes in bytes[range].reduce(0) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 } }
    }
}
