import SallyportCore

/// Plain text: paragraphs between empty lines, pages between form feeds.
enum PlainTextParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        try paragraphs(of: try TextContent.decoded(bytes), hasTitle: true)
    }

    /// - Parameter hasTitle: the first line may be a title.
    static func paragraphs(of text: String, hasTitle: Bool) throws(DocumentProblem) -> ParsedDocument {
        let pages = text.split(separator: "\u{0C}", omittingEmptySubsequences: false)
        let isPaged = pages.count > 1
        var builder = BlockBuilder(page: isPaged ? 1 : nil)
        var title: String?
        for (number, page) in pages.enumerated() {
            if isPaged { builder.page = number + 1 }
            let lines = page.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            for (position, line) in lines.enumerated() {
                if line.allSatisfy(\.isWhitespace) {
                    try builder.end(.paragraph)
                    continue
                }
                if builder.isEmpty, isHeading(line, before: position + 1 < lines.count ? lines[position + 1] : "") {
                    let isFirst = builder.blocks.isEmpty
                    guard isFirst && hasTitle else {
                        try builder.add(line)
                        continue
                    }
                    try builder.add(line)
                    try builder.end(.heading, level: 1)
                    title = builder.blocks.last?.text
                    continue
                }
                if let item = listItem(line) {
                    try builder.end(.paragraph)
                    try builder.add(item)
                    try builder.end(.listItem)
                    continue
                }
                if !builder.isEmpty { try builder.add(" ") }
                try builder.add(line)
            }
            try builder.end(.paragraph)
        }
        return ParsedDocument(title: title, blocks: builder.blocks)
    }

    private static func listItem(_ line: Substring) -> Substring? {
        let line = line.drop { $0 == " " || $0 == "\t" }
        for mark in ["- ", "* ", "+ ", "• "] where line.hasPrefix(mark) { return line.dropFirst(2) }
        let digits = line.prefix { $0.isASCII && $0.isNumber }
        guard (1...3).contains(digits.count) else { return nil }
        let rest = line.dropFirst(digits.count)
        return rest.hasPrefix(". ") || rest.hasPrefix(") ") ? rest.dropFirst(2) : nil
    }

    /// A short line by itself that is no sentence.
    private static func isHeading(_ line: Substring, before next: Substring) -> Bool {
        let text = line.drop(while: \.isWhitespace)
        return next.allSatisfy(\.isWhitespace) && (1...100).contains(text.count) && !".,;:?!".contains(text.last ?? ".")
            && text.first?.isLetter == true
    }
}

/// Bytes as text, when that is what they are.
enum TextContent {
    static func decoded(_ bytes: [UInt8]) throws(DocumentProblem) -> String {
        let isUTF16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        if isUTF16 {
            let isLittle = bytes[0] == 0xFF
            guard bytes.count % 2 == 0 else { throw .malformed }
            var units: [UInt16] = []
            units.reserveCapacity(bytes.count / 2)
            for at in stride(from: 2, to: bytes.count, by: 2) {
                let (first, second) = (UInt16(bytes[at]), UInt16(bytes[at + 1]))
                units.append(isLittle ? second << 8 | first : first << 8 | second)
            }
            guard let text = String(validating: units, as: UTF16.self), !text.unicodeScalars.contains("\0") else { throw .notText }
            return text
        }
        // A file that is something else too must not be read two ways.
        for magic in ["%PDF-", "PK\u{3}\u{4}", "{\\rtf"] where bytes.starts(with: Array(magic.utf8)) { throw .mismatch }
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        guard !text.contains(0), let decoded = String(validating: text, as: UTF8.self) else { throw .notText }
        return decoded
    }
}
