import NIOCore

/// A kind of file that documents come in.
package enum DocumentFormat: String, Sendable, Codable, CaseIterable {
    case text, markdown, html, pdf, docx, pptx, xlsx, csv, eml, msg, zip, image

    /// By the name's ending; nil: no such format. What the file really holds is checked by its parser.
    package init?(fileName: String) {
        guard let dot = fileName.lastIndex(of: ".") else { return nil }
        switch fileName[fileName.index(after: dot)...].lowercased() {
        case "txt", "text": self = .text
        case "md", "markdown": self = .markdown
        case "html", "htm", "xhtml": self = .html
        case "pdf": self = .pdf
        case "docx", "docm": self = .docx
        case "pptx", "pptm": self = .pptx
        case "xlsx", "xlsm": self = .xlsx
        case "csv", "tsv": self = .csv
        case "eml": self = .eml
        case "msg": self = .msg
        case "zip": self = .zip
        case "png", "jpg", "jpeg", "tif", "tiff", "bmp", "gif", "webp": self = .image
        default: return nil
        }
    }

    /// Holds other documents: archives, and mail with what is attached to it.
    package var isContainer: Bool { self == .zip || self == .eml || self == .msg }
}

/// A document as its parser read it: text in blocks, in reading order.
package struct ParsedDocument: Sendable, Codable, Hashable {
    /// Why a reader of the page would not see a text that a machine reads.
    package enum Hiding: String, Sendable, Codable, CaseIterable {
        case notDisplayed = "not-displayed"
        case zeroSize = "zero-size"
        case sameColour = "same-colour"
        case offPage = "off-page"
        case comment
        case metadata
        case deleted
    }

    package struct Block: Sendable, Codable, Hashable {
        package enum Kind: String, Sendable, Codable { case heading, paragraph, listItem, tableRow, code }
        package var kind: Kind
        /// Of a heading: 1...6. Else 0.
        package var level: Int
        /// Without line breaks, except in code.
        package var text: String
        /// Counted from 1; nil where the format has no pages.
        package var page: Int?
        package var hiding: Hiding?

        package init(_ kind: Kind, level: Int = 0, _ text: String, page: Int? = nil, hiding: Hiding? = nil) {
            self.kind = kind
            self.level = level
            self.text = text
            self.page = page
            self.hiding = hiding
        }
    }

    /// A document within a container, or why it cannot be read.
    package struct Part: Sendable, Codable, Hashable {
        /// Its path in the container, `!/` between one container and the next.
        package var name: String
        package var format: DocumentFormat
        package var document: ParsedDocument?
        package var problem: DocumentProblem?

        package init(name: String, format: DocumentFormat, document: ParsedDocument) {
            self.name = name
            self.format = format
            self.document = document
        }

        package init(name: String, format: DocumentFormat, problem: DocumentProblem) {
            self.name = name
            self.format = format
            self.problem = problem
        }
    }

    package var title: String?
    package var blocks: [Block]
    /// What was left aside, in words for an operator: `macros`.
    package var notes: [String]
    /// Of a container: the documents in it, those of containers in it too; no part has parts of its own.
    package var parts: [Part]

    package init(title: String? = nil, blocks: [Block] = [], notes: [String] = [], parts: [Part] = []) {
        self.title = title
        self.blocks = blocks
        self.notes = notes
        self.parts = parts
    }
}

/// Why a document cannot be read. Says what is wrong, never what is in it.
package enum DocumentProblem: String, Error, Sendable, Codable, CaseIterable, CustomStringConvertible {
    case unreadable, unsupportedFormat, mismatch, malformed, encrypted, tooLarge, tooDeep, inflates, declaresEntities, pathTraversal
    case notText, empty, crashed, timedOut, parserUnavailable, uninspected, otherOrigin, readerMissing, tooManyParts

    package var description: String {
        switch self {
        case .unreadable: "cannot be read"
        case .unsupportedFormat: "is of a format that is not supported"
        case .mismatch: "is not what its name says"
        case .malformed: "is damaged or cut short"
        case .encrypted: "is encrypted"
        case .tooLarge: "is too large"
        case .tooDeep: "is nested too deeply"
        case .inflates: "inflates beyond what is allowed"
        case .declaresEntities: "declares a document type, which could define entities"
        case .pathTraversal: "holds a file whose name leads out of the archive"
        case .notText: "is not UTF-8 text"
        case .empty: "holds no text"
        case .crashed: "crashed its parser or went beyond the parser's memory"
        case .timedOut: "took its parser too long"
        case .parserUnavailable: "cannot be parsed: the parser cannot be started"
        case .uninspected: "could not be inspected by the guards"
        case .readerMissing: "needs a program or library that is not installed (OCR: tesseract-ocr; mail: libgmime-3.0-0, libgsf-1-114)"
        case .tooManyParts: "holds too many documents"
        case .otherOrigin: "has the name of a document that was added from another place"
        }
    }
}

/// Reads documents in a place where they can do no harm. Blocks.
package protocol DocumentParser: Sendable {
    func parse(_ content: ByteBuffer, as format: DocumentFormat) throws(DocumentProblem) -> ParsedDocument
}

/// What a parser's process says to the one that started it.
package enum ParserAnswer: Sendable, Codable {
    case document(ParsedDocument)
    case problem(DocumentProblem)
}
