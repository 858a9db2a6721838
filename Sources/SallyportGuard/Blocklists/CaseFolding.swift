/// Writes letters small where the small letter has as many UTF-8 bytes, so that offsets stay as they are.
///
/// Covers Latin, Greek, Cyrillic, Armenian, Georgian and full-width letters. For texts beyond ASCII only: the pattern engine ignores the
/// case of ASCII for free.
struct CaseFolding: Sendable {
    /// Small letters of the scalars below 0x2000.
    private let small: [UInt16]
    private static let limit: UInt32 = 0x2000

    init() {
        small = (0..<Self.limit).map { value in
            guard value >= 0x80, let scalar = Unicode.Scalar(value) else { return UInt16(value) }
            // The final sigma is written otherwise and is the same letter.
            if value == 0x3C2 { return 0x3C3 }
            let mapped = scalar.properties.lowercaseMapping.unicodeScalars
            guard let first = mapped.first, mapped.count == 1, first.value < Self.limit, UTF8.width(first) == UTF8.width(scalar) else {
                return UInt16(value)
            }
            return UInt16(first.value)
        }
    }

    /// The text in small letters. Expects valid UTF-8; other bytes are left alone.
    func folded(_ text: UnsafeRawBufferPointer) -> [UInt8] {
        var bytes = [UInt8](text)
        bytes.withUnsafeMutableBufferPointer { fold($0) }
        return bytes
    }

    private func fold(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        var index = 0
        let count = bytes.count
        small.withUnsafeBufferPointer { small in
            while index < count {
                let lead = bytes[index]
                switch lead {
                case 0x41...0x5A:
                    bytes[index] = lead | 0x20
                    index += 1
                case 0xC2...0xDF where index + 1 < count:
                    let value = Int(lead & 0x1F) << 6 | Int(bytes[index + 1] & 0x3F)
                    let mapped = small[value]
                    bytes[index] = 0xC0 | UInt8(mapped >> 6)
                    bytes[index + 1] = 0x80 | UInt8(mapped & 0x3F)
                    index += 2
                case 0xE0...0xE1 where index + 2 < count:
                    let value = Int(lead & 0x0F) << 12 | Int(bytes[index + 1] & 0x3F) << 6 | Int(bytes[index + 2] & 0x3F)
                    let mapped = small[value]
                    bytes[index] = 0xE0 | UInt8(mapped >> 12)
                    bytes[index + 1] = 0x80 | UInt8(mapped >> 6 & 0x3F)
                    bytes[index + 2] = 0x80 | UInt8(mapped & 0x3F)
                    index += 3
                // Full-width A to Z, U+FF21...U+FF3A; the small ones begin at U+FF41.
                case 0xEF where index + 2 < count && bytes[index + 1] == 0xBC && (0xA1...0xBA).contains(bytes[index + 2]):
                    bytes[index + 1] = 0xBD
                    bytes[index + 2] -= 0x20
                    index += 3
                case 0xE0...0xEF: index += 3
                case 0xF0...: index += 4
                case 0xC0...0xDF: index += 2
                default: index += 1
                }
            }
        }
    }
}

extension UTF8 {
    static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case ..<0x80: 1
        case ..<0x800: 2
        case ..<0x10000: 3
        default: 4
        }
    }
}
