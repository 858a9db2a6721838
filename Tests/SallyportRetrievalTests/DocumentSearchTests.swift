import SallyportCore
import Testing

@testable import SallyportRetrieval

@Suite struct DocumentSearchTests {
    private static let words = [
        "crane", "harbour", "pilot", "boat", "tide", "sensor", "invoice", "warranty", "budget", "salary", "merger", "password", "anchor",
        "quay", "storm", "alarm", "cargo", "customs", "rope", "engine",
    ]

    private static func text(_ generator: inout SeededGenerator, _ count: Int) -> String {
        (0..<count).map { _ in words.randomElement(using: &generator) ?? "" }.joined(separator: " ") + "."
    }

    @Test func aDamagedDocumentIsNotSearchedAndOthersAre() throws {
        let library = try Library()
        try library.put("crane.md", "# Cranes\n\nThe north crane lifts forty tonnes.")
        try library.put("boat.md", "# Boats\n\nThe pilot boat passes the crane at five.")
        func damage(_ source: String) throws {
            _ = try library.database.write { db in
                try db.execute(
                    "UPDATE document_chunk SET pages = 'no list' WHERE document = (SELECT id FROM document WHERE source = $1)",
                    [.text(source)])
            }
        }
        func found() throws -> [String] {
            try library.retriever.retrieve([DocumentQuery("crane")], in: library.index, for: Library.anyone, RetrievalOptions())
                .kept.map(\.entry.source).sorted()
        }
        try damage("boat.md")
        try library.search.refresh()
        #expect(try found() == ["crane.md"])
        #expect(library.search.doubtful == ["library/boat.md"])
        // Taken in anew it is found again; damaged once it is in memory it is left out of the answer and not searched any more.
        try library.put("boat.md", "# Boats\n\nThe pilot boat passes the crane at five.")
        try library.search.refresh()
        #expect(try found() == ["boat.md", "crane.md"])
        #expect(library.search.doubtful.isEmpty)
        try damage("crane.md")
        #expect(try found() == ["boat.md"])
        #expect(library.search.doubtful == ["library/crane.md"])
        #expect(library.search.readableChunks(in: library.index, for: Library.anyone) == 1)
    }

    /// What one reader sees must be the same whether or not other documents exist: results, scores, counts, answers, citations.
    @Test func nothingDependsOnWhatTheReaderMayNotRead() throws {
        var generator = SeededGenerator(state: 11)
        let (alone, shared) = (try Library(), try Library())
        let ann = DocumentReader(user: "ann", groups: ["crew"])
        let bob = DocumentReader(user: "bob", groups: ["office"])
        let lists: [(Set<Grantee>, Bool)] = [
            ([.everyone], true), ([.user("ann")], true), ([.group("crew")], true), ([.user("ann"), .user("bob")], true),
            ([.group("crew"), .group("office")], true), ([.user("bob")], false), ([.group("office")], false), ([.group("guests")], false),
        ]
        for number in 0..<120 {
            let (access, isReadable) = lists[number % lists.count]
            let text =
                "# Title \(Self.text(&generator, 2))\n\n\(Self.text(&generator, 30)) secretword\(number) \(Self.text(&generator, 30))"
            try shared.put("doc\(number).md", text, access: access)
            if isReadable { try alone.put("doc\(number).md", text, access: access) }
            try shared.put("doc\(number).md", text, access: [.everyone], tenant: "other")
        }
        try alone.search.refresh()
        try shared.search.refresh()
        for _ in 0..<400 {
            let hidden = Int.random(in: 0..<120, using: &generator)
            var question = Self.text(&generator, Int.random(in: 1...5, using: &generator))
            if Bool.random(using: &generator) { question += " secretword\(hidden)" }
            let query = DocumentQuery(question)
            let expected = alone.search.search(query, in: alone.index, for: ann, limit: 20)
            let found = shared.search.search(query, in: shared.index, for: ann, limit: 20)
            #expect(found.hits == expected.hits)
            #expect(found.matched == expected.matched)
            #expect(found.readable == expected.readable)
            #expect(found.query == expected.query)
            #expect(try shared.ask(question, ann) == alone.ask(question, ann))
        }
        #expect(shared.search.entries(in: shared.index, for: ann) == alone.search.entries(in: alone.index, for: ann))
        #expect(shared.search.search(DocumentQuery("crane"), in: shared.index, for: bob, limit: 5).readable == 75)
        let hit = try #require(shared.search.search(DocumentQuery("secretword5"), in: shared.index, for: bob, limit: 1).hits.first)
        #expect(shared.search.entry(of: hit.id.document, in: shared.index, for: ann) == nil)
    }

    @Test func anAccessListThatChangesTakesEffect() throws {
        let library = try Library()
        try library.put("a.md", "The merger is on Friday.", access: [.user("ann")])
        try library.search.refresh()
        let bob = DocumentReader(user: "bob")
        #expect(try library.ask("When is the merger?", bob).isFound == false)
        var record = try #require(try library.store.document(source: "a.md", in: library.index, of: .default))
        record.access = AccessList([.user("bob")])
        try library.store.update(record)
        try library.search.refresh()
        #expect(try library.ask("When is the merger?", bob).isFound)
        #expect(try library.ask("When is the merger?", DocumentReader(user: "ann")).isFound == false)
    }

    @Test func whatIsRemovedIsGone() throws {
        let library = try Library()
        for number in 0..<200 { try library.put("doc\(number).md", "Document word\(number) about cargo.") }
        try library.search.refresh()
        for number in 0..<150 {
            let record = try #require(try library.store.document(source: "doc\(number).md", in: library.index, of: .default))
            #expect(try library.store.remove(record.id, in: library.index, of: .default))
        }
        try library.search.refresh()
        let left = library.search.search(DocumentQuery("cargo"), in: library.index, for: Library.anyone, limit: 500)
        #expect(left.matched == 50)
        #expect(left.readable == 50)
        #expect(library.search.entries(in: library.index, for: Library.anyone).count == 50)
        let fresh = DocumentSearch(library.store)
        try fresh.refresh()
        #expect(
            fresh.search(DocumentQuery("cargo word170"), in: library.index, for: Library.anyone, limit: 500).hits
                == library.search.search(
                    DocumentQuery("cargo word170"), in: library.index, for: Library.anyone, limit: 500
                ).hits)
    }

    @Test func rareWordsCountMoreThanCommonOnes() throws {
        let library = try Library()
        for number in 0..<20 { try library.put("c\(number).md", "The harbour is open for cargo.") }
        try library.put("rare.md", "The lighthouse stands beside the harbour.")
        try library.search.refresh()
        let result = library.search.search(DocumentQuery("harbour lighthouse"), in: library.index, for: Library.anyone, limit: 3)
        #expect(result.hits.first?.id.document == "id-default-rare.md")
        #expect(result.matched == 21)
    }

    @Test func findsWordsOfScriptsWithoutSpaces() throws {
        let library = try Library()
        try library.put("a.md", "港口办公室八点开门。")
        try library.put("b.md", "领航船五点离开北码头。")
        try library.search.refresh()
        #expect(try library.ask("领航船几点离开？").citations.first?.source == "b.md")
    }

    @Test func quantisedVectorsKeepTheirOrder() {
        let a = HashedEmbedding.vector(of: "the pilot boat leaves from the north quay", dimensions: 128)
        for text in ["pilot boat", "north quay", "the budget of the merger"] {
            let b = HashedEmbedding.vector(of: text, dimensions: 128)
            let exact = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
            let (x, y) = (QuantisedVector.quantise(a), QuantisedVector.quantise(b))
            let near = Float(zip(x.values, y.values).reduce(0) { $0 + Int($1.0) * Int($1.1) }) * x.scale * y.scale
            #expect(abs(exact - near) < 0.01)
        }
    }
}
