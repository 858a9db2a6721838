/// Finds context words around an identifier. The trie is built once; a text is searched only near its candidates, each part at most once.
struct KeywordTrie: Sendable {
    /// Flat table: node × class → next node; 0: none.
    private let next: [UInt16]
    /// Per node: index in `topicSets`, or -1; words shorter than five characters must end where they end.
    private let terminal: [Int16]
    private let needsEnd: [Bool]
    private let topicSets: [TopicSet]
    private let classOf: [UInt8]
    private let classes: Int

    /// Nodes that a trie may have: some five times the catalogue's. Words of a caller beyond that are left out.
    static let maximumNodes = 32_768

    /// Words of one list are separated by `|`.
    init(_ words: [(ContextTopic, [String: String])]) {
        var topics: [[UInt8]: [ContextTopic]] = [:]
        for (topic, languages) in words {
            for list in languages.values {
                for word in list.split(separator: "|") {
                    var folded: [UInt8] = []
                    Array(word.utf8).withUnsafeBytes { bytes in
                        var index = 0
                        while index < bytes.count {
                            let (byte, length) = Self.folded(bytes, index)
                            folded.append(byte)
                            index += length
                        }
                    }
                    for spelling in Self.spellings(of: folded) where !(topics[spelling] ?? []).contains(topic) {
                        topics[spelling, default: []].append(topic)
                    }
                }
            }
        }
        var used = [Bool](repeating: false, count: 256)
        for word in topics.keys { for byte in word { used[Int(byte)] = true } }
        var classOf = [UInt8](repeating: 0, count: 256)
        var classes = 1
        for byte in 0..<256 where used[byte] {
            classOf[byte] = UInt8(truncatingIfNeeded: classes)
            classes += 1
        }
        var next = [UInt16](repeating: 0, count: classes)
        var terminal: [Int16] = [-1]
        var needsEnd = [false]
        var sets: [TopicSet] = []
        for (word, list) in topics.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            guard terminal.count + word.count <= Self.maximumNodes else { break }
            var node = 0
            for byte in word {
                let slot = node * classes + Int(classOf[Int(byte)])
                if next[slot] == 0 {
                    next[slot] = UInt16(terminal.count)
                    next.append(contentsOf: repeatElement(0, count: classes))
                    terminal.append(-1)
                    needsEnd.append(false)
                }
                node = Int(next[slot])
            }
            terminal[node] = Int16(sets.count)
            needsEnd[node] = word.count < 5 && word.allSatisfy { $0 < 0x80 }
            sets.append(TopicSet(list))
        }
        self.next = next
        self.terminal = terminal
        self.needsEnd = needsEnd
        self.topicSets = sets
        self.classOf = classOf
        self.classes = classes
    }

    /// The word itself and, for Cyrillic and Greek, with a capital first letter and all in capitals.
    private static func spellings(of word: [UInt8]) -> [[UInt8]] {
        guard let first = word.first, first == 0xD0 || first == 0xD1 || first == 0xCE || first == 0xCF else { return [word] }
        func capital(_ lead: UInt8, _ second: UInt8) -> [UInt8] {
            switch (lead, second) {
            case (0xD0, 0xB0...0xBF): [0xD0, second - 0x20]
            case (0xD1, 0x80...0x8F): [0xD0, second + 0x20]
            case (0xCE, 0xB1...0xBF): [0xCE, second - 0x20]
            case (0xCF, 0x80...0x89): [0xCE, second + 0x20]
            default: [lead, second]
            }
        }
        var capitals: [UInt8] = []
        var index = 0
        while index < word.count {
            if index + 1 < word.count, word[index] >= 0xCE, word[index] <= 0xD1 {
                capitals += capital(word[index], word[index + 1])
                index += 2
            } else {
                capitals.append(word[index])
                index += 1
            }
        }
        return word.count < 2 ? [word] : [word, capital(word[0], word[1]) + word[2...], capitals]
    }

    /// One byte of text as the trie compares it: lower case, accents of the Latin alphabets removed, `_` and NBSP as a blank.
    @inline(__always)
    static func folded(_ text: UnsafeRawBufferPointer, _ index: Int) -> (UInt8, Int) {
        let byte = text[index]
        if byte < 0x80 {
            if byte >= 0x41 && byte <= 0x5A { return (byte | 0x20, 1) }
            return (byte == 0x5F || byte == 0x09 || byte == 0x0A ? 0x20 : byte, 1)
        }
        guard index + 1 < text.count else { return (byte, 1) }
        let second = text[index + 1]
        switch byte {
        case 0xC2: return second == 0xA0 ? (0x20, 2) : (byte, 1)
        case 0xC3:
            let letters: StaticString = "aaaaaaaceeeeiiiidnooooo*ouuuuytsaaaaaaaceeeeiiiidnooooo/ouuuuyty"
            let offset = Int(second & 0x3F)
            return (letters.utf8Start[offset], 2)
        case 0xC4:
            let letters: StaticString = "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
            return (letters.utf8Start[Int(second & 0x3F)], 2)
        case 0xC5:
            let letters: StaticString = "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
            return (letters.utf8Start[Int(second & 0x3F)], 2)
        default: return (byte, 1)
        }
    }

    /// Calls `onMention` for each word in `range`.
    func search(_ text: UnsafeRawBufferPointer, in range: Range<Int>, onMention: (Int, TopicSet) -> Void) {
        next.withUnsafeBufferPointer { next in
            classOf.withUnsafeBufferPointer { classOf in
                var index = range.lowerBound
                while index < range.upperBound {
                    if !Self.isWordStart(text, index) {
                        index += 1
                        continue
                    }
                    var node = 0
                    var cursor = index
                    while cursor < text.count {
                        let (byte, length) = Self.folded(text, cursor)
                        let following = Int(next[node * classes + Int(classOf[Int(byte)])])
                        if following == 0 || classOf[Int(byte)] == 0 { break }
                        node = following
                        cursor += length
                        let set = terminal[node]
                        if set >= 0,
                            !needsEnd[node] || cursor >= text.count || !Self.isWordByte(text[cursor]) || Self.isCamelEdge(text, cursor)
                        {
                            onMention(index, topicSets[Int(set)])
                        }
                    }
                    index += 1
                }
            }
        }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7A || byte >= 0xC3
    }

    private static func isCamelEdge(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        text[index] >= 0x41 && text[index] <= 0x5A && text[index - 1] >= 0x61 && text[index - 1] <= 0x7A
    }

    private static func isWordStart(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        let byte = text[index]
        if byte & 0xC0 == 0x80 { return false }
        guard isWordByte(byte) else { return false }
        if index == 0 { return true }
        let previous = text[index - 1]
        if byte >= 0xE0 { return true }  // scripts without blanks between words
        return !(isWordByte(previous) || previous & 0xC0 == 0x80 && previous != 0xA0) || isCamelEdge(text, index)
    }
}

/// Several topics as bits.
struct TopicSet: Sendable, Hashable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ topics: [ContextTopic]) {
        for topic in topics {
            if topic.rawValue < 64 { low |= 1 << UInt64(topic.rawValue) } else { high |= 1 << UInt64(topic.rawValue - 64) }
        }
    }

    @inline(__always)
    func meets(_ other: TopicSet) -> Bool { low & other.low | high & other.high != 0 }
    var isEmpty: Bool { low | high == 0 }
}

/// The context words of one text, looked up lazily and block by block, so that no part is searched twice.
struct KeywordIndex: ~Copyable {
    private static let block = 256
    private let trie: KeywordTrie
    private let text: UnsafeRawBufferPointer
    /// Where topics are mentioned, for each block that was searched.
    private var blocks: [[(position: Int, topics: TopicSet)]?] = []
    /// Own words of a caller, besides the catalogue's.
    private let extra: KeywordTrie?

    init(_ trie: KeywordTrie, _ text: UnsafeRawBufferPointer, extra: KeywordTrie? = nil) {
        self.trie = trie
        self.text = text
        self.extra = extra
    }

    /// True when one of the topics is mentioned within `proximity` bytes of `range`, and not inside it.
    mutating func mentions(_ topics: TopicSet, near range: Range<Int>, within proximity: Int) -> Bool {
        distance(to: topics, from: range, within: proximity) != nil
    }

    /// Bytes to the nearest mention of one of the topics; nil when there is none. What stands before counts as nearer than what follows.
    mutating func distance(to topics: TopicSet, from range: Range<Int>, within proximity: Int) -> Int? {
        if topics.isEmpty || text.isEmpty { return nil }
        if blocks.isEmpty { blocks = [[(position: Int, topics: TopicSet)]?](repeating: nil, count: text.count / Self.block + 1) }
        let lower = max(0, range.lowerBound - proximity)
        let upper = min(text.count, range.upperBound + proximity)
        var nearest = Int.max
        for index in lower / Self.block...max(lower, upper - 1) / Self.block {
            if blocks[index] == nil { search(index) }
            for mention in blocks[index] ?? [] where mention.topics.meets(topics) {
                guard mention.position >= lower && mention.position < upper && !range.contains(mention.position) else { continue }
                let distance =
                    mention.position < range.lowerBound ? range.lowerBound - mention.position : mention.position - range.upperBound + 64
                if distance < nearest { nearest = distance }
            }
        }
        return nearest == Int.max ? nil : nearest
    }

    private mutating func search(_ index: Int) {
        var found: [(position: Int, topics: TopicSet)] = []
        let range = index * Self.block..<min(text.count, (index + 1) * Self.block)
        trie.search(text, in: range) { position, topics in found.append((position, topics)) }
        extra?.search(text, in: range) { position, topics in found.append((position, topics)) }
        blocks[index] = found
    }
}
