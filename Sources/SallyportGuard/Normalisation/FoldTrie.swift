/// What each code point means for folding. Built once from ``FoldTables``.
struct FoldTrie: Sendable {
    enum Entry {
        case plain
        /// A Latin letter beyond ASCII; the letter under its accents, or 0.
        case latin(UInt8)
        /// A letter of a script with lookalikes; the Latin letter it looks like, or 0.
        case lookalike(UInt8, strict: Bool)
        case invisible(Invisible)
        case mark
        case single(UInt8, FoldManner)
        case several(Int, FoldManner)
        case other(Int)
    }

    private var index: [UInt16]
    private var values: [UInt16]
    /// The marks from 0x300 on that have composed forms, a bit each.
    private var composing: SIMD2<UInt64> = .zero

    static let standard = FoldTrie()

    func entry(_ scalar: UInt32) -> Entry {
        if scalar >= 0x20000 {
            if scalar >= 0xE0000, scalar < 0xE0080 { return .invisible(.tag) }
            if scalar >= 0xE0100, scalar < 0xE01F0 { return .invisible(.selector) }
            return .plain
        }
        let value = values[Int(index[Int(scalar >> 6)]) << 6 | Int(scalar & 63)]
        if value == 0 { return .plain }
        let low = UInt8(truncatingIfNeeded: value)
        switch value >> 12 {
        case 1: return .latin(low)
        case 2: return .lookalike(low, strict: value & 0x100 != 0)
        case 3: return .invisible(Invisible(rawValue: low) ?? .hard)
        case 4: return .mark
        case 5: return .single(low, FoldManner(rawValue: UInt8(value >> 8 & 3)) ?? .always)
        case 6: return .several(Int(value & 0x3FF), FoldManner(rawValue: UInt8(value >> 10 & 3)) ?? .always)
        case 7: return .other(Int(value & 0xFFF))
        default: return .plain
        }
    }

    func several(_ index: Int) -> String { FoldTables.several[index].1 }

    func other(_ index: Int) -> UInt32 { FoldTables.others[2 * index + 1] }

    /// - Returns: nil when letter and mark have no composed form.
    func composed(_ letter: UInt32, _ mark: UInt32) -> UInt32? {
        guard mark &- 0x300 < 128, composing[Int(mark >> 6 & 1)] >> UInt64(mark & 63) & 1 != 0 else { return nil }
        let table = FoldTables.compositions
        let key = UInt64(letter) << 8 | UInt64(mark - 0x300)
        var low = 0
        var high = table.count
        while low < high {
            let middle = (low + high) / 2
            if table[middle] >> 16 < key { low = middle + 1 } else { high = middle }
        }
        return low < table.count && table[low] >> 16 == key ? UInt32(table[low] & 0xFFFF) : nil
    }

    private init() {
        index = Array(repeating: 0, count: 0x20000 >> 6)
        values = Array(repeating: 0, count: 64)
        var manners: [UInt32: UInt16] = [:]
        for item in FoldTables.manners { manners[item >> 4] = UInt16(item & 15) }
        for (start, text) in FoldTables.latin { set(text, from: start) { $0 == 0 ? 1 << 12 : 1 << 12 | UInt16($0) } }
        setRanges(FoldTables.otherLetters, 2 << 12)
        setRanges(FoldTables.marks, 4 << 12)
        for (start, text) in FoldTables.lookalikes { set(text, from: start) { $0 == 0x7E ? nil : 2 << 12 | UInt16($0) } }
        let strict = FoldTables.strictLookalikes
        for i in stride(from: 0, to: strict.count - 1, by: 2) {
            for scalar in strict[i]...strict[i + 1] { set(scalar, value(scalar) | 0x100) }
        }
        for (start, text) in FoldTables.singles {
            var scalar = start
            for byte in text.utf8 {
                if byte != 0x60 { set(scalar, 5 << 12 | (manners[scalar] ?? 0) << 8 | UInt16(byte)) }
                scalar += 1
            }
        }
        for (i, item) in FoldTables.several.enumerated() { set(item.0, 6 << 12 | (manners[item.0] ?? 0) << 10 | UInt16(i)) }
        for i in stride(from: 0, to: FoldTables.others.count - 1, by: 2) { set(FoldTables.others[i], 7 << 12 | UInt16(i / 2)) }
        for item in FoldTables.compositions { composing[Int(item >> 22 & 1)] |= 1 << (item >> 16 & 63) }
        for item in FoldTables.invisible { set(item >> 4, 3 << 12 | UInt16(item & 15)) }
    }

    private func value(_ scalar: UInt32) -> UInt16 { values[Int(index[Int(scalar >> 6)]) << 6 | Int(scalar & 63)] }

    private mutating func set(_ scalar: UInt32, _ value: UInt16) {
        let block = Int(scalar >> 6)
        if index[block] == 0 {
            index[block] = UInt16(values.count >> 6)
            values.append(contentsOf: repeatElement(0, count: 64))
        }
        values[Int(index[block]) << 6 | Int(scalar & 63)] = value
    }

    private mutating func set(_ text: String, from start: UInt32, _ value: (UInt8) -> UInt16?) {
        var scalar = start
        for byte in text.utf8 {
            // A gap in the Latin table is \u{1} or a tilde: no letter.
            if byte != 1, let value = value(byte), byte != 0x7E { set(scalar, value) }
            scalar += 1
        }
    }

    private mutating func setRanges(_ bounds: [UInt32], _ value: UInt16) {
        for i in stride(from: 0, to: bounds.count - 1, by: 2) {
            for scalar in bounds[i]...bounds[i + 1] { set(scalar, value) }
        }
    }
}

/// Sorts of code points that show nothing.
enum Invisible: UInt8 {
    /// Zero-width space, word joiner, soft hyphen, invisible operators.
    case zero = 1
    case bidi = 2
    /// Has a use in emoji or in some scripts.
    case joiner = 3
    case selector = 4
    case tag = 5
    /// Fillers and deprecated controls: no use in text.
    case hard = 6
}

/// When a mapping makes a folded reading worth having. The others are applied only where there is one anyway, so that common
/// typography does not double the work.
enum FoldManner: UInt8 {
    case always = 0
    case quiet = 1
    case betweenWordCharacters = 2
    case betweenDigits = 3
}
