import Foundation
import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import SallyportDocuments
import SallyportStorage

@testable import SallyportRetrieval

/// A library of documents for tests: a real store, parsers in this process.
struct Library {
    let database: SQLiteDatabase
    let store: SQLDocumentStore
    let search: DocumentSearch
    let index: IndexID = "library"

    init() throws {
        database = try SQLiteDatabase(.temporary)
        store = SQLDocumentStore(database)
        search = DocumentSearch(store)
    }

    var answerer: GroundedAnswerer { GroundedAnswerer(store: store, search: search) }
    var retriever: DocumentRetriever { DocumentRetriever(store: store, search: search, embedder: nil) }

    /// The folder that ships with the project.
    static let samples: String = {
        // Tests/SallyportRetrievalTests/Library.swift: three levels below the project's root, after links are followed.
        var root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<3 { root.deleteLastPathComponent() }
        return root.appendingPathComponent("samples/documents").path
    }()

    func ingest(
        parser: any DocumentParser = DirectParser(), inspector: any ChunkInspector = WordInspector(), embedder: (any TextEmbedder)? = nil
    ) -> DocumentIngest {
        DocumentIngest(store: store, parser: parser, inspector: inspector, embedder: embedder, clock: { 1_800_000_000 })
    }

    func settings(_ access: Set<Grantee> = [.everyone]) -> DocumentIngest.Settings {
        DocumentIngest.Settings(index: index, owner: "owner", access: AccessList(access))
    }

    /// Puts texts in, past the file system.
    func put(
        _ source: String, _ text: String, access: Set<Grantee> = [.everyone], tenant: TenantID = .default, vectors: Bool = false
    ) throws {
        let parsed = try DocumentParsers.parse(Array(text.utf8), as: .markdown)
        let record = DocumentRecord(
            tenant: tenant, index: index, id: DocumentID("id-\(tenant)-\(source)"), source: source, origin: "/", owner: "owner",
            access: AccessList(access), hash: [UInt8](repeating: 0, count: 32), pipeline: "test", title: parsed.title ?? source,
            format: .markdown, addedAt: 0)
        var chunks = Chunker().chunks(of: parsed)
        for position in chunks.indices where vectors {
            chunks[position].vector = QuantisedVector.quantise(HashedEmbedding.vector(of: chunks[position].text, dimensions: 64))
        }
        try store.put(record, chunks: chunks)
    }

    func ask(_ question: String, _ reader: DocumentReader = Library.anyone) throws -> GroundedAnswer {
        try answerer.answer(to: [question], in: index, for: reader)
    }

    static let anyone = DocumentReader(user: "anyone")

    static func withSamples() throws -> Library {
        let library = try Library()
        _ = try library.ingest().add([samples], library.settings())
        try library.search.refresh()
        return library
    }
}

/// Without a sandbox: what tests parse is their own.
struct DirectParser: DocumentParser {
    func parse(_ content: ByteBuffer, as format: DocumentFormat) throws(DocumentProblem) -> ParsedDocument {
        try DocumentParsers.parse(Array(content.readableBytesView), as: format)
    }
}

/// Keeps chunks with a word from being found.
struct WordInspector: ChunkInspector {
    struct Broken: Error {}
    func inspections(of chunks: [String]) throws -> [ChunkInspection] {
        if chunks.contains(where: { $0.contains("breakguard") }) { throw Broken() }
        return chunks.map { chunk in
            ChunkInspection(
                quarantine: chunk.contains("forbidden") ? "test: forbidden" : nil,
                found: chunk.contains("4111111111111111") ? ["CreditCardNumber": 1] : [:])
        }
    }
}

/// Hashed vectors: near where words are shared.
struct HashedEmbedder: TextEmbedder {
    let dimensions = 64
    let digest = "hashed"
    func embed(_ texts: [ByteBuffer], completion: @escaping @Sendable (Result<[[Float]], TextReadingFault>) -> Void) {
        completion(.success(texts.map { HashedEmbedding.vector(of: String(buffer: $0), dimensions: dimensions) }))
    }
}

/// Hashed vectors, and of each word a direction of its own: words are near each other where their stems are one.
struct WordwiseEmbedder: TextEmbedder {
    let dimensions = 64
    let digest = "wordwise"
    func embed(_ texts: [ByteBuffer], completion: @escaping @Sendable (Result<[[Float]], TextReadingFault>) -> Void) {
        HashedEmbedder().embed(texts, completion: completion)
    }
    func words(of texts: [ByteBuffer], completion: @escaping @Sendable (Result<[WordVectors?], TextReadingFault>) -> Void) {
        completion(
            .success(
                texts.map { text in
                    let words = AnswerWord.all(in: String(buffer: text)).filter { !$0.isMark }
                    let values = words.flatMap { HashedEmbedding.vector(of: $0.stem, dimensions: dimensions) }
                    return WordVectors(dimensions: dimensions, ranges: words.map(\.range), words: Array(words.indices), values: values)
                }))
    }
}

/// A folder that is removed afterwards.
final class TemporaryFolder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("sallyport-test-\(UUID().uuidString)").path
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws {
        let place = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: place)
    }
    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path + "/" + name) }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

func symlinked(_ path: String, to target: String) -> Bool {
    (try? FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)) != nil
}
