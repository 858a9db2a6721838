/// One pass over one text: gathers a word, normalised, in a small buffer, then cuts it into pieces. Lives on the stack of a call.
struct WordScanner: ~Copyable {
    private let text: UnsafePointer<UInt8>
    private let count: Int
    private let limit: Int
    private let unknown: Int32
    private let nodes: UnsafePointer<UInt64>
    private let ascii: UnsafePointer<ASCIIKind>
    private let pages: UnsafePointer<UInt16>
    private let entries: UnsafePointer<UInt32>
    private let spellings: UnsafePointer<UInt8>

    /// The word as far as it was read. Nothing is added once it has more than ``WordPieceTokenizer/longestWord`` characters.
    private let word: UnsafeMutablePointer<UInt8>
    /// For each byte of the word the original bytes that it came from; only filled while the word is not `isDirect`.
    private let starts: UnsafeMutablePointer<UInt32>
    private let ends: UnsafeMutablePointer<UInt32>
    private var length = 0
    private var characters = 0
    private var wordStart = 0
    private var wordEnd = 0
    /// Byte i of the word is byte wordStart + i of the text.
    private var isDirect = true
    /// Capitals, small letters, digits and punctuation marks of the word, 16 bits each and enough: longer words saturate below.
    private var letters: UInt64 = 0
    private var beginsUpper = false
    /// Where the run of marks at the word's end began that are to be put in order; -1: none.
    private var runStart = -1
    private var lastOrder = 0
    private var isRunUnsorted = false

    private var tokens: UnsafeMutablePointer<Token>
    private var tokenCount = 0
    private var tokenRoom: Int
    private var words: UInt32 = 0

    /// Bytes that a word of the longest permitted length can have, and one more character.
    static let byteRoom = (WordPieceTokenizer.longestWord + 8) * 4

    private static let upper: UInt64 = 1
    private static let lower: UInt64 = 1 << 16
    private static let digit: UInt64 = 1 << 32
    private static let punctuation: UInt64 = 1 << 48
    private static let field: UInt64 = 0xFFFF

    init(
        text: UnsafePointer<UInt8>, count: Int, limit: Int, unknown: Int32, nodes: UnsafePointer<UInt64>,
        ascii: UnsafePointer<ASCIIKind>, pages: UnsafePointer<UInt16>,
        entries: UnsafePointer<UInt32>, spellings: UnsafePointer<UInt8>, word: UnsafeMutablePointer<UInt8>,
        starts: UnsafeMutablePointer<UInt32>, ends: UnsafeMutablePointer<UInt32>
    ) {
        self.text = text
        self.count = count
        self.limit = limit
        self.unknown = unknown
        self.nodes = nodes
        self.ascii = ascii
        self.pages = pages
        self.entries = entries
        self.spellings = spellings
        self.word = word
        self.starts = starts
        self.ends = ends
        tokenRoom = count / 3 + 2 * WordScanner.byteRoom
        tokens = .allocate(capacity: tokenRoom)
    }

    deinit { tokens.deallocate() }

    mutating func run() -> Result<[Token], TokenizationError> {
        var place = 0
        while place < count {
            let byte = text[place]
            if byte < 0x80 {
                takeASCII(byte, at: place)
                place &+= 1
            } else {
                let size = decode(at: place)
                if size == 0 { return .failure(.malformed(at: place)) }
                place &+= size
            }
            if tokenCount > limit { return .failure(.tooLong) }
        }
        finishWord()
        if tokenCount > limit { return .failure(.tooLong) }
        return .success(Array(UnsafeBufferPointer(start: tokens, count: tokenCount)))
    }

    // MARK: Characters

    @inline(__always) private mutating func takeASCII(_ byte: UInt8, at place: Int) {
        switch ascii[Int(byte)] {
        case .lower:
            append(byte, at: place, letters: Self.lower)
        case .upper:
            if letters & (Self.field | Self.field << 16) == 0 { beginsUpper = true }
            append(byte | 0x20, at: place, letters: Self.upper)
        case .digit: append(byte, at: place, letters: Self.digit)
        case .space: finishWord()
        case .punctuation:
            finishWord()
            append(byte, at: place, letters: Self.punctuation)
            finishWord()
        case .dropped: break
        }
    }

    /// One byte that stands for itself (in small letters).
    @inline(__always) private mutating func append(_ byte: UInt8, at place: Int, letters kind: UInt64) {
        if length == 0 { wordStart = place }
        if characters > WordPieceTokenizer.longestWord {
            // Letters are counted on (a long word has a case too) without running over into the next field.
            saturate(kind)
            characters = WordPieceTokenizer.longestWord + 1
            wordEnd = place &+ 1
            return
        }
        letters &+= kind
        if runStart >= 0 { finishRun() }
        if isDirect, place != wordStart &+ length { leaveDirect() }
        word[length] = byte
        if !isDirect {
            starts[length] = UInt32(truncatingIfNeeded: place)
            ends[length] = UInt32(truncatingIfNeeded: place &+ 1)
        }
        length &+= 1
        characters &+= 1
        wordEnd = place &+ 1
    }

    private mutating func saturate(_ kind: UInt64) {
        if kind != 0, letters & (kind &* Self.field) < kind &* (Self.field - 1) { letters &+= kind }
    }

    /// From now on each byte's origin is written down; those so far are their own.
    private mutating func leaveDirect() {
        for index in 0..<length {
            starts[index] = UInt32(truncatingIfNeeded: wordStart &+ index)
            ends[index] = UInt32(truncatingIfNeeded: wordStart &+ index &+ 1)
        }
        isDirect = false
    }

    /// One character beyond ASCII.
    /// - Returns: how many bytes it has; 0: not valid UTF-8.
    private mutating func decode(at place: Int) -> Int {
        let first = UInt32(text[place])
        let size: Int
        var scalar: UInt32
        switch first {
        case 0xC2...0xDF: (size, scalar) = (2, first & 0x1F)
        case 0xE0...0xEF: (size, scalar) = (3, first & 0x0F)
        case 0xF0...0xF4: (size, scalar) = (4, first & 0x07)
        default: return 0
        }
        guard place &+ size <= count else { return 0 }
        for index in 1..<size {
            let byte = UInt32(text[place &+ index])
            guard byte & 0xC0 == 0x80 else { return 0 }
            scalar = scalar << 6 | byte & 0x3F
        }
        // Spelled too long, surrogates, beyond the last plane.
        if size == 3, scalar < 0x800 || (0xD800...0xDFFF).contains(scalar) { return 0 }
        if size == 4, scalar < 0x10000 || scalar > 0x10_FFFF { return 0 }
        if (0xAC00...0xD7A3).contains(scalar) {
            takeHangul(scalar &- 0xAC00, place, size)
            return size
        }
        let entry = CharacterTable.Entry(bits: entries[Int(pages[Int(scalar >> 8)]) &* 256 &+ Int(scalar & 0xFF)])
        switch entry.kind {
        case .same: append(text + place, size, characters: 1, from: place, size, entry.letterCase)
        case .dropped: break
        case .droppedBreaking: if runStart >= 0 { finishRun() }
        case .space: finishWord()
        case .alone:
            finishWord()
            append(text + place, size, characters: 1, from: place, size, entry.letterCase)
            finishWord()
        case .mapped:
            let spelling = spellings + entry.payload
            append(spelling + 1, Int(spelling[0]), characters: nil, from: place, size, entry.letterCase)
        case .aloneMapped:
            finishWord()
            let spelling = spellings + entry.payload
            append(spelling + 1, Int(spelling[0]), characters: nil, from: place, size, entry.letterCase)
            finishWord()
        case .ordered: appendOrdered(order: entry.payload, place, size)
        }
        return size
    }

    /// The bytes that a character beyond ASCII becomes.
    private mutating func append(
        _ bytes: UnsafePointer<UInt8>, _ size: Int, characters added: Int?, from place: Int, _ originalSize: Int, _ letterCase: UInt32
    ) {
        if length == 0 { wordStart = place }
        wordEnd = place &+ originalSize
        switch letterCase {
        case CharacterTable.Case.upper.rawValue:
            if letters & (Self.field | Self.field << 16) == 0 { beginsUpper = true }
            saturate(Self.upper)
        case CharacterTable.Case.lower.rawValue: saturate(Self.lower)
        case CharacterTable.Case.digit.rawValue: saturate(Self.digit)
        case CharacterTable.Case.punctuation.rawValue: saturate(Self.punctuation)
        default: break
        }
        guard characters <= WordPieceTokenizer.longestWord else { return }
        if runStart >= 0 { finishRun() }
        if isDirect, place != wordStart &+ length || size != originalSize { leaveDirect() }
        for index in 0..<size {
            word[length &+ index] = bytes[index]
            if !isDirect {
                starts[length &+ index] = UInt32(truncatingIfNeeded: place)
                ends[length &+ index] = UInt32(truncatingIfNeeded: place &+ originalSize)
            }
        }
        length &+= size
        if let added {
            characters &+= added
        } else {
            for index in 0..<size where bytes[index] & 0xC0 != 0x80 { characters &+= 1 }
        }
    }

    /// A syllable becomes its two or three letters.
    private mutating func takeHangul(_ index: UInt32, _ place: Int, _ size: Int) {
        let letters = (0x1100 &+ index / 588, 0x1161 &+ index % 588 / 28, 0x11A7 &+ index % 28)
        func encode(_ scalar: UInt32) -> (UInt8, UInt8, UInt8) {
            (UInt8(0xE0 | scalar >> 12), UInt8(0x80 | scalar >> 6 & 0x3F), UInt8(0x80 | scalar & 0x3F))
        }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 9) { bytes in
            guard let base = bytes.baseAddress else { return }
            (base[0], base[1], base[2]) = encode(letters.0)
            (base[3], base[4], base[5]) = encode(letters.1)
            (base[6], base[7], base[8]) = encode(letters.2)
            let hasThird = letters.2 != 0x11A7
            append(UnsafePointer(base), hasThird ? 9 : 6, characters: hasThird ? 3 : 2, from: place, size, 0)
        }
    }

    // MARK: Marks that are put in order

    private mutating func appendOrdered(order: Int, _ place: Int, _ size: Int) {
        let run = runStart
        let last = lastOrder
        runStart = -1
        let before = length
        append(text + place, size, characters: 1, from: place, size, 0)
        runStart = run >= 0 ? run : before
        if run >= 0, order < last {
            isRunUnsorted = true
        } else {
            lastOrder = order
        }
    }

    private mutating func finishRun() {
        if isRunUnsorted { sortRun() }
        runStart = -1
        lastOrder = 0
        isRunUnsorted = false
    }

    /// A stable sort by class. Rare, and bounded by the longest word.
    private mutating func sortRun() {
        if isDirect { leaveDirect() }
        struct Mark {
            let order: Int
            let bytes: [UInt8]
            let start: UInt32
            let end: UInt32
        }
        var marks: [Mark] = []
        var index = runStart
        while index < length {
            let size = word[index] < 0xE0 ? 2 : word[index] < 0xF0 ? 3 : 4
            var scalar = UInt32(word[index]) & (size == 2 ? 0x1F : size == 3 ? 0x0F : 0x07)
            for offset in 1..<size { scalar = scalar << 6 | UInt32(word[index + offset] & 0x3F) }
            let entry = CharacterTable.Entry(bits: entries[Int(pages[Int(scalar >> 8)]) * 256 + Int(scalar & 0xFF)])
            marks.append(
                Mark(
                    order: entry.payload, bytes: (0..<size).map { word[index + $0] }, start: starts[index], end: ends[index]))
            index += size
        }
        index = runStart
        for mark in marks.enumerated().sorted(by: { ($0.element.order, $0.offset) < ($1.element.order, $1.offset) }).map(\.element) {
            for byte in mark.bytes {
                word[index] = byte
                starts[index] = mark.start
                ends[index] = mark.end
                index += 1
            }
        }
    }

    // MARK: Words

    private mutating func finishWord() {
        guard length > 0 else { return }
        if runStart >= 0 { finishRun() }
        if tokenCount &+ WordScanner.byteRoom > tokenRoom { makeRoom() }
        let wordAndCase = words << 3 | UInt32(caseClass.rawValue)
        words &+= 1
        if characters > WordPieceTokenizer.longestWord || !cut(wordAndCase) {
            tokens[tokenCount] = Token(
                identifier: unknown, start: UInt32(truncatingIfNeeded: wordStart), end: UInt32(truncatingIfNeeded: wordEnd),
                wordAndCase: wordAndCase)
            tokenCount &+= 1
        }
        length = 0
        characters = 0
        isDirect = true
        letters = 0
        beginsUpper = false
    }

    /// Longest piece first, again and again.
    /// - Returns: false, and no token, when a rest is in no piece.
    private mutating func cut(_ wordAndCase: UInt32) -> Bool {
        let first = tokenCount
        var slot = VocabularyTrie.wordRoot
        var start = 0
        while start < length {
            var index = start
            var found: Int32 = -1
            var end = start
            var node = nodes[slot]
            while index < length {
                let next = VocabularyTrie.base(node) &+ Int(word[index])
                node = nodes[next]
                if VocabularyTrie.check(node) != slot { break }
                slot = next
                index &+= 1
                let identifier = VocabularyTrie.identifier(node)
                if identifier >= 0 {
                    found = identifier
                    end = index
                }
            }
            guard found >= 0 else {
                tokenCount = first
                return false
            }
            let from = isDirect ? UInt32(truncatingIfNeeded: wordStart &+ start) : starts[start]
            let to = isDirect ? UInt32(truncatingIfNeeded: wordStart &+ end) : ends[end &- 1]
            tokens[tokenCount] = Token(identifier: found, start: from, end: max(from, to), wordAndCase: wordAndCase)
            tokenCount &+= 1
            start = end
            slot = VocabularyTrie.continuationRoot
        }
        return true
    }

    private mutating func makeRoom() {
        let room = tokenRoom * 2
        let larger = UnsafeMutablePointer<Token>.allocate(capacity: room)
        larger.moveInitialize(from: tokens, count: tokenCount)
        tokens.deallocate()
        tokens = larger
        tokenRoom = room
    }

    private var caseClass: CaseClass {
        let upper = letters & Self.field
        let lower = letters >> 16 & Self.field
        if letters >> 48 != 0, characters == 1 { return .special }
        if letters >> 32 & Self.field != 0 { return .digit }
        if upper == 0 { return .plain }
        if lower == 0 { return upper >= 2 ? .capitals : .capitalised }
        return upper == 1 && beginsUpper ? .capitalised : .mixed
    }
}
