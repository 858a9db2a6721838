import SallyportCore
import SallyportPatterns
import Testing

@testable import SallyportGuard

@Suite struct BlocklistLibraryTests {
    let store = MemoryBlocklistStore()
    let library: BlocklistLibrary
    init() throws { library = BlocklistLibrary(compiler: try HyperscanCompiler()) }

    func put(_ list: String, _ texts: [String], tenant: TenantID = .default) throws {
        _ = try store.upsert(Blocklist(name: list), of: tenant)
        try store.add(texts.map { BlocklistItem(id: $0, text: $0) }, to: list, tenant: tenant)
    }

    func ids(_ index: BlocklistIndex?, in text: String) throws -> [String]? {
        try index?.matches(in: Passage(text, origin: .user)).map(\.item.id)
    }

    @Test func givesExactlyTheListsThatAreNamed() throws {
        try put("a", ["red"])
        try put("b", ["blue"])
        try library.refresh(from: store, tenants: [.default])
        #expect(library.preparedIndex(of: ["a"], tenant: .default) == nil)
        #expect(try ids(library.index(of: ["a"], tenant: .default), in: "red blue") == ["red"])
        #expect(try ids(library.index(of: ["a", "b"], tenant: .default), in: "red blue") == ["red", "blue"])
        #expect(try ids(library.preparedIndex(of: ["b", "a"], tenant: .default), in: "blue") == ["blue"])
    }

    @Test func keepsWhatWasPreparedPreparedAfterAChange() throws {
        try put("a", ["red"])
        try library.refresh(from: store, tenants: [.default])
        let old = try library.index(of: ["a"], tenant: .default)
        try put("a", ["green"])
        #expect(try library.refresh(from: store, tenants: [.default]))
        #expect(try ids(library.preparedIndex(of: ["a"], tenant: .default), in: "green red") == ["green", "red"])
        #expect(try ids(old, in: "green red") == ["red"])
        #expect(try library.refresh(from: store, tenants: [.default]) == false)
    }

    @Test func refusesAListThatIsGone() throws {
        try put("a", ["red"])
        try library.refresh(from: store, tenants: [.default])
        _ = try library.index(of: ["a"], tenant: .default)
        _ = try store.deleteBlocklist("a", of: .default)
        try library.refresh(from: store, tenants: [.default])
        #expect(library.preparedIndex(of: ["a"], tenant: .default) == nil)
        let fault = #expect(throws: Fault.self) { try library.index(of: ["a"], tenant: .default) }
        #expect(fault?.code == .notFound)
    }

    @Test func keepsTenantsApart() throws {
        try put("a", ["red"])
        try put("a", ["blue"], tenant: "other")
        try library.refresh(from: store, tenants: [.default, "other"])
        #expect(try ids(library.index(of: ["a"], tenant: "other"), in: "red blue") == ["blue"])
        #expect(throws: Fault.self) { try library.index(of: ["a"], tenant: "third") }
    }

    @Test func readsEveryTenantThatItKnowsWhenTheStoreChanges() throws {
        try put("a", ["red"], tenant: "other")
        try library.refresh(from: store, tenants: [.default, "other"])
        _ = try library.index(of: ["a"], tenant: "other")
        try put("a", ["green"], tenant: "other")
        try put("a", ["blue"])
        try library.refresh(from: store, tenants: [.default])
        #expect(try ids(library.preparedIndex(of: ["a"], tenant: "other"), in: "green") == ["green"])
    }

    @Test func staysAsItWasWhenAnItemCannotBeCompiled() throws {
        try put("a", ["red"])
        try library.refresh(from: store, tenants: [.default])
        _ = try library.index(of: ["a"], tenant: .default)
        try store.add([BlocklistItem(id: "x", text: "(", isRegex: true)], to: "a", tenant: .default)
        #expect(throws: BlocklistIndex.InvalidItem.self) { try library.refresh(from: store, tenants: [.default]) }
        #expect(try ids(library.preparedIndex(of: ["a"], tenant: .default), in: "red") == ["red"])
    }

    @Test func answersWhileOthersRebuild() async throws {
        try put("a", ["red"])
        try library.refresh(from: store, tenants: [.default])
        _ = try library.index(of: ["a"], tenant: .default)
        let library = library
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try library.replace([(Blocklist(name: "a"), [BlocklistItem(id: "\(number)", text: "red")])], of: .default)
                }
                group.addTask {
                    let index = try library.index(of: ["a"], tenant: .default)
                    #expect(try index.matches(in: Passage("red", origin: .user)).count == 1)
                }
            }
            try await group.waitForAll()
        }
    }
}
