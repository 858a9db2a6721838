import SallyportCore

/// ZIP archives of documents. Only what has a known format is inflated, in memory; nothing is ever written under a name of the archive's.
enum ZIPParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> (ParsedDocument, [ContainedFile]) {
        if bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0]) { throw .mismatch }
        let archive = try ZipArchive(bytes) { ZIPParser.isDocument($0) }
        // An Office document under another name would be read as something that its program does not show.
        guard !archive.names.contains("[Content_Types].xml") else { throw .mismatch }
        var files: [ContainedFile] = []
        for name in archive.files.keys.sorted() {
            guard let content = archive.files[name], let format = DocumentFormat(fileName: name) else { continue }
            files.append(ContainedFile(name: name, format: format, content: content))
        }
        let others = archive.names.count { !$0.hasSuffix("/") && !isDocument($0) }
        var document = ParsedDocument()
        if others > 0 { document.notes.append("\(others) files of other formats") }
        guard !files.isEmpty else { throw .empty }
        return (document, files)
    }

    /// Of a known format, and not one of the files that file managers leave behind.
    private static func isDocument(_ name: String) -> Bool {
        !name.hasSuffix("/") && !name.hasPrefix("__MACOSX/") && name.split(separator: "/").last?.hasPrefix(".") == false
            && DocumentFormat(fileName: name) != nil
    }
}
