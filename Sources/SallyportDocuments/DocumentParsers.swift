import SallyportCore

/// All formats that this version reads. Runs in the worker only: what it is given may be hostile.
package enum DocumentParsers {
    /// - Throws: ``DocumentProblem``; never says what the document holds.
    package static func parse(_ bytes: [UInt8], as format: DocumentFormat) throws(DocumentProblem) -> ParsedDocument {
        guard !bytes.isEmpty else { throw .empty }
        let document =
            switch format {
            case .text: try PlainTextParser.parse(bytes)
            case .markdown: try MarkdownParser.parse(bytes)
            case .html: try HTMLParser.parse(bytes)
            case .pdf: try PDFParser.parse(bytes)
            case .docx: try DOCXParser.parse(bytes)
            }
        guard document.blocks.contains(where: { $0.hiding == nil }) else { throw .empty }
        return document
    }
}
