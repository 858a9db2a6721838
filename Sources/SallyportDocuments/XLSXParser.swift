import SallyportCore

/// Excel workbooks. A sheet is a page, a row a table row; formulas are shown as what they last came to, never computed.
enum XLSXParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        let package = try OfficePackage(bytes) { name in
            ["xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml"].contains(name)
                || name.hasPrefix("xl/worksheets/") && name.hasSuffix(".xml") || name.hasPrefix("xl/comments") && name.hasSuffix(".xml")
                || name.hasPrefix("xl/threadedComments/") && name.hasSuffix(".xml")
        }
        guard let workbook = package["xl/workbook.xml"] else { throw .mismatch }
        let related = try package.relationships(of: "xl/workbook.xml")
        var sheets: [(name: String, file: String, isHidden: Bool)] = []
        var is1904 = false
        try WordReader.walk(workbook) { event, walker throws(DocumentProblem) in
            switch event {
            case .start("workbookPr", _): is1904 = ["1", "true"].contains(walker.attribute("date1904") ?? "")
            case .start("sheet", _):
                guard let name = walker.attribute("name"), let id = walker.attribute("id"), let target = related[id],
                    target.kind == "worksheet"
                else { break }
                sheets.append(
                    (BlockBuilder.collapsed(name.prefix(200)), target.target, (walker.attribute("state") ?? "visible") != "visible"))
            default: break
            }
            return sheets.count < 5000
        }
        guard !sheets.isEmpty else { throw .malformed }
        var reader = SheetReader(
            strings: try package["xl/sharedStrings.xml"].map { (bytes) throws(DocumentProblem) in try SheetReader.strings(bytes) } ?? [],
            styles: try package["xl/styles.xml"].map { (bytes) throws(DocumentProblem) in try SheetStyles(bytes) } ?? SheetStyles(),
            is1904: is1904)
        for (number, sheet) in sheets.enumerated() {
            guard let content = package[sheet.file] else { throw .malformed }
            reader.builder.page = number + 1
            if !sheet.isHidden {
                try reader.builder.add(sheet.name)
                try reader.builder.end(.heading, level: 1)
            }
            try reader.read(content, hiding: sheet.isHidden ? .notDisplayed : nil)
            for related in try package.relationships(of: sheet.file).values.sorted(by: { $0.target < $1.target })
            where related.kind == "comments" || related.kind == "threadedComment" {
                if let comments = package[related.target] { try reader.comments(comments) }
            }
        }
        reader.builder.page = nil
        let (title, hidden) = try package.properties()
        for block in hidden { try reader.builder.append(block) }
        var notes = package.notes
        if reader.formulas > 0 { notes.append("\(reader.formulas) formulas, shown as what they last came to") }
        return ParsedDocument(title: title, blocks: reader.builder.blocks, notes: notes)
    }
}

/// How cells look: as far as it matters to whether and how their values are seen.
struct SheetStyles {
    enum Shape { case plain, date, time, percent, nothing }
    struct Cell {
        var shape = Shape.plain
        var hiding: ParsedDocument.Hiding?
    }

    private(set) var cells: [Cell] = []

    init() {}

    init(_ bytes: [UInt8]) throws(DocumentProblem) {
        var formats: [Int: String] = [:]
        var fonts: [(colour: String?, size: Double?)] = []
        var fills: [String?] = []
        var section = ""
        var made: [Cell] = []
        try WordReader.walk(bytes) { event, walker throws(DocumentProblem) in
            switch event {
            case .start("fonts", let isEmpty), .start("fills", let isEmpty), .start("cellXfs", let isEmpty):
                if case .start(let name, _) = event, !isEmpty { section = name }
            case .end("fonts"), .end("fills"), .end("cellXfs"): section = ""
            case .start("numFmt", _):
                if let id = walker.attribute("numFmtId").flatMap({ Int($0) }) { formats[id] = walker.attribute("formatCode") }
            case .start("font", _): if section == "fonts" { fonts.append((nil, nil)) }
            case .start("color", _):
                if section == "fonts", !fonts.isEmpty { fonts[fonts.count - 1].colour = SheetStyles.colour(walker) }
            case .start("sz", _):
                if section == "fonts", !fonts.isEmpty { fonts[fonts.count - 1].size = walker.attribute("val").flatMap { Double($0) } }
            case .start("fill", _): if section == "fills" { fills.append(nil) }
            case .start("fgColor", _): if section == "fills", !fills.isEmpty { fills[fills.count - 1] = SheetStyles.colour(walker) }
            case .start("patternFill", _):
                if section == "fills", !fills.isEmpty, walker.attribute("patternType") == "gray125" { fills[fills.count - 1] = "#c0c0c0" }
            case .start("xf", _):
                guard section == "cellXfs" else { break }
                var cell = Cell()
                let id = walker.attribute("numFmtId").flatMap { Int($0) } ?? 0
                cell.shape = SheetStyles.shape(id, formats[id])
                let font = walker.attribute("fontId").flatMap { Int($0) }.flatMap { fonts.indices.contains($0) ? fonts[$0] : nil }
                let fill = walker.attribute("fillId").flatMap { Int($0) }.flatMap { fills.indices.contains($0) ? fills[$0] : nil }
                if cell.shape == .nothing { cell.hiding = .notDisplayed }
                if let size = font?.size, size <= 2 { cell.hiding = .zeroSize }
                if let colour = font?.colour.flatMap({ HTMLStyle.colour($0) }),
                    colour.isLike(fill.flatMap { HTMLStyle.colour($0) } ?? .white)
                {
                    cell.hiding = .sameColour
                }
                made.append(cell)
            default: break
            }
            return made.count < 70_000 && fonts.count < 70_000 && fills.count < 70_000
        }
        cells = made
    }

    /// `rgb` is ARGB; the first theme colour is the paper's, in every theme that is not dark.
    private static func colour(_ walker: borrowing XMLWalker) -> String? {
        if let rgb = walker.attribute("rgb"), rgb.count >= 6 { return "#" + rgb.suffix(6).lowercased() }
        if walker.attribute("theme") == "0", walker.attribute("tint") == nil { return "#ffffff" }
        switch walker.attribute("indexed") {
        case "1", "9", "65": return "#ffffff"
        case "0", "8", "64": return "#000000"
        default: return nil
        }
    }

    private static func shape(_ id: Int, _ code: String?) -> Shape {
        switch id {
        case 14...17, 22, 27...31, 36, 50...54, 57, 58: return .date
        case 18...21, 45...47: return .time
        case 9, 10: return .percent
        default: break
        }
        guard let code else { return .plain }
        // Outside quotes and brackets: letters that stand for parts of a date.
        var bare = ""
        var mode: Character?
        for character in code.lowercased() {
            if let open = mode {
                if character == open { mode = nil }
            } else if character == "\"" {
                mode = "\""
            } else if character == "[" {
                mode = "]"
            } else {
                bare.append(character)
            }
        }
        let first = bare.split(separator: ";", omittingEmptySubsequences: false)
        if first.count >= 3, first.allSatisfy({ $0.allSatisfy(\.isWhitespace) }) { return .nothing }
        if bare.contains("y") || bare.contains("d") && !bare.contains("general") { return .date }
        if bare.contains("h") || bare.contains("ss") { return .time }
        return bare.contains("%") ? .percent : .plain
    }
}

struct SheetReader {
    let strings: [String]
    let styles: SheetStyles
    let is1904: Bool
    var builder = BlockBuilder()
    private(set) var formulas = 0

    init(strings: [String], styles: SheetStyles, is1904: Bool) {
        self.strings = strings
        self.styles = styles
        self.is1904 = is1904
    }

    /// The texts that cells refer to by number; of Japanese ones without their reading aids.
    static func strings(_ bytes: [UInt8]) throws(DocumentProblem) -> [String] {
        var found: [String] = []
        var current = ""
        var total = 0
        var isText = false
        var aside = 0
        try WordReader.walk(bytes) { event, _ throws(DocumentProblem) in
            switch event {
            case .start("si", let isEmpty): if isEmpty { found.append("") }
            case .end("si"):
                total += current.utf8.count
                guard total <= 64 << 20 else { throw .tooLarge }
                found.append(BlockBuilder.collapsed(current))
                current = ""
            case .start("rPh", let isEmpty): if !isEmpty { aside += 1 }
            case .end("rPh"): aside -= 1
            case .start("t", let isEmpty): isText = !isEmpty && aside == 0
            case .end("t"): isText = false
            case .text(let text): if isText { current += text }
            default: break
            }
            guard found.count <= 2_000_000 else { throw .tooLarge }
            return true
        }
        return found
    }

    mutating func read(_ bytes: [UInt8], hiding: ParsedDocument.Hiding?) throws(DocumentProblem) {
        struct Cell {
            var column = 0
            var type = "n"
            var style: SheetStyles.Cell?
            var value = ""
        }
        var state = self
        var hiddenColumns: [ClosedRange<Int>] = []
        var row: [String] = []
        var unseen: [(ParsedDocument.Hiding, String)] = []
        var isRowHidden = false
        var cell: Cell?
        var column = 0
        var isValue = false
        var aside = 0
        try WordReader.walk(bytes) { event, walker throws(DocumentProblem) in
            switch event {
            case .start("col", _):
                if ["1", "true"].contains(walker.attribute("hidden") ?? ""), let first = walker.attribute("min").flatMap({ Int($0) }),
                    let last = walker.attribute("max").flatMap({ Int($0) }), first <= last, hiddenColumns.count < 16_384
                {
                    hiddenColumns.append(first...last)
                }
            case .start("row", let isEmpty):
                (row, unseen, column) = ([], [], 0)
                let height = walker.attribute("ht").flatMap { Double($0) }
                isRowHidden = !isEmpty && (["1", "true"].contains(walker.attribute("hidden") ?? "") || height.map { $0 < 1 } == true)
            case .end("row"):
                try state.finish(row, unseen)
            case .start("c", let isEmpty):
                column = walker.attribute("r").flatMap(SheetReader.column) ?? column + 1
                let style = walker.attribute("s").flatMap { Int($0) }.flatMap {
                    state.styles.cells.indices.contains($0) ? state.styles.cells[$0] : nil
                }
                cell = isEmpty ? nil : Cell(column: column, type: walker.attribute("t") ?? "n", style: style)
            case .end("c"):
                guard let done = cell else { break }
                cell = nil
                let text = BlockBuilder.collapsed(state.shown(done.value, done.type, done.style?.shape ?? .plain))
                guard !text.isEmpty else { break }
                let isUnseen = isRowHidden || hiddenColumns.contains { $0.contains(done.column) }
                if let why = hiding ?? (isUnseen ? .notDisplayed : done.style?.hiding) {
                    unseen.append((why, text))
                } else {
                    row.append(text)
                }
            case .start("v", let isEmpty), .start("t", let isEmpty): isValue = !isEmpty && aside == 0
            case .end("v"), .end("t"): isValue = false
            case .start("rPh", let isEmpty): if !isEmpty { aside += 1 }
            case .end("rPh"): aside -= 1
            case .start("f", _): state.formulas += 1
            case .text(let text): if isValue { cell?.value += text }
            default: break
            }
            return true
        }
        self = state
    }

    private mutating func finish(_ row: [String], _ unseen: [(ParsedDocument.Hiding, String)]) throws(DocumentProblem) {
        try builder.add(row.joined(separator: " | "))
        for (hiding, text) in unseen { try builder.add(text + " ", hiding: hiding) }
        try builder.end(.tableRow)
    }

    mutating func comments(_ bytes: [UInt8]) throws(DocumentProblem) {
        var state = self
        var isText = false
        try WordReader.walk(bytes) { event, _ throws(DocumentProblem) in
            switch event {
            case .start("t", let isEmpty), .start("text", let isEmpty): isText = !isEmpty
            case .end("comment"), .end("threadedComment"):
                isText = false
                try state.builder.end(.paragraph)
            case .end("t"): isText = false
            case .text(let text): if isText { try state.builder.add(text, hiding: .comment) }
            default: break
            }
            return true
        }
        try state.builder.end(.paragraph)
        self = state
    }

    /// `BC12` is column 55.
    private static func column(_ reference: String) -> Int? {
        var number = 0
        for byte in reference.utf8.prefix(4) {
            guard (0x41...0x5A).contains(byte) else { break }
            number = number * 26 + Int(byte) - 0x40
        }
        return number > 0 && number <= 16_384 ? number : nil
    }

    private func shown(_ value: String, _ type: String, _ shape: SheetStyles.Shape) -> String {
        switch type {
        case "s":
            guard let number = Int(value), strings.indices.contains(number) else { return "" }
            return strings[number]
        case "b": return value == "1" ? "TRUE" : "FALSE"
        case "n":
            guard let number = Double(value), number.isFinite else { return value }
            switch shape {
            case .date: return SheetReader.date(number + (is1904 ? 1462 : 0)) ?? value
            case .time: return SheetReader.time(number)
            case .percent: return SheetReader.plain((number * 1e10).rounded() / 1e8) + "%"
            case .plain, .nothing: return SheetReader.plain(number)
            }
        default: return value
        }
    }

    private static func plain(_ number: Double) -> String {
        if number == number.rounded(), abs(number) < 1e15 { return String(Int64(number)) }
        // Excel shows fifteen digits; what is stored has the noise of binary fractions.
        let scale = 1e10
        let rounded = abs(number) < 1e5 ? (number * scale).rounded() / scale : number
        return "\(rounded)"
    }

    /// Day 60 is 29 February 1900, which never was.
    private static func date(_ serial: Double) -> String? {
        guard serial >= 1, serial < 2_958_466 else { return nil }
        let day = Int(serial)
        var z = day - 25_569 - (day < 60 ? -1 : 0) + 719_468
        let era = z / 146_097
        z -= era * 146_097
        let yearOfEra = (z - z / 1460 + z / 36_524 - z / 146_096) / 365
        let dayOfYear = z - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let clock = serial - serial.rounded(.down) > 1e-6 ? " " + time(serial) : ""
        return "\(year)-\(two(month))-\(two(dayOfMonth))" + clock
    }

    private static func time(_ serial: Double) -> String {
        let seconds = Int(((serial - serial.rounded(.down)) * 86_400).rounded()) % 86_400
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(seconds / 3600)):\(two(seconds / 60 % 60))" + (seconds % 60 > 0 ? ":\(two(seconds % 60))" : "")
    }
}
