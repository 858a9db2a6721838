/// The words by which letters are spelled over the radio ("alfa", "bravo", …), in the ways they are written.
enum SpellingAlphabet {
    private static let names =
        ("alfa alpha bravo charlie delta echo foxtrot golf hotel india juliett juliet kilo lima mike november oscar papa quebec romeo "
        + "sierra tango uniform victor whiskey whisky xray yankee zulu").split(separator: " ").map { Array($0.utf8) }
    private static let words = Dictionary(uniqueKeysWithValues: names.map { (key($0), $0[0]) })
    private static let longest = 8
    /// Each word's second letter, by its first: no two words begin alike.
    private static let second = names.reduce(into: [UInt8](repeating: 0, count: 26)) { $0[Int($1[0] - 0x61)] = $1[1] }

    private static func key(_ word: some Sequence<UInt8>) -> UInt64 { word.reduce(0) { $0 << 8 | UInt64($1 | 0x20) } }

    /// The letter that the word at `offset` stands for, and where the word ends.
    static func letter(in text: UnsafeRawBufferPointer, at offset: Int) -> (letter: UInt8, end: Int)? {
        var end = offset
        var key: UInt64 = 0
        while end < text.count, end - offset <= longest, ASCII.isLetter(text[end]) {
            key = key << 8 | UInt64(text[end] | 0x20)
            end += 1
        }
        // "x-ray"
        if end - offset == 1, key == 0x78, end + 4 <= text.count, text[end] == 0x2D,
            Self.key(text[(end + 1)..<(end + 4)]) == Self.key("ray".utf8)
        {
            end += 4
            key = Self.key("xray".utf8)
        }
        guard end - offset <= longest, end == text.count || !ASCII.isWord(text[end]), let letter = words[key] else { return nil }
        return (letter, end)
    }

    /// By its first two letters: nearly every other word is told apart by them.
    @inline(__always)
    private static func mayBegin(_ text: UnsafeRawBufferPointer, _ offset: Int) -> Bool {
        guard offset + 1 < text.count else { return false }
        let (first, next) = (text[offset] | 0x20, text[offset + 1])
        return next | 0x20 == second[Int(first &- 0x61)] || next == UInt8(ascii: "-") && first == UInt8(ascii: "x")
    }

    /// Whether a text may hold a run worth decoding: the letters that texts use most are spelled with these.
    static func mayOccur(in text: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        var found = 0
        while offset < text.count {
            while offset < text.count, !ASCII.isLetter(text[offset]) { offset += 1 }
            if offset < text.count, mayBegin(text, offset), letter(in: text, at: offset) != nil {
                found += 1
                if found >= 12 { return true }
            } else {
                found = 0
            }
            while offset < text.count, ASCII.isWord(text[offset]) { offset += 1 }
        }
        return false
    }
}
