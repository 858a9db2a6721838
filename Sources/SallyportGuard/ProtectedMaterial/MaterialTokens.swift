/// A work or an answer as a row of tokens that layout does not change: line breaks, blanks, quotation marks, and in prose punctuation and
/// letter case, say nothing of what was copied.
struct MaterialTokens {
    /// Hashes of the tokens, in order.
    private(set) var hashes: [UInt64] = []
    /// Where each stands, in bytes.
    private(set) var ranges: [Range<Int>] = []

    private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325

    var count: Int { hashes.count }

    /// - Parameter bytes: valid UTF-8.
    init(_ bytes: UnsafeRawBufferPointer, as kind: MaterialKind) {
        hashes.reserveCapacity(bytes.count / 5)
        ranges.reserveCapacity(bytes.count / 5)
        switch kind {
        case .text: readProse(bytes)
        case .code: readCode(bytes)
        }
    }

    private static func mix(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }

    private mutating func append(_ hash: UInt64, _ range: Range<Int>) {
        hashes.append(hash)
        ranges.append(range)
    }

    // MARK: Code

    /// Names and numbers as they are spelled, each other sign by itself; no quotation marks and no semicolons.
    private mutating func readCode(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte <= 0x20 || byte == 0x22 || byte == 0x27 || byte == 0x60 || byte == 0x3B {
                index += 1
                continue
            }
            let start = index
            var hash = Self.mix(Self.seed, byte)
            index += 1
            if Self.isName(byte) {
                while index < bytes.count, Self.isName(bytes[index]) {
                    hash = Self.mix(hash, bytes[index])
                    index += 1
                }
            }
            append(hash, start..<index)
        }
    }

    private static func isName(_ byte: UInt8) -> Bool {
        byte >= 0x80 || byte == 0x5F || (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A)
    }

    // MARK: Prose

    /// Words in lower case without punctuation; of scripts that put no blanks between words, each character.
    private mutating func readProse(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        var start = 0
        var hash = Self.seed
        var isOpen = false
        func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || (byte >= 0x30 && byte <= 0x39) }
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x80 {
                if isLetter(byte) {
                    if !isOpen { (start, hash, isOpen) = (index, Self.seed, true) }
                    hash = Self.mix(hash, byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
                } else if isOpen, byte != 0x27 {
                    append(hash, start..<index)
                    isOpen = false
                }
                index += 1
                continue
            }
            let (scalar, length) = Self.scalar(bytes, at: index)
            if Self.standsAlone(scalar.value) {
                if isOpen { append(hash, start..<index) }
                isOpen = false
                var own = Self.seed
                for position in index..<(index + length) { own = Self.mix(own, bytes[position]) }
                append(own, index..<(index + length))
            } else if scalar.properties.isAlphabetic || scalar.properties.numericType != nil {
                if !isOpen { (start, hash, isOpen) = (index, Self.seed, true) }
                for byte in scalar.properties.lowercaseMapping.utf8 { hash = Self.mix(hash, byte) }
            } else if isOpen, scalar.value != 0x2019, !scalar.properties.isDefaultIgnorableCodePoint, !scalar.properties.isDiacritic {
                append(hash, start..<index)
                isOpen = false
            }
            index += length
        }
        if isOpen { append(hash, start..<bytes.count) }
    }

    private static func standsAlone(_ value: UInt32) -> Bool {
        (value >= 0x2E80 && value <= 0x9FFF && !(value >= 0x3000 && value <= 0x303F)) || (value >= 0xAC00 && value <= 0xD7A3)
            || (value >= 0xF900 && value <= 0xFAFF) || (value >= 0x20000 && value <= 0x3FFFF) || (value >= 0x0E00 && value <= 0x0EFF)
    }

    private static func scalar(_ bytes: UnsafeRawBufferPointer, at index: Int) -> (Unicode.Scalar, Int) {
        let first = bytes[index]
        let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        var value = UInt32(first) & (length == 4 ? 0x07 : length == 3 ? 0x0F : 0x1F)
        for offset in 1..<length {
            guard index + offset < bytes.count else { return ("\u{FFFD}", bytes.count - index) }
            value = value << 6 | UInt32(bytes[index + offset] & 0x3F)
        }
        return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
    }
}
