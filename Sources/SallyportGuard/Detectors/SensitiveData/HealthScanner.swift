/// Diagnosis codes, where a word announces one.
enum HealthScanner {
    private static let order = 1_400

    /// ICD-10 codes within 60 bytes after the announcement: a letter, a digit, a digit or letter, and up to four more after a dot.
    static func diagnosis(_ text: UnsafeRawBufferPointer, after hit: Int, into candidates: inout [SensitiveCandidate]) {
        var index = hit
        let limit = min(text.count, hit + 60)
        while index + 2 < limit {
            let isStart = index == 0 || !IdentifierText.isAlphanumeric(text[index - 1]) && text[index - 1] < 0x80
            if isStart, text[index] >= 0x41, text[index] <= 0x5A, text[index] != 0x55, IdentifierText.isDigit(text[index + 1]),
                IdentifierText.isDigit(text[index + 2])
                    || (text[index + 2] == 0x41 || text[index + 2] == 0x42) && index + 3 < text.count && text[index + 3] == 0x2E
            {
                var end = index + 3
                if end < text.count, text[end] == 0x2E {
                    var tail = end + 1
                    while tail < text.count, tail - end <= 4,
                        IdentifierText.isDigit(text[tail]) || (text[tail] >= 0x41 && text[tail] <= 0x5A)
                    { tail += 1 }
                    if tail > end + 1 { end = tail }
                }
                if end >= text.count || !IdentifierText.isAlphanumeric(text[end]) && text[end] != 0x2D {
                    candidates.append(
                        SensitiveCandidate(range: index..<end, category: "ICD10Code", confidence: 0.75, evidence: "context", order: order))
                    index = end
                    continue
                }
            }
            index += 1
        }
    }
}
