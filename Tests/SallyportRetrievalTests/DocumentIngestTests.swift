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

    // MARK: Containers

    private static let mail =
        "From: ann@harbour.example\r\nSubject: Cranes\r\nMIME-Version: 1.0\r\n"
        + "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nThe crane lifts forty tonnes.\r\n"

    private static func attachment(_ name: String, _ text: String) -> String {
        "--b\r\nContent-Type: text/plain; name=\"\(name)\"\r\nContent-Disposition: attachment; filename=\"\(name)\"\r\n\r\n\(text)\r\n"
    }

    @Test func takesInWhatIsAttachedAsDocumentsOfTheirOwn() throws {
        let (library, folder) = (try Library(), try TemporaryFolder())
        let notes = Self.attachment("notes.md", "# Notes\r\n\r\nThe pilot boat leaves at five.")
        try folder.write("mail.eml", Self.mail + notes + Self.attachment("broken.pdf", "no pdf") + "--b--\r\n")
        var settings = library.settings()
        settings.prunes = true
        let first = try library.ingest().add([folder.path], settings)
        #expect(first.counts == ["added": 2, "refused": 1])
        #expect(first.refused.map(\.source) == ["mail.eml!/broken.pdf"])
        #expect(try library.store.documents(in: library.index, of: .default).map(\.source) == ["mail.eml", "mail.eml!/notes.md"])
        try library.search.refresh()
        #expect(try library.ask("When does the pilot boat leave?").citations.map(\.source) == ["mail.eml!/notes.md"])
        // What was refused is tried again, and said again.
        #expect(try library.ingest().add([folder.path], settings).counts == ["changed": 2, "refused": 1])
        // Whole now, and one attachment less.
        try folder.write("mail.eml", Self.mail + "--b--\r\n")
        #expect(try library.ingest().add([folder.path], settings).counts == ["changed": 1, "removed": 1])
        #expect(try library.ingest().add([folder.path], settings).counts == ["unchanged": 1])
        try folder.write("mail.eml", Self.mail + notes + "--b--\r\n")
        #expect(try library.ingest().add([folder.path], settings).counts == ["changed": 1, "added": 1])
        settings.label = .internal
        #expect(try library.ingest().add([folder.path], settings).counts == ["described": 2])
        try folder.remove("mail.eml")
        #expect(try library.ingest().add([folder.path], settings).counts == ["removed": 2])
    }

    // MARK: Labels

    @Test func rulesAndWhatIsFoundRaiseLabels() throws {
        let (library, folder) = (try Library(), try TemporaryFolder())
        try folder.write("board/minutes.md", "The board met on Monday.")
        try folder.write("plain.md", "The office opens at eight.")
        try folder.write("cards.md", "Card 4111111111111111 was used.")
        try folder.write("nightjar.md", "Project Nightjar begins in May.")
        var settings = library.settings()
        settings.labelRules = [
            LabelRule(name: "board", label: .confidential, paths: ["board/**"]),
            LabelRule(name: "projects", label: .restricted, words: ["project nightjar"]),
            LabelRule(name: "many cards", label: .restricted, kinds: ["CreditCardNumber"], atLeast: 2),
        ]
        let report = try library.ingest().add([folder.path], settings)
        #expect(report.raised == 3)
        func label(_ source: String) throws -> String {
            let document = try #require(try library.store.document(source: source, in: library.index, of: .default))
            return "\(document.label), \(document.labelOrigin)"
        }
        #expect(try label("board/minutes.md") == "confidential, rule: board")
        #expect(try label("plain.md") == "general, default")
        #expect(try label("cards.md") == "confidential, detected: CreditCardNumber")
        #expect(try label("nightjar.md") == "restricted, rule: projects")
        // Declaring less does not lower what was found; declaring more raises.
        settings.label = .internal
        _ = try library.ingest().add([folder.path], settings)
        #expect(try label("cards.md") == "confidential, detected: CreditCardNumber")
        #expect(try label("plain.md") == "internal, declared")
        settings.label = .highlyConfidential
        _ = try library.ingest().add([folder.path], settings)
        #expect(try label("cards.md") == "highly-confidential, declared")
        #expect(try label("nightjar.md") == "restricted, rule: projects")
        // A person may lower one; another text is looked at again.
        var cards = try #require(try library.store.document(source: "cards.md", in: library.index, of: .default))
        (cards.label, cards.labelOrigin) = (.public, .lowered)
        try library.store.update(cards)
        settings.label = nil
        _ = try library.ingest().add([folder.path], settings)
        #expect(try label("cards.md") == "public, lowered")
        try folder.write("cards.md", "Card 4111111111111111 was used twice.")
        _ = try library.ingest().add([folder.path], settings)
        #expect(try label("cards.md") == "confidential, detected: CreditCardNumber")
    }

    @Test(arguments: [
        ("a/b.md", "a/*.md", true), ("a/c/b.md", "a/*.md", false), ("a/c/b.md", "a/**", true), ("a.md", "**/a.md", false),
        ("x/a.md", "**/a.md", true), ("aaaaaaaaaaaaaaaaaaaaaaaaaaaab", "*a*a*a*a*a*a*a*a*c", false), ("", "*", true),
    ])
    func pathsMatchByStars(path: String, pattern: String, matches: Bool) {
        #expect(LabelRule(name: "x", label: .internal, paths: [pattern]).applies(to: path, texts: [], found: [:]) == matches)
    }
}

@Suite struct BroughtDocumentTests {
    private let text = ByteBuffer(string: "# Cranes\n\nThe north crane lifts forty tonnes.\n")

    @Test func takesInWhatDidNotComeFromAFile() throws {
        let library = try Library()
        func add(_ content: ByteBuffer, _ source: String = "rules/cranes.md", by origin: String = "api:ann") throws -> [DocumentIngest
            .Outcome]
        {
            try library.ingest().add(content, named: source, origin: origin, library.settings()).map(\.outcome)
        }
        #expect(try add(text) == [.added])
        #expect(try add(text) == [.unchanged])
        #expect(try add(ByteBuffer(string: "# Cranes\n\nThe south crane lifts nothing.\n")) == [.changed])
        // What somebody else brought under that name stays.
        #expect(try add(text, by: "api:bob") == [.refused(.otherOrigin)])
        #expect(try add(ByteBuffer(), "empty.md") == [.refused(.empty)])
        #expect(try add(text, "tool.exe") == [.refused(.unsupportedFormat)])
        #expect(try add(ByteBuffer(string: "PK nothing"), "broken.docx") != [.added])
        try library.search.refresh()
        #expect(try library.ask("What does the south crane lift?").isFound)
    }

    @Test(arguments: [
        "", "/etc/passwd", "../x.md", "a/../x.md", "a//x.md", ".hidden.md", "a/.git/x.md", "mail.eml!/x.md", "a\\x.md", "a\nb.md",
        "a\u{202E}b.md",
        "a\u{200B}b.md",
        String(repeating: "x", count: 600) + ".md",
    ])
    func namesMustBePlain(source: String) throws {
        let library = try Library()
        #expect(throws: DocumentIngest.Mistake.self) {
            try library.ingest().add(text, named: source, origin: "api:ann", library.settings())
        }
    }
}

@Suite struct FollowUpTests {
    @Test func whatLeansOnEarlierTurnsIsSearchedWithTheirWords() {
        let query = DocumentQuery(turns: ["How long is parental leave?", "Who approves it?", "And for part-time staff?"])
        let weights = Dictionary(query.terms.map { ($0.text, $0.weight) }) { first, _ in first }
        #expect(weights["staff"] == 1 && weights["approv"] == 0.4 && weights["parental"] == 0.2)
        // A turn that stands by itself ends the walk back.
        let other = DocumentQuery(turns: ["How long is parental leave?", "Where is the canteen?", "When does it open?"])
        let words = Set(other.terms.map(\.text))
        #expect(words.contains("canteen") && !words.contains("parental"))
        #expect(
            Set(DocumentQuery(turns: ["How long is parental leave?", "Where is the canteen of the harbour?"]).terms.map(\.text)).isDisjoint(
                with: ["parental", "leav"]))
    }
}
