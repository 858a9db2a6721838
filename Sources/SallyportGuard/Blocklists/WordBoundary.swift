/// Whether a term stands as a whole: letters and digits may not touch it where it begins or ends with a letter or digit itself.
///
/// Scripts written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) have no such border: a term that begins or ends
/// in one of them matches anywhere on that side.
struct WordBoundary: Sendable, Hashable {
    let isNeededBefore: Bool
    let isNeededAfter: Bool

    init(of term: String) {
        isNeededBefore = term.unicodeScalars.first.map(Self.bindsToNeighbours) ?? false
        isNeededAfter = term.unicodeScalars.last.map(Self.bindsToNeighbours) ?? false
    }

    func holds(around range: Range<Int>, in text: UnsafeRawBufferPointer) -> Bool {
        if isNeededBefore, let scalar = Self.scalar(before: range.lowerBound, in: text), Self.bindsToNeighbours(scalar) { return false }
        if isNeededAfter, let scalar = Self.scalar(at: range.upperBound, in: text), Self.bindsToNeighbours(scalar) { return false }
        return true
    }

    /// A letter or digit of a script that puts spaces between words.
    private static func bindsToNeighbours(_ scalar: Unicode.Scalar) -> Bool {
        let value = scalar.value
        if value < 0x80 {
            return (0x30...0x39).contains(value) || (0x41...0x5A).contains(value) || (0x61...0x7A).contains(value)
        }
        if isWrittenWithoutSpaces(value) { return false }
        let properties = scalar.properties
        return properties.isAlphabetic || properties.numericType != nil
    }

    private static func isWrittenWithoutSpaces(_ value: UInt32) -> Bool {
        switch value {
        case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF: true  // Thai, Lao, Burmese, Khmer
        case 0x2E80...0x31FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF: true  // Han, kana, bopomofo
        case 0xFF66...0xFF9F, 0x1B000...0x1B16F, 0x20000...0x3FFFF: true
        default: false
        }
    }

    private static func scalar(at offset: Int, in text: UnsafeRawBufferPointer) -> Unicode.Scalar? {
        guard offset < text.count else { return nil }
        let lead = text[offset]
        if lead < 0x80 { return Unicode.Scalar(lead) }
        let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
        guard offset + length <= text.count else { return nil }
        var value = UInt32(lead) & (length == 4 ? 0x07 : length == 3 ? 0x0F : 0x1F)
        for index in offset + 1..<offset + length { value = value << 6 | UInt32(text[index] & 0x3F) }
        return Unicode.Scalar(value)
    }

    private static func scalar(before offset: Int, in text: UnsafeRawBufferPointer) -> Unicode.Scalar? {
        var start = offset - 1
        while start > 0, text[start] & 0xC0 == 0x80, offset - start < 4 { start -= 1 }
        return start < 0 ? nil : scalar(at: start, in: text)
    }
}
