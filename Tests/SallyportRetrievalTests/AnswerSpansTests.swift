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
        // A time with its unit, a count without what is counted.
        ("How many days of leave do full-time staff have?", "Full-time staff have 27 days of leave a year.", "27 days"),
        ("How many members has the board?", "The board has seven members, who meet twice a year.", "seven"),
        ("How old was the captain of the ferry?", "The captain of the ferry was aged 39 when it sank in a storm.", "39"),
        ("What is the temperature of the boiler?", "The temperature of the boiler is 565 °C at most, says the manual.", "565 °C"),
        ("In what decade was the quay built?", "The quay was built in the 1970s and mended since.", "1970s"),
        ("When is the north office closed?", "The north office is closed on Mondays.", "Mondays"),
        // Of the life of somebody the end that is asked for.
        ("When was the founder Ada Keller born?", "The founder Ada Keller (14 May 1866 – 3 June 1929) was an engineer.", "14 May 1866"),
        ("When did the founder Ada Keller die?", "The founder Ada Keller (14 May 1866 – 3 June 1929) was an engineer.", "3 June 1929"),
        // Whom the sentence says to be one; not the place, not the adjective.
        ("Which engineer worked at the north quay?", "Ada Keller (born 1866) was a Danish engineer at the north quay.", "Ada Keller"),
        ("Who repairs the north crane?", "In Hamburg the north crane is repaired by Jon Moss.", "Jon Moss"),
        ("Where is the second office?", "The second office is in Yarmouth, Maine.", "Yarmouth, Maine"),
        ("Which bank holds the account of the harbour?", "The account of the harbour is at the M&T Bank.", "M&T Bank"),
        // Of two that the question offers, the one of which it holds.
        ("Who checks the winch, Ada Keller or Jon Moss?", "Ada Keller keeps the books, while Jon Moss checks the winch.", "Jon Moss"),
        // The last word that asks, where the question does not begin with one.
        (
            "The pilot who steers the tug works with the officer of which office?",
            "The pilot who steers the tug works with the officer of the Harbour Office.", "Harbour Office"
        ),
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
        // To compare takes more than to read.
        #expect(!AnswerSpans("Which is older, North Quay or South Quay?", rarity: [:]).isAnswerable)
    }
}
