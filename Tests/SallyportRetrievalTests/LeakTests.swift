import Foundation
import SallyportCore
import Testing

@testable import SallyportRetrieval

/// Two readers, documents that both may read and documents of each alone: what one sees must be the same in a world where the other's documents
/// do not exist. `LEAK_QUERIES=10000` asks more.
@Suite struct LeakTests {
    private static let queries = ProcessInfo.processInfo.environment["LEAK_QUERIES"].flatMap { Int($0) } ?? 2_000
    private static let words = [
        "crane", "harbour", "pilot", "boat", "tide", "sensor", "invoice", "warranty", "budget", "salary", "merger", "password", "anchor",
        "quay", "storm", "alarm", "cargo", "customs", "rope", "engine", "lease", "insurance", "ballast", "buoy", "dredger", "winch",
    ]
    private static let filters = [
        "group_ids/any(g: search.in(g, 'office,board,crew'))", "user_ids/any(u: u eq 'bob')", "not group_ids/any(g: g eq 'crew')",
        "label eq 'confidential'", "label_level ge 0", "label_level lt 3 or true", "filepath ge ''", "not (filepath eq 'x')",
        "document_id ne 'x' and (title gt '' or language eq 'und')", "filepath eq 'doc5.md' or filepath eq 'doc6.md'",
        "search.in(filepath, 'doc5.md,doc6.md,doc7.md')", "group_ids/all(g: g ne 'crew')",
    ]

    private static func text(_ generator: inout SeededGenerator, _ count: Int) -> String {
        (0..<count).map { _ in words.randomElement(using: &generator) ?? "" }.joined(separator: " ") + "."
    }

    private static let ann = DocumentReader(user: "ann", groups: ["crew"])

    /// A world with ann's documents, and one with bob's besides.
    private static func worlds(_ count: Int, _ generator: inout SeededGenerator) throws -> (alone: Library, shared: Library) {
        let (alone, shared) = (try Library(), try Library())
        let lists: [(Set<Grantee>, Bool)] = [
            ([.everyone], true), ([.user("ann")], true), ([.group("crew")], true), ([.user("ann"), .user("bob")], true),
            ([.group("crew"), .group("office")], true), ([.user("bob")], false), ([.group("office")], false), ([.group("board")], false),
        ]
        for number in 0..<count {
            let (access, isReadable) = lists[number % lists.count]
            let text = "# Title \(text(&generator, 2))\n\n\(text(&generator, 30)) secretword\(number) \(text(&generator, 30))"
            try shared.put("doc\(number).md", text, access: access, vectors: true)
            if isReadable { try alone.put("doc\(number).md", text, access: access, vectors: true) }
        }
        try alone.search.refresh()
        try shared.search.refresh()
        return (alone, shared)
    }

    private static func question(_ generator: inout SeededGenerator, of count: Int) -> String {
        var question = text(&generator, Int.random(in: 1...5, using: &generator))
        // A word that only one document has, readable or not.
        if Bool.random(using: &generator) { question += " secretword\(Int.random(in: 0..<count, using: &generator))" }
        return question
    }

    @Test func queriesTellNothingOfOthersDocuments() throws {
        var generator = SeededGenerator(state: 21)
        let (alone, shared) = try Self.worlds(160, &generator)
        let kinds = DocumentSearch.Kind.allCases
        for number in 0..<Self.queries {
            let query = DocumentQuery(Self.question(&generator, of: 160))
            let filter = number % 3 == 0 ? nil : try FilterExpression(parsing: Self.filters[number % Self.filters.count])
            let vector = HashedEmbedding.vector(of: query.text, dimensions: 64)
            func look(_ library: Library) -> DocumentSearch.Result {
                library.search.search(
                    query, in: library.index, for: Self.ann, limit: 20, vector: vector, kind: kinds[number % 3], filter: filter)
            }
            let (expected, found) = (look(alone), look(shared))
            guard found.hits == expected.hits, found.matched == expected.matched, found.readable == expected.readable,
                found.query == expected.query
            else {
                Issue.record("query \(number) tells the worlds apart: \(query.text)")
                return
            }
            // Answers, citations, what was left out and why; pages, counts and single documents.
            if number % 10 == 0 {
                var options = RetrievalOptions()
                options.filter = filter
                options.strictness = 1 + number / 10 % 5
                #expect(
                    try shared.answerer.answer(to: [query.text], in: shared.index, for: Self.ann, options: options)
                        == alone.answerer.answer(to: [query.text], in: alone.index, for: Self.ann, options: options))
                let (a, b) = (
                    try alone.retriever.retrieve([query], in: alone.index, for: Self.ann, options),
                    try shared.retriever.retrieve([query], in: shared.index, for: Self.ann, options)
                )
                #expect(a.kept == b.kept && a.dropped == b.dropped)
                var page = SearchPageQuery()
                page.text = number % 20 == 0 ? nil : query.text
                page.filter = filter
                page.skip = number % 7
                let (x, y) = (
                    try alone.retriever.page(page, in: alone.index, for: Self.ann),
                    try shared.retriever.page(page, in: shared.index, for: Self.ann)
                )
                #expect(x.total == y.total && x.hits.map(\.id) == y.hits.map(\.id) && x.hits.map(\.score) == y.hits.map(\.score))
                let other = ChunkID(DocumentID("id-default-doc\(5 + 8 * (number % 20)).md"), 0)
                #expect(try shared.retriever.chunk(other, in: shared.index, for: Self.ann) == nil)
            }
        }
    }

    /// Two-sample test: from how long a search took nobody can tell whether the other's documents are there.
    @Test func timingsDoNotTellTheWorldsApart() throws {
        var generator = SeededGenerator(state: 22)
        let (alone, shared) = try Self.worlds(400, &generator)
        var (with, without): ([UInt64], [UInt64]) = ([], [])
        let pairs = Self.queries
        for number in 0..<pairs + 200 {
            let query = DocumentQuery(Self.question(&generator, of: 400))
            let vector = HashedEmbedding.vector(of: query.text, dimensions: 64)
            func time(_ library: Library) -> UInt64 {
                let began = DispatchTime.now().uptimeNanoseconds
                let result = library.search.search(query, in: library.index, for: Self.ann, limit: 10, vector: vector)
                let ended = DispatchTime.now().uptimeNanoseconds
                precondition(result.readable > 0)
                return ended - began
            }
            // Which goes first changes, so that what the first warms up counts for both.
            let (a, b): (UInt64, UInt64)
            if number % 2 == 0 {
                a = time(shared)
                b = time(alone)
            } else {
                b = time(alone)
                a = time(shared)
            }
            if number >= 200 {
                with.append(a)
                without.append(b)
            }
        }
        let auc = Self.areaUnderCurve(with, without)
        print("timings of \(pairs) pairs: AUC \((auc * 10_000).rounded() / 10_000)")
        #expect(abs(auc - 0.5) < 0.05)
    }

    /// How likely a value of the first sample is above one of the second.
    static func areaUnderCurve(_ a: [UInt64], _ b: [UInt64]) -> Double {
        let all = (a.map { ($0, true) } + b.map { ($0, false) }).sorted { $0.0 < $1.0 }
        var ranks = 0.0
        var index = 0
        while index < all.count {
            var end = index
            while end < all.count, all[end].0 == all[index].0 { end += 1 }
            let rank = Double(index + end + 1) / 2
            ranks += rank * Double(all[index..<end].count { $0.1 })
            index = end
        }
        let count = Double(a.count)
        return (ranks - count * (count + 1) / 2) / (count * Double(b.count))
    }
}
