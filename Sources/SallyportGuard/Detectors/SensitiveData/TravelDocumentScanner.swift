/// Machine-readable zones of passports and identity cards (ICAO 9303): two lines of 44 or 36, or three of 30.
enum TravelDocumentScanner {
    private static let order = 1_500

    static func scan(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) {
        let first = line(text, around: hit - 1)
        if let last = candidates.last, last.range.contains(first.lowerBound) { return }
        var lines = [first]
        for _ in 0..<2 {
            guard let end = lines.last?.upperBound, let next = lineBegin(text, after: end) else { break }
            lines.append(line(text, around: next))
        }
        let counts = lines.map(\.count)
        let verified: Bool
        var used = 2
        switch counts.first {
        case 44 where counts.count >= 2 && counts[1] == 44: verified = checks(text, lines[1], [0..<10, 13..<20, 21..<28])
        case 36 where counts.count >= 2 && counts[1] == 36: verified = checks(text, lines[1], [0..<10, 13..<20, 21..<28])
        case 30 where counts.count >= 3 && counts[1] == 30 && counts[2] == 30:
            verified = checks(text, lines[0], [5..<15]) && checks(text, lines[1], [0..<7, 8..<15])
            used = 3
        case 44, 36:
            // The second line alone: enough when its three check digits hold.
            verified = checks(text, lines[0], [0..<10, 13..<20, 21..<28])
            used = 1
        default: return
        }
        guard verified else { return }
        candidates.append(
            SensitiveCandidate(
                range: first.lowerBound..<lines[used - 1].upperBound, category: "MachineReadableZone", confidence: 0.85, evidence: "check",
                order: order))
    }

    private static func isPart(_ byte: UInt8) -> Bool { byte == 0x3C || IdentifierText.isDigit(byte) || (byte >= 0x41 && byte <= 0x5A) }

    private static func line(_ text: UnsafeRawBufferPointer, around index: Int) -> Range<Int> {
        var start = min(index, text.count)
        while start > 0, index - start < 46, isPart(text[start - 1]) { start -= 1 }
        var end = index
        while end < text.count, end - start < 46, isPart(text[end]) { end += 1 }
        return start..<max(start, end)
    }

    private static func lineBegin(_ text: UnsafeRawBufferPointer, after end: Int) -> Int? {
        var index = end
        while index < text.count, index - end < 8, text[index] == 0x0A || text[index] == 0x0D || text[index] == 0x20 { index += 1 }
        return index > end && index < text.count && isPart(text[index]) ? index : nil
    }

    /// Each range ends in its check digit.
    private static func checks(_ text: UnsafeRawBufferPointer, _ line: Range<Int>, _ fields: [Range<Int>]) -> Bool {
        let bytes = text[line].bindMemory(to: UInt8.self)
        return fields.allSatisfy { field in
            let check = bytes[field.upperBound - 1]
            guard let digit = Checksums.icaoDigit(bytes, field.lowerBound..<field.upperBound - 1) else { return false }
            return check == UInt8(0x30 + digit) || (check == 0x3C && digit == 0)
        }
    }
}
