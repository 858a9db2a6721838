import SallyportCore

/// An Office Open XML package: its files, how they refer to each other, and what in it is more than text.
struct OfficePackage {
    struct Relationship {
        /// The last word of its type: `worksheet`, `comments`.
        let kind: String
        /// A file of the package.
        let target: String
    }

    let archive: ZipArchive
    private(set) var notes: [String] = []

    /// - Parameter isWanted: what to inflate besides relationships and properties.
    init(_ bytes: [UInt8], isWanted: (String) -> Bool) throws(DocumentProblem) {
        // Encrypted Office documents are compound files, and so are those of before 2007.
        if bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0]) { throw .encrypted }
        archive = try ZipArchive(bytes) { $0.hasSuffix(".rels") || $0 == "docProps/core.xml" || isWanted($0) }
        guard archive.names.contains("[Content_Types].xml") else { throw .mismatch }
        if archive.names.contains(where: { $0.hasSuffix("vbaProject.bin") }) { notes.append("macros") }
        if archive.names.contains(where: { $0.contains("/embeddings/") || $0.contains("/activeX/") }) { notes.append("embedded files") }
        if archive.names.contains(where: { $0.contains("/externalLinks/") || $0 == "xl/connections.xml" }) {
            notes.append("links to other files")
        }
    }

    subscript(_ name: String) -> [UInt8]? { archive.files[name] }

    /// What a file refers to within the package, by id.
    func relationships(of file: String) throws(DocumentProblem) -> [String: Relationship] {
        let parts = file.split(separator: "/").map(String.init)
        guard let name = parts.last else { return [:] }
        let folder = Array(parts.dropLast())
        guard let bytes = archive.files[(folder + ["_rels", name + ".rels"]).joined(separator: "/")] else { return [:] }
        var found: [String: Relationship] = [:]
        try WordReader.walk(bytes) { event, walker throws(DocumentProblem) in
            guard case .start("Relationship", _) = event, walker.attribute("TargetMode") != "External", let id = walker.attribute("Id"),
                let target = walker.attribute("Target")
            else { return true }
            let kind = walker.attribute("Type")?.split(separator: "/").last.map(String.init) ?? ""
            found[id] = Relationship(kind: kind, target: OfficePackage.resolve(target, in: folder))
            return found.count < 20_000
        }
        return found
    }

    /// Only a key among the archive's names, never a path on a disk.
    private static func resolve(_ target: String, in folder: [String]) -> String {
        var parts = target.hasPrefix("/") ? [] : folder
        for part in target.split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    /// The title, and the other properties as hidden text.
    func properties() throws(DocumentProblem) -> (title: String?, hidden: [ParsedDocument.Block]) {
        guard let bytes = archive.files["docProps/core.xml"] else { return (nil, []) }
        var title: String?
        var hidden: [ParsedDocument.Block] = []
        for (name, value) in try WordReader.properties(bytes) {
            if name == "title" { title = value } else { hidden.append(.init(.paragraph, value, hiding: .metadata)) }
        }
        return (title, hidden)
    }
}
