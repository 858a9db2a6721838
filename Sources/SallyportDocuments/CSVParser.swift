import SallyportCore

/// Comma-separated values (RFC 4180), with semicolons, tabs or bars too. Each record is a row; the first one says what the columns are.
enum CSVParser {
    private static let longestField = 1 << 20
    private static let mostColumns = 4096

    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        let text = try TextContent.decoded(bytes)
        var builder = BlockBuilder()
        var fields: [String] = []
        var field = String.UnicodeScalarView()
        var length = 0
        var isQuoted = false
        var wasQuoted = false
        var formulas = 0
        let separator = separator(of: text)
        var scalars = text.unicodeScalars.makeIterator()
        var pushedBack: Unicode.Scalar?
        func endField() throws(DocumentProblem) {
            guard fields.count < mostColumns else { throw .tooLarge }
            let value = BlockBuilder.collapsed(String(field))
            // What a spreadsheet would run when the file is opened.
            if let first = value.first, "=@".contains(first) || "+-".contains(first) && Double(value) == nil && value.count > 1 {
                formulas += 1
            }
            fields.append(value)
            field = String.UnicodeScalarView()
            length = 0
            wasQuoted = false
        }
        func endRecord() throws(DocumentProblem) {
            try endField()
            let row = fields.filter { !$0.isEmpty }.joined(separator: " | ")
            fields = []
            guard !row.isEmpty else { return }
            try builder.add(row)
            try builder.end(.tableRow)
        }
        while let scalar = pushedBack ?? scalars.next() {
            pushedBack = nil
            length += 1
            guard length <= longestField else { throw .malformed }
            if isQuoted {
                if scalar == "\"" {
                    let next = scalars.next()
                    if next == "\"" {
                        field.append("\"")
                    } else {
                        isQuoted = false
                        pushedBack = next
                        if next == nil { break }
                    }
                } else {
                    field.append(scalar)
                }
                continue
            }
            switch scalar {
            case "\"" where field.isEmpty && !wasQuoted:
                isQuoted = true
                wasQuoted = true
            case separator: try endField()
            case "\n", "\r":
                try endRecord()
            default: field.append(scalar)
            }
        }
        // A quote that nobody closes: the file was cut short, or it is no table.
        guard !isQuoted else { throw .malformed }
        if !field.isEmpty || !fields.isEmpty || wasQuoted { try endRecord() }
        var document = ParsedDocument(blocks: builder.blocks)
        if formulas > 0 { document.notes.append("\(formulas) cells that a spreadsheet would run") }
        return document
    }

    /// The mark that stands most often in the first line, outside quotes.
    private static func separator(of text: String) -> Unicode.Scalar {
        var counts: [Unicode.Scalar: Int] = [:]
        var isQuoted = false
        for scalar in text.unicodeScalars.prefix(100_000) {
            if scalar == "\"" { isQuoted.toggle() }
            if isQuoted { continue }
            if scalar == "\n" || scalar == "\r" { if counts.isEmpty { continue } else { break } }
            if scalar == "," || scalar == ";" || scalar == "\t" || scalar == "|" { counts[scalar, default: 0] += 1 }
        }
        let order: [Unicode.Scalar] = [",", ";", "\t", "|"]
        return order.max { counts[$0, default: 0] < counts[$1, default: 0] } ?? ","
    }
}
