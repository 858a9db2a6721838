import Foundation
import Testing

@testable import SallyportRetrieval

@Suite struct DocumentFolderTests {
    /// A folder of its own for each test, removed afterwards.
    private final class Folder {
        let path = NSTemporaryDirectory() + "/sallyport-documents-\(UUID().uuidString)"

        init(_ files: [String: Data] = [:]) throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            for (name, data) in files {
                let file = URL(fileURLWithPath: path).appendingPathComponent(name)
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try data.write(to: file)
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    @Test func readsTextFilesInFoldersSortedByName() throws {
        let folder = try Folder([
            "b.md": Data("B".utf8), "a.TXT": Data("\u{FEFF}A".utf8), "deep/er/c.txt": Data("C".utf8), "image.png": Data([0xFF]),
            ".hidden.md": Data("x".utf8),
            ".git/x.md": Data("x".utf8), "empty.md": Data(),
        ])
        let documents = try DocumentFolder(path: folder.path).documents
        #expect(documents.map(\.name) == ["a.TXT", "b.md", "deep/er/c.txt", "empty.md"])
        #expect(documents.map(\.text) == ["A", "B", "C", ""])
    }

    @Test func followsNoLinks() throws {
        let outside = try Folder(["secret.txt": Data("secret".utf8)])
        let folder = try Folder(["a.txt": Data("a".utf8)])
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/link.txt", withDestinationPath: outside.path + "/secret.txt")
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/links", withDestinationPath: outside.path)
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/loop", withDestinationPath: folder.path)
        #expect(try DocumentFolder(path: folder.path).documents.map(\.name) == ["a.txt"])
    }

    @Test func saysWhichFileIsNotText() throws {
        let folder = try Folder(["good.md": Data("g".utf8), "latin1.txt": Data([0x67, 0xFC, 0x6E])])
        #expect(throws: DocumentFolder.Problem(path: "latin1.txt", reason: "not UTF-8")) { try DocumentFolder(path: folder.path) }
    }

    @Test func refusesWhatIsNotAFolder() throws {
        let folder = try Folder(["a.txt": Data("a".utf8)])
        #expect(throws: DocumentFolder.Problem.self) { try DocumentFolder(path: folder.path + "/missing") }
        #expect(throws: DocumentFolder.Problem.self) { try DocumentFolder(path: folder.path + "/a.txt") }
        #expect(throws: DocumentFolder.Problem.self) { try ExtractiveAnswerer(folders: ["d": folder.path + "/missing"]) }
    }

    @Test func keepsToItsLimits() throws {
        let folder = try Folder(["a.txt": Data(count: 10), "b.txt": Data(count: 10), "c/d/e.txt": Data(count: 10)])
        func read(_ change: (inout DocumentFolder.Limits) -> Void) throws -> Int {
            var limits = DocumentFolder.Limits()
            change(&limits)
            return try DocumentFolder(path: folder.path, limits: limits).documents.count
        }
        let all = try read { _ in }
        #expect(all == 3)
        let justEnough = try read {
            $0.files = 3
            $0.bytes = 30
            $0.bytesPerFile = 10
            $0.depth = 2
        }
        #expect(justEnough == 3)
        #expect(throws: DocumentFolder.Problem.self) { try read { $0.files = 2 } }
        #expect(throws: DocumentFolder.Problem.self) { try read { $0.bytes = 29 } }
        #expect(throws: DocumentFolder.Problem.self) { try read { $0.bytesPerFile = 9 } }
        #expect(throws: DocumentFolder.Problem.self) { try read { $0.depth = 1 } }
    }

    @Test func shipsEightSampleDocuments() throws {
        #expect(try DocumentFolder(path: SampleDocuments.path).documents.count == 8)
    }
}
