import Foundation
import NIOCore
import SallyportCore

@testable import SallyportInference

enum Fixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let guardModel = folder.appending(path: "models/guard").path
    static let shippedEmbeddingModel = root.appending(path: "Models/embedding").path
    static let embeddingModel = folder.appending(path: "models/embedding").path
    static let cascadeModel = folder.appending(path: "models/cascade").path

    static func bytes(_ url: URL) throws -> [UInt8] { Array(try Data(contentsOf: url)) }

    static func tinyTokenizer() throws -> WordPieceTokenizer {
        try WordPieceTokenizer(vocabulary: bytes(folder.appending(path: "models/vocab.txt")))
    }

    /// A copy of the small models that a test may damage. The caller removes it.
    static func copyOfModels() throws -> URL {
        let copy = FileManager.default.temporaryDirectory.appending(path: "sallyport-models-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: folder.appending(path: "models"), to: copy)
        return copy
    }

    static func request(_ text: String, pair: String? = nil, wantsTokens: Bool = false, mayBeCleared: Bool = false) -> ReadingRequest {
        ReadingRequest(
            ByteBuffer(string: text), pair: pair.map { ByteBuffer(string: $0) }, wantsTokens: wantsTokens, mayBeCleared: mayBeCleared)
    }
}
