import CLibArchive
import SallyportCore

@testable import SallyportDocuments

/// A ZIP archive with these files, in this order.
func zip(_ files: [(name: String, content: [UInt8])]) -> [UInt8] {
    let archive = archive_write_new()
    defer { archive_write_free(archive) }
    archive_write_set_format_zip(archive)
    var bytes = [UInt8](repeating: 0, count: 4 << 20)
    var used = 0
    archive_write_open_memory(archive, &bytes, bytes.count, &used)
    for file in files {
        let entry = archive_entry_new()
        archive_entry_set_pathname(entry, file.name)
        archive_entry_set_size(entry, Int64(file.content.count))
        archive_entry_set_filetype(entry, 0o100000)
        archive_entry_set_perm(entry, 0o644)
        archive_write_header(archive, entry)
        var content = file.content
        archive_write_data(archive, &content, content.count)
        archive_entry_free(entry)
    }
    archive_write_close(archive)
    return Array(bytes[..<used])
}

/// A Word document around a body, with more files beside it.
func docx(_ body: String, prolog: String = "", also: [(name: String, content: String)] = []) -> [UInt8] {
    let document =
        "<?xml version=\"1.0\"?>\(prolog)<w:document xmlns:w=\"urn:w\" xmlns:mc=\"urn:mc\"><w:body>\(body)</w:body></w:document>"
    return zip(
        [("[Content_Types].xml", Array("<Types/>".utf8)), ("word/document.xml", Array(document.utf8))]
            + also.map { ($0.name, Array($0.content.utf8)) })
}

func paragraph(_ text: String, _ properties: String = "", run: String = "") -> String {
    "<w:p><w:pPr>\(properties)</w:pPr><w:r><w:rPr>\(run)</w:rPr><w:t xml:space=\"preserve\">\(text)</w:t></w:r></w:p>"
}

extension ParsedDocument {
    var visible: [String] { blocks.filter { $0.hiding == nil }.map(\.text) }
    func hidden(_ hiding: Hiding) -> [String] { blocks.filter { $0.hiding == hiding }.map(\.text) }
}
