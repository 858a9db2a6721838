import SallyportCore
import SallyportTesting
import Testing

@testable import SallyportGuard

/// The second look at words that may be names: as `training/names.py` computes it.
struct NameReaderTests {
    private static let text = "#Oslo: \"Ana Ruiz\" of ACME-Nord, 3 rue d’Iéna (McKay) & co. Then"
    /// Word, the likeliest of the encoder's seven answers for it and for its first piece, and what the model in Python makes of it.
    private static let recorded: [(word: String, mean: Int, first: Int, kinds: [Double])] = [
        ("Oslo", 0, 0, [0.0288, 0.0483, 0.0395]), ("Ana", 1, 1, [0.6113, 0.0567, 0.0563]), ("Ruiz", 2, 5, [0.7582, 0.0285, 0.0598]),
        ("of", 3, 4, [0.0140, 0.3976, 0.0489]), ("ACME", 5, 2, [0.0167, 0.0187, 0.5932]), ("Nord", 4, 3, [0.0139, 0.5041, 0.1028]),
        ("3", 6, 6, [0.0368, 0.0343, 0.7554]), ("rue", 0, 0, [0.0018, 0.0026, 0.0118]), ("d", 1, 1, [0.7497, 0.0168, 0.0372]),
        ("Iéna", 2, 5, [0.7246, 0.0234, 0.0502]), ("McKay", 3, 4, [0.0473, 0.6600, 0.1865]), ("co", 5, 2, [0.0335, 0.0681, 0.5314]),
        ("Then", 4, 3, [0.0377, 0.6383, 0.1420]),
    ]

    private func words(in text: [UInt8]) -> [NameReader.Word] {
        var from = 0
        return Self.recorded.map { word, mean, first, _ in
            let bytes = Array(word.utf8)
            while !text[from...].starts(with: bytes) { from += 1 }
            defer { from += bytes.count }
            func likely(_ answer: Int) -> [Double] { (0..<7).map { $0 == answer ? 0.88 : 0.02 } }
            return NameReader.Word(range: from..<from + bytes.count, mean: likely(mean), first: likely(first))
        }
    }

    @Test func readsWhatTheTrainingReads() {
        let text = Array(Self.text.utf8)
        let kinds = text.withUnsafeBytes { NameReader(text: $0).probabilities(of: words(in: text)) }
        for (found, recorded) in zip(kinds, Self.recorded) {
            for (a, b) in zip(found, recorded.kinds) { #expect(abs(a - b) < 0.001, "\(recorded.word): \(found)") }
        }
    }

    @Test func aNameBeginsWhereTheEncoderSaysSo() {
        let text = Array(Self.text.utf8)
        let begins = words(in: text).filter(\.begins).map { String(decoding: text[$0.range], as: UTF8.self) }
        #expect(begins == ["Ana", "Ruiz", "Nord", "d", "Iéna", "Then"])
    }

    /// A Hangul syllable is several pieces with one place; nothing is read twice, and nothing backwards.
    @Test func piecesMayShareTheirPlace() throws {
        let reader = ScriptedReader([:])
        let names = try #require(NamesDetector(reader.description))
        let text = "김민수 씨"
        let ranges = [0..<3, 0..<3, 3..<6, 3..<6, 3..<6, 6..<9, 10..<13, 10..<13]
        let columns = reader.description.tokenColumns
        var scores = [Float](repeating: 0, count: ranges.count * columns.count)
        let person = try #require(columns.firstIndex(of: "B-PERSON"))
        for piece in ranges.indices { scores[piece * columns.count + person] = 9 }
        let window = TextReading.Window(range: 0..<13, scores: [], tokens: TextReading.Tokens(ranges: ranges, scores: scores))
        let found = names.findings(in: TextReading(windows: [window]), of: Passage(text, origin: .user))
        #expect(!found.isEmpty && found.allSatisfy { $0.range.upperBound <= 13 })
    }

    @Test func everyKindHasAWeightForEachFeature() {
        #expect(NameWeights.intercept.count == 3 && NameWeights.features.map(\.count) == [59, 59, 59])
        #expect([UInt8]().withUnsafeBytes { NameReader(text: $0).probabilities(of: []) }.isEmpty)
    }
}
