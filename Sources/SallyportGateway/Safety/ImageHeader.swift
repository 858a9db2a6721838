/// What an image is and how large, read from its first bytes; nothing is decoded.
struct ImageHeader: Hashable {
    enum Format: String { case jpeg, png, gif, bmp, tiff, webp }
    let format: Format
    let width: Int
    let height: Int

    /// nil for bytes that begin like none of the formats, or end before their size is told.
    init?(_ bytes: [UInt8]) {
        let found = Self.png(bytes) ?? Self.gif(bytes) ?? Self.bmp(bytes) ?? Self.webp(bytes) ?? Self.jpeg(bytes) ?? Self.tiff(bytes)
        guard let found, found.width > 0, found.height > 0 else { return nil }
        (format, width, height) = found
    }

    private typealias Found = (format: Format, width: Int, height: Int)

    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int, isBig: Bool) -> Int? {
        guard offset >= 0, offset + count <= bytes.count else { return nil }
        let part = bytes[offset..<(offset + count)]
        return (isBig ? Array(part) : part.reversed()).reduce(0) { $0 << 8 | Int($1) }
    }

    private static func starts(_ bytes: [UInt8], with text: StaticString, at offset: Int = 0) -> Bool {
        guard offset + text.utf8CodeUnitCount <= bytes.count else { return false }
        return text.withUTF8Buffer { $0.elementsEqual(bytes[offset..<(offset + $0.count)]) }
    }

    private static func png(_ bytes: [UInt8]) -> Found? {
        guard bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]), starts(bytes, with: "IHDR", at: 12),
            let width = number(bytes, 16, 4, isBig: true), let height = number(bytes, 20, 4, isBig: true)
        else { return nil }
        return (.png, width, height)
    }

    private static func gif(_ bytes: [UInt8]) -> Found? {
        guard starts(bytes, with: "GIF87a") || starts(bytes, with: "GIF89a"), let width = number(bytes, 6, 2, isBig: false),
            let height = number(bytes, 8, 2, isBig: false)
        else { return nil }
        return (.gif, width, height)
    }

    private static func bmp(_ bytes: [UInt8]) -> Found? {
        guard starts(bytes, with: "BM"), let size = number(bytes, 14, 4, isBig: false) else { return nil }
        if size == 12 {
            guard let width = number(bytes, 18, 2, isBig: false), let height = number(bytes, 20, 2, isBig: false) else { return nil }
            return (.bmp, width, height)
        }
        // A negative height says that the rows go down.
        guard size >= 40, let width = number(bytes, 18, 4, isBig: false), let height = number(bytes, 22, 4, isBig: false) else {
            return nil
        }
        return (.bmp, Int(Int32(truncatingIfNeeded: width).magnitude), Int(Int32(truncatingIfNeeded: height).magnitude))
    }

    private static func webp(_ bytes: [UInt8]) -> Found? {
        guard starts(bytes, with: "RIFF"), starts(bytes, with: "WEBP", at: 8) else { return nil }
        if starts(bytes, with: "VP8 ", at: 12), let width = number(bytes, 26, 2, isBig: false),
            let height = number(bytes, 28, 2, isBig: false)
        {
            return (.webp, width & 0x3FFF, height & 0x3FFF)
        }
        if starts(bytes, with: "VP8L", at: 12), let bits = number(bytes, 21, 4, isBig: false) {
            return (.webp, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        }
        if starts(bytes, with: "VP8X", at: 12), let width = number(bytes, 24, 3, isBig: false),
            let height = number(bytes, 27, 3, isBig: false)
        {
            return (.webp, width + 1, height + 1)
        }
        return nil
    }

    /// Walks from marker to marker up to the frame's header.
    private static func jpeg(_ bytes: [UInt8]) -> Found? {
        guard bytes.starts(with: [0xFF, 0xD8]) else { return nil }
        var offset = 2
        while offset + 4 <= bytes.count, bytes[offset] == 0xFF {
            let marker = bytes[offset + 1]
            if marker == 0xFF {
                offset += 1
                continue
            }
            guard let length = number(bytes, offset + 2, 2, isBig: true), length >= 2 else { return nil }
            if (0xC0...0xCF).contains(marker), marker != 0xC4, marker != 0xC8, marker != 0xCC {
                guard let height = number(bytes, offset + 5, 2, isBig: true), let width = number(bytes, offset + 7, 2, isBig: true) else {
                    return nil
                }
                return (.jpeg, width, height)
            }
            offset += 2 + length
        }
        return nil
    }

    private static func tiff(_ bytes: [UInt8]) -> Found? {
        let isBig = bytes.starts(with: [0x4D, 0x4D, 0x00, 0x2A])
        guard isBig || bytes.starts(with: [0x49, 0x49, 0x2A, 0x00]), let directory = number(bytes, 4, 4, isBig: isBig),
            let count = number(bytes, directory, 2, isBig: isBig)
        else { return nil }
        var width: Int?
        var height: Int?
        for entry in 0..<count {
            let place = directory + 2 + entry * 12
            guard let tag = number(bytes, place, 2, isBig: isBig), let type = number(bytes, place + 2, 2, isBig: isBig) else { return nil }
            guard tag == 256 || tag == 257, type == 3 || type == 4 else { continue }
            let value = number(bytes, place + 8, type == 3 ? 2 : 4, isBig: isBig)
            if tag == 256 { width = value } else { height = value }
        }
        guard let width, let height else { return nil }
        return (.tiff, width, height)
    }
}
