import ArgumentParser
import Foundation
import SallyportCore
import SallyportGuard
import SallyportServer

struct ProtectedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "protected", abstract: "Protected material: texts and code whose copies are looked for in answers.",
        discussion: "Only fingerprints are kept, never the works. A running gateway takes a change into use within a second.",
        subcommands: [Add.self, List.self, Remove.self])

    struct Place: ParsableArguments {
        @OptionGroup var store: StoreOptions
        @Option(help: "An index file of its own, instead of the data directory's.") var index: String?

        func path() throws -> String {
            if let index { return index }
            let directory = ProtectedMaterials.directory(in: try store.directory())
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            return MaterialLibrary.path(of: .default, in: directory)
        }

        /// On record, where the index is the gateway's own.
        func recorded<R>(_ operation: String, target: String, _ work: () throws -> R) throws -> R {
            do {
                return index == nil ? try store.recorded(operation, target: target, work) : try work()
            } catch let error as MaterialError { throw ValidationError("\(error)") }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add works: files, or all files of folders.",
            discussion: "With --manifest the works are listed in a file, one JSON object a line: path, kind, name, licence, url.")
        @Argument(help: "Files and folders.") var paths: [String] = []
        @OptionGroup var place: Place
        @Option(help: "What they are: text or code.") var kind = "text"
        @Option(help: "The licence, as an SPDX expression.") var licence = "NOASSERTION"
        @Option(help: "Where it was published; a file's path within its folder is added.") var url = ""
        @Option(help: "What a single file is called. Default: its name.") var name: String?
        @Option(help: "A file that lists the works.") var manifest: String?

        /// Works of this many bytes are indexed at a time.
        private static let batch = 16 << 20
        private static let longest = 64 << 20

        private struct Row: Decodable {
            var path: String
            var kind: String
            var name: String?
            var licence: String?
            var url: String?
        }

        func run() async throws {
            let rows = try rows()
            guard !rows.isEmpty else { throw ValidationError("Say what to add: files, folders, or --manifest FILE.") }
            let path = try place.path()
            var added: [MaterialSource] = []
            var tooShort: [String] = []
            try place.recorded("protected.add", target: manifest ?? paths.joined(separator: " ")) {
                var works: [MaterialIndexWriter.Work] = []
                var size = 0
                func write() throws {
                    let result = try MaterialIndexWriter.change(path: path, adding: works)
                    added += result.added
                    tooShort += result.tooShort
                    works = []
                    size = 0
                }
                for row in rows {
                    works.append(try Self.work(row))
                    size += works[works.count - 1].content.count
                    if size >= Self.batch { try write() }
                }
                if !works.isEmpty { try write() }
            }
            for source in added { print("\(source.id)  \(source.kind.name)  \(source.licence)  \(source.name)") }
            for name in tooShort { print("too short to be recognised, left out: \(name)") }
        }

        private func rows() throws -> [Row] {
            if let manifest {
                guard let text = try? String(contentsOfFile: manifest, encoding: .utf8) else {
                    throw ValidationError("\(manifest) cannot be read.")
                }
                return try text.split(separator: "\n").enumerated().map { number, line in
                    do { return try JSONDecoder().decode(Row.self, from: Data(line.utf8)) } catch {
                        throw ValidationError("\(manifest), line \(number + 1): needs at least 'path' and 'kind'.")
                    }
                }
            }
            return try paths.flatMap { path -> [Row] in
                var isFolder: ObjCBool = false
                guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                    throw ValidationError("\(path) does not exist.")
                }
                guard isFolder.boolValue else { return [Row(path: path, kind: kind, name: name, licence: licence, url: url)] }
                let inside = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
                return inside.sorted().filter { !$0.split(separator: "/").contains { $0.hasPrefix(".") } }.compactMap { file in
                    var isFolder: ObjCBool = false
                    guard FileManager.default.fileExists(atPath: "\(path)/\(file)", isDirectory: &isFolder), !isFolder.boolValue else {
                        return nil
                    }
                    let address = url.isEmpty ? "" : "\(url.hasSuffix("/") ? url : url + "/")\(file)"
                    return Row(path: "\(path)/\(file)", kind: kind, name: file, licence: licence, url: address)
                }
            }
        }

        private static func work(_ row: Row) throws -> MaterialIndexWriter.Work {
            guard let kind = MaterialKind(name: row.kind) else { throw ValidationError("'\(row.kind)' is neither text nor code.") }
            guard let bytes = FileManager.default.contents(atPath: row.path) else { throw ValidationError("\(row.path) cannot be read.") }
            guard bytes.count <= longest else { throw ValidationError("\(row.path) is larger than 64 MiB.") }
            guard String(validating: bytes, as: UTF8.self) != nil else { throw ValidationError("\(row.path) is not text in UTF-8.") }
            return MaterialIndexWriter.Work(
                kind: kind, name: row.name ?? URL(fileURLWithPath: row.path).lastPathComponent, licence: row.licence ?? "NOASSERTION",
                url: row.url ?? "", content: Array(bytes))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the works.")
        @OptionGroup var place: Place
        @Flag(help: "Print JSON.") var json = false

        private struct Shown: Encodable {
            var id: UInt32
            var kind: String
            var name: String
            var licence: String
            var url: String
        }

        func run() async throws {
            let path = try place.path()
            let index = FileManager.default.fileExists(atPath: path) ? try MaterialIndex(path: path) : nil
            let sources = (0..<(index?.sourceCount ?? 0)).compactMap { index?.source(at: $0) }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                let shown = sources.map { Shown(id: $0.id, kind: $0.kind.name, name: $0.name, licence: $0.licence, url: $0.url) }
                print(String(decoding: try encoder.encode(shown), as: UTF8.self))
                return
            }
            for source in sources { print("\(source.id)  \(source.kind.name)  \(source.licence)  \(source.name)  \(source.url)") }
            print("\(sources.count) works, \(index?.fingerprintCount ?? 0) fingerprints")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove works.")
        @Argument(help: "Their ids.") var ids: [UInt32]
        @OptionGroup var place: Place

        func run() async throws {
            let path = try place.path()
            guard FileManager.default.fileExists(atPath: path) else { throw ValidationError("There are no works.") }
            let index = try MaterialIndex(path: path)
            for id in ids where index.source(id) == nil { throw ValidationError("There is no work \(id).") }
            try place.recorded("protected.remove", target: ids.map { "\($0)" }.joined(separator: " ")) {
                _ = try MaterialIndexWriter.change(path: path, adding: [], removing: Set(ids))
            }
            print("Removed \(ids.count).")
        }
    }
}
