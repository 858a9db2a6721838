import Dispatch
import Foundation
import SallyportCore
import SallyportStorage
import Testing

@testable import SallyportRetrieval

/// How search grows. Not for CI: `GROWTH_TEXTS=FILE GROWTH_CHUNKS=1000,100000 swift test … --filter GrowthTests`, where FILE has a chunk's text on
/// each line (line breaks as spaces). More chunks than lines: texts are used again. Vectors are made up: 384 random bytes, seeded.
@Suite struct GrowthTests {
    private static let environment = ProcessInfo.processInfo.environment

    @Test(.enabled(if: environment["GROWTH_TEXTS"] != nil))
    func growth() throws {
        let texts = try String(contentsOfFile: Self.environment["GROWTH_TEXTS"] ?? "", encoding: .utf8).split(separator: "\n").map(
            String.init)
        let steps = (Self.environment["GROWTH_CHUNKS"] ?? "1000,10000,100000").split(separator: ",").compactMap { Int($0) }
        let stored = Self.environment["GROWTH_STORED"].flatMap { Int($0) } ?? 100_000
        print("texts \(texts.count), vectors by \(QuantisedVector.instructions)")
        print(
            "chunks    indexed/s  words p50/p99 ms  vectors p50/p99 ms  both p50/p99 ms  bytes/chunk in memory  stored/s  bytes/chunk on disk"
        )
        for count in steps {
            let before = Self.residentBytes()
            let store = CorpusStore(texts: texts, chunks: count)
            let search = DocumentSearch(store)
            let began = DispatchTime.now().uptimeNanoseconds
            try search.refresh()
            let seconds = Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9
            let memory = Double(Self.residentBytes() - before) / Double(count)
            var cells: [String] = []
            for kind in DocumentSearch.Kind.allCases {
                let (p50, p99) = Self.latency(search, texts, kind)
                cells.append(String(format: "%.2f/%.2f", p50, p99))
            }
            var disk = "-  -"
            if count <= stored { disk = try Self.onDisk(store) }
            print("\(count)  \(Int(Double(count) / seconds))  \(cells.joined(separator: "  "))  \(Int(memory))  \(disk)")
        }
    }

    private static func latency(_ search: DocumentSearch, _ texts: [String], _ kind: DocumentSearch.Kind) -> (Double, Double) {
        var generator = SeededGenerator(state: 9)
        var times: [Double] = []
        for number in 0..<220 {
            // Five words that stand together somewhere: what a question has of its answer.
            let words = (texts.randomElement(using: &generator) ?? "").split(separator: " ")
            let start = Int.random(in: 0...max(0, words.count - 5), using: &generator)
            let query = DocumentQuery(words.dropFirst(start).prefix(5).joined(separator: " "))
            let vector = CorpusStore.vector(number).values.map { Float($0) }
            let began = DispatchTime.now().uptimeNanoseconds
            let result = search.search(query, in: "growth", for: Library.anyone, limit: 30, vector: vector, kind: kind)
            let time = Double(DispatchTime.now().uptimeNanoseconds - began) / 1e6
            precondition(result.readable > 0)
            if number >= 20 { times.append(time) }
        }
        times.sort()
        return (times[times.count / 2], times[times.count * 99 / 100])
    }

    private static func onDisk(_ corpus: CorpusStore) throws -> String {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(.file(folder.path + "/growth.sqlite"))
        database.attach(ClearSealer())
        let store = SQLDocumentStore(database)
        let began = DispatchTime.now().uptimeNanoseconds
        let changes = try corpus.changes(since: -1)
        for document in changes.changed {
            try store.put(document, chunks: corpus.chunks(of: document.id, in: "growth", of: .default, searchableOnly: true))
        }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9
        var bytes: Int64 = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/" + name)
            bytes += (attributes[.size] as? NSNumber)?.int64Value ?? 0
        }
        return "\(Int(Double(corpus.count) / seconds))  \(bytes / Int64(corpus.count))"
    }

    private static func residentBytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
        return (Int(line.filter(\.isNumber)) ?? 0) * 1024
    }
}

/// Chunks of a list of texts, ten to a document, made when they are asked for.
struct CorpusStore: DocumentStore {
    struct Unused: Error {}
    private static let perDocument = 10
    let texts: [String]
    let count: Int

    init(texts: [String], chunks: Int) {
        self.texts = texts
        count = chunks
    }

    static func vector(_ number: Int) -> ChunkRecord.Vector {
        var generator = SeededGenerator(state: UInt64(number) &* 0x9E37_79B9 &+ 1)
        var values: [Int8] = []
        values.reserveCapacity(384)
        while values.count < 384 {
            var word = generator.next()
            for _ in 0..<8 {
                values.append(max(-127, Int8(truncatingIfNeeded: word)))
                word >>= 8
            }
        }
        return ChunkRecord.Vector(scale: 0.001, values: values)
    }

    func changes(since revision: Int64) throws -> DocumentChanges {
        let documents = (0..<(count + Self.perDocument - 1) / Self.perDocument).map { number in
            DocumentRecord(
                index: "growth", id: DocumentID("document-\(number)"), source: "folder/document-\(number).md", origin: "/", owner: "owner",
                access: AccessList([.everyone]), language: "en", hash: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 32),
                pipeline: "growth", title: "Document \(number)", format: .markdown, addedAt: 0)
        }
        return DocumentChanges(revision: 1, changed: documents, removed: [])
    }

    func chunks(of id: DocumentID, in index: IndexID, of tenant: TenantID, searchableOnly: Bool) throws -> [ChunkRecord] {
        let first = (Int(id.rawValue.dropFirst(9)) ?? 0) * Self.perDocument
        return (first..<min(count, first + Self.perDocument)).map { number in
            let text = texts[number % texts.count]
            return ChunkRecord(
                position: number - first, range: (number - first) * 2000..<(number - first) * 2000 + text.utf8.count,
                headings: ["Document \(first / Self.perDocument)"], text: text, vector: Self.vector(number))
        }
    }

    func revision() throws -> Int64 { 1 }
    func isAuthentic(_ document: DocumentRecord, chunks: [ChunkRecord]) throws -> Bool { true }
    func put(_ document: DocumentRecord, chunks: [ChunkRecord]) throws { throw Unused() }
    func update(_ document: DocumentRecord) throws { throw Unused() }
    func document(source: String, in index: IndexID, of tenant: TenantID) throws -> DocumentRecord? { throw Unused() }
    func documents(in index: IndexID, of tenant: TenantID) throws -> [DocumentRecord] { throw Unused() }
    func indexes(of tenant: TenantID) throws -> [IndexID] { throw Unused() }
    func sizes(of tenant: TenantID) throws -> [IndexSize] { throw Unused() }
    func remove(_ id: DocumentID, in index: IndexID, of tenant: TenantID) throws -> Bool { throw Unused() }
    func chunks(_ ids: [ChunkID], in index: IndexID, of tenant: TenantID) throws -> [(id: ChunkID, chunk: ChunkRecord)] { throw Unused() }
    func quarantined(in index: IndexID, of tenant: TenantID) throws -> [QuarantinedChunk] { throw Unused() }
    func quarantined(ownedBy owner: PrincipalID, of tenant: TenantID) throws -> [QuarantinedChunk] { throw Unused() }
    func quarantined(_ id: ChunkID, in index: IndexID, of tenant: TenantID) throws -> QuarantinedChunk? { throw Unused() }
    func release(_ id: ChunkID, in index: IndexID, of tenant: TenantID, by reviewer: PrincipalID, at now: Int64) throws -> Bool {
        throw Unused()
    }
}
