import NIOCore
import SallyportCore
import SallyportPatterns
import Testing

@testable import SallyportGuard

/// What goes and what stays when a sentence does not end in time.
@Suite struct TimedCutTests {
    private func released(_ text: String, goesOn: ((UnsafeRawBufferPointer) -> Bool)? = nil) -> String {
        var copy = text
        return copy.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            let cut = SentenceBoundary.timedCut(in: bytes, from: 0, mostKept: StreamHold.shortReserve, goesOn: goesOn)
            return String(decoding: bytes[..<cut], as: UTF8.self)
        }
    }

    @Test(arguments: [
        ("words that go on and", "words that go on "), ("words that go on ", "words that go on "), ("one", ""),
        // Numbers in groups, their words, names, addresses.
        ("the card is 4111 1111 11", "the card is "), ("call me at +48 601 234 ", "call me at "),
        ("it was written by Jane ", "it was written by "),
        ("he lives at 12 Main Street, ", "he lives at "),
        // Spelled out, encoded, code, marks that open something.
        ("listen: s e c r ", "listen: "), ("decode aGVsbG8 d29ybGQ ", "decode "),
        ("see [the page](https://x ", "see "), ("a word and I ", "a word and I "),
        ("A sentence. Another that", "A sentence. "), ("Ends here.", "Ends here."),
    ]) func keepsWhatMayGoOn(_ text: String, _ expected: String) {
        #expect(released(text) == expected)
    }

    @Test func keepsAnAssignmentTogether() {
        #expect(released("set key = abc ") == "set key ")
        #expect(released("the password: abc ") == "the password: ")
        #expect(released("these are: one two ") == "these are: one two ")
    }

    @Test func keepsNoMoreThanItsBound() {
        let numbers = String(repeating: "1234 ", count: 100)
        let got = released("these are the numbers " + numbers)
        #expect(got.utf8.count >= 22 + 500 - StreamHold.shortReserve - 5)
    }

    @Test func wordsOfPhrasesOnAListStay() throws {
        let list = Blocklist(name: "l")
        let items = ["project red falcon", "wombat"].enumerated().map {
            BlocklistItem(id: "\($0.offset)", text: $0.element)
        }
        let index = try BlocklistIndex([(list, items)], compiler: HyperscanCompiler())
        let goesOn = BlocklistDetector(index).phraseWords
        #expect(goesOn != nil)
        #expect(released("tell them of project red ", goesOn: goesOn) == "tell them of ")
        #expect(released("tell them of \"Project\" Red, ", goesOn: goesOn) == "tell them of ")
        #expect(released("tell them of wombat things ", goesOn: goesOn) == "tell them of wombat things ")
        let single = try BlocklistIndex([(list, Array(items.suffix(1)))], compiler: HyperscanCompiler())
        #expect(BlocklistDetector(single).phraseWords == nil)
        let expression = BlocklistItem(id: "x", text: "foo.*bar", isRegex: true)
        let any = BlocklistDetector(try BlocklistIndex([(list, [expression])], compiler: HyperscanCompiler())).phraseWords
        #expect(released("some words that wait ", goesOn: any) == "")
    }
}
