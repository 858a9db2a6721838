import NIOCore
import SallyportCore

/// Folds a text to what a person or a model would read: hidden characters removed, compatibility forms and lookalikes spelled
/// plainly. Collects the hidden text and notes what was hidden.
struct Folding {
    /// Bytes that tag characters or variation selectors carried, and where.
    struct Hidden {
        var bytes: [UInt8] = []
        var runs: [OffsetMap.Run] = []
        mutating func close(from start: Int, source: Range<Int>) {
            if bytes.count > start { runs.append(.init(derived: start..<bytes.count, source: source, isLinear: false)) }
        }
    }

    private(set) var tags = Hidden()
    private(set) var selectors = Hidden()
    private(set) var notes = Notes()
    private let source: UnsafeRawBufferPointer
    private let trie: FoldTrie
    private var builder: ReadingBuilder
    private var isLoud = false
    /// The end of the word that was looked at last, and what was decided for it.
    private var wordEnd = 0
    private var foldsLookalikes = false
    private var stripsAccents = false
    private var isMostlyLatin: Bool?

    init(_ source: UnsafeRawBufferPointer, trie: FoldTrie) {
        self.source = source
        self.trie = trie
        builder = ReadingBuilder(source)
    }

    /// - Returns: nil when the text reads the same.
    mutating func fold(_ parent: Reading) -> Reading? {
        var offset = 0
        while offset < source.count {
            if offset + 8 <= source.count {
                let high = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) & 0x8080_8080_8080_8080
                offset += high.trailingZeroBitCount / 8
                if high != 0 { offset = step(offset) }
            } else {
                offset = source[offset] < 0x80 ? offset + 1 : step(offset)
            }
        }
        return isLoud ? builder.finish(from: parent) : nil
    }

    /// - Returns: where to go on.
    private mutating func step(_ offset: Int) -> Int {
        let (value, length) = source.scalar(at: offset)
        let range = offset..<(offset + length)
        switch trie.entry(value) {
        case .plain:
            // Regional indicators in pairs are flags; alone they are letters.
            if value &- 0x1F1E6 < 26, !isRegional(before: offset), !isRegional(at: range.upperBound) {
                replace(range, UInt8(value - 0x1F1E6) + 0x61)
            }
        case .latin(let bare):
            if offset >= wordEnd, study(offset) { return wordEnd }
            if stripsAccents, bare != 0 { replace(range, bare) }
        case .lookalike(let letter, _):
            if offset >= wordEnd, study(offset) { return wordEnd }
            if foldsLookalikes, letter != 0 { replace(range, letter) }
        case .single(let byte, let manner):
            if applies(manner, range) { replace(range, byte, isLoud: manner != .quiet) }
        case .several(let index, let manner):
            if applies(manner, range) {
                builder.replace(range, with: trie.several(index).utf8)
                if manner != .quiet { isLoud = true }
            }
        case .other(let index):
            if let scalar = Unicode.Scalar(trie.other(index)) {
                builder.replace(range, with: scalar)
                isLoud = true
            }
        case .mark: return foldMarks(offset)
        case .invisible: return foldInvisible(offset)
        }
        return range.upperBound
    }

    private mutating func replace(_ range: Range<Int>, _ byte: UInt8, isLoud loud: Bool = true) {
        builder.replace(range, with: byte)
        if loud { isLoud = true }
    }

    private func applies(_ manner: FoldManner, _ range: Range<Int>) -> Bool {
        switch manner {
        case .always, .quiet: true
        case .betweenWordCharacters: isLatin(before: range.lowerBound) && isLatin(at: range.upperBound)
        case .betweenDigits:
            range.lowerBound > 0 && ASCII.isDigit(source[range.lowerBound - 1]) && range.upperBound < source.count
                && ASCII.isDigit(source[range.upperBound])
        }
    }

    private func isRegional(before offset: Int) -> Bool {
        guard let start = source.start(before: offset) else { return false }
        return source.scalar(at: start).value &- 0x1F1E6 < 26
    }

    private func isRegional(at offset: Int) -> Bool { offset < source.count && source.scalar(at: offset).value &- 0x1F1E6 < 26 }

    /// Whether a Latin letter, a digit or something that stands for one is there.
    private func isLatin(at offset: Int) -> Bool {
        if offset >= source.count { return false }
        let value = source.scalar(at: offset).value
        if value < 0x80 { return ASCII.isAlphanumeric(UInt8(value)) }
        switch trie.entry(value) {
        case .latin, .lookalike: return true
        case .single(let byte, _): return ASCII.isAlphanumeric(byte)
        default: return false
        }
    }

    private func isLatin(before offset: Int) -> Bool { source.start(before: offset).map { isLatin(at: $0) } ?? false }

    // MARK: Words

    /// Looks at the word around `offset` and decides what is done to its letters.
    /// - Returns: whether nothing needs doing up to its end.
    private mutating func study(_ offset: Int) -> Bool {
        var start = offset
        while let previous = source.start(before: start), previous >= wordEnd, offset - previous < 128, isLatin(at: previous),
            !(ASCII.isDigit(source[previous]))
        {
            start = previous
        }
        var (latin, lookalikes, strict, others, accents) = (0, 0, 0, 0, 0)
        var end = start
        var isInert = true
        scan: while end < source.count {
            let (value, length) = source.scalar(at: end)
            if value < 0x80 {
                if !ASCII.isLetter(UInt8(value)) { break }
                latin += 1
            } else {
                switch trie.entry(value) {
                case .latin(let bare):
                    latin += 1
                    if bare != 0 { accents += 1 }
                case .lookalike(let letter, let isStrict):
                    if letter == 0 { others += 1 } else { lookalikes += 1 }
                    if isStrict { strict += 1 }
                case .single(let byte, .always) where ASCII.isLetter(byte):
                    latin += 1
                    isInert = false
                case .invisible: isInert = false
                case .mark:
                    isInert = false
                    accents += 1
                default: break scan
                }
            }
            end += length
        }
        wordEnd = max(end, offset + 1)
        stripsAccents = accents >= 3 && 3 * accents >= latin
        if lookalikes == 0 {
            foldsLookalikes = false
        } else if latin > 0 {
            // Not μm and kΩ.
            foldsLookalikes = latin + lookalikes >= 3 && (others == 0 || latin >= lookalikes + others)
            if others == 0, latin + lookalikes >= 4, strict > 0 || lookalikes > 1 { notes.add(.homoglyphs, start..<end) }
        } else {
            foldsLookalikes = others == 0 && strict == lookalikes && strict >= 3 && textIsMostlyLatin()
            if foldsLookalikes { notes.add(.homoglyphs, start..<end, confidence: 0.5) }
        }
        return isInert && !foldsLookalikes && !stripsAccents
    }

    /// Whether ASCII letters outnumber everything else by far, so that a word of lookalikes is out of place.
    private mutating func textIsMostlyLatin() -> Bool {
        if let known = isMostlyLatin { return known }
        var letters = 0
        var beyond = 0
        for byte in source {
            if ASCII.isLetter(byte) { letters += 1 } else if byte >= 0xC0 { beyond += 1 }
        }
        isMostlyLatin = letters > 2 * beyond
        return letters > 2 * beyond
    }

    // MARK: Combining marks

    private mutating func foldMarks(_ offset: Int) -> Int {
        var end = offset
        // Marks on plain letters: the word was not looked at yet.
        if offset >= wordEnd { _ = study(source.start(before: offset) ?? offset) }
        if stripsAccents {
            var stripped = 0
            while end < source.count {
                let (value, length) = source.scalar(at: end)
                guard case .mark = trie.entry(value) else { break }
                end += length
                stripped += 1
            }
            if stripped >= 4 { notes.add(.combiningFlood, offset..<end) }
            isLoud = true
            builder.remove(offset..<end)
            return end
        }
        var count = 0
        var fused = 0
        var kept: (UInt32, UInt32) = (0, 0)
        var keptCount = 0
        var baseStart = source.start(before: offset)
        if let start = baseStart, start < builder.done { baseStart = nil }
        let base: UInt32 = baseStart.map { source.scalar(at: $0).value } ?? 0
        var composed = base
        while end < source.count {
            let (value, length) = source.scalar(at: end)
            guard case .mark = trie.entry(value) else { break }
            count += 1
            if keptCount == 0, let together = trie.composed(composed, value) {
                composed = together
                fused += 1
            } else if keptCount < 2 {
                if keptCount == 0 { kept.0 = value } else { kept.1 = value }
                keptCount += 1
            }
            end += length
        }
        if count >= 4 { notes.add(.combiningFlood, offset..<end) }
        // A keycap: a digit in a box.
        if count == 1, kept.0 == 0x20E3 {
            builder.remove(offset..<end)
            return end
        }
        if baseStart == nil || (base < 0x80 && ASCII.isAlphanumeric(UInt8(base))) || isLatinLetter(base) { keptCount = 0 }
        if fused == 0, keptCount == count { return end }
        isLoud = true
        if fused > 0, let start = baseStart, let scalar = Unicode.Scalar(composed) {
            builder.replace(start..<end, with: scalar)
        } else {
            builder.remove(offset..<end)
        }
        if keptCount > 0 { builder.insert(kept.0, from: offset..<end) }
        if keptCount > 1 { builder.insert(kept.1, from: offset..<end) }
        return end
    }

    private func isLatinLetter(_ value: UInt32) -> Bool {
        if case .latin = trie.entry(value) { return value >= 0x80 }
        return false
    }

    // MARK: Invisible characters

    private mutating func foldInvisible(_ offset: Int) -> Int {
        var end = offset
        var counts = (zero: 0, softHyphen: 0, bidi: 0, joiner: 0, selector: 0, tag: 0, hard: 0)
        var isOverride = false
        var payload: [UInt8] = []
        var selected: [UInt8] = []
        var endsTag = false
        while end < source.count {
            let (value, length) = source.scalar(at: end)
            guard value >= 0x80, case .invisible(let sort) = trie.entry(value) else { break }
            switch sort {
            case .zero:
                if value == 0xAD { counts.softHyphen += 1 } else { counts.zero += 1 }
            case .bidi:
                counts.bidi += 1
                if value == 0x202D || value == 0x202E { isOverride = true }
            case .joiner: counts.joiner += 1
            case .hard: counts.hard += 1
            case .selector:
                counts.selector += 1
                selected.append(UInt8(truncatingIfNeeded: value >= 0xE0100 ? value - 0xE0100 + 16 : value - 0xFE00))
            case .tag:
                counts.tag += 1
                endsTag = value == 0xE007F
                if value >= 0xE0020, value < 0xE007F { payload.append(UInt8(value - 0xE0000)) }
            }
            end += length
        }
        let range = offset..<end
        let isFirst = offset == 0
        let splitsWord = isLatin(before: offset) && isLatin(at: end)
        if counts.tag > 0, !isFlag(before: offset, payload, ends: endsTag, only: counts.tag == payload.count + 1) {
            isLoud = true
            notes.add(.tagCharacters, range, evidence: String(payload.count))
            let start = tags.bytes.count
            tags.bytes.append(contentsOf: payload)
            tags.close(from: start, source: range)
        }
        if counts.selector > 1 || (counts.selector == 1 && splitsWord) {
            isLoud = true
            if counts.selector > 1 { notes.add(.variationSelectors, range, evidence: String(counts.selector)) }
            let start = selectors.bytes.count
            selectors.bytes.append(contentsOf: selected)
            selectors.close(from: start, source: range)
        }
        if counts.hard > 0 { isLoud = true }
        if splitsWord { isLoud = true }
        let unseen = counts.zero + counts.joiner + counts.hard
        if unseen > 0, !isFirst, splitsWord || counts.hard > 0 || unseen >= 3 {
            isLoud = true
            notes.add(.zeroWidth, range, confidence: unseen >= 3 ? 1 : 0.6, evidence: String(unseen))
        }
        if counts.bidi > 0 { notes.add(.bidiControl, range, confidence: isOverride ? 1 : 0.5) }
        builder.remove(range)
        return end
    }

    /// The flags of England, Scotland and Wales, and others made the same way.
    private func isFlag(before offset: Int, _ payload: [UInt8], ends: Bool, only: Bool) -> Bool {
        guard ends, only, (3...6).contains(payload.count), let start = source.start(before: offset) else { return false }
        return source.scalar(at: start).value == 0x1F3F4 && payload.allSatisfy { ASCII.isDigit($0) || (0x61...0x7A).contains($0) }
    }
}

/// Facts noted while folding, a bounded number of each.
struct Notes {
    enum Name: String {
        case tagCharacters = "tag-characters"
        case zeroWidth = "zero-width"
        case bidiControl = "bidi-control"
        case variationSelectors = "variation-selectors"
        case combiningFlood = "combining-flood"
        case homoglyphs
    }

    private(set) var findings: [Finding] = []
    private var counts: SIMD8<UInt8> = .zero
    private static let limit = 16

    mutating func add(_ name: Name, _ range: Range<Int>, confidence: Double = 1, evidence: @autoclosure () -> String? = nil) {
        let index = name.index
        if counts[index] >= Self.limit { return }
        counts[index] += 1
        let category = Finding.Category(.invisible, name.rawValue)
        findings.append(Finding(Normaliser.detectorID, category, at: range, confidence: confidence, evidence: evidence()))
    }
}

extension Notes.Name {
    fileprivate var index: Int {
        switch self {
        case .tagCharacters: 0
        case .zeroWidth: 1
        case .bidiControl: 2
        case .variationSelectors: 3
        case .combiningFlood: 4
        case .homoglyphs: 5
        }
    }
}
