import SallyportCore
import Testing

@testable import SallyportGuard

/// A word or two say little: what the encoder makes of them counts for less.
@Suite struct ShortTextTests {
    private static let head = EncoderDescription.Head(
        kind: .ordinal, columns: [0, 1, 2], calibrations: Array(repeating: .init(), count: 3), thresholds: [],
        shortPenalties: [2, 1, 1])
    private static let description = EncoderDescription(
        name: "short", version: "1", digest: "d", sequenceColumns: ["sexual_2", "sexual_4", "sexual_6"], tokenColumns: [],
        heads: ["sexual": head])

    private func severity(of scores: [Float], words: Int) throws -> Int {
        let detector = try #require(HarmDetector(.sexual, Self.description))
        return detector.severity(in: TextReading(windows: [.init(range: 0..<4, scores: scores, words: words)]))
    }

    @Test func aLoneWordNeedsMoreThanASentence() throws {
        let noise: [Float] = [3, 1, -2]
        #expect(try severity(of: noise, words: .max) == 4)
        #expect(try severity(of: noise, words: 8) == 4)
        #expect(try severity(of: noise, words: 4) < 4)
        #expect(try severity(of: noise, words: 1) <= 1)
    }

    @Test func aHarmfulWordIsHarmfulAlone() throws {
        #expect(try severity(of: [8, 4, 0], words: 1) >= 4)
        #expect(try severity(of: [8, 4, 0], words: 0) >= 4)
    }

    @Test func aModelThatSaysNothingOfShortTextsIsTakenAtItsWord() throws {
        let plain = EncoderDescription.Head(
            kind: .ordinal, columns: [0, 1, 2], calibrations: Array(repeating: .init(), count: 3), thresholds: [])
        #expect(plain.probability(in: [2, 0, 0], words: 1) == plain.probability(in: [2, 0, 0]))
    }
}
