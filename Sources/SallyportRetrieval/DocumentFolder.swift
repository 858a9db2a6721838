import Foundation
import SallyportCore

/// One text that answers can come from.
package struct SourceDocument: Sendable, Hashable {
    /// The file's path within its folder: what answers name as their source.
    package let name: String
    package let text: String
    package init(name: String, text: String) {
        self.name = name
        self.text = text
    }
}

/// The `.md` and `.txt` files of a folder and of the folders in it.
package struct DocumentFolder: Sendable {
    package struct Limits: Sendable {
        package var files = 2000
        package var bytesPerFile = 4 << 20
        package var bytes = 32 << 20
        package var depth = 8
        package init() {}
    }

    /// Why a folder cannot be used. Says which file, never what is in it.
    package struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
        package let path: String
        package let reason: String
        package var description: String { "\(path): \(reason)" }
    }

    /// Sorted by name.
    package let documents: [SourceDocument]

    /// Reads everything now. Hidden files and links are passed over: what lies outside the folder is never served.
    /// - Throws: ``Problem`` when the folder or a file cannot be read, is not UTF-8, or is beyond the limits.
    package init(path: String, limits: Limits = Limits()) throws {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw Problem(path: path, reason: "not a folder that can be read")
        }
        var documents: [SourceDocument] = []
        var bytes = 0
        var folders = [(name: "", depth: 0)]
        while let folder = folders.popLast() {
            let place = folder.name.isEmpty ? path : path + "/" + folder.name
            let names: [String]
            do { names = try FileManager.default.contentsOfDirectory(atPath: place).sorted() } catch {
                throw Problem(path: place, reason: "cannot be read")
            }
            for name in names where !name.hasPrefix(".") {
                let relative = folder.name.isEmpty ? name : folder.name + "/" + name
                let attributes: [FileAttributeKey: Any]
                // Of the link itself, not of what it points to.
                do { attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + relative) } catch {
                    throw Problem(path: relative, reason: "cannot be read")
                }
                switch attributes[.type] as? FileAttributeType {
                case .typeDirectory?:
                    guard folder.depth < limits.depth else {
                        throw Problem(path: relative, reason: "more than \(limits.depth) folders deep")
                    }
                    folders.append((relative, folder.depth + 1))
                case .typeRegular?:
                    guard DocumentFolder.isText(name) else { continue }
                    let size = (attributes[.size] as? NSNumber)?.intValue ?? .max
                    guard size <= limits.bytesPerFile else {
                        throw Problem(path: relative, reason: "larger than \(limits.bytesPerFile) bytes")
                    }
                    bytes += size
                    guard bytes <= limits.bytes else { throw Problem(path: path, reason: "more than \(limits.bytes) bytes of documents") }
                    guard documents.count < limits.files else { throw Problem(path: path, reason: "more than \(limits.files) documents") }
                    documents.append(
                        SourceDocument(name: relative, text: try DocumentFolder.text(of: path + "/" + relative, named: relative, limits)))
                default: continue
                }
            }
        }
        self.documents = documents.sorted { $0.name < $1.name }
    }

    private static func isText(_ name: String) -> Bool {
        let name = name.lowercased()
        return name.hasSuffix(".md") || name.hasSuffix(".txt")
    }

    private static func text(of path: String, named name: String, _ limits: Limits) throws -> String {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw Problem(path: name, reason: "cannot be read") }
        defer {
            // Opened for reading: closing cannot lose anything.
            try? handle.close()
        }
        let data: Data
        do { data = try handle.read(upToCount: limits.bytesPerFile) ?? Data() } catch {
            throw Problem(path: name, reason: "cannot be read")
        }
        guard let text = String(validating: data, as: UTF8.self) else { throw Problem(path: name, reason: "not UTF-8") }
        return text.first == "\u{FEFF}" ? String(text.dropFirst()) : text
    }
}
