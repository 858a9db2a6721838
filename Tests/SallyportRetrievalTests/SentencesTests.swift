import Testing

@testable import SallyportRetrieval

@Suite struct SentencesTests {
    @Test(arguments: [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Costs 0.38 euros per km. Book early.", ["Costs 0.38 euros per km.", "Book early."]),
        ("See e.g. Berlin and Mr. Finch. Done.", ["See e.g. Berlin and Mr. Finch.", "Done."]),
        ("By J. Smith. End", ["By J. Smith.", "End"]),
        ("He said \"Stop.\" Then left.", ["He said \"Stop.\"", "Then left."]),
        ("version 4.2 is out. it stays one", ["version 4.2 is out. it stays one"]),
        ("第一。第二！", ["第一。", "第二！"]), ("  much   space  ", ["much space"]), ("", []), ("...", ["..."]),
    ])
    func endsSentencesWhereReadersDo(text: String, expected: [String]) {
        #expect(Sentences.split(text) == expected)
    }

    @Test func cutsEndlessSentences() {
        let sentences = Sentences.split(String(repeating: "word ", count: 1000))
        #expect(sentences.count > 5)
        #expect(sentences.allSatisfy { $0.count <= 610 })
    }

    @Test func readsMarkdownsStructure() {
        let sections = Sentences.sections(
            of: """
                Before. All headings.
                # Title
                Intro *with* `marks` and a [link](https://example.com/x).
                It goes on
                over lines.

                ## Part
                - First item
                - Second item. With two sentences.
                1. Numbered

                | Plan | Price |
                |---|---|
                | basic | 290 |
                # Second
                End.
                """)
        #expect(
            sections == [
                .init(headings: [], sentences: ["Before.", "All headings."]),
                .init(headings: ["Title"], sentences: ["Intro with marks and a link.", "It goes on over lines."]),
                .init(
                    headings: ["Title", "Part"],
                    sentences: ["First item", "Second item.", "With two sentences.", "Numbered", "Plan , Price", "basic , 290"]),
                .init(headings: ["Second"], sentences: ["End."]),
            ])
    }

    @Test func takesAPlainTextsFirstLineForItsTitle() {
        #expect(
            Sentences.sections(of: "The title\n\nA sentence. Another.") == [
                .init(headings: ["The title"], sentences: ["A sentence.", "Another."])
            ])
        #expect(Sentences.sections(of: "A sentence.\n\nAnother.") == [.init(headings: [], sentences: ["A sentence.", "Another."])])
        #expect(Sentences.sections(of: "One line\nof two.\n\nEnd.") == [.init(headings: [], sentences: ["One line of two.", "End."])])
    }

    @Test(arguments: [
        ("policies", "policy"), ("charged", "charging"), ("charges", "charge"), ("submitted", "submit"), ("boxes", "box"),
        ("carried", "carry"),
        ("classes", "class"), ("devices", "device"), ("planning", "plan"), ("invoices", "invoice"), ("deleted", "deletes"),
        ("employees", "employee"),
    ])
    func bringsInflectionsTogether(a: String, b: String) { #expect(Words.stem(a) == Words.stem(b)) }

    @Test(arguments: ["bus", "status", "this", "class", "red", "ring", "sing", "as", "a", "", "漢字", "tw200"])
    func leavesShortAndForeignWordsAlone(word: String) { #expect(Words.stem(word) == word) }

    @Test func splitsWordsInAnyScript() {
        #expect(
            Words.folded("Don't STOP—Größe naïve’s 漢字, e-mail 24/7") == [
                "dont", "stop", "größe", "naïves", "漢", "字", "e", "mail", "24", "7",
            ])
        #expect(Words.folded(String(repeating: "x", count: 1000)).first?.count == 40)
        #expect(Words.folded("a b c d", limit: 2) == ["a", "b"])
    }

    @Test(arguments: [
        ("abcde", "abcde", false), ("abcde", "abcd", true), ("abcde", "abXde", true), ("abcde", "abdce", true), ("abcde", "abxyz", false),
        ("abcde", "abcdefg", false), ("aabb", "aab", true),
    ])
    func knowsOneTypingError(a: String, b: String, isNear: Bool) {
        #expect(PassageIndex.isOneEditAway(Array(a.utf8), Array(b.utf8)) == isNear)
        #expect(PassageIndex.isOneEditAway(Array(b.utf8), Array(a.utf8)) == isNear)
    }
}
