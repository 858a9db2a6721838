import Testing

@testable import SallyportRetrieval

@Suite struct AnswerSpansTests {
    private func best(_ question: String, _ sentences: String...) -> AnswerSpans.Span? {
        let rarity = Dictionary(SearchTerms.of(question).map { ($0, 2.0) }) { first, _ in first }
        return AnswerSpans(question, rarity: rarity).best(
            in: sentences.map { AnswerSpans.Sentence(text: $0, share: 0.6, likeness: 0.6) })
    }

    private func text(_ span: AnswerSpans.Span?, _ sentences: String...) -> String? {
        span.map { String(decoding: Array(sentences[$0.sentence].utf8)[$0.range], as: UTF8.self) }
    }

    @Test(arguments: [
        ("Who designed the north crane?", "The north crane was designed by Ada Keller and built in 1931.", "Ada Keller"),
        ("When was the north crane built?", "The north crane was built in 1931 by the harbour company.", "1931"),
        ("In what year did the harbour open?", "The harbour opened to ships in 1874, after ten years of work.", "1874"),
        ("How many pilots work in the harbour?", "There are 27 pilots who work in the harbour at night.", "27"),
    ])
    func findsTheWords(question: String, sentence: String, expected: String) {
        #expect(text(best(question, sentence), sentence) == expected)
    }

    @Test(arguments: [
        "", " ", "…", "(((", "a", "“", "1", "日本語の文章です。", "é̂ — ‘’", String(repeating: "word ", count: 4000),
        "\u{1F469}\u{200D}\u{1F680} flew",
    ])
    func survivesAnyText(_ text: String) {
        for question in [text, "Who was it?", "how many", "which of 日本語 or x?"] {
            for other in [text, "It was Ada."] {
                guard let span = best(question, text, other) else { continue }
                let bytes = Array([text, other][span.sentence].utf8)
                #expect(span.range.lowerBound >= 0 && span.range.upperBound <= bytes.count && !span.range.isEmpty)
                // A span never cuts a character.
                #expect(String(validating: bytes[span.range], as: UTF8.self) != nil)
                #expect(span.sureness >= 0 && span.sureness <= 1)
            }
        }
    }

    @Test func asksNoWordsOfAQuestionForYesOrNo() {
        #expect(!AnswerSpans("Is the crane high?", rarity: [:]).isAnswerable)
        #expect(AnswerSpans("How high is the crane?", rarity: [:]).isAnswerable)
    }
}
