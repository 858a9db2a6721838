import NIOCore
import SallyportCore
import SallyportWire
import Testing

@Suite struct TextTests {
    @Test func validatesLikeTheStandardLibrary() {
        let pieces: [[UInt8]] = [
            [0x41], Array("é".utf8), Array("日".utf8), Array("😀".utf8), [0x80], [0xC2], [0xE0, 0xA0], [0xED, 0x9F, 0xBF],
            [0xED, 0xA0, 0x80],
            [0xF4, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xC1, 0x80], [0xF0, 0x90, 0x80, 0x80], [0xF0, 0x8F, 0x80, 0x80],
            Array("plain text, sixteen".utf8),
        ]
        Fuzz.run(rounds: 6000) { seed, random in
            var bytes: [UInt8] = []
            for _ in 0..<random.below(9) { bytes += random.pick(random.chance(2) ? pieces[..<4] + [pieces[14]] : pieces[...]) }
            let text = String(validating: bytes, as: UTF8.self)
            bytes.withUnsafeBytes { raw in
                Fuzz.check(UTF8Text.isValid(raw) == (text != nil), seed, "\(bytes)")
                Fuzz.check(UTF8Text.isASCII(raw) == bytes.allSatisfy { $0 < 0x80 }, seed, "\(bytes)")
                guard let text else { return }
                Fuzz.check(UTF8Text.codePointCount(raw) == text.unicodeScalars.count, seed)
                Fuzz.check(UTF8Text.utf16Count(raw) == text.utf16.count, seed)
            }
        }
    }

    @Test func validatesEveryLeadAndSecondByte() {
        for lead in UInt8(0)...255 {
            for second in UInt8(0)...255 {
                for tail in [[], [0x80], [0x80, 0x80], [0x80, 0x80, 0x41, 0x41]] as [[UInt8]] {
                    let bytes = [lead, second] + tail
                    let isValid = bytes.withUnsafeBytes { UTF8Text.isValid($0) }
                    if isValid != (String(validating: bytes, as: UTF8.self) != nil) { Issue.record("\(bytes)") }
                }
            }
        }
    }

    @Test func turnsByteOffsetsIntoCodePointsAndUnits() {
        let text = "aé日😀z, and some more plain text behind 😀é"
        var forward = CodePointOffsets(ByteBuffer(string: text))
        var backward = CodePointOffsets(ByteBuffer(string: text))
        var expected: [(Int, Int, Int)] = []
        var (byte, points, units) = (0, 0, 0)
        for scalar in text.unicodeScalars {
            expected.append((byte, points, units))
            byte += UTF8.width(scalar)
            points += 1
            units += UTF16.width(scalar)
        }
        expected.append((byte, points, units))
        for (byte, points, units) in expected {
            #expect(forward.codePoints(beforeByte: byte) == points)
            #expect(forward.utf16(beforeByte: byte) == units)
        }
        for (byte, points, units) in expected.reversed() {
            #expect(backward.utf16(beforeByte: byte) == units)
            #expect(backward.codePoints(beforeByte: byte) == points)
        }
        #expect(forward.codePoints(beforeByte: 10_000) == points)
        #expect(forward.codePoints(beforeByte: -1) == 0)
        var plain = CodePointOffsets(ByteBuffer(string: "plain"), isASCII: true)
        #expect(plain.codePoints(beforeByte: 3) == 3 && plain.utf16(beforeByte: 9) == 5)
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func encodesAsTheStandardShows(_ plain: String, _ encoded: String) {
        #expect(Base64.encode(plain.utf8) == encoded)
        #expect(Base64.decode(encoded) == Array(plain.utf8))
        let unpadded = encoded.replacing("=", with: "")
        #expect(Base64.encode(plain.utf8, alphabet: .urlSafe) == unpadded)
        #expect(Base64.decode(unpadded, alphabet: .urlSafe) == Array(plain.utf8))
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8=Zm8=", "Zm9v\n", " Zm9v", "Zm9v====", "====", "=", "==", "Z===", "Zm-_", "Zm9vé",
        "Zm=v",
    ])
    func refusesLooseBase64(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test func keepsTheTwoAlphabetsApart() {
        #expect(Base64.encode([0xFB, 0xFF] as [UInt8]) == "+/8=")
        #expect(Base64.encode([0xFB, 0xFF] as [UInt8], alphabet: .urlSafe) == "-_8")
        #expect(Base64.decode("+/8", alphabet: .urlSafe) == nil)
        #expect(Base64.decode("-_8=", alphabet: .urlSafe) == nil)
        #expect(Base64.decode("-_8", alphabet: .urlSafe) == [0xFB, 0xFF])
        #expect(Base64.decode("-_9", alphabet: .urlSafe) == nil)
    }

    @Test func leavesTheBufferAloneWhenDecodingFails() {
        var out = ByteBuffer(string: "kept")
        let accepted = Array("Zm9vZm9!".utf8).withUnsafeBytes { Base64.decode($0, into: &out) }
        #expect(!accepted && out.text == "kept")
    }
}
