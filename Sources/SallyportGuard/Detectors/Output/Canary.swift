import Crypto
import SallyportCore

/// A word planted in a system prompt that must never come back: `sp-canary-` and 16 characters of base32 (80 bits).
package enum Canary {
    package static let prefix = "sp-canary-"
    static let tailLength = 16
    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    /// The same word for the same label (a deployment, an exchange) and secret; without the secret it cannot be guessed.
    package static func token(for label: String, secret: [UInt8]) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: Array("sallyport canary\0\(label)".utf8), using: SymmetricKey(data: secret))
        var held: UInt32 = 0
        var count: UInt32 = 0
        var tail: [UInt8] = []
        for byte in code.prefix(10) {
            held = held << 8 | UInt32(byte)
            count += 8
            while count >= 5 {
                count -= 5
                tail.append(alphabet[Int(held >> count & 31)])
            }
            held &= (1 << count) - 1
        }
        return prefix + String(decoding: tail, as: UTF8.self)
    }

    /// The canaries that a text (a system prompt) holds, in order, each once; at most 16.
    package static func tokens(in text: UnsafeRawBufferPointer) -> [String] {
        var tokens: [String] = []
        var index = 0
        while tokens.count < 16, let start = text.next(prefix, from: index) {
            let tail = start + prefix.utf8.count
            index = tail
            guard tail + tailLength <= text.count else { break }
            let bytes = text[tail..<tail + tailLength].map(\.lowercasedASCII)
            guard bytes.allSatisfy(alphabet.contains) else { continue }
            let token = prefix + String(decoding: bytes, as: UTF8.self)
            if !tokens.contains(token) { tokens.append(token) }
        }
        return tokens
    }
}
