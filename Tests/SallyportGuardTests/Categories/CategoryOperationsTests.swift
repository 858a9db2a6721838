import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportTesting
import Testing

@testable import SallyportGuard

struct CategoryOperationsTests {
    private let store = MemoryCategoryStore()
    private let now = NIOLockedValueBox<Int64>(1000)

    private func operations(_ embedder: (any TextEmbedder)? = ScriptedEmbedder()) -> CategoryOperations {
        CategoryOperations(store: store, embedder: embedder) { [now] in now.withLockedValue { $0 } }
    }

    private let ships = [
        "the harbour pilot boards the freighter at dawn", "a freighter with a broken rudder drifts off the harbour",
        "the tanker waits for its pilot outside the harbour", "crew and pilot left the sinking freighter", "harbour dues for a tanker",
        "the pilot guides the tanker to its berth", "a rudder and an anchor for the old freighter", "berth nine is free for the tanker",
    ]

    private func samples(_ texts: [String]) -> [CategorySample] { texts.map { CategorySample(text: $0, isPositive: true) } }

    private func probability(_ text: String, _ classifier: LinearClassifier) -> Float {
        let found = NIOLockedValueBox<Float>(0)
        ScriptedEmbedder().embed([ByteBuffer(string: text)]) { result in
            if case .success(let vectors) = result { found.withLockedValue { $0 = classifier.probability(of: vectors[0]) } }
        }
        return found.withLockedValue { $0 }
    }

    @Test func aCategoryIsBuiltFromItsExamplesAlone() throws {
        let operations = operations()
        let made = try operations.add("ships", definition: "ships, harbour, pilot, freighter, tanker", samples: samples(ships), of: "a")
        #expect(throws: Fault.self) { try operations.classifier(of: "ships", version: nil, tenant: "a") }
        let (category, operation) = try operations.begin("ships", version: nil, operation: "op-1", of: "a")
        #expect(category.version == made.version && operation.status == .running)
        #expect(try operations.category("ships", version: 1, of: "a").status == .running)
        try operations.build(category, operation: operation, of: "a") { work in #expect(throws: Never.self) { try work() } }
        #expect(try operations.operation("op-1", of: "a").status == .succeeded)
        #expect(try operations.category("ships", version: nil, of: "a").status == .succeeded)
        let classifier = try operations.classifier(of: "ships", version: nil, tenant: "a")
        #expect(classifier.accuracy > 0.9)
        #expect(probability("the freighter and its pilot are in the harbour", classifier) >= classifier.threshold)
        #expect(probability("please translate this recipe for soup into french", classifier) < classifier.threshold)
        #expect(LinearClassifier(encoded: classifier.encoded) == classifier)
    }

    @Test func theSameSamplesGiveTheSameClassifier() throws {
        var built: [[UInt8]] = []
        for name in ["one", "two"] {
            let operations = operations()
            _ = try operations.add(name, definition: "ships", samples: samples(ships), of: "a")
            let (category, operation) = try operations.begin(name, version: nil, operation: name, of: "a")
            try operations.build(category, operation: operation, of: "a") { work in #expect(throws: Never.self) { try work() } }
            built.append(try #require(try store.classifier(of: name, version: 1, tenant: "a")))
        }
        #expect(built[0] == built[1])
    }

    @Test func samplesThatAreLikeEverythingElseMakeNoCategory() throws {
        let operations = operations()
        _ = try operations.add("noise", definition: "texts", samples: samples(Array(CategoryBackground.texts.prefix(30))), of: "a")
        let (category, operation) = try operations.begin("noise", version: nil, operation: "op", of: "a")
        try operations.build(category, operation: operation, of: "a") { work in #expect(throws: Never.self) { try work() } }
        let failed = try operations.operation("op", of: "a")
        #expect(failed.status == .failed && failed.error?.contains("cannot be told") == true)
        #expect(throws: Fault.self) { try operations.classifier(of: "noise", version: nil, tenant: "a") }
    }

    @Test func anEncoderThatFailsFailsTheBuild() throws {
        let operations = operations(ScriptedEmbedder(fault: .failed("broken")))
        _ = try operations.add("ships", definition: "ships", samples: samples(ships), of: "a")
        let (category, operation) = try operations.begin("ships", version: nil, operation: "op", of: "a")
        try operations.build(category, operation: operation, of: "a") { work in #expect(throws: Never.self) { try work() } }
        #expect(try operations.operation("op", of: "a").status == .failed)
    }

    @Test func aBuildThatWasCutOffIsToldAsFailed() throws {
        let operations = operations()
        _ = try operations.add("ships", definition: "ships", samples: samples(ships), of: "a")
        _ = try operations.begin("ships", version: nil, operation: "op", of: "a")
        now.withLockedValue { $0 += CategoryOperations.Limit.longestBuild + 1 }
        #expect(try operations.operation("op", of: "a").status == .failed)
        #expect(try operations.category("ships", version: nil, of: "a").status == .failed)
    }

    @Test func aClassifierOfAnotherModelIsNotUsed() throws {
        let builder = operations()
        _ = try builder.add("ships", definition: "ships", samples: samples(ships), of: "a")
        let (category, operation) = try builder.begin("ships", version: nil, operation: "op", of: "a")
        try builder.build(category, operation: operation, of: "a") { work in #expect(throws: Never.self) { try work() } }
        let other = operations(ScriptedEmbedder(digest: "another"))
        do {
            _ = try other.classifier(of: "ships", version: nil, tenant: "a")
            Issue.record("a classifier of another model was used")
        } catch let fault as Fault { #expect(fault.code == .conflict) }
    }

    @Test(arguments: ["", "-a", "a-", "a b", "a_b", String(repeating: "a", count: 65), "é"])
    func badNamesAreRefused(name: String) {
        #expect(throws: Fault.self) { try operations().add(name, definition: "d", samples: samples(ships), of: "a") }
    }

    @Test func tooFewSamplesAreRefused() {
        #expect(throws: Fault.self) { try operations().add("a", definition: "d", samples: samples(Array(ships.prefix(4))), of: "a") }
    }

    @Test func withoutAModelNothingIsBuilt() throws {
        let operations = operations(nil)
        _ = try operations.add("ships", definition: "ships", samples: samples(ships), of: "a")
        do {
            _ = try operations.begin("ships", version: nil, operation: "op", of: "a")
            Issue.record("a build began without a model")
        } catch let fault as Fault { #expect(fault.code == .guardUnavailable) }
    }

    @Test func anIncidentFindsWhatSaysTheSame() throws {
        let operations = IncidentOperations(store: store, operations: store, embedder: ScriptedEmbedder()) { 5 }
        _ = try operations.upsert("leak", definition: nil, of: "a")
        let added = try operations.add(["the merger with Northwind closes on friday", "codename bluebird"], to: "leak", of: "a")
        #expect(Set(added.map(\.id)).count == 2)
        #expect(throws: Fault.self) { try operations.deployed("leak", of: "a") }
        let operation = try operations.begin("leak", operation: "op", of: "a")
        try operations.deploy("leak", operation: operation, of: "a") { work in #expect(throws: Never.self) { try work() } }
        #expect(try operations.operation("op", of: "a").status == .succeeded)
        let vectors = try operations.deployed("leak", of: "a")
        func similarity(_ text: String) -> Float {
            let best = NIOLockedValueBox<Float>(-1)
            ScriptedEmbedder().embed(CategoryTexts.sentences(of: ByteBuffer(string: text))) { result in
                if case .success(let rows) = result {
                    best.withLockedValue { $0 = rows.map { vectors.similarity(to: $0) }.max() ?? -1 }
                }
            }
            return best.withLockedValue { $0 }
        }
        #expect(similarity("I have news for you. The merger with Northwind closes on Friday!") >= IncidentVectors.threshold)
        #expect(similarity("What shall we have for lunch?") < IncidentVectors.threshold)
    }
}
