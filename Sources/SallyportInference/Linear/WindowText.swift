/// A window's text as the language scorer reads it: letters and digits in lower case, apostrophes and hyphens, one space or line break
/// between words (a break where a sentence ends), no marks. The rules stand in `training/languages.py`.
struct WindowText: Sendable {
    /// Unicode scalars; never two breaks in a row.
    let scalars: [UInt32]

    static let space: UInt32 = 0x20
    static let sentence: UInt32 = 0x0A

    init(_ text: UnsafeRawBufferPointer) {
        var found: [UInt32] = []
        found.reserveCapacity(text.count)
        func add(_ scalar: UInt32) {
            if scalar == Self.space || scalar == Self.sentence, let last = found.last, last == Self.space || last == Self.sentence {
                if scalar == Self.sentence { found[found.count - 1] = scalar }
            } else {
                found.append(scalar)
            }
        }
        var decoder = Unicode.UTF8()
        var bytes = text.makeIterator()
        decoding: while true {
            switch decoder.decode(&bytes) {
            case .emptyInput: break decoding
            case .error: add(Self.space)
            case .scalarValue(let scalar):
                if scalar.isASCII {
                    add(Self.ascii[Int(scalar.value)])
                } else {
                    Self.normal(scalar, add)
                }
            }
        }
        scalars = found
    }

    private static let ascii: [UInt32] = (0..<128).map { (code: UInt32) in
        let scalar = Unicode.Scalar(UInt8(code))
        var found: [UInt32] = []
        normal(scalar) { found.append($0) }
        return found.first ?? space
    }

    private static let ends: Set<UInt32> = Set(".!?:;\n。！？；：؟؛".unicodeScalars.map(\.value))
    /// Letters that are written two ways, to one; 0: nothing.
    private static let folds: [UInt32: UInt32] = {
        var folds: [UInt32: UInt32] = [0x0640: 0, 0x2019: 0x27]
        for (from, to) in zip("ёıأإآٱىؤئة".unicodeScalars, "еiاااايويه".unicodeScalars) { folds[from.value] = to.value }
        return folds
    }()

    private static func normal(_ scalar: Unicode.Scalar, _ add: (UInt32) -> Void) {
        if ends.contains(scalar.value) { return add(sentence) }
        for small in scalar.properties.lowercaseMapping.unicodeScalars {
            var small = small
            if let fold = folds[small.value] {
                guard fold != 0, let folded = Unicode.Scalar(fold) else { continue }
                small = folded
            }
            switch small.properties.generalCategory {
            case .nonspacingMark: continue
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber, .letterNumber,
                .otherNumber:
                add(small.value)
            default: add(small == "'" || small == "-" ? small.value : space)
            }
        }
    }

    enum Script: Sendable { case latin, cyrillic, arabic, han, kana, other }

    static func script(_ code: UInt32) -> Script {
        switch code {
        case 0..<0x250, 0x1E00..<0x1F00: .latin
        case 0x400...0x52F: .cyrillic
        case 0x600...0x6FF, 0x750...0x77F: .arabic
        case 0x3400...0x9FFF, 0xF900...0xFAFF, 0x20000...0x323AF: .han
        case 0x3040...0x30FF: .kana
        default: .other
        }
    }

    /// A character that is a word of its own: where no spaces stand between words.
    static func isAlone(_ code: UInt32) -> Bool {
        guard code >= 0x3040 else { return false }
        let script = script(code)
        return script == .han || script == .kana
    }

    static func isBreak(_ code: UInt32) -> Bool { code == space || code == sentence || code == 0x27 || code == 0x2D }

    static func isLetter(_ code: UInt32) -> Bool {
        if code < 0x80 { return code >= 0x61 && code <= 0x7A }
        guard let scalar = Unicode.Scalar(code) else { return false }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
        default: return false
        }
    }
}
