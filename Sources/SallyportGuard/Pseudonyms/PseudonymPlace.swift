/// Where a text holds what could be a pseudonym, brackets included.
struct PseudonymPlace {
    let range: Range<Int>
    let label: Range<Int>
    let code: UInt64

    func isLabelled(_ expected: [UInt8], in text: UnsafeRawBufferPointer) -> Bool {
        label.count == expected.count && zip(label, expected).allSatisfy { (ASCII.isLetter(text[$0]) ? text[$0] & 0xDF : text[$0]) == $1 }
    }

    /// The next one from `start` on.
    static func next(in text: UnsafeRawBufferPointer, from start: Int) -> PseudonymPlace? {
        var cursor = start
        while true {
            cursor = text.first(of: UInt8(ascii: "_"), UInt8(ascii: "_"), UInt8(ascii: "_"), from: cursor)
            guard cursor < text.count else { return nil }
            if let place = around(cursor, in: text, notBefore: start) { return place }
            cursor += 1
        }
    }

    private static func around(_ underscore: Int, in text: UnsafeRawBufferPointer, notBefore limit: Int) -> PseudonymPlace? {
        guard let code = PseudonymToken.code(in: text, at: underscore + 1) else { return nil }
        var end = underscore + 1 + PseudonymToken.codeLength
        if end < text.count, ASCII.isWord(text[end]) { return nil }
        var labelEnd = underscore
        if labelEnd > limit, text[labelEnd - 1] == UInt8(ascii: "\\") { labelEnd -= 1 }
        var start = labelEnd
        while start > limit, labelEnd - start <= PseudonymToken.maximumLabel, ASCII.isAlphanumeric(text[start - 1]) { start -= 1 }
        guard start < labelEnd else { return nil }
        let label = start..<labelEnd
        for (opening, closing): (StaticString, StaticString) in [("\\<", "\\>"), ("<", ">"), ("&lt;", "&gt;")] {
            let before = start - opening.utf8CodeUnitCount
            guard before >= limit, matches(opening, text, at: before) else { continue }
            if matches(closing, text, at: end) {
                start = before
                end += closing.utf8CodeUnitCount
            } else if end + closing.utf8CodeUnitCount > text.count {
                // The rest of it has not come yet.
                return nil
            }
            break
        }
        return PseudonymPlace(range: start..<end, label: label, code: code)
    }

    private static func matches(_ word: StaticString, _ text: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        guard offset >= 0, offset + word.utf8CodeUnitCount <= text.count else { return false }
        for index in 0..<word.utf8CodeUnitCount where text[offset + index] != word.utf8Start[index] { return false }
        return true
    }
}

/// Places whose text a client may send away by itself: addresses, link targets, the attributes of tags.
enum LinkTarget {
    private static let reach = 2_048

    /// When in doubt it is one: the pseudonym then stays.
    static func holds(_ offset: Int, in text: UnsafeRawBufferPointer) -> Bool {
        let lower = max(0, offset - reach)
        var isInWord = true
        var closedParenthesis = false
        var closedTag = false
        var isOnLine = true
        var sawDefinition = false
        var cursor = offset - 1
        while cursor >= lower {
            let byte = text[cursor]
            switch byte {
            case 0x0A:
                // A link's target does not go over an empty line, an attribute may go over any.
                if isOnLine && sawDefinition && cursor + 1 < offset && text[cursor + 1] == UInt8(ascii: "[") { return true }
                isOnLine = false
                isInWord = false
            case 0x20, 0x09, 0x0D: isInWord = false
            case UInt8(ascii: "/"):
                if isInWord, cursor >= 2, text[cursor - 1] == byte, text[cursor - 2] == UInt8(ascii: ":") { return true }
            case UInt8(ascii: "."):
                if isInWord, cursor >= 3, (text[cursor - 1] | 0x20) == 0x77, (text[cursor - 2] | 0x20) == 0x77,
                    (text[cursor - 3] | 0x20) == 0x77
                {
                    return true
                }
            case UInt8(ascii: ":"):
                if isInWord, isScheme(text, before: cursor) { return true }
                if isOnLine, cursor > 0, text[cursor - 1] == UInt8(ascii: "]") { sawDefinition = true }
            case UInt8(ascii: ")"): closedParenthesis = true
            case UInt8(ascii: "("):
                if !closedParenthesis, isOnLine || isInWord, cursor > 0, text[cursor - 1] == UInt8(ascii: "]") { return true }
            case UInt8(ascii: ">"): closedTag = true
            case UInt8(ascii: "<"):
                if !closedTag, cursor + 1 < offset, ASCII.isLetter(text[cursor + 1]) || text[cursor + 1] == UInt8(ascii: "/") {
                    return true
                }
            default: break
            }
            cursor -= 1
        }
        return isOnLine && sawDefinition && lower < offset && text[lower] == UInt8(ascii: "[")
    }

    /// `mailto:`, `tel:`, `javascript:`, `data:` and the like: what a click hands to a program.
    private static func isScheme(_ text: UnsafeRawBufferPointer, before colon: Int) -> Bool {
        for name: StaticString in ["mailto", "tel", "sms", "javascript", "data", "file", "ftp", "http", "https"] {
            let start = colon - name.utf8CodeUnitCount
            guard start >= 0, start == 0 || !ASCII.isAlphanumeric(text[start - 1]) else { continue }
            var matches = true
            for index in 0..<name.utf8CodeUnitCount where (text[start + index] | 0x20) != name.utf8Start[index] { matches = false }
            // "Tel: <PHONE…>" and "data: …" are prose when a blank follows; only inside one word they are addresses.
            if matches { return true }
        }
        return false
    }
}
