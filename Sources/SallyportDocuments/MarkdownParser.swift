import SallyportCore

/// Markdown as far as structure goes: headings, paragraphs, list items, tables, code. HTML in it is read as HTML.
enum MarkdownParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        let text = try TextContent.decoded(bytes)
        var builder = BlockBuilder()
        var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)[...]
        var title: String?
        // Front matter: read by programs, not by readers.
        if lines.first == "---", let end = lines.dropFirst().prefix(100).firstIndex(of: "---") {
            for line in lines[(lines.startIndex + 1)..<end] { try builder.add(line + " ", hiding: .metadata) }
            try builder.end(.paragraph)
            lines = lines[(end + 1)...]
        }
        var paragraph = ""
        var kind = ParsedDocument.Block.Kind.paragraph
        func flush(_ level: Int = 0) throws(DocumentProblem) {
            defer {
                paragraph = ""
                kind = .paragraph
            }
            guard !paragraph.isEmpty else { return }
            try inline(paragraph, into: &builder)
            try builder.end(kind, level: level)
        }
        var fence: Substring?
        var isComment = false
        while let line = lines.popFirst() {
            let text = line.drop { $0 == " " || $0 == "\t" }
            if let open = fence {
                if text.hasPrefix(open) {
                    try builder.end(.code)
                    fence = nil
                } else {
                    try builder.add(line + "\n")
                }
                continue
            }
            if isComment {
                paragraph += " " + text
                if text.contains("-->") {
                    isComment = false
                    try flush()
                }
                continue
            }
            let marks = text.prefix { $0 == "#" }.count
            if text.hasPrefix("```") || text.hasPrefix("~~~") {
                try flush()
                fence = text.prefix(3)
            } else if (1...6).contains(marks), text.dropFirst(marks).first.map(\.isWhitespace) ?? true {
                try flush()
                kind = .heading
                paragraph = String(trimmedMarks(text.dropFirst(marks)))
                let count = builder.blocks.count
                try flush(marks)
                if title == nil, builder.blocks.count > count, builder.blocks[count].hiding == nil { title = builder.blocks[count].text }
            } else if text.isEmpty {
                try flush()
            } else if text.allSatisfy({ $0 == "=" }) || text.allSatisfy({ $0 == "-" }) && text.count > 1, !paragraph.isEmpty,
                kind == .paragraph
            {
                kind = .heading
                let count = builder.blocks.count
                try flush(text.first == "=" ? 1 : 2)
                if title == nil, builder.blocks.count > count { title = builder.blocks[count].text }
            } else if text.allSatisfy({ "-*_|: \t".contains($0) }) {
                try flush()
            } else if text.hasPrefix("<!--") {
                try flush()
                paragraph = String(text)
                isComment = !text.contains("-->")
            } else if let item = listItem(text) {
                try flush()
                kind = .listItem
                paragraph = String(item)
            } else if text.hasPrefix("|") {
                try flush()
                kind = .tableRow
                paragraph = text.split(separator: "|").map { trimmed($0) }.filter { !$0.isEmpty }.joined(separator: " | ")
                try flush()
            } else {
                paragraph += paragraph.isEmpty ? String(text) : " " + text
            }
        }
        if fence != nil { try builder.end(.code) }
        try flush()
        return ParsedDocument(title: title, blocks: builder.blocks)
    }

    static func listItem(_ line: Substring) -> Substring? {
        let line = line.drop { $0 == " " || $0 == "\t" }
        for mark in ["- ", "* ", "+ ", "• "] where line.hasPrefix(mark) { return line.dropFirst(2) }
        let digits = line.prefix { $0.isASCII && $0.isNumber }
        guard (1...3).contains(digits.count) else { return nil }
        let rest = line.dropFirst(digits.count)
        return rest.hasPrefix(". ") || rest.hasPrefix(") ") ? rest.dropFirst(2) : nil
    }

    /// Without emphasis marks and the addresses of links; HTML is read as such.
    private static func inline(_ text: String, into builder: inout BlockBuilder) throws(DocumentProblem) {
        guard hasHTML(text) else { return try builder.add(plain(text)) }
        let fragment = try HTMLParser.parse(Array("<!doctype html><meta charset=utf-8><body>\(text)".utf8))
        for block in fragment.blocks {
            if block.hiding == nil { try builder.add(" ") }
            try builder.add(block.hiding == nil ? plain(block.text) : block.text, hiding: block.hiding)
        }
    }

    private static func hasHTML(_ text: String) -> Bool {
        var previous: UInt8 = 0
        for byte in text.utf8 {
            if previous == UInt8(ascii: "<"),
                byte == UInt8(ascii: "!") || byte == UInt8(ascii: "/") || (0x61...0x7A).contains(byte | 0x20)
            {
                return true
            }
            previous = byte
        }
        return false
    }

    static func plain(_ text: some StringProtocol) -> String {
        var result = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "*", "`": continue
            case "\\":
                if let next = rest.first, next.isPunctuation || next.isSymbol {
                    result.append(rest.removeFirst())
                } else {
                    result.append("\\")
                }
            case "[":
                if let close = rest.prefix(400).firstIndex(of: "]"), rest[rest.index(after: close)...].first == "(",
                    let end = rest[close...].prefix(2000).firstIndex(of: ")")
                {
                    if result.last == "!" { result.removeLast() }
                    result += rest[..<close]
                    rest = rest[rest.index(after: end)...]
                } else {
                    result.append(character)
                }
            default: result.append(character)
            }
        }
        return result
    }

    private static func trimmed(_ text: Substring) -> String { BlockBuilder.collapsed(text) }

    private static func trimmedMarks(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last == "#" || last.isWhitespace { text.removeLast() }
        return text
    }
}
