import Foundation
import NIOCore
import Testing

@testable import SallyportGateway

/// What is no text is told from what is, wherever it stands.
struct EmbeddedMediaTests {
    private func media(_ text: String) -> EmbeddedMedia? { EmbeddedMedia(in: ByteBuffer(string: text)) }
    private func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
    private let noise = (0..<900).map { (n: Int) -> UInt8 in
        let square: Int = n * n * 7
        return UInt8((square + n * 89 + 13) % 251)
    }

    @Test func dataAddressesAreWhatTheyDeclare() {
        let payload = base64(noise)
        #expect(media("data:image/png;base64,\(payload)") == .image)
        #expect(media("DATA:Image/SVG+xml;charset=utf-8,<svg>" + String(repeating: " ", count: 64)) == .image)
        #expect(media("data:audio/wav;base64,\(payload)") == .audio)
        #expect(media("data:video/mp4;base64,\(payload)") == .file)
        #expect(media("data:application/pdf;base64,\(payload)") == .file)
        #expect(media("data:text/plain;base64,\(payload)") == .file, "no text, whatever it says")
        #expect(media("data:;base64," + base64([0x89, 0x50, 0x4E, 0x47] + noise)) == .image)
    }

    @Test func textsThatAreEncodedAreLeftToTheGuards() {
        let words = base64(Array("The harbour office opens at eight. Das Büro öffnet um acht. ".utf8) + Array(repeating: 0x2E, count: 600))
        #expect(media(words) == nil)
        #expect(media("data:text/plain;base64,\(words)") == nil)
        #expect(media("data:application/json;base64,\(words)") == nil)
    }

    @Test func knownFormatsAreFoundByTheirFirstBytes() {
        for (mark, wanted): ([UInt8], EmbeddedMedia) in [
            ([0x89, 0x50, 0x4E, 0x47], .image), ([0xFF, 0xD8, 0xFF, 0xE0], .image), (Array("GIF89a".utf8), .image),
            (Array("RIFF1234WEBP".utf8), .image), (Array("RIFF1234WAVE".utf8), .audio), (Array("OggS".utf8), .audio),
            (Array("%PDF-1.7".utf8), .file), ([0x50, 0x4B, 3, 4], .file), (Array("1234ftypisom".utf8), .file),
        ] {
            #expect(media(base64(mark + noise.prefix(60))) == wanted)
        }
    }

    @Test func otherBytesAreFoundWhenTheyAreMany() {
        #expect(media(base64(noise)) == .unknown)
        #expect(media(base64(Array(noise.prefix(200)))) == nil)
        let lines = base64(noise).enumerated().map { $0.offset % 76 == 75 ? "\($0.element)\r\n" : "\($0.element)" }.joined()
        #expect(media(lines) == .unknown)
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
