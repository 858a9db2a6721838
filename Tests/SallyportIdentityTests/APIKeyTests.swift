import SallyportCore
import Testing

@testable import SallyportIdentity

/// SplitMix64: the same keys in every run.
struct SeededGenerator: RandomNumberGenerator, Sendable {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct APIKeyTests {
    @Test func computesThePublishedChecksumOfTheDigits() {
        #expect(CRC32.checksum("123456789".utf8) == 0xCBF4_3926)
        #expect(CRC32.checksum([]) == 0)
    }

    @Test(arguments: [(UInt32(0), "000000"), (61, "00000z"), (62, "000010"), (.max, "4gfFC3")])
    func writesNumbersInBase62(number: UInt32, text: String) {
        #expect(String(decoding: Base62.digits(of: number, count: 6), as: UTF8.self) == text)
    }

    @Test func makesKeysThatScannersRecognise() throws {
        var random = SeededGenerator(1)
        for _ in 0..<200 {
            let key = APIKey.generate(random: &random)
            let text = key.reveal()
            #expect(text.utf8.count == APIKey.length)
            #expect(text.wholeMatch(of: try Regex(APIKey.scannerExpression)) != nil)
            #expect(APIKey.parse(text) == key)
            #expect(APIKey.parse(text)?.id == key.id)
        }
    }

    @Test func neverMakesTheSameKeyTwice() {
        var random = SeededGenerator(2)
        #expect(Set((0..<1000).map { _ in APIKey.generate(random: &random).reveal() }).count == 1000)
        #expect(APIKey.generate() != APIKey.generate())
    }

    @Test func noticesEveryChangedCharacter() {
        var random = SeededGenerator(3)
        let text = Array(APIKey.generate(random: &random).reveal().utf8)
        for place in text.indices {
            for other in [UInt8(ascii: "0"), UInt8(ascii: "A"), UInt8(ascii: "_"), UInt8(ascii: "-"), 0xC3] where text[place] != other {
                var changed = text
                changed[place] = other
                #expect(APIKey.parse(String(decoding: changed, as: UTF8.self)) == nil)
            }
        }
    }

    @Test(arguments: ["", "spk_", "sk-proj-abc", String(repeating: "a", count: 62), "spk_" + String(repeating: "0", count: 58)])
    func refusesWhatIsNoKey(text: String) {
        #expect(APIKey.parse(text) == nil)
    }

    @Test func hashesTheWholeKey() throws {
        var random = SeededGenerator(4)
        let key = APIKey.generate(random: &random)
        #expect(key.hash.count == 32)
        #expect(key.hash == (try #require(APIKey.parse(key.reveal()))).hash)
        #expect(KeyDigest(key.hash) == key.reveal().utf8.withContiguousStorageIfAvailable { KeyDigest(hashing: .init($0)) })
        // sha256("abc"), FIPS 180-2
        let abc: [UInt8] = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
            0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ]
        #expect(KeyDigest(abc) == Array("abc".utf8).withUnsafeBytes { KeyDigest(hashing: $0) })
    }

    @Test func keepsTheSecretOutOfDescriptions() {
        var random = SeededGenerator(5)
        let key = APIKey.generate(random: &random)
        let secret = key.reveal().suffix(49)
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped, "\([key])", "\(Optional(key) as Any)"] {
            #expect(!text.contains(secret.prefix(10)))
        }
    }
}
