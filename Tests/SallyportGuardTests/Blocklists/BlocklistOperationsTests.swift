import SallyportCore
import SallyportPatterns
import Testing

@testable import SallyportGuard

@Suite struct BlocklistOperationsTests {
    let store = MemoryBlocklistStore()
    let operations: BlocklistOperations
    init() throws { operations = BlocklistOperations(store: store, compiler: try HyperscanCompiler()) }

    func code(_ body: () throws -> some Any) -> Fault.Code? {
        do { _ = try body(); return nil } catch { return (error as? Fault)?.code }
    }

    @Test func createsThenUpdatesAList() throws {
        #expect(try operations.upsert("Test", description: .set("one"), of: .default).isNew)
        let second = try operations.upsert("Test", bodyName: "Test", description: .keep, of: .default)
        #expect(!second.isNew && second.list.description == "one")
        #expect(try operations.upsert("Test", description: .remove, of: .default).list.description == nil)
        #expect(try operations.list("Test", of: .default) == Blocklist(name: "Test"))
        #expect(code { try operations.upsert("Test", bodyName: "Other", description: .keep, of: .default) } == .invalidRequest)
        try operations.delete("Test", of: .default)
        #expect(code { try operations.delete("Test", of: .default) } == .notFound)
        #expect(code { try operations.list("Test", of: .default) } == .notFound)
    }

    @Test(arguments: ["", "a b", "a/b", "ü", "a:b", String(repeating: "x", count: 65)])
    func refusesNamesThatAzureRefuses(name: String) {
        #expect(code { try operations.upsert(name, description: .keep, of: .default) } == .invalidRequest)
    }

    @Test(arguments: ["A", "a.b_c~d-1", String(repeating: "x", count: 64)])
    func takesNamesThatAzureTakes(name: String) throws {
        #expect(try operations.upsert(name, description: .keep, of: .default).isNew)
    }

    @Test func addsItemsWithFreshIDsAndKeepsThoseOfKnownTexts() throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        let first = try operations.addOrUpdate([.init(text: "hate"), .init(text: "b[i1]g", isRegex: true)], to: "l", of: .default)
        #expect(first.map(\.text) == ["hate", "b[i1]g"])
        #expect(first.allSatisfy { $0.id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil })
        let second = try operations.addOrUpdate([.init(text: "hate", description: "a word")], to: "l", of: .default)
        #expect(second == [BlocklistItem(id: first[0].id, text: "hate", description: "a word")])
        #expect(try operations.items(of: "l", tenant: .default).value == [second[0], first[1]])
        #expect(try operations.item(first[1].id, of: "l", tenant: .default) == first[1])
        #expect(code { try operations.item("none", of: "l", tenant: .default) } == .notFound)
    }

    @Test func writesNothingWhenNothingChanges() throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        let first = try operations.addOrUpdate([.init(text: "x1"), .init(text: "x1")], to: "l", of: .default)
        #expect(first[0] == first[1])
        let writes = store.writes
        #expect(try operations.addOrUpdate([.init(text: "x1")], to: "l", of: .default) == [first[0]])
        #expect(store.writes == writes)
    }

    @Test func tellsSpellingsOfATextApart() throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        let items = try operations.addOrUpdate([.init(text: "caf\u{E9}"), .init(text: "cafe\u{301}")], to: "l", of: .default)
        #expect(items[0].id != items[1].id)
    }

    @Test(arguments: [
        BlocklistOperations.NewItem(text: ""), .init(text: " \n"), .init(text: String(repeating: "é", count: 129)), .init(text: "a\0"),
        .init(text: "x", description: String(repeating: "d", count: 1_025)), .init(text: "a(", isRegex: true),
        .init(text: "a*", isRegex: true),
        .init(text: #"(a)\1"#, isRegex: true), .init(text: "(?<=a)b", isRegex: true),
        .init(text: "((a{1,300}b){1,300}c){1,30}", isRegex: true),
    ])
    func refusesItemsThatCannotWork(item: BlocklistOperations.NewItem) throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        let fault = #expect(throws: Fault.self) { try operations.addOrUpdate([.init(text: "ok"), item], to: "l", of: .default) }
        #expect(fault?.code == .invalidRequest)
        #expect(fault?.param?.hasPrefix("blocklistItems[1].") == true)
        #expect(try operations.items(of: "l", tenant: .default).value.isEmpty)
    }

    @Test func countsCodePointsNotBytes() throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        #expect(try operations.addOrUpdate([.init(text: String(repeating: "😀", count: 128))], to: "l", of: .default).count == 1)
    }

    @Test func keepsToTheLimitsOfACallAndOfAResource() throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        _ = try operations.upsert("m", description: .keep, of: .default)
        let many = (0..<101).map { BlocklistOperations.NewItem(text: "t\($0)") }
        #expect(code { try operations.addOrUpdate(many, to: "l", of: .default) } == .invalidRequest)
        #expect(code { try operations.addOrUpdate([], to: "l", of: .default) } == .invalidRequest)
        #expect(code { try operations.addOrUpdate([many[0]], to: "none", of: .default) } == .notFound)
        try store.add((0..<9_999).map { BlocklistItem(id: "\($0)", text: "t\($0)") }, to: "m", tenant: .default)
        #expect(code { try operations.addOrUpdate([.init(text: "a"), .init(text: "b")], to: "l", of: .default) } == .quotaExceeded)
        #expect(try operations.addOrUpdate([.init(text: "a")], to: "l", of: .default).count == 1)
        #expect(code { try operations.addOrUpdate([.init(text: "b")], to: "l", of: .default) } == .quotaExceeded)
        // A known text needs no room.
        #expect(try operations.addOrUpdate([.init(text: "t5", description: "d")], to: "m", of: .default)[0].id == "5")
    }

    @Test func removesItemsByID() throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        let items = try operations.addOrUpdate([.init(text: "a1"), .init(text: "b1")], to: "l", of: .default)
        try operations.remove([items[0].id], from: "l", of: .default)
        #expect(try operations.items(of: "l", tenant: .default).value == [items[1]])
        #expect(code { try operations.remove([items[0].id], from: "l", of: .default) } == .notFound)
        #expect(code { try operations.remove([], from: "l", of: .default) } == .invalidRequest)
        #expect(code { try operations.remove(Array(repeating: "x", count: 101), from: "l", of: .default) } == .invalidRequest)
        #expect(code { try operations.remove(["x"], from: "none", of: .default) } == .notFound)
    }

    @Test func pagesThroughItemsWithoutLossOrRepeat() throws {
        _ = try operations.upsert("l", description: .keep, of: .default)
        try store.add((0..<250).map { BlocklistItem(id: "\($0)", text: "t\($0)") }, to: "l", tenant: .default)
        func walk(_ first: BlocklistOperations.PageRequest) throws -> (ids: [String], pages: Int) {
            var ids: [String] = []
            var pages = 0
            var request: BlocklistOperations.PageRequest? = first
            while let current = request, pages < 300 {
                let page = try operations.items(of: "l", tenant: .default, page: current)
                ids += page.value.map(\.id)
                pages += 1
                request = page.next
            }
            return (ids, pages)
        }
        #expect(try walk(.init()) == (ids: (0..<250).map(String.init), pages: 3))
        #expect(try walk(.init(maximumPageSize: 60)).pages == 5)
        #expect(try walk(.init(top: 130, skip: 20)) == (ids: (20..<150).map(String.init), pages: 2))
        #expect(try walk(.init(top: 5)) == (ids: (0..<5).map(String.init), pages: 1))
        #expect(try walk(.init(skip: 900)) == (ids: [], pages: 1))
        #expect(try walk(.init(top: 0)) == (ids: [], pages: 1))
        #expect(
            try operations.items(of: "l", tenant: .default, page: .init(top: 130, maximumPageSize: 50)).next?.query
                == "top=80&skip=50&maxpagesize=50")
    }

    @Test func readsPagingFromTheQuery() throws {
        #expect(
            try BlocklistOperations.PageRequest(top: "5", skip: nil, maximumPageSize: "10") == .init(top: 5, skip: 0, maximumPageSize: 10))
        for bad in ["-1", "x", "", "99999999999999999999"] {
            #expect(code { try BlocklistOperations.PageRequest(top: nil, skip: Substring(bad), maximumPageSize: nil) } == .invalidRequest)
        }
    }

    @Test func makesIDsThatDiffer() { #expect(Set((0..<1_000).map { _ in BlocklistOperations.randomID() }).count == 1_000) }
}
