import SallyportCore
import Testing

@testable import SallyportRetrieval

@Suite struct WordClosenessTests {
    /// One direction for each letter of the alphabet that a word begins with; "cat" and "kitten" lie near each other.
    private func vectors(_ text: String) -> WordVectors {
        let words = AnswerWord.all(in: text).filter { !$0.isMark }
        let bytes = Array(text.utf8)
        return WordVectors(
            dimensions: 27, ranges: words.map(\.range), words: Array(words.indices),
            values: words.flatMap { word in
                let text = String(decoding: bytes[word.range], as: UTF8.self).lowercased()
                var vector = [Float](repeating: 0, count: 27)
                if text == "kitten" {
                    (vector[2], vector[26]) = (0.8, 0.6)
                } else {
                    vector[Int((text.utf8.first ?? 0x7A) - 0x61) % 26] = 1
                }
                return vector
            })
    }

    private func best(_ question: String, _ rarity: [String: Double], _ text: String) -> Double? {
        let terms = rarity.map { DocumentQuery.Term(text: Words.stem($0.key), weight: 1, rarity: $0.value) }
        return WordCloseness(vectors(question), of: question, terms: terms).best(
            in: vectors(text), sentences: SentenceSplitter.ranges(of: text))
    }

    @Test func theNearestWordOfOneSentenceCountsForEach() throws {
        // All of it in one sentence; one of two; in other words.
        #expect(best("cat mat", ["cat": 1, "mat": 1], "Rain fell. A cat, a mat.") == 1)
        #expect(best("cat mat", ["cat": 1, "mat": 1], "A cat. A mat.") == 0.5)
        let near = try #require(best("cat mat", ["cat": 1, "mat": 1], "The kitten and the mat."))
        #expect(abs(near - 0.9) < 0.001)
    }

    @Test func rareWordsCountMore() {
        #expect(best("cat mat", ["cat": 3, "mat": 1], "A cat.") == 0.75)
        #expect(best("cat mat", ["cat": 3, "mat": 1], "A mat.") == 0.25)
    }

    @Test func whatCarriesNoMeaningIsNotAsked() {
        #expect(best("what is the cat", ["cat": 2], "A cat.") == 1)
        #expect(best("what is it", [:], "A cat.") == nil)
        #expect(best("cat", ["cat": 1], "") == nil)
    }
}
