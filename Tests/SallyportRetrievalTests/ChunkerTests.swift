import SallyportCore
import SallyportDocuments
import Testing

@testable import SallyportRetrieval

@Suite struct ChunkerTests {
    @Test(arguments: [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Costs 0.38 euros per km. Book early.", ["Costs 0.38 euros per km.", "Book early."]),
        ("See e.g. Berlin and Mr. Finch. Done.", ["See e.g. Berlin and Mr. Finch.", "Done."]),
        ("By J. Smith. End", ["By J. Smith.", "End"]), ("He said \"Stop.\" Then left.", ["He said \"Stop.\"", "Then left."]),
        ("version 4.2 is out. it stays one", ["version 4.2 is out. it stays one"]), ("第一。第二！", ["第一。", "第二！"]),
        ("line\nnext line", ["line", "next line"]), ("", []), ("...", ["..."]),
    ])
    func findsSentences(text: String, expected: [String]) {
        #expect(SentenceSplitter.ranges(of: text).map { String(decoding: Array(text.utf8)[$0], as: UTF8.self) } == expected)
    }

    @Test func keepsOffsetsPagesAndHeadings() throws {
        let document = ParsedDocument(blocks: [
            .init(.heading, level: 1, "Title", page: 1), .init(.paragraph, "First ü page. Second sentence.", page: 1),
            .init(.paragraph, "Next page.", page: 2), .init(.heading, level: 2, "Part", page: 2), .init(.paragraph, "Under it.", page: 3),
            .init(.paragraph, "hidden words", page: 3, hiding: .comment),
        ])
        let chunks = Chunker().chunks(of: document)
        #expect(chunks.map(\.text) == ["First ü page. Second sentence.\nNext page.", "Under it.", "hidden words"])
        #expect(chunks.map(\.headings) == [["Title"], ["Title", "Part"], []])
        let whole = Array("First ü page. Second sentence.\nNext page.\nUnder it.".utf8)
        for chunk in chunks.prefix(2) { #expect(String(decoding: whole[chunk.range], as: UTF8.self) == chunk.text) }
        #expect(chunks[0].page(at: 0) == 1)
        #expect(chunks[0].page(at: 35) == 2)
        #expect(chunks[1].page(at: chunks[1].range.lowerBound) == 3)
        #expect(chunks[2].hiding == .comment && chunks[2].quarantine != nil)
    }

    @Test func longSectionsOverlapAndLoseNothing() {
        let sentences = (0..<200).map { "Sentence number \($0) has some words in it." }
        let chunks = Chunker().chunks(of: ParsedDocument(blocks: [.init(.paragraph, sentences.joined(separator: " "))]))
        #expect(chunks.count > 8)
        for sentence in sentences { #expect(chunks.contains { $0.text.contains(sentence) }) }
        for (chunk, next) in zip(chunks, chunks.dropFirst()) { #expect(next.range.lowerBound < chunk.range.upperBound) }
        #expect(chunks.allSatisfy { $0.text.split(separator: " ").count <= 200 })
    }

    @Test func measuresInTheModelsTokensWhereThereIsOne() {
        let sentences = (0..<100).map { "Sentence number \($0) has some words in it." }
        let document = ParsedDocument(blocks: [.init(.paragraph, sentences.joined(separator: " "))])
        // A token for every four bytes: pieces are as long as the model reads, with the overlap that was asked for. Tokens are counted sentence by
        // sentence and rounded down, without the spaces between: by bytes a piece is up to a tenth longer.
        let chunks = Chunker(counter: { $0.count / 4 }).chunks(of: document)
        #expect(chunks.dropLast().allSatisfy { (140...200).contains($0.text.utf8.count / 4) })
        for (chunk, next) in zip(chunks, chunks.dropFirst()) {
            #expect((1...33 * 4).contains(chunk.range.upperBound - next.range.lowerBound))
        }
        #expect(Chunker(counter: { $0.count }).chunks(of: document).count > 2 * chunks.count)
        #expect(Chunker(counter: { _ in nil }).chunks(of: document) == Chunker().chunks(of: document))
    }

    @Test func piecesOfATableCarryItsHeader() {
        let rows =
            [ParsedDocument.Block(.tableRow, "Port | Depth")] + (0..<300).map { .init(.tableRow, "Harbour\($0) | \($0) metres deep water") }
        let chunks = Chunker().chunks(of: ParsedDocument(blocks: rows))
        #expect(chunks.count > 5)
        #expect(chunks.allSatisfy { $0.headings == ["Port | Depth"] })
    }

    @Test func cutsWhatHasNoSentences() {
        for text in [String(repeating: "word ", count: 5000), String(repeating: "长", count: 5000), String(repeating: "x", count: 20_000)] {
            let chunks = Chunker().chunks(of: ParsedDocument(blocks: [.init(.paragraph, text)]))
            #expect(chunks.count > 3)
            #expect(chunks.allSatisfy { $0.text.utf8.count < 4000 })
        }
    }
}
