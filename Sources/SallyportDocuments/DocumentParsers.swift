import SallyportCore

/// All formats that this version reads. Runs in the worker only: what it is given may be hostile.
package enum DocumentParsers {
    /// What one file may hold, over all that is in it.
    private static let mostParts = 2_000
    private static let deepest = 4

    /// - Throws: ``DocumentProblem``; never says what the document holds.
    package static func parse(_ bytes: [UInt8], as format: DocumentFormat) throws(DocumentProblem) -> ParsedDocument {
        var budget = mostParts
        return try parse(bytes, as: format, depth: 0, budget: &budget)
    }

    private static func parse(
        _ bytes: [UInt8], as format: DocumentFormat, depth: Int, budget: inout Int
    ) throws(DocumentProblem) -> ParsedDocument {
        guard !bytes.isEmpty else { throw .empty }
        var document: ParsedDocument
        var files: [ContainedFile] = []
        switch format {
        case .text: document = try PlainTextParser.parse(bytes)
        case .markdown: document = try MarkdownParser.parse(bytes)
        case .html: document = try HTMLParser.parse(bytes)
        case .pdf: document = try PDFParser.parse(bytes)
        case .docx: document = try DOCXParser.parse(bytes)
        case .pptx: document = try PPTXParser.parse(bytes)
        case .xlsx: document = try XLSXParser.parse(bytes)
        case .csv: document = try CSVParser.parse(bytes)
        case .image: document = try ImageParser.parse(bytes)
        case .eml: (document, files) = try EMLParser.parse(bytes)
        case .msg: (document, files) = try MSGParser.parse(bytes)
        case .zip: (document, files) = try ZIPParser.parse(bytes)
        }
        if !files.isEmpty {
            // A container in a container in a container: nobody packs documents like that.
            guard depth < deepest else { throw .tooDeep }
            for file in files {
                budget -= 1
                guard budget >= 0 else { throw .tooManyParts }
                do {
                    var inner = try parse(file.content, as: file.format, depth: depth + 1, budget: &budget)
                    let parts = inner.parts
                    inner.parts = []
                    if !inner.blocks.isEmpty {
                        document.parts.append(.init(name: file.name, format: file.format, document: inner))
                    } else {
                        document.notes += inner.notes.map { "\(file.name): \($0)" }
                    }
                    for var part in parts {
                        part.name = "\(file.name)!/\(part.name)"
                        document.parts.append(part)
                    }
                } catch {
                    // What makes the whole a bomb is not a matter of one part.
                    if error == .tooManyParts || error == .tooDeep || error == .inflates { throw error }
                    document.parts.append(.init(name: file.name, format: file.format, problem: error))
                }
            }
        }
        guard document.blocks.contains(where: { $0.hiding == nil }) || !document.parts.isEmpty else { throw .empty }
        return document
    }
}

/// A file that a container's parser took out of it.
struct ContainedFile {
    let name: String
    let format: DocumentFormat
    let content: [UInt8]

    /// A name that is safe to show and to use as a part of a source's name: no control characters, no way out.
    static func safeName(_ name: String, number: Int, format: String) -> String {
        let plain = String(
            name.unicodeScalars.map { scalar -> Character in
                scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || "/\\\u{2028}\u{2029}".unicodeScalars.contains(scalar)
                    || scalar.properties.generalCategory == .format ? "_" : Character(scalar)
            })
        let short = BlockBuilder.collapsed(plain.prefix(150))
        return short.isEmpty || short.allSatisfy({ $0 == "." }) ? "\(number).\(format)" : short
    }
}
