/// Number plates, where a word announces one.
enum VehicleScanner {
    private static let order = 1_300

    /// Within a few words after the announcement: two or three groups of capitals and digits, both present.
    static func plate(_ text: UnsafeRawBufferPointer, after hit: Int, into candidates: inout [SensitiveCandidate]) {
        var index = hit
        let limit = min(text.count, hit + 32)
        while index < limit {
            if isGroup(text[index]), index == 0 || !IdentifierText.isAlphanumeric(text[index - 1]) && text[index - 1] < 0x80 {
                if let end = plateEnd(text, from: index) {
                    candidates.append(
                        SensitiveCandidate(
                            range: index..<end, category: "LicensePlate", confidence: 0.75, evidence: "context", order: order))
                    return
                }
            }
            index += 1
        }
    }

    private static func isGroup(_ byte: UInt8) -> Bool { IdentifierText.isDigit(byte) || (byte >= 0x41 && byte <= 0x5A) }

    private static func plateEnd(_ text: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var index = start
        var end = start
        var letters = 0
        var digits = 0
        var groups = 0
        while index < text.count, groups < 4 {
            let begin = index
            while index < text.count, isGroup(text[index]) || index + 1 < text.count && text[index] == 0xC3 && text[index + 1] < 0xA0 {
                if IdentifierText.isDigit(text[index]) { digits += 1 } else { letters += 1 }
                index += text[index] == 0xC3 ? 2 : 1
            }
            if index == begin || index - begin > 7 || index < text.count && text[index] >= 0x61 && text[index] <= 0x7A { break }
            groups += 1
            end = index
            guard index < text.count, text[index] == 0x20 || text[index] == 0x2D else { break }
            index += 1
        }
        let count = letters + digits
        return letters >= 1 && digits >= 1 && count >= 4 && count <= 9 ? end : nil
    }
}
