/// A start tag as a lenient browser would read it. Bounded, so that hostile text costs little.
struct HTMLTag {
    struct Attribute {
        let name: Range<Int>
        let value: Range<Int>
    }

    let name: String
    let attributes: [Attribute]
    /// From `<` to after `>`, or to where the text ends.
    let range: Range<Int>
    let isClosed: Bool

    private static let maximumName = 32
    private static let maximumAttributes = 128
    private static let maximumUnquoted = 2_048

    /// - Parameter start: where `<` and a letter stand.
    init?(_ text: UnsafeRawBufferPointer, at start: Int) {
        var index = start + 1
        guard index < text.count, text[index].isASCIILetter else { return nil }
        while index < text.count, text[index].isASCIILetter || text[index].isASCIIDigit || text[index] == UInt8(ascii: "-") { index += 1 }
        guard index - start - 1 <= Self.maximumName else { return nil }
        guard index == text.count || text[index].isHTMLSpace || text[index] == UInt8(ascii: ">") || text[index] == UInt8(ascii: "/") else {
            return nil
        }
        name = String(decoding: text[start + 1..<index].map(\.lowercasedASCII), as: UTF8.self)
        var attributes: [Attribute] = []
        var isClosed = false
        while index < text.count {
            let byte = text[index]
            if byte == UInt8(ascii: ">") {
                index += 1
                isClosed = true
                break
            }
            if byte.isHTMLSpace || byte == UInt8(ascii: "/") {
                index += 1
                continue
            }
            guard attributes.count < Self.maximumAttributes else { break }
            guard let attribute = Self.attribute(text, from: &index) else { break }
            attributes.append(attribute)
        }
        self.attributes = attributes
        self.isClosed = isClosed
        range = start..<index
    }

    private static func attribute(_ text: UnsafeRawBufferPointer, from index: inout Int) -> Attribute? {
        let start = index
        // An equals sign may begin a name.
        index += 1
        while index < text.count, !text[index].isHTMLSpace, !"=>/".utf8.contains(text[index]) {
            index += 1
            if index - start > maximumUnquoted { return nil }
        }
        let name = start..<index
        var after = index
        while after < text.count, text[after].isHTMLSpace, after - index < 64 { after += 1 }
        guard after < text.count, text[after] == UInt8(ascii: "=") else { return Attribute(name: name, value: index..<index) }
        after += 1
        let blank = after
        while after < text.count, text[after].isHTMLSpace, after - blank < 64 { after += 1 }
        guard after < text.count else {
            index = after
            return Attribute(name: name, value: after..<after)
        }
        let quote = text[after]
        if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
            let value = after + 1
            var end = value
            while end < text.count, text[end] != quote { end += 1 }
            index = min(end + 1, text.count)
            return Attribute(name: name, value: value..<end)
        }
        let value = after
        while after < text.count, !text[after].isHTMLSpace, text[after] != UInt8(ascii: ">"), after - value <= maximumUnquoted {
            after += 1
        }
        index = after
        return Attribute(name: name, value: value..<after)
    }

    /// The first attribute of that name, as a browser takes it.
    func value(_ wanted: String, in text: UnsafeRawBufferPointer) -> Range<Int>? {
        attributes.first { text.holds(wanted, in: $0.name) }?.value
    }
}

/// Keeps the reading of tags that never close, one within the other, linear.
struct TagBudget {
    private var left = 65_536

    /// - Returns: how far the text counts as read after this tag.
    mutating func spend(on tag: HTMLTag) -> Int {
        left -= tag.attributes.count + 1
        // Markdown shows an open tag as text, so what looks like a tag within it may be one.
        return tag.isClosed || left < 0 ? tag.range.upperBound : tag.range.lowerBound
    }
}

extension UInt8 {
    var isASCIILetter: Bool { (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) }
    var isASCIIDigit: Bool { (0x30...0x39).contains(self) }
    var isASCIIAlphanumeric: Bool { isASCIILetter || isASCIIDigit }
    var isHTMLSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
    var lowercasedASCII: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }
}

extension UnsafeRawBufferPointer {
    /// Whether the range holds this small ASCII word, whatever its case.
    func holds(_ word: String, in range: Range<Int>) -> Bool {
        let word = word.utf8
        return range.count == word.count && zip(self[range], word).allSatisfy { $0.lowercasedASCII == $1 }
    }

    /// Whether this small ASCII word begins at the offset, whatever its case.
    func starts(with word: String, at offset: Int) -> Bool {
        offset + word.utf8.count <= count && holds(word, in: offset..<offset + word.utf8.count)
    }

    /// Where this small ASCII word stands next, whatever its case.
    func next(_ word: String, from start: Int) -> Int? {
        guard let first = word.utf8.first, start >= 0, count >= word.utf8.count else { return nil }
        var index = start
        while index <= count - word.utf8.count {
            if self[index].lowercasedASCII == first, starts(with: word, at: index) { return index }
            index += 1
        }
        return nil
    }
}
