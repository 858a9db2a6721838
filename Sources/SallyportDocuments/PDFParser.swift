import Foundation
import SallyportCore

/// PDF through poppler's `pdftotext`, a program of its own; page breaks are kept. It reads the worker's standard input again, which holds
/// the document: a PDF must be read from a file that it can seek in, and the worker may write none.
enum PDFParser {
    private static let program = "/usr/bin/pdftotext"

    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        // Readers look for the mark in the first kilobyte; a file that begins as something else is something else too.
        guard bytes.starts(with: Array("%PDF-".utf8)) else { throw .mismatch }
        let (output, complaint, status) = try ChildProgram.run(program, ["-enc", "UTF-8", "-q", "-", "-"], input: 0, limit: 64 << 20)
        guard status == 0 else { throw complaint.contains("password") ? .encrypted : .malformed }
        let text = String(decoding: output, as: UTF8.self)
        // The last page ends with a form feed too.
        let pages = text.hasSuffix("\u{0C}") ? String(text.dropLast()) : text
        var document = try PlainTextParser.paragraphs(of: pages, hasTitle: true)
        for index in document.blocks.indices where document.blocks[index].page == nil { document.blocks[index].page = 1 }
        if document.blocks.allSatisfy({ $0.text.isEmpty }) { throw .empty }
        return document
    }
}
