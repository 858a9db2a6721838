/// What can be said of a regular expression before it is compiled: how large it grows, and whether it speaks of code points.
struct ExpressionTraits {
    /// Positions of the automaton once bounded repeats are written out; compile time and memory follow it.
    private(set) var positions = 0
    /// It holds something that stands for a whole code point (`.`, `[^…]`, `\W`, `\p{…}`), so bytes would cut characters in two.
    private(set) var speaksOfCodePoints = false
    /// It names letters beyond ASCII, so classes and case folding follow Unicode's properties.
    private(set) var namesNonASCII = false
    /// Brackets nested deeper than ``maximumDepth``.
    private(set) var isTooDeep = false

    static let maximumDepth = 64
    private static let saturated = 1 << 30

    init(_ expression: some Collection<UInt8>) {
        let bytes = Array(expression)
        /// Positions of each open group so far, and of the atom that a quantifier would apply to.
        var groups: [(total: Int, atom: Int)] = [(0, 0)]
        var index = 0

        func isAt(_ byte: Character) -> Bool { index < bytes.count && bytes[index] == byte.asciiValue }
        func close(into atom: Int) {
            groups[groups.count - 1].total = min(Self.saturated, groups[groups.count - 1].total + atom)
            groups[groups.count - 1].atom = atom
        }

        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case 0x80...:
                speaksOfCodePoints = true
                namesNonASCII = true
                close(into: 1)
            case UInt8(ascii: "\\"):
                guard index < bytes.count else { break }
                let escaped = bytes[index]
                index += 1
                if escaped == UInt8(ascii: "Q") {
                    // Quoted up to \E: taken as it stands.
                    while index < bytes.count,
                        !(bytes[index] == UInt8(ascii: "\\") && index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: "E"))
                    {
                        note(quoted: bytes[index])
                        close(into: 1)
                        index += 1
                    }
                    index = min(index + 2, bytes.count)
                } else {
                    note(escape: escaped, isBraced: isAt("{"))
                    if isAt("{"), "xpP".utf8.contains(escaped) { skip(past: UInt8(ascii: "}"), in: bytes, from: &index) }
                    close(into: 1)
                }
            case UInt8(ascii: "["):
                readClass(bytes, from: &index)
                close(into: 1)
            case UInt8(ascii: "."):
                speaksOfCodePoints = true
                close(into: 1)
            case UInt8(ascii: "("):
                if groups.count >= Self.maximumDepth {
                    isTooDeep = true
                    return
                }
                groups.append((0, 0))
            case UInt8(ascii: ")"):
                guard groups.count > 1, let group = groups.popLast() else { break }
                close(into: group.total)
            case UInt8(ascii: "{"):
                guard let most = Self.repeatCount(bytes, from: &index) else {
                    close(into: 1)
                    break
                }
                let atom = groups[groups.count - 1].atom
                let (grown, overflow) = atom.multipliedReportingOverflow(by: max(0, most - 1))
                close(into: overflow ? Self.saturated : min(Self.saturated, grown))
                groups[groups.count - 1].atom = overflow ? Self.saturated : min(Self.saturated, atom + grown)
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "|"), UInt8(ascii: "^"), UInt8(ascii: "$"):
                break
            default:
                close(into: 1)
            }
        }
        positions = groups.reduce(0) { min(Self.saturated, $0 + $1.total) }
    }

    private mutating func note(quoted byte: UInt8) {
        guard byte >= 0x80 else { return }
        speaksOfCodePoints = true
        namesNonASCII = true
    }

    private mutating func note(escape: UInt8, isBraced: Bool) {
        switch escape {
        case UInt8(ascii: "p"), UInt8(ascii: "P"), UInt8(ascii: "X"):
            speaksOfCodePoints = true
            namesNonASCII = true
        case UInt8(ascii: "W"), UInt8(ascii: "D"), UInt8(ascii: "S"), UInt8(ascii: "N"), UInt8(ascii: "H"), UInt8(ascii: "V"),
            UInt8(ascii: "R"):
            speaksOfCodePoints = true
        case UInt8(ascii: "x") where isBraced:
            speaksOfCodePoints = true
        case 0x80...:
            note(quoted: escape)
        default:
            break
        }
    }

    private func skip(past end: UInt8, in bytes: [UInt8], from index: inout Int) {
        while index < bytes.count, bytes[index] != end { index += 1 }
        index = min(index + 1, bytes.count)
    }

    private mutating func readClass(_ bytes: [UInt8], from index: inout Int) {
        if index < bytes.count, bytes[index] == UInt8(ascii: "^") {
            speaksOfCodePoints = true
            index += 1
        }
        // A bracket right after the opening one is a member.
        if index < bytes.count, bytes[index] == UInt8(ascii: "]") { index += 1 }
        while index < bytes.count, bytes[index] != UInt8(ascii: "]") {
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "\\"), index < bytes.count {
                let escaped = bytes[index]
                index += 1
                note(escape: escaped, isBraced: index < bytes.count && bytes[index] == UInt8(ascii: "{"))
            } else if byte == UInt8(ascii: "["), index < bytes.count, bytes[index] == UInt8(ascii: ":") {
                if index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "^") { speaksOfCodePoints = true }
                skip(past: UInt8(ascii: "]"), in: bytes, from: &index)
            } else {
                note(quoted: byte)
            }
        }
        index = min(index + 1, bytes.count)
    }

    /// The larger bound of `{m}`, `{m,}` or `{m,n}`; nil (and nothing read) when the brace is a plain character.
    private static func repeatCount(_ bytes: [UInt8], from index: inout Int) -> Int? {
        var position = index
        func number() -> Int? {
            var value: Int?
            while position < bytes.count, case 0x30...0x39 = bytes[position] {
                value = min(saturated, (value ?? 0) * 10 + Int(bytes[position] - 0x30))
                position += 1
            }
            return value
        }
        guard let least = number() else { return nil }
        var most = least
        if position < bytes.count, bytes[position] == UInt8(ascii: ",") {
            position += 1
            most = number() ?? least + 1
        }
        guard position < bytes.count, bytes[position] == UInt8(ascii: "}") else { return nil }
        index = position + 1
        return max(most, least)
    }
}
