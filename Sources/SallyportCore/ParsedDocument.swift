import NIOCore

/// A kind of file that documents come in.
package enum DocumentFormat: String, Sendable, Codable, CaseIterable {
    case text, markdown, html, pdf, docx

    /// By the name's ending; nil: no such format. What the file really holds is checked by its parser.
    package init?(fileName: String) {
        guard let dot = fileName.lastIndex(of: ".") else { return nil }
        switch fileName[fileName.index(after: dot)...].lowercased() {
        case "txt", "text": self = .text
        case "md", "markdown": self = .markdown
        case "html", "htm", "xhtml": self = .html
        case "pdf": self = .pdf
        case "docx": self = .docx
        default: return nil
        }
    }
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

    package var title: String?
    package var blocks: [Block]
    /// What was left aside, in words for an operator: `macros`.
    package var notes: [String]

    package init(title: String? = nil, blocks: [Block] = [], notes: [String] = []) {
        self.title = title
        self.blocks = blocks
        self.notes = notes
    }
}

/// Why a document cannot be read. Says what is wrong, never what is in it.
package enum DocumentProblem: String, Error, Sendable, Codable, CaseIterable, CustomStringConvertible {
    case unreadable, unsupportedFormat, mismatch, malformed, encrypted, tooLarge, tooDeep, inflates, declaresEntities, pathTraversal
    case notText, empty, crashed, timedOut, parserUnavailable, uninspected, otherOrigin

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
