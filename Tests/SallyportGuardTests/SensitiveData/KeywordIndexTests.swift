import Testing

@testable import SallyportGuard

@Suite struct KeywordIndexTests {
    private func mentions(_ topic: ContextTopic, in text: String, near range: Range<Int>, within proximity: Int = 300) -> Bool {
        Array(text.utf8).withUnsafeBytes { bytes in
            var index = KeywordIndex(SensitiveDataTypes.trie, bytes)
            return index.mentions(TopicSet([topic]), near: range, within: proximity)
        }
    }

    @Test(
        arguments: [
            "Passport 1", "PASSPORT: 1", "passport_number=1", "userPassport: 1", "Reisepass 1", "Pasaporte 1", "ПАСПОРТ 1", "Паспорт 1",
            "護照1",
            "(passport) 1", "the passports 1", "\u{A0}passport\u{A0}1",
        ])
    func findsAWordHoweverItIsWritten(text: String) {
        let end = text.utf8.count
        #expect(mentions(.passport, in: text, near: end - 1..<end))
    }

    @Test(arguments: ["compass 1", "passage 1", "trespassport 1", "pass port 1", ""])
    func doesNotFindItWithinAnotherWord(text: String) {
        let end = text.utf8.count
        #expect(!mentions(.passport, in: text, near: max(0, end - 1)..<end))
    }

    @Test func takesShortWordsOnlyWhole() {
        #expect(mentions(.plNIP, in: "NIP 1", near: 4..<5))
        #expect(!mentions(.plNIP, in: "nipple 1", near: 7..<8))
        #expect(mentions(.usSSN, in: "userSSN: 1", near: 9..<10))
        #expect(mentions(.usSSN, in: "ssn=1", near: 4..<5))
    }

    @Test func foldsTheAccentsOfLatinAlphabets() {
        #expect(mentions(.dateOfBirth, in: "NÉE LE 1", near: 8..<9))
        #expect(mentions(.czRC, in: "Rodné číslo 1", near: 15..<16))
        #expect(mentions(.card, in: "KREDİ KARTI 1", near: 14..<15))
        #expect(mentions(.dateOfBirth, in: "doğum tarihi 1", near: 14..<15))
    }

    @Test func looksNoFurtherThanAsked() {
        let text = "pesel" + String(repeating: " ", count: 600) + "1"
        #expect(!mentions(.plPESEL, in: text, near: 605..<606))
        #expect(!mentions(.plPESEL, in: text, near: 400..<401))
        #expect(mentions(.plPESEL, in: text, near: 300..<301))
        #expect(mentions(.plPESEL, in: text, near: 605..<606, within: 605))
    }

    @Test func doesNotTakeTheIdentifierItselfForContext() {
        #expect(!mentions(.esNIE, in: "nie", near: 0..<3))
    }

    @Test func answersTheSameInAnyOrder() {
        let text = Array((String(repeating: "x ", count: 400) + "pesel " + String(repeating: "y ", count: 400)).utf8)
        text.withUnsafeBytes { bytes in
            var index = KeywordIndex(SensitiveDataTypes.trie, bytes)
            let topics = TopicSet([.plPESEL])
            let distances = [1_000, 700, 100, 810].map { index.distance(to: topics, from: $0..<$0 + 1, within: 300) }
            // Before the word, its distance counts as greater than after it.
            #expect(distances == [200, 163, nil, 10])
        }
    }
}
