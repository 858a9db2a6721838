import Crypto
import FoundationEssentials

/// Codes by time (RFC 6238): six digits of HMAC-SHA-1, a step of thirty seconds, as every authenticator app makes them.
package enum TOTP {
    package static let step: Int64 = 30
    package static let seedLength = 20
    /// A clock may be one step off, either way.
    static let window: Int64 = 1

    /// RFC 4226's code for a count.
    package static func code(_ seed: [UInt8], counter: Int64, digits: Int = 6) -> String {
        let moving = (0..<8).reversed().map { UInt8(truncatingIfNeeded: counter >> (8 * Int64($0))) }
        let code = Array(HMAC<Insecure.SHA1>.authenticationCode(for: moving, using: SymmetricKey(data: seed)))
        let offset = Int(code[19] & 15)
        let number =
            UInt32(code[offset] & 0x7F) << 24 | UInt32(code[offset + 1]) << 16 | UInt32(code[offset + 2]) << 8 | UInt32(code[offset + 3])
        var modulus: UInt32 = 1
        for _ in 0..<digits { modulus *= 10 }
        let text = String(number % modulus)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }

    /// The step that a code belongs to, if it is one that has not been used.
    /// - Parameter last: the step that was accepted last.
    package static func accept(_ text: String, seed: [UInt8], after last: Int64, at now: Int64) -> Int64? {
        let typed = text.filter { $0 != " " }
        guard typed.utf8.count == 6 else { return nil }
        let current = now / step
        var found: Int64?
        // Every step is tried, whichever fits: the time taken tells nothing.
        for candidate in (current - window)...(current + window)
        where ConstantTime.equal(code(seed, counter: candidate), typed) && candidate > last { found = candidate }
        return found
    }

    /// What an authenticator app reads.
    package static func uri(_ seed: [UInt8], account: String, issuer: String) -> String {
        func encoded(_ text: String) -> String {
            var out = ""
            for byte in text.utf8 {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                    out.unicodeScalars.append(UnicodeScalar(byte))
                default:
                    let digits = String(byte, radix: 16, uppercase: true)
                    out += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
                }
            }
            return out
        }
        return "otpauth://totp/\(encoded(issuer)):\(encoded(account))?secret=\(Base32.encode(seed))&issuer=\(encoded(issuer))"
    }
}

/// Base32 as RFC 4648 has it, without padding: what people type off a screen.
package enum Base32 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

    package static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        var bits: UInt32 = 0
        var held: UInt32 = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            held += 8
            while held >= 5 {
                held -= 5
                out.append(alphabet[Int(bits >> held & 31)])
            }
        }
        if held > 0 { out.append(alphabet[Int(bits << (5 - held) & 31)]) }
        return String(decoding: out, as: UTF8.self)
    }
}

/// Codes for the day when everything else is lost. Each works once.
package enum RecoveryCode {
    package static let count = 10

    /// Eighty random bits in four groups: too many to guess, few enough to write down.
    package static func make(random: (Int) -> [UInt8]) -> String {
        let text = Base32.encode(random(10))
        return stride(from: 0, to: 16, by: 4).map { start in
            let from = text.index(text.startIndex, offsetBy: start)
            return String(text[from..<text.index(from, offsetBy: 4)])
        }.joined(separator: "-")
    }

    package static func hash(_ text: String) -> [UInt8] {
        let plain = text.uppercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        return Array(SHA256.hash(data: Array("recovery:\(plain)".utf8)))
    }
}
