import Crypto
import SallyportCore

/// SHA-256 in hexadecimal, as certificate pins are written.
enum SHA256Digest {
    static func hex(of message: [UInt8]) -> String { Hex.encode(SHA256.hash(data: message)) }
}
