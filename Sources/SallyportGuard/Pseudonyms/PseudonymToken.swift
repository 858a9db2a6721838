import Crypto
import SallyportCore

/// What stands for a value: `<EMAIL_K7Q2M9X4PA>`, a category and ten characters of Crockford's base32 that nobody without the key can compute.
struct PseudonymToken: Sendable, Hashable {
    /// Letters and digits of the category's name, upper case.
    let label: [UInt8]
    /// 50 bits.
    let code: UInt64

    static let codeLength = 10
    static let maximumLabel = 48
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// The first 50 bits of HMAC-SHA-256 over the scope, the category and the value, each with its length.
    init(_ value: String, category: Finding.Category, scope: PseudonymScope, key: SymmetricKey, attempt: UInt8) {
        var authentication = HMAC<SHA256>(key: key)
        for part in [scope.tenant.rawValue, scope.principal.rawValue, scope.conversation, category.group.rawValue, category.name, value] {
            let bytes = Array(part.utf8)
            let length = UInt32(truncatingIfNeeded: bytes.count)
            authentication.update(data: [UInt8(length >> 24), UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255)])
            authentication.update(data: bytes)
        }
        if attempt > 0 { authentication.update(data: [attempt]) }
        code = authentication.finalize().prefix(8).reduce(0) { $0 << 8 | UInt64($1) } >> 14
        label = Self.label(of: category)
    }

    static func label(of category: Finding.Category) -> [UInt8] {
        let letters = category.name.utf8.prefix(maximumLabel).compactMap { byte -> UInt8? in
            ASCII.isAlphanumeric(byte) ? (ASCII.isLetter(byte) ? byte & 0xDF : byte) : nil
        }
        return letters.isEmpty ? Array("VALUE".utf8) : letters
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(label.count + Self.codeLength + 3)
        bytes.append(UInt8(ascii: "<"))
        bytes += label
        bytes.append(UInt8(ascii: "_"))
        for place in (0..<Self.codeLength).reversed() { bytes.append(Self.alphabet[Int(code >> UInt64(place * 5) & 31)]) }
        bytes.append(UInt8(ascii: ">"))
        return bytes
    }

    /// Reads a code as people and models write it: any case, O for 0, I and L for 1.
    static func code(in text: UnsafeRawBufferPointer, at start: Int) -> UInt64? {
        guard start >= 0, start + codeLength <= text.count else { return nil }
        var code: UInt64 = 0
        for index in start..<start + codeLength {
            guard let value = value(of: text[index]) else { return nil }
            code = code << 5 | value
        }
        return code
    }

    private static func value(of byte: UInt8) -> UInt64? {
        let upper = ASCII.isLetter(byte) ? byte & 0xDF : byte
        switch upper {
        case UInt8(ascii: "O"): return 0
        case UInt8(ascii: "I"), UInt8(ascii: "L"): return 1
        default: return alphabet.firstIndex(of: upper).map { UInt64($0) }
        }
    }
}
