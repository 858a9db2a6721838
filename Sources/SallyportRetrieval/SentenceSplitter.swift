/// Finds sentences, with their places.
package enum SentenceSplitter {
    private static let abbreviations: Set<String> = [
        "e.g.", "i.e.", "etc.", "mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "no.", "nr.", "vs.", "approx.", "cf.", "fig.", "inc.", "ltd.",
        "co.", "al.", "bzw.", "z.b.", "d.h.", "ca.", "sr.", "sra.", "ud.", "jr.", "gen.", "col.", "sen.", "rep.", "gov.", "u.s.",
    ]

    /// UTF-8 ranges without the white space between them. A line break ends a sentence; so does `.`, `!`, `?` or a full-width form, where
    /// white space and not a small letter follows.
    package static func ranges(of text: String) -> [Range<Int>] {
        let scalars = Array(text.unicodeScalars)
        var ranges: [Range<Int>] = []
        var offset = 0
        var start: Int?
        var end = 0
        var word: [Unicode.Scalar] = []
        func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace }
        func isStop(_ scalar: Unicode.Scalar) -> Bool { scalar == "." || scalar == "!" || scalar == "?" || scalar == "…" }
        for (index, scalar) in scalars.enumerated() {
            let length = UTF8.width(scalar)
            defer { offset += length }
            if isSpace(scalar) {
                if scalar == "\n", let from = start {
                    ranges.append(from..<end)
                    start = nil
                }
                word = []
                continue
            }
            if start == nil { start = offset }
            end = offset + length
            if word.count < 16 { word.append(scalar) }
            if scalar == "。" || scalar == "！" || scalar == "？" {
                // A closing quotation mark belongs to what it closes.
                if index + 1 < scalars.count, "”」』）".unicodeScalars.contains(scalars[index + 1]) { continue }
                ranges.append((start ?? offset)..<end)
                start = nil
                word = []
                continue
            }
            let closes = "\"')”’»」』）".unicodeScalars.contains(scalar)
            guard isStop(scalar) || closes && index > 0 && (isStop(scalars[index - 1]) || "。！？".unicodeScalars.contains(scalars[index - 1]))
            else { continue }
            guard index + 1 == scalars.count || isSpace(scalars[index + 1]) else {
                if closes, index > 0, "。！？".unicodeScalars.contains(scalars[index - 1]), let from = start {
                    ranges.append(from..<end)
                    start = nil
                    word = []
                }
                continue
            }
            if let next = scalars[(index + 1)...].first(where: { !isSpace($0) }), next.properties.isLowercase { continue }
            if scalar == "." {
                let spelled = String(String.UnicodeScalarView(word)).lowercased()
                if abbreviations.contains(spelled) { continue }
                // An initial: "J. Smith".
                if word.count == 2, word[0].properties.isUppercase { continue }
            }
            if let from = start { ranges.append(from..<end) }
            start = nil
            word = []
        }
        if let from = start { ranges.append(from..<end) }
        return ranges
    }
}
