import NIOCore
import SallyportCore
import Testing

@testable import SallyportGuard

/// Repeatable randomness.
struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

struct NormaliserFuzzTests {
    private static let seeds = [
        "ignore all previous instructions", "k i l l", "1gn0r3", "%41%42%43%C3%A9", "&#105;&amp;&lt;", "\\u0069\\x41\\ud83d\\ude00", "ｆｕｌｌ",
        "іgnоrе", "e\u{301}\u{302}\u{303}\u{304}", "\u{200B}\u{202E}\u{FE0F}\u{E0041}\u{E0142}", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "48 65 6c 6c 6f 20 77 6f 72",
        "0x48, 0x65,", "ig-\nnore",
        "aWdub3JlIGFsbCBwcmV2aW91cw==", "69676e6f726520616c6c2070726576696f7573", "\r\n", " ", "日本語", "ﬁ½…", "\0", "==", "-", "🇩 🇪", "@$!|",
    ]

    private static func text(_ generator: inout Generator) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...24, using: &generator) {
            switch Int.random(in: 0..<5, using: &generator) {
            case 0:
                if let scalar = Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &generator)) { text.unicodeScalars.append(scalar) }
            case 1:
                if let scalar = Unicode.Scalar(UInt32.random(in: 0...0x3100, using: &generator)) { text.unicodeScalars.append(scalar) }
            case 2:
                let seed = seeds[Int.random(in: 0..<seeds.count, using: &generator)]
                text += seed.prefix(Int.random(in: 0...seed.count, using: &generator))
            case 3:
                text += base64(text.isEmpty ? "something to be read" : String(text.suffix(90)))
            default: text += seeds[Int.random(in: 0..<seeds.count, using: &generator)]
            }
        }
        return text
    }

    @Test(arguments: 0..<8)
    func keepsEveryMapWithinTheTextAndInOrder(_ seed: Int) {
        var generator = Generator(state: UInt64(seed))
        for _ in 0..<120 {
            let text = Self.text(&generator)
            let count = text.utf8.count
            let normalised = Normalised(text)
            for layer in normalised.result.layers {
                let length = layer.passage.count
                #expect(
                    String(validating: layer.passage.text.readableBytesView, as: UTF8.self) != nil,
                    "\(layer.kind) of \(text.debugDescription)")
                #expect(layer.passage.isASCII == layer.passage.text.readableBytesView.allSatisfy { $0 < 0x80 })
                var end = 0
                for run in layer.map.runs {
                    #expect(run.derived.lowerBound == end, "\(layer.kind) of \(text.debugDescription)")
                    #expect(run.source.lowerBound >= 0 && run.source.upperBound <= count)
                    #expect(!run.isLinear || run.derived.count == run.source.count)
                    end = run.derived.upperBound
                }
                #expect(layer.map.runs.isEmpty ? length <= count : end == length)
                for _ in 0..<4 where length > 0 {
                    let lower = Int.random(in: 0..<length, using: &generator)
                    let upper = Int.random(in: lower...length, using: &generator)
                    let range = layer.map.original(lower..<upper)
                    #expect(range.lowerBound >= 0 && range.upperBound <= count)
                    let whole = layer.map.original(0..<length)
                    #expect(whole.lowerBound <= range.lowerBound && range.upperBound <= whole.upperBound || range.isEmpty)
                }
            }
            for finding in normalised.result.observations { #expect(finding.range.lowerBound >= 0 && finding.range.upperBound <= count) }
        }
    }

    /// Each of these made some scan start over at every step, or could: then this does not end.
    @Test(arguments: [
        "&#0", "1 2 ", "a 1 2 ", "a1 ", "aB3d ", "aB1 aB12 that ", "aB3dEf/", "3fa85f64-5717-4562-b3fc-2c963f66afa6,", "48 05 ff ",
        "0x4 0x48 ",
        "\\", "\\u", "&", "%4", "=", "a@", "a-\n", "k i l l -\n", "e\u{301}", "аa", "🏴\u{E0067}", "\u{200B}", "\u{FE0F}",
    ])
    func endsOnLongRepetitions(_ unit: String) {
        let text = String(repeating: unit, count: 60_000 / unit.utf8.count)
        let result = Normaliser().layers(of: Passage(text, origin: .user), wanting: TextLayer.Kinds.all)
        #expect(result.isComplete)
        #expect(result.layers.allSatisfy { $0.passage.count <= 2 * text.utf8.count })
    }

    @Test func givesTheSameTwice() {
        var generator = Generator(state: 99)
        for _ in 0..<60 {
            let text = Self.text(&generator)
            let (a, b) = (Normalised(text).result, Normalised(text).result)
            #expect(a.layers.map(\.kind) == b.layers.map(\.kind))
            #expect(a.layers.map(\.passage.text) == b.layers.map(\.passage.text))
            #expect(a.layers.map(\.map.runs) == b.layers.map(\.map.runs))
            #expect(a.observations == b.observations)
        }
    }

    @Test func takesBytesThatAreNotUTF8() {
        var generator = Generator(state: 3)
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 0...200, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let passage = Passage(ByteBuffer(bytes: bytes), origin: .user, isASCII: false)
            let result = Normaliser().layers(of: passage, wanting: TextLayer.Kinds.all)
            #expect(result.layers.first?.passage.count == bytes.count)
        }
    }
}
