import Crypto

/// An API key as its holder has it: `spk_<id>_<secret><checksum>`.
///
/// The prefix and the checksum let a secret scanner find leaked keys offline and without false alarms. The checksum proves
/// nothing else: whether a key is valid, only the directory knows.
package struct APIKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package static let prefix = "spk_"
    /// The same length for every key, in bytes.
    package static let length = 62
    /// What secret scanners can be given.
    package static let scannerExpression = "spk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}"

    static let idLength = 8
    static let secretLength = 43
    static let checksumLength = 6

    /// The public part: shown in lists, logs and records.
    package let id: String
    private let text: String

    private init(id: String, text: String) {
        self.id = id
        self.text = text
    }

    /// A new key: 256 bits of the generator's randomness.
    package static func generate(random: inout some RandomNumberGenerator) -> APIKey {
        let id = Base62.random(idLength, using: &random)
        var bytes = Array(prefix.utf8) + id + Array("_".utf8) + Base62.random(secretLength, using: &random)
        bytes += Base62.digits(of: CRC32.checksum(bytes), count: checksumLength)
        return APIKey(id: String(decoding: id, as: UTF8.self), text: String(decoding: bytes, as: UTF8.self))
    }

    package static func generate() -> APIKey {
        var random = SystemRandomNumberGenerator()
        return generate(random: &random)
    }

    /// Reads a key and checks its checksum; nil when it is mistyped or something else.
    package static func parse(_ text: some StringProtocol) -> APIKey? {
        let bytes = Array(text.utf8)
        let start = prefix.utf8.count
        guard bytes.count == length, bytes.starts(with: prefix.utf8), bytes[start + idLength] == UInt8(ascii: "_") else { return nil }
        let id = bytes[start..<(start + idLength)]
        let secret = bytes[(start + idLength + 1)...]
        guard id.allSatisfy(Base62.contains), secret.allSatisfy(Base62.contains) else { return nil }
        let checksum = bytes.suffix(checksumLength)
        guard checksum.elementsEqual(Base62.digits(of: CRC32.checksum(bytes.dropLast(checksumLength)), count: checksumLength)) else {
            return nil
        }
        return APIKey(id: String(decoding: id, as: UTF8.self), text: String(text))
    }

    /// What is stored: SHA-256 of the whole key.
    package var hash: [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }

    /// The key itself. Shown once, to whoever made it.
    package func reveal() -> String { text }

    package var description: String { "\(Self.prefix)\(id)_<redacted>" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["id": id]) }
}

/// Digits, capitals, small letters: no character that a double click, a URL or a shell would break at.
enum Base62 {
    static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    static func contains(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }

    /// Each character is drawn on its own, so that all are equally likely.
    static func random(_ count: Int, using random: inout some RandomNumberGenerator) -> [UInt8] {
        (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
    }

    /// Most significant digit first, padded with zeros.
    static func digits(of number: UInt32, count: Int) -> [UInt8] {
        var rest = Int(number)
        var digits = [UInt8](repeating: alphabet[0], count: count)
        for place in digits.indices.reversed() {
            digits[place] = alphabet[rest % alphabet.count]
            rest /= alphabet.count
        }
        return digits
    }
}

/// CRC-32 as in IEEE 802.3, zip and PNG (reflected, polynomial EDB88320).
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
    }

    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(UInt32.max) { crc, byte in table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ (crc >> 8) }
    }
}
