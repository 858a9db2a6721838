import NIOCore
import SallyportCore
import SallyportGuard

/// What stands in a string and is no text: a `data:` URL of a picture, of sound or of a file, or the base64 of bytes that no guard can read.
/// It is recognised wherever it stands, so that a member that no shape knows carries none unseen.
enum EmbeddedMedia: Equatable {
    case image, audio
    /// Of a known format, or so declared.
    case file
    /// Bytes of which nothing is known.
    case unknown

    /// Shorter strings hold no picture and no sound.
    static let shortest = 64
    /// Base64 of unknown bytes is told from a long word by its length and by how many different characters it has.
    private static let shortestUnknown = 512
    private static let leastVariety = 40
    private static let sampled = 2_048

    /// Whether a JSON string, escapes and all, is worth a look: most texts have a blank among their first characters.
    static func mayBegin(_ bytes: ByteBuffer, _ range: Range<Int>) -> Bool {
        guard range.count >= shortest else { return false }
        return bytes.withUnsafeReadableBytes { bytes in
            bytes[range.lowerBound..<range.lowerBound + 12].allSatisfy { byte in
                isBase64(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: ";")
                    || byte == UInt8(ascii: ",")
            }
        }
    }

    func uninspectable(_ direction: Direction) -> GuardPolicy.Uninspectable {
        switch (self, direction) {
        case (.image, .prompt): .inlineImage
        case (.image, .completion): .generatedImage
        case (.audio, .prompt): .audio
        case (.audio, .completion): .generatedAudio
        case (.file, .prompt): .file
        case (.file, .completion): .binary
        case (.unknown, _): .encryptedContent
        }
    }

    init?(in text: ByteBuffer) {
        let found: EmbeddedMedia? = text.withUnsafeReadableBytes { bytes in
            guard bytes.count >= EmbeddedMedia.shortest else { return nil }
            return EmbeddedMedia.isDataURL(bytes) ? EmbeddedMedia.declared(bytes) : EmbeddedMedia.sniffed(bytes)
        }
        guard let found else { return nil }
        self = found
    }

    /// Base64 throughout, and not of a text.
    static func isEncoded(_ text: ByteBuffer) -> Bool {
        text.withUnsafeReadableBytes { bytes in bytes.allSatisfy(isBase64) && !isText(decoded(bytes)) }
    }

    // MARK: `data:` URLs

    /// Top-level media types besides the ones above (RFC 6838, section 4.2).
    private static let binaryTypes = ["application/", "video/", "font/", "model/", "message/", "multipart/"]

    private static func isDataURL(_ bytes: UnsafeRawBufferPointer) -> Bool {
        zip(bytes, "data:".utf8).allSatisfy { $0 | 0x20 == $1 | 0x20 }
    }

    private static func declared(_ bytes: UnsafeRawBufferPointer) -> EmbeddedMedia? {
        guard let comma = bytes.prefix(512).firstIndex(of: UInt8(ascii: ",")) else { return nil }
        let header = String(decoding: bytes[5..<comma], as: UTF8.self).lowercased()
        let type = header.prefix { $0 != ";" }.drop { $0 == " " }
        if type.hasPrefix("image/") { return .image }
        if type.hasPrefix("audio/") { return .audio }
        let isBase64 = header.hasSuffix(";base64")
        let payload = UnsafeRawBufferPointer(rebasing: bytes[(comma + 1)...])
        // A text that is only encoded is decoded and read by the guards.
        if type.isEmpty || type.hasPrefix("text/") || type.hasSuffix("json") || type.hasSuffix("xml") {
            return isBase64 && !isText(decoded(payload)) ? format(of: decoded(payload)) ?? .file : nil
        }
        // Prose begins with "data:" too.
        return isBase64 || binaryTypes.contains(where: type.hasPrefix) ? .file : nil
    }

    // MARK: Base64

    private static func sniffed(_ bytes: UnsafeRawBufferPointer) -> EmbeddedMedia? {
        guard bytes.prefix(shortest).allSatisfy(isBase64) else { return nil }
        let start = decoded(bytes)
        let known = format(of: start)
        guard known != nil || bytes.count >= shortestUnknown else { return nil }
        guard bytes.allSatisfy({ isBase64($0) || $0 == 0x0A || $0 == 0x0D }) else { return nil }
        if let known { return known }
        return !isText(start) && isVaried(bytes) ? .unknown : nil
    }

    /// Words and numbers without blanks, and hexadecimal digits, use fewer characters.
    private static func isVaried(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var seen = [Bool](repeating: false, count: 256)
        for byte in bytes.prefix(sampled) { seen[Int(byte)] = true }
        return seen.count { $0 } >= leastVariety
    }

    private static func isBase64(_ byte: UInt8) -> Bool { value(of: byte) != nil || byte == UInt8(ascii: "=") }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case 0x41...0x5A: UInt32(byte - 0x41)
        case 0x61...0x7A: UInt32(byte - 0x61) + 26
        case 0x30...0x39: UInt32(byte - 0x30) + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }

    /// The first bytes of what is encoded: enough to tell what it is.
    private static func decoded(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var decoded: [UInt8] = []
        var (bits, count): (UInt32, UInt32) = (0, 0)
        for byte in bytes.prefix(128) {
            guard let value = value(of: byte) else { continue }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                decoded.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return decoded
    }

    /// UTF-8 (the last character may be cut off) without control characters.
    private static func isText(_ bytes: [UInt8]) -> Bool {
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 >= 0x09 && $0 <= 0x0D }) else { return false }
        for cut in 0...min(3, bytes.count) where String(validating: bytes.dropLast(cut), as: UTF8.self) != nil { return true }
        return false
    }

    /// By the bytes that files of a format begin with.
    private static func format(of bytes: [UInt8]) -> EmbeddedMedia? {
        func begins(_ mark: [UInt8], at offset: Int = 0) -> Bool { bytes.dropFirst(offset).starts(with: mark) }
        func begins(_ mark: String, at offset: Int = 0) -> Bool { begins(Array(mark.utf8), at: offset) }
        if begins([0x89, 0x50, 0x4E, 0x47]) || begins([0xFF, 0xD8, 0xFF]) || begins("GIF8") || begins("RIFF") && begins("WEBP", at: 8)
            || begins([0x49, 0x49, 0x2A, 0x00]) || begins([0x4D, 0x4D, 0x00, 0x2A])
        {
            return .image
        }
        if begins("RIFF") && begins("WAVE", at: 8) || begins("ID3") || begins("OggS") || begins("fLaC") || begins([0xFF, 0xFB])
            || begins([0xFF, 0xF3])
        {
            return .audio
        }
        if begins("%PDF") || begins([0x50, 0x4B, 0x03, 0x04]) || begins([0x1F, 0x8B, 0x08]) || begins("ftyp", at: 4)
            || begins([0x1A, 0x45, 0xDF, 0xA3]) || begins([0xD0, 0xCF, 0x11, 0xE0])
        {
            return .file
        }
        return nil
    }
}
