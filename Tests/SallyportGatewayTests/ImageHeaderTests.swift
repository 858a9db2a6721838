import Testing

@testable import SallyportGateway

struct ImageHeaderTests {
    private func big(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * (count - 1 - $0)) & 0xFF) } }
    private func little(_ value: Int, _ count: Int) -> [UInt8] { big(value, count).reversed() }

    private var images: [ImageHeader.Format: [UInt8]] {
        [
            .png: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + big(13, 4) + Array("IHDR".utf8) + big(640, 4) + big(480, 4),
            .gif: Array("GIF89a".utf8) + little(640, 2) + little(480, 2),
            .bmp: Array("BM".utf8) + [UInt8](repeating: 0, count: 12) + little(40, 4) + little(640, 4) + little(-480 & 0xFFFF_FFFF, 4),
            .webp: Array("RIFF".utf8) + little(100, 4) + Array("WEBPVP8X".utf8) + little(10, 4) + little(0, 4) + little(639, 3)
                + little(479, 3),
            .jpeg: [0xFF, 0xD8, 0xFF, 0xE0] + big(4, 2) + [0, 0] + [0xFF, 0xFF, 0xC2] + big(11, 2) + [8] + big(480, 2) + big(640, 2),
            .tiff: Array("II*\u{0}".utf8) + little(8, 4) + little(2, 2) + little(256, 2) + little(3, 2) + little(1, 4) + little(640, 4)
                + little(257, 2) + little(4, 2) + little(1, 4) + little(480, 4),
        ]
    }

    @Test func sizesOfAllFormatsAreRead() {
        #expect(images.count == 6)
        for (format, bytes) in images {
            let header = ImageHeader(bytes)
            #expect(header?.format == format && header?.width == 640 && header?.height == 480, "\(format)")
        }
    }

    @Test func whatIsCutOffOrNoImageIsNil() {
        for (format, bytes) in images {
            for length in 0..<(bytes.count - 1) { #expect(ImageHeader(Array(bytes.prefix(length))) == nil, "\(format) of \(length) bytes") }
        }
        #expect(ImageHeader(Array("content1".utf8)) == nil)
    }
}
