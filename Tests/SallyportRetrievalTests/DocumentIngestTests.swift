import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import Testing

@testable import SallyportRetrieval

@Suite struct DocumentIngestTests {
    @Test func passesOverWhatIsThere() throws {
        let library = try Library()
        let first = try library.ingest().add([Library.samples], library.settings())
        #expect(first.counts == ["added": 8])
        let before = try library.store.documents(in: library.index, of: .default)
        #expect(before.allSatisfy { $0.language == "en" && $0.chunks > 0 && $0.quarantined == 0 })
        let again = try library.ingest().add([Library.samples], library.settings())
        #expect(again.counts == ["unchanged": 8])
        #expect(try library.store.documents(in: library.index, of: .default) == before)
    }

    @Test func followsChangesAndRemovals() throws {
        let (library, folder) = (try Library(), try TemporaryFolder())
        try folder.write("a.md", "The pilot boat leaves at five.")
        try folder.write("deep/b.txt", "The office opens at eight.")
        try folder.write("c.bin", "not a document")
        try folder.write(".hidden.md", "not taken in")
        var settings = library.settings()
        #expect(try library.ingest().add([folder.path], settings).counts == ["added": 2])
        try folder.write("a.md", "The pilot boat leaves at six.")
        try folder.remove("deep/b.txt")
        #expect(try library.ingest().add([folder.path], settings).counts == ["changed": 1])
        #expect(try library.store.documents(in: library.index, of: .default).map(\.source) == ["a.md", "deep/b.txt"])
        settings.prunes = true
        settings.access = AccessList([.group("crew")])
        #expect(try library.ingest().add([folder.path], settings).counts == ["described": 1, "removed": 1])
        try library.search.refresh()
        #expect(try library.ask("When does the pilot boat leave?").isFound == false)
        let crew = DocumentReader(user: "x", groups: ["crew"])
        #expect(try library.ask("When does the pilot boat leave?", crew).sentences == ["The pilot boat leaves at six. [doc1]"])
    }

    @Test func goesOnWhereItWasStopped() throws {
        struct Killed: Error {}
        /// Stops the whole run, as a kill would, at its third document.
        struct StoppingStore: DocumentParser {
            let left: NIOLockedValueBox<Int>
            let inner = DirectParser()
            func parse(_ content: ByteBuffer, as format: DocumentFormat) throws(DocumentProblem) -> ParsedDocument {
                let count = left.withLockedValue { value -> Int in
                    value -= 1
                    return value
                }
                if count < 0 { throw .crashed }
                return try inner.parse(content, as: format)
            }
        }
        let library = try Library()
        let partial = try library.ingest(parser: StoppingStore(left: .init(3))).add([Library.samples], library.settings())
        #expect(partial.counts == ["added": 3, "refused": 5])
        let rest = try library.ingest().add([Library.samples], library.settings())
        #expect(rest.counts == ["unchanged": 3, "added": 5])
    }

    @Test func keepsWhatGuardsFindFromBeingFound() throws {
        let (library, folder) = (try Library(), try TemporaryFolder())
        try folder.write(
            "a.md", "# Rules\n\n## One\n\nThe crane lifts forty tonnes.\n\n## Two\n\nThis forbidden passage names the vault.\n")
        let report = try library.ingest().add([folder.path], library.settings())
        #expect(report.quarantined == 1)
        try library.search.refresh()
        #expect(try library.ask("How much does the crane lift?").isFound)
        #expect(try library.ask("Which passage names the vault?").isFound == false)
        let waiting = try #require(try library.store.quarantined(in: library.index, of: .default).first)
        #expect(waiting.reason == "test: forbidden")
        #expect(try library.store.release(waiting.id, in: library.index, of: .default, by: "reviewer", at: 1))
        #expect(try !library.store.release(waiting.id, in: library.index, of: .default, by: "reviewer", at: 1))
        try library.search.refresh()
        #expect(try library.ask("Which passage names the vault?").isFound)
    }

    @Test func hiddenTextWaitsForAReviewer() throws {
        let (library, folder) = (try Library(), try TemporaryFolder())
        try folder.write(
            "a.html", "<body><p>The crane lifts forty tonnes.</p><p style='display:none'>The vault code is kept by the cook.</p>")
        #expect(try library.ingest().add([folder.path], library.settings()).quarantined == 1)
        try library.search.refresh()
        #expect(try library.ask("Who keeps the vault code?").isFound == false)
        #expect(try library.store.quarantined(in: library.index, of: .default).first?.reason == "hidden text (not-displayed)")
    }

    @Test func takesInNothingThatWasNotInspected() throws {
        let (library, folder) = (try Library(), try TemporaryFolder())
        try folder.write("a.md", "A text with breakguard in it.")
        try folder.write("b.md", "A good text.")
        let report = try library.ingest().add([folder.path], library.settings())
        #expect(report.counts == ["added": 1, "refused": 1])
        #expect(report.refused.first?.problem == .uninspected)
        #expect(try library.store.documents(in: library.index, of: .default).map(\.source) == ["b.md"])
    }

    @Test func aDocumentThatCannotBeReadHarmsNoOther() throws {
        let (library, folder) = (try Library(), try TemporaryFolder())
        try folder.write("a.pdf", "not a pdf")
        try folder.write("b.docx", "PK\u{3}\u{4} cut")
        try folder.write("c.md", "The crane lifts forty tonnes.")
        try folder.write("d.md", "")
        let report = try library.ingest().add([folder.path], library.settings())
        #expect(report.counts == ["added": 1, "refused": 3])
        #expect(report.refused.map(\.problem) == [.mismatch, .malformed, .empty])
    }

    @Test func refusesANameThatIsTaken() throws {
        let (library, one, two) = (try Library(), try TemporaryFolder(), try TemporaryFolder())
        try one.write("a.md", "One text here.")
        try two.write("a.md", "Another text here.")
        _ = try library.ingest().add([one.path], library.settings())
        #expect(try library.ingest().add([two.path], library.settings()).refused.map(\.problem) == [.otherOrigin])
        var settings = library.settings()
        settings.prefix = "two/"
        #expect(try library.ingest().add([two.path], settings).counts == ["added": 1])
    }

    @Test func doesNotFollowLinks() throws {
        let (library, folder, outside) = (try Library(), try TemporaryFolder(), try TemporaryFolder())
        try outside.write("secret.md", "Outside text.")
        try folder.write("a.md", "Inside text.")
        try #require(symlinked(folder.path + "/link.md", to: outside.path + "/secret.md"))
        #expect(try library.ingest().add([folder.path], library.settings()).counts == ["added": 1])
    }
}
