import Foundation
import SallyportRetrieval

/// The folder that ships with the project.
enum SampleDocuments {
    static let path: String = {
        // Tests/SallyportRetrievalTests/SampleDocuments.swift: three levels below the project's root, after links are followed.
        var root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<3 { root.deleteLastPathComponent() }
        return root.appendingPathComponent("samples/documents").path
    }()

    static func answerer() throws -> ExtractiveAnswerer { try ExtractiveAnswerer(folders: ["documents": path]) }
}
