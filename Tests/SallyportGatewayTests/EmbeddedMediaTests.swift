import Foundation
import NIOCore
import Testing

@testable import SallyportGateway

/// What is no text is told from what is, wherever it stands.
struct EmbeddedMediaTests {
    private func media(_ text: String) -> EmbeddedMedia? { EmbeddedMedia(in: ByteBuffer(string: text)) }
    private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
    private let noise: [UInt8] = (0..<900).map { (number: Int) -> UInt8 in
        let scattered: Int = number * 89 + number * number * 7 + 13
        return UInt8(scattered % 251)
    }

    @Test func dataAddressesAreWhatTheyDeclare() {
        let payload = base64(noise)
        #expect(media("data:image/png;base64,\(payload)") == .image)
        #expect(media("DATA:Image/SVG+xml;charset=utf-8,<svg>" + String(repeating: " ", count: 64)) == .image)
        #expect(media("data:audio/wav;base64,\(payload)") == .audio)
        #expect(media("data:video/mp4;base64,\(payload)") == .file)
        #expect(media("data:application/pdf;base64,\(payload)") == .file)
        #expect(media("data:text/plain;base64,\(payload)") == .file, "no text, whatever it says")
        let picture: [UInt8] = [0x89, 0x50, 0x4E, 0x47] + noise
        #expect(media("data:;base64,\(base64(picture))") == .image)
    }

    @Test func textsThatAreEncodedAreLeftToTheGuards() {
        let words = base64(Array(String(repeating: "The harbour office opens at eight. Das Büro öffnet um acht. ", count: 10).utf8))
        #expect(media(words) == nil)
        #expect(media("data:text/plain;base64,\(words)") == nil)
        #expect(media("data:application/json;base64,\(words)") == nil)
    }

    @Test func knownFormatsAreFoundByTheirFirstBytes() {
        let marks: [(mark: [UInt8], wanted: EmbeddedMedia)] = [
            ([0x89, 0x50, 0x4E, 0x47], .image), ([0xFF, 0xD8, 0xFF, 0xE0], .image), ([0x50, 0x4B, 3, 4], .file),
        ]
        let words: [(mark: String, wanted: EmbeddedMedia)] = [
            ("GIF89a", .image), ("RIFF1234WEBP", .image), ("RIFF1234WAVE", .audio), ("OggS", .audio), ("%PDF-1.7", .file),
            ("1234ftypisom", .file),
        ]
        for (mark, wanted) in marks + words.map({ (mark: Array($0.mark.utf8), wanted: $0.wanted) }) {
            let bytes: [UInt8] = mark + noise.prefix(60)
            #expect(media(base64(bytes)) == wanted)
        }
    }

    @Test func otherBytesAreFoundWhenTheyAreMany() {
        #expect(media(base64(noise)) == .unknown)
        #expect(media(base64(Array(noise.prefix(200)))) == nil)
        let lines = Data(noise).base64EncodedString(options: [.lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
        #expect(lines.contains("\r\n") && media(lines) == .unknown)
    }

    @Test func wordsNumbersAndDigitsAreNoMedia() {
        #expect(media(String(repeating: "a", count: 5_000)) == nil)
        #expect(media(String(repeating: "4f3a9c", count: 500)) == nil)
        #expect(media(String(repeating: "Donaudampfschiff", count: 500)) == nil)
        #expect(media(String(repeating: "The quick brown fox jumps. ", count: 100)) == nil)
        #expect(media("data: what we know of it, " + String(repeating: "and more of that ", count: 20)) == nil)
    }

    @Test func encodedNumbersAreToldFromEncodedText() {
        #expect(EmbeddedMedia.isEncoded(ByteBuffer(string: base64(noise))))
        #expect(!EmbeddedMedia.isEncoded(ByteBuffer(string: base64(Array(repeating: 0x61, count: 600)))))
        #expect(!EmbeddedMedia.isEncoded(ByteBuffer(string: "with blanks in it")))
    }
}
