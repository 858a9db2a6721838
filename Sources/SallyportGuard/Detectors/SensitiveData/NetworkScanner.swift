/// Addresses of machines: IPv4, IPv6, MAC.
enum NetworkScanner {
    private static let order = 1_100
    private static let context = TopicSet([.network])
    private static let version = TopicSet([.version])

    /// Dotted quads in decimal. Loopback, unspecified and broadcast say nothing about anybody and are left out.
    static func ipv4(
        _ text: UnsafeRawBufferPointer, around hit: Int, context index: inout KeywordIndex, into candidates: inout [SensitiveCandidate]
    ) -> Int {
        var start = hit
        while start > 0, hit - start < 24, IdentifierText.isDigit(text[start - 1]) || text[start - 1] == 0x2E { start -= 1 }
        var end = hit
        while end < text.count, end - start < 64, IdentifierText.isDigit(text[end]) || text[end] == 0x2E { end += 1 }
        let reach = end
        while end > start, text[end - 1] == 0x2E { end -= 1 }
        var octets: [Int] = []
        var value = -1
        for position in start..<end {
            if text[position] == 0x2E {
                if value < 0 { return reach }
                octets.append(value)
                value = -1
            } else {
                if value == 0 { return reach }  // a leading zero: not an address
                value = max(0, value) * 10 + Int(text[position]) - 0x30
                if value > 255 { return reach }
            }
        }
        octets.append(value)
        guard octets.count == 4 else { return reach }
        if start > 0, IdentifierText.isAlphanumeric(text[start - 1]) || text[start - 1] == 0x5F || text[start - 1] == 0x2D { return reach }
        if end < text.count, IdentifierText.isAlphanumeric(text[end]) || text[end] == 0x2D { return reach }
        if octets[0] == 0 || octets[0] == 127 || octets[0] == 255 || octets == [1, 2, 3, 4] { return reach }
        let range = start..<end
        let hasContext = index.mentions(context, near: range, within: 300)
        var confidence = hasContext ? 0.85 : 0.75
        // 2.4.1.0 after "version" is a release, unless nothing in it could be a version's part.
        if octets.allSatisfy({ $0 < 30 }), index.mentions(version, near: range, within: 40) { confidence = 0.65 }
        if octets.allSatisfy({ $0 < 20 }), !hasContext { confidence = 0.65 }
        candidates.append(
            SensitiveCandidate(
                range: range, category: "IPAddress", confidence: confidence, evidence: hasContext ? "pattern+context" : "pattern",
                order: order))
        return reach
    }

    /// IPv6 addresses and MAC addresses with colons.
    static func colonGroups(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        var start = hit
        while start > 0, hit - start < 48, IdentifierText.isHex(text[start - 1]) || text[start - 1] == 0x3A { start -= 1 }
        var end = hit
        while end < text.count, end - start < 96, IdentifierText.isHex(text[end]) || text[end] == 0x3A || text[end] == 0x2E { end += 1 }
        let reach = end
        while end > start, text[end - 1] == 0x2E || text[end - 1] == 0x3A && !(end - 2 >= start && text[end - 2] == 0x3A) { end -= 1 }
        if start < end, text[start] == 0x3A, start + 1 < end, text[start + 1] != 0x3A { start += 1 }
        if start > 0, IdentifierText.isAlphanumeric(text[start - 1]) || text[start - 1] == 0x5F { return reach }
        if end < text.count, IdentifierText.isAlphanumeric(text[end]) || text[end] == 0x5F { return reach }
        guard end > start else { return reach }
        if let category = colonCategory(text, start..<end) {
            candidates.append(
                SensitiveCandidate(range: start..<end, category: category, confidence: 0.85, evidence: "pattern", order: order))
        }
        return reach
    }

    private static func colonCategory(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> String? {
        var groups: [Int] = []
        var group = 0
        var compressed = 0
        var hasDigit = false
        var hexDigits = 0
        var isZero = true
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = text[index]
            if byte == 0x3A {
                if group > 0 { groups.append(group) }
                group = 0
                if index + 1 < range.upperBound, text[index + 1] == 0x3A {
                    compressed += 1
                    index += 1
                }
            } else if byte == 0x2E {
                // An IPv4 tail counts as two groups; its form is not checked further.
                groups.append(4)
                groups.append(4)
                group = 0
                index = range.upperBound
                break
            } else {
                group += 1
                hexDigits += 1
                if IdentifierText.isDigit(byte) { hasDigit = true }
                if byte != 0x30 { isZero = false }
            }
            index += 1
        }
        if group > 0 { groups.append(group) }
        if isZero || groups.contains(where: { $0 > 4 }) { return nil }
        if compressed == 0, groups == [2, 2, 2, 2, 2, 2] { return "MACAddress" }
        if compressed == 0, groups.count == 8, hexDigits > 8 { return "IPAddress" }
        if compressed == 1, groups.count >= 2, groups.count <= 7, hasDigit, hexDigits >= 5 { return "IPAddress" }
        return nil
    }

    /// MAC addresses with dashes.
    static func dashedMAC(_ text: UnsafeRawBufferPointer, around hit: Int, into candidates: inout [SensitiveCandidate]) -> Int {
        var start = hit
        while start > 0, hit - start < 24, IdentifierText.isHex(text[start - 1]) || text[start - 1] == 0x2D { start -= 1 }
        var end = hit
        while end < text.count, end - start < 32, IdentifierText.isHex(text[end]) || text[end] == 0x2D { end += 1 }
        guard end - start == 17, start == 0 || !IdentifierText.isAlphanumeric(text[start - 1]),
            end >= text.count || !IdentifierText.isAlphanumeric(text[end])
        else { return end }
        for offset in 0..<17 where (text[start + offset] == 0x2D) != (offset % 3 == 2) { return end }
        candidates.append(
            SensitiveCandidate(range: start..<end, category: "MACAddress", confidence: 0.85, evidence: "pattern", order: order))
        return end
    }
}
