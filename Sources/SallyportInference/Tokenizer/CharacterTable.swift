/// What each ASCII character is. Every printable one that is no letter and no digit is punctuation.
enum ASCIIKind: UInt8 { case dropped, space, punctuation, digit, upper, lower }

/// What the tokenizer does with each character: one look-up for ASCII, two beyond it.
struct CharacterTable: Sendable {
    /// What becomes of a character.
    enum Kind: UInt32 {
        /// A letter that stays as it is.
        case same
        case dropped
        /// Dropped too, but marks before and after it are not put in order with each other.
        case droppedBreaking
        case space
        /// A word of its own.
        case alone
        /// Letters, spelled differently.
        case mapped
        case aloneMapped
        /// A mark that is put in order; ``Entry/payload`` is its class.
        case ordered
    }

    /// What a character says about its word's case.
    enum Case: UInt32 {
        case none, upper, lower, digit, punctuation
    }

    struct Entry {
        let bits: UInt32
        var kind: Kind { Kind(rawValue: bits & 7) ?? .same }
        var letterCase: UInt32 { bits >> 3 & 7 }
        /// Where in ``spellings`` the new spelling begins, or a mark's class.
        var payload: Int { Int(bits >> 8) }
    }

    /// 128 of them.
    let ascii: [ASCIIKind]
    /// For each 256 characters the number of their page; equal pages are kept once.
    let pages: [UInt16]
    let entries: [UInt32]
    /// A length, then so many bytes of UTF-8.
    let spellings: [UInt8]

    static let pageCount = 0x1100

    init() {
        var flat = [UInt32](repeating: 0, count: Self.pageCount * 256)
        var spellings: [UInt8] = []
        func mark(_ list: String, _ kind: Kind) {
            Self.forEach(list) { flat[$0] = flat[$0] & ~7 | kind.rawValue }
        }
        func mark(_ list: String, _ letterCase: Case) {
            Self.forEach(list) { flat[$0] = flat[$0] & ~(7 << 3) | letterCase.rawValue << 3 }
        }
        func respell(_ list: String, _ kind: Kind) {
            Self.forEachMapping(list) { character, scalars in
                let place = UInt32(spellings.count)
                let bytes = scalars.flatMap { UTF8.encode($0).map(Array.init) ?? [] }
                spellings.append(UInt8(bytes.count))
                spellings.append(contentsOf: bytes)
                flat[character] = flat[character] & 0xF8 | kind.rawValue | place << 8
            }
        }
        mark(CharacterTables.dropped, .dropped)
        mark(CharacterTables.breaking, .droppedBreaking)
        mark(CharacterTables.spaces, .space)
        mark(CharacterTables.alone, .alone)
        mark(CharacterTables.punctuation, Case.punctuation)
        mark(CharacterTables.upper, Case.upper)
        mark(CharacterTables.lower, Case.lower)
        mark(CharacterTables.digits, Case.digit)
        respell(CharacterTables.mapped, .mapped)
        respell(CharacterTables.aloneMapped, .aloneMapped)
        for (mark, order) in Self.orders(CharacterTables.ordered) {
            flat[mark] = flat[mark] & 0xF8 | Kind.ordered.rawValue | order << 8
        }
        var pages: [UInt16] = []
        var entries: [UInt32] = []
        var known: [ArraySlice<UInt32>: UInt16] = [:]
        for page in 0..<Self.pageCount {
            let slice = flat[page * 256..<page * 256 + 256]
            if let number = known[slice] {
                pages.append(number)
                continue
            }
            let number = UInt16(entries.count / 256)
            known[slice] = number
            pages.append(number)
            entries.append(contentsOf: slice)
        }
        ascii = (0..<128).map { (byte: UInt8) in
            switch byte {
            case 9, 10, 13, 32: .space
            case 0...31, 127: .dropped
            case UInt8(ascii: "0")...UInt8(ascii: "9"): .digit
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): .upper
            case UInt8(ascii: "a")...UInt8(ascii: "z"): .lower
            default: .punctuation
            }
        }
        self.pages = pages
        self.entries = entries
        self.spellings = spellings
    }

    // MARK: Reading the tables

    private static func items(_ list: String) -> [Substring.UTF8View] {
        list.utf8.split(whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }).map { Substring($0).utf8 }
    }

    /// Numbers of an item and the signs between them.
    private static func parse(_ item: Substring.UTF8View) -> (numbers: [Int], signs: [UInt8]) {
        var numbers = [0]
        var signs: [UInt8] = []
        for byte in item {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): numbers[numbers.count - 1] = numbers[numbers.count - 1] * 16 + Int(byte - 48)
            case UInt8(ascii: "a")...UInt8(ascii: "f"): numbers[numbers.count - 1] = numbers[numbers.count - 1] * 16 + Int(byte - 87)
            default:
                signs.append(byte)
                numbers.append(0)
            }
        }
        return (numbers, signs)
    }

    private static func forEach(_ list: String, _ body: (Int) -> Void) {
        for item in items(list) {
            let (numbers, signs) = parse(item)
            guard let sign = signs.first else {
                body(numbers[0])
                continue
            }
            for character in stride(from: numbers[0], through: numbers[1], by: sign == UInt8(ascii: "/") ? 2 : 1) { body(character) }
        }
    }

    private static func forEachMapping(_ list: String, _ body: (Int, [Unicode.Scalar]) -> Void) {
        for item in items(list) {
            let (numbers, signs) = parse(item)
            if signs[0] == UInt8(ascii: "=") {
                body(numbers[0], numbers.dropFirst().compactMap { Unicode.Scalar(UInt32($0)) })
                continue
            }
            let step = signs[0] == UInt8(ascii: "/") ? 2 : 1
            for character in stride(from: numbers[0], through: numbers[1], by: step) {
                body(character, [Unicode.Scalar(UInt32(numbers[2] + character - numbers[0]))].compactMap { $0 })
            }
        }
    }

    /// `mark=class`, the class in decimal.
    private static func orders(_ list: String) -> [(Int, UInt32)] {
        list.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { item in
            let parts = item.split(separator: "=")
            guard parts.count == 2, let mark = Int(parts[0], radix: 16), let order = UInt32(parts[1]) else { return nil }
            return (mark, order)
        }
    }
}
