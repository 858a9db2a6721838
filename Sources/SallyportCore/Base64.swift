import NIOCore

/// RFC 4648 base 64, strict: one spelling for each sequence of bytes.
package enum Base64 {
    package enum Alphabet: Sendable {
        /// `+` and `/`; padding is required.
        case standard
        /// `-` and `_`; no padding.
        case urlSafe
    }

    package static func encode(_ bytes: UnsafeRawBufferPointer, alphabet: Alphabet = .standard) -> String {
        let full = bytes.count / 3
        let rest = bytes.count % 3
        let tail = rest == 0 ? 0 : alphabet == .standard ? 4 : rest + 1
        return String(unsafeUninitializedCapacity: full * 4 + tail) { out in
            digits(alphabet).withUTF8Buffer { digits in
                var written = 0
                func put(_ group: UInt32, _ count: Int) {
                    for index in 0..<count {
                        out[written] = digits[Int(group >> UInt32(18 - 6 * index) & 63)]
                        written += 1
                    }
                }
                for index in 0..<full {
                    put(UInt32(bytes[index * 3]) << 16 | UInt32(bytes[index * 3 + 1]) << 8 | UInt32(bytes[index * 3 + 2]), 4)
                }
                if rest > 0 {
                    var group = UInt32(bytes[full * 3]) << 16
                    if rest == 2 { group |= UInt32(bytes[full * 3 + 1]) << 8 }
                    put(group, rest + 1)
                    while written < full * 4 + tail {
                        out[written] = UInt8(ascii: "=")
                        written += 1
                    }
                }
                return written
            }
        }
    }

    package static func encode(_ bytes: some Sequence<UInt8>, alphabet: Alphabet = .standard) -> String {
        Array(bytes).withUnsafeBytes { encode($0, alphabet: alphabet) }
    }

    /// Appends the decoded bytes. False, with `out` as it was, for a foreign character, wrong padding or stray bits in the last character.
    package static func decode(_ text: UnsafeRawBufferPointer, alphabet: Alphabet = .standard, into out: inout ByteBuffer) -> Bool {
        var count = text.count
        if alphabet == .standard {
            guard count % 4 == 0 else { return false }
            if count > 0, text[count - 1] == UInt8(ascii: "=") {
                count -= text[count - 2] == UInt8(ascii: "=") ? 2 : 1
            }
        }
        let rest = count % 4
        guard rest != 1 else { return false }
        let size = count / 4 * 3 + (rest == 0 ? 0 : rest - 1)
        let written = out.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { target in
            var written = 0
            var index = 0
            while index < count {
                let length = Swift.min(4, count - index)
                var group: UInt32 = 0
                for offset in 0..<length {
                    let value = value(of: text[index + offset], alphabet)
                    guard value < 64 else { return 0 }
                    group = group << 6 | UInt32(value)
                }
                group <<= UInt32(6 * (4 - length))
                if length < 4, group & (length == 2 ? 0xFFFF : 0xFF) != 0 { return 0 }
                for offset in 0..<length - 1 {
                    target[written] = UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * offset))
                    written += 1
                }
                index += length
            }
            return written
        }
        return written == size
    }

    package static func decode(_ text: some Collection<UInt8>, alphabet: Alphabet = .standard) -> [UInt8]? {
        var out = ByteBuffer()
        let accepted = Array(text).withUnsafeBytes { decode($0, alphabet: alphabet, into: &out) }
        return accepted ? Array(out.readableBytesView) : nil
    }

    package static func decode(_ text: some StringProtocol, alphabet: Alphabet = .standard) -> [UInt8]? {
        decode(text.utf8, alphabet: alphabet)
    }

    private static func digits(_ alphabet: Alphabet) -> StaticString {
        switch alphabet {
        case .standard: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        case .urlSafe: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        }
    }

    @inline(__always)
    private static func value(of byte: UInt8, _ alphabet: Alphabet) -> UInt8 {
        switch byte {
        case 0x41...0x5A: byte - 0x41
        case 0x61...0x7A: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case UInt8(ascii: "+") where alphabet == .standard, UInt8(ascii: "-") where alphabet == .urlSafe: 62
        case UInt8(ascii: "/") where alphabet == .standard, UInt8(ascii: "_") where alphabet == .urlSafe: 63
        default: 0xFF
        }
    }
}
