import CLibXML
import Foundation
import SallyportCore

/// HTML through libxml2's forgiving parser, without a network. Scripts are dropped; what a reader would not see is marked.
enum HTMLParser {
    private typealias Node = UnsafeMutablePointer<xmlNode>

    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        guard bytes.count <= Int(Int32.max) / 2 else { throw .tooLarge }
        for magic in ["%PDF-", "PK\u{3}\u{4}"] where bytes.starts(with: Array(magic.utf8)) { throw .mismatch }
        let isUTF16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        guard isUTF16 || !bytes.contains(0) else { throw .notText }
        let options =
            HTML_PARSE_RECOVER.rawValue | HTML_PARSE_NOERROR.rawValue | HTML_PARSE_NOWARNING.rawValue | HTML_PARSE_NONET.rawValue
            | HTML_PARSE_COMPACT.rawValue
        // What is valid UTF-8 is UTF-8, whatever the page says of itself.
        let encoding: String? = !isUTF16 && String(validating: bytes, as: UTF8.self) != nil ? "UTF-8" : nil
        let parsed = bytes.withUnsafeBytes { raw in
            htmlReadMemory(raw.bindMemory(to: CChar.self).baseAddress, Int32(raw.count), nil, encoding, Int32(options))
        }
        guard let document = parsed else { throw .malformed }
        defer { xmlFreeDoc(document) }
        var reader = Reader()
        try reader.read(xmlDocGetRootElement(document), comments: document)
        return ParsedDocument(title: reader.title, blocks: reader.builder.blocks)
    }

    private struct Reader {
        var builder = BlockBuilder()
        var title: String?
        private var sheet = HTMLStyleSheet()
        private var styles: [HTMLStyle] = [HTMLStyle()]
        private var preformatted = 0
        private var row: [String]?

        private static let deepest = 4096

        mutating func read(_ root: Node?, comments document: UnsafeMutablePointer<xmlDoc>) throws(DocumentProblem) {
            guard let root else { throw .malformed }
            gatherSheets(root)
            // Comments beside the root element.
            var sibling: Node? = document.pointee.children
            while let node = sibling {
                if node.pointee.type == XML_COMMENT_NODE { try comment(node) }
                sibling = node.pointee.next
            }
            // By hand, not by recursion: depth must not cost the stack.
            var current: Node? = root
            var depth = 0
            while let node = current {
                var descends = false
                switch node.pointee.type {
                case XML_TEXT_NODE, XML_CDATA_SECTION_NODE: try text(node)
                case XML_COMMENT_NODE: try comment(node)
                case XML_ELEMENT_NODE: descends = try enter(node)
                default: break
                }
                if descends, let child = node.pointee.children {
                    depth += 1
                    guard depth <= Reader.deepest else { throw .tooDeep }
                    current = child
                    continue
                }
                if descends { try leave(node) }
                var next: Node? = node
                while let here = next, here.pointee.next == nil {
                    guard here != root, let parent = here.pointee.parent, parent.pointee.type == XML_ELEMENT_NODE else {
                        next = nil
                        break
                    }
                    try leave(parent)
                    depth -= 1
                    next = parent == root ? nil : parent
                }
                current = next?.pointee.next
            }
            try builder.end(.paragraph)
        }

        private mutating func gatherSheets(_ root: Node) {
            var current: Node? = root
            while let node = current {
                if node.pointee.type == XML_ELEMENT_NODE, Reader.name(node) == "style" { sheet.add(Reader.content(node)) }
                if let child = node.pointee.children, node.pointee.type == XML_ELEMENT_NODE {
                    current = child
                    continue
                }
                var next: Node? = node
                while let here = next, here.pointee.next == nil {
                    guard here != root, let parent = here.pointee.parent, parent.pointee.type == XML_ELEMENT_NODE else {
                        next = nil
                        break
                    }
                    next = parent == root ? nil : parent
                }
                current = next?.pointee.next
            }
        }

        private static func name(_ node: Node) -> String { node.pointee.name.map { String(cString: $0) }?.lowercased() ?? "" }

        private static func content(_ node: Node) -> String {
            guard let text = xmlNodeGetContent(node) else { return "" }
            defer { free(text) }
            return String(cString: text)
        }

        private static func attribute(_ node: Node, _ name: String) -> String? {
            guard let value = xmlGetProp(node, name) else { return nil }
            defer { free(value) }
            return String(cString: value)
        }

        private mutating func text(_ node: Node) throws(DocumentProblem) {
            guard let content = node.pointee.content else { return }
            try builder.add(String(cString: content), hiding: styles[styles.count - 1].effective)
        }

        private mutating func comment(_ node: Node) throws(DocumentProblem) {
            guard let content = node.pointee.content else { return }
            let text = String(cString: content)
            // Conditional comments and marks of tools are no prose.
            guard text.split(whereSeparator: \.isWhitespace).count >= 3, !text.hasPrefix("[if") else { return }
            try builder.append(
                ParsedDocument.Block(.paragraph, BlockBuilder.collapsed(text.prefix(100_000)), page: nil, hiding: .comment))
        }

        /// - Returns: whether to look inside; then ``leave(_:)`` is called.
        private mutating func enter(_ node: Node) throws(DocumentProblem) -> Bool {
            let name = Reader.name(node)
            switch name {
            case "script", "style", "svg", "math", "object", "iframe", "canvas": return false
            case "title":
                let text = BlockBuilder.collapsed(Reader.content(node).prefix(1000))
                if title == nil, !text.isEmpty { title = text }
                return false
            case "meta":
                let kind = (Reader.attribute(node, "name") ?? Reader.attribute(node, "property") ?? "").lowercased()
                if ["description", "keywords", "og:description", "twitter:description", "author"].contains(kind),
                    let content = Reader.attribute(node, "content")
                {
                    let text = BlockBuilder.collapsed(content.prefix(100_000))
                    if !text.isEmpty { try builder.append(ParsedDocument.Block(.paragraph, text, hiding: .metadata)) }
                }
                return false
            default: break
            }
            var style = styles[styles.count - 1]
            if !sheet.isEmpty {
                style = sheet.apply(to: style, element: name, classes: Reader.attribute(node, "class"), id: Reader.attribute(node, "id"))
            }
            if let declarations = Reader.attribute(node, "style") { style = style.applying(declarations.lowercased()[...]) }
            if name == "font", let colour = Reader.attribute(node, "color").flatMap({ HTMLStyle.colour($0.lowercased()) }) {
                style.colour = colour
            }
            if let colour = Reader.attribute(node, "bgcolor").flatMap({ HTMLStyle.colour($0.lowercased()) }) { style.background = colour }
            if Reader.attribute(node, "hidden") != nil || name == "template" || name == "noscript" || name == "datalist"
                || name == "input" && Reader.attribute(node, "type")?.lowercased() == "hidden"
            {
                style.hiding = style.hiding ?? .notDisplayed
            }
            for hidden in ["alt", "title", "aria-label"] {
                guard let text = Reader.attribute(node, hidden), text.split(whereSeparator: \.isWhitespace).count >= 3 else { continue }
                try builder.append(
                    ParsedDocument.Block(.paragraph, BlockBuilder.collapsed(text.prefix(10_000)), hiding: .metadata))
            }
            styles.append(style)
            switch name {
            case "pre":
                try builder.end(.paragraph)
                preformatted += 1
            case "tr":
                try builder.end(.paragraph)
                row = []
            case "td", "th": _ = builder.takeVisible()
            case "br": try builder.add(preformatted > 0 ? "\n" : " ")
            default: if Reader.blocks.contains(name) && row == nil { try builder.end(preformatted > 0 ? .code : .paragraph) }
            }
            if row != nil && Reader.blocks.contains(name) { try builder.add(" ") }
            return true
        }

        private mutating func leave(_ node: Node) throws(DocumentProblem) {
            let name = Reader.name(node)
            let hiding = styles[styles.count - 1].effective
            styles.removeLast()
            switch name {
            case "h1", "h2", "h3", "h4", "h5", "h6":
                guard row == nil else { break }
                let made = try builder.end(.heading, level: Int(name.dropFirst()) ?? 1)
                if made, title == nil, hiding == nil { title = builder.blocks.last { $0.kind == .heading }?.text }
            case "li": if row == nil { try builder.end(.listItem) }
            case "pre":
                preformatted -= 1
                if row == nil { try builder.end(.code) }
            case "td", "th":
                if row != nil {
                    let cell = builder.takeVisible()
                    if !cell.isEmpty { row?.append(cell) }
                }
            case "tr":
                if let cells = row {
                    row = nil
                    try builder.add(cells.joined(separator: " | "))
                    try builder.end(.tableRow)
                }
            default: if Reader.blocks.contains(name) && row == nil { try builder.end(preformatted > 0 ? .code : .paragraph) }
            }
        }

        private static let blocks: Set<String> = [
            "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl", "dt",
            "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "legend",
            "li", "main", "menu", "nav", "ol", "option", "p", "pre", "search", "section", "select", "summary", "table", "tbody", "td",
            "template", "tfoot", "th", "thead", "tr", "ul", "noscript", "textarea",
        ]
    }
}
