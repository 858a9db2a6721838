import SallyportCore

/// Blocklists compiled to one scanner; its speed hardly depends on how many items they hold.
///
/// - Exact items match without regard to case, as whole terms (``WordBoundary``).
/// - Regular expressions match without regard to case, anywhere, in linear time.
package struct BlocklistIndex: Sendable {
    /// An item that the text holds.
    package struct Match: Sendable, Hashable {
        /// Name of the list.
        package let list: String
        package let item: BlocklistItem
        /// UTF-8 byte offsets.
        package let range: Range<Int>
    }

    /// An item that cannot be compiled: stored by another version, or without being validated.
    package struct InvalidItem: Error, Sendable {
        package let list: String
        package let itemID: String
        package let reason: String
    }

    private struct Entry: Sendable {
        let list: Int
        let item: BlocklistItem
    }

    /// One literal; lists may share it.
    private struct Term: Sendable {
        let boundary: WordBoundary
        var entries: [Int]
    }

    package let listNames: [String]
    package var itemCount: Int { entries.count }

    private let entries: [Entry]
    private let terms: [Term]
    private let exact: any PatternDatabase
    private let expressionEntries: [Int]
    private let expressions: any PatternDatabase
    /// Set when a term has letters beyond ASCII: then such texts are folded before the scan.
    private let folding: CaseFolding?
    /// Words of items that have several, in lower case, but for the last ones.
    private let phraseWords: Set<[UInt8]>
    /// An expression may match across blanks, or a phrase has letters beyond ASCII: every word may be part of it.
    private let anyWordMayGoOn: Bool
    package var hasPhrases: Bool { anyWordMayGoOn || !phraseWords.isEmpty }

    /// More matches than this in one text are not told apart: the last one then reaches to the end of the text.
    package static let maximumMatches = 65_536

    /// Compiles; milliseconds to seconds.
    /// - Throws: ``InvalidItem``.
    package init(_ lists: [(list: Blocklist, items: [BlocklistItem])], compiler: any PatternCompiler) throws {
        listNames = lists.map(\.list.name)
        var entries: [Entry] = []
        var terms: [Term] = []
        var termOf: [[UInt8]: Int] = [:]
        var literals: [Pattern] = []
        var patterns: [Pattern] = []
        var expressionEntries: [Int] = []
        var folding: CaseFolding?
        for (number, (_, items)) in lists.enumerated() {
            for item in items {
                entries.append(Entry(list: number, item: item))
                let entry = entries.count - 1
                if item.isRegex {
                    patterns.append(Pattern(item.text, ignoresCase: true))
                    expressionEntries.append(entry)
                    continue
                }
                var bytes = Array(item.text.utf8)[...]
                while let last = bytes.last, Self.isSpace(last) { bytes.removeLast() }
                while let first = bytes.first, Self.isSpace(first) { bytes.removeFirst() }
                if bytes.contains(where: { $0 >= 0x80 }) {
                    let known = folding ?? CaseFolding()
                    folding = known
                    bytes = bytes.withUnsafeBytes { known.folded($0) }[...]
                }
                let key = bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
                if let term = termOf[key] {
                    terms[term].entries.append(entry)
                } else {
                    let text = String(decoding: key, as: UTF8.self)
                    termOf[key] = terms.count
                    terms.append(Term(boundary: WordBoundary(of: text), entries: [entry]))
                    // A text with letters beyond ASCII is folded as the term is, so the engine compares plain bytes.
                    literals.append(Pattern(text, isLiteral: true, ignoresCase: !bytes.contains { $0 >= 0x80 }))
                }
            }
        }
        var words: Set<[UInt8]> = []
        var isAny = false
        for entry in entries {
            if entry.item.isRegex {
                isAny = isAny || Self.mayCrossBlanks(entry.item.text)
                continue
            }
            let parts = entry.item.text.utf8.split(whereSeparator: Self.isSpace)
            guard parts.count > 1 else { continue }
            for part in parts.dropLast() {
                if part.contains(where: { $0 >= 0x80 }) { isAny = true }
                words.insert(Self.plainWord(part))
            }
        }
        phraseWords = words
        anyWordMayGoOn = isAny
        self.entries = entries
        self.terms = terms
        self.expressionEntries = expressionEntries
        self.folding = folding
        exact = try Self.compile(literals, with: compiler) {
            terms[$0].entries[0]
        } name: {
            entries[$0]
        } list: {
            lists[$0].list.name
        }
        expressions = try Self.compile(patterns, with: compiler) {
            expressionEntries[$0]
        } name: {
            entries[$0]
        } list: {
            lists[$0].list.name
        }
    }

    /// A word is part of a phrase that is looked for, so that what follows it matters.
    func isPartOfPhrase(_ word: UnsafeRawBufferPointer) -> Bool {
        anyWordMayGoOn || phraseWords.contains(Self.plainWord(word))
    }

    /// Lower case, without the signs around it.
    private static func plainWord(_ word: some Collection<UInt8>) -> [UInt8] {
        func isSign(_ byte: UInt8) -> Bool { byte < 0x80 && !byte.isASCIIAlphanumeric }
        var word = word.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        while let last = word.last, isSign(last) { word.removeLast() }
        return Array(word.drop(while: isSign))
    }

    /// Whether an expression could match a text with blanks in it.
    private static func mayCrossBlanks(_ expression: String) -> Bool {
        // Classes that hold a blank, and spellings of one.
        let crossing = [" ", ".", "[^", "[:", "\\s", "\\S", "\\W", "\\D", "\\h", "\\R", "\\x", "\\p", "\\P", "\\t", "\\n"]
        return crossing.contains(where: expression.contains)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private static func compile(
        _ patterns: [Pattern], with compiler: any PatternCompiler, entry: (Int) -> Int, name: (Int) -> Entry, list: (Int) -> String
    ) throws -> any PatternDatabase {
        do {
            return try compiler.compile(patterns)
        } catch let error as PatternError where patterns.indices.contains(error.index) {
            let entry = name(entry(error.index))
            throw InvalidItem(list: list(entry.list), itemID: entry.item.id, reason: error.reason)
        }
    }

    /// All matches, by place. An item's overlapping matches are one.
    package func matches(in passage: Passage) throws -> [Match] {
        try passage.withBytes { try matches(in: $0, isASCII: passage.isASCII) }
    }

    func matches(in text: UnsafeRawBufferPointer, isASCII: Bool) throws -> [Match] {
        var found: [(entry: Int, range: Range<Int>)] = []
        func note(_ entry: Int, _ range: Range<Int>) -> Bool {
            found.append((entry, range))
            if found.count < Self.maximumMatches { return true }
            found[found.count - 1].range = range.lowerBound..<text.count
            return false
        }
        let onTerm = { (hit: PatternHit) -> Bool in
            let term = terms[hit.pattern]
            guard term.boundary.holds(around: hit.range, in: text) else { return true }
            for entry in term.entries where !note(entry, hit.range) { return false }
            return true
        }
        if !terms.isEmpty {
            if let folding, !isASCII {
                try folding.folded(text).withUnsafeBytes { try exact.scan($0, onHit: onTerm) }
            } else {
                try exact.scan(text, onHit: onTerm)
            }
        }
        if !expressionEntries.isEmpty {
            var latest: [Int: Int] = [:]
            try expressions.scan(text) { hit in
                let entry = expressionEntries[hit.pattern]
                if let index = latest[entry], index < found.count, found[index].range.upperBound >= hit.range.lowerBound {
                    let range = found[index].range
                    found[index].range = min(range.lowerBound, hit.range.lowerBound)..<max(range.upperBound, hit.range.upperBound)
                    return true
                }
                latest[entry] = found.count
                return note(entry, hit.range)
            }
        }
        found.sort { ($0.range.lowerBound, $0.range.upperBound, $0.entry) < ($1.range.lowerBound, $1.range.upperBound, $1.entry) }
        return found.map { Match(list: listNames[entries[$0.entry].list], item: entries[$0.entry].item, range: $0.range) }
    }
}
