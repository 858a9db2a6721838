import Crypto

/// SHA-256 in hexadecimal, as certificate pins are written.
enum SHA256Digest {
    static func hex(of message: [UInt8]) -> String {
        SHA256.hash(data: message).map { byte in
            let text = String(byte, radix: 16)
            return text.utf8.count == 1 ? "0" + text : text
        }.joined()
    }
}
