import SallyportCore

/// Word documents (Office Open XML). Macros are never looked at; comments, deleted and hidden text are marked.
enum DOCXParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        if bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0]) { throw .encrypted }
        let archive = try ZipArchive(bytes) { name in
            ["word/document.xml", "word/styles.xml", "word/comments.xml", "word/footnotes.xml", "word/endnotes.xml", "docProps/core.xml"]
                .contains(name) || name.hasPrefix("word/header") && name.hasSuffix(".xml")
                || name.hasPrefix("word/footer") && name.hasSuffix(".xml")
        }
        guard archive.names.contains("[Content_Types].xml"), let body = archive.files["word/document.xml"] else { throw .mismatch }
        var styles: [String: WordStyle] = [:]
        if let sheet = archive.files["word/styles.xml"] { styles = try WordStyle.sheet(sheet) }
        var reader = WordReader(styles: styles, builder: BlockBuilder(page: 1))
        try reader.read(body)
        reader.builder.page = nil
        for name in archive.files.keys.sorted() where name.hasPrefix("word/header") || name.hasPrefix("word/footer") {
            try reader.read(archive.files[name] ?? [])
        }
        for name in ["word/footnotes.xml", "word/endnotes.xml"] {
            if let notes = archive.files[name] { try reader.read(notes) }
        }
        if let comments = archive.files["word/comments.xml"] {
            reader.everything = .comment
            try reader.read(comments)
        }
        var document = ParsedDocument()
        if let properties = archive.files["docProps/core.xml"] {
            for (name, value) in try WordReader.properties(properties) {
                if name == "title" {
                    document.title = value
                } else {
                    try reader.builder.append(.init(.paragraph, value, hiding: .metadata))
                }
            }
        }
        document.blocks = reader.builder.blocks
        if document.title == nil {
            document.title = document.blocks.first { $0.kind == .heading && $0.hiding == nil }?.text
        }
        if archive.names.contains(where: { $0.hasSuffix("vbaProject.bin") }) { document.notes.append("macros") }
        if archive.names.contains(where: { $0.hasPrefix("word/embeddings/") }) { document.notes.append("embedded files") }
        return document
    }
}

/// What a named style means for structure and visibility.
struct WordStyle {
    var level: Int?
    var isHidden = false

    static func sheet(_ bytes: [UInt8]) throws(DocumentProblem) -> [String: WordStyle] {
        var styles: [String: WordStyle] = [:]
        var id: String?
        try WordReader.walk(bytes) { event, walker throws(DocumentProblem) in
            switch event {
            case .start("style", _): id = walker.attribute("styleId")
            case .start("name", _):
                guard let id, let name = walker.attribute("val")?.lowercased() else { break }
                if name == "title" { styles[id, default: WordStyle()].level = 1 }
                if name.hasPrefix("heading "), let level = Int(name.dropFirst(8)) { styles[id, default: WordStyle()].level = level }
            case .start("outlineLvl", _):
                if let id, let level = walker.attribute("val").flatMap({ Int($0) }), level < 9 {
                    styles[id, default: WordStyle()].level = level + 1
                }
            case .start("vanish", _): if let id, WordReader.isOn(walker) { styles[id, default: WordStyle()].isHidden = true }
            case .end("style"): id = nil
            default: break
            }
            return styles.count < 10_000
        }
        return styles
    }
}

struct WordReader {
    let styles: [String: WordStyle]
    var builder: BlockBuilder
    /// Set: all text is hidden in this way.
    var everything: ParsedDocument.Hiding?

    init(styles: [String: WordStyle], builder: BlockBuilder) {
        self.styles = styles
        self.builder = builder
    }

    /// A run's look.
    private struct Run {
        var isVanished = false
        var colour: String?
        var size: Int?
        var fill: String?
    }

    private struct Paragraph {
        var style: String?
        var isList = false
        var fill: String?
        var outline: Int?
    }

    static func walk(
        _ bytes: [UInt8], _ visit: (XMLWalker.Event, borrowing XMLWalker) throws(DocumentProblem) -> Bool
    ) throws(DocumentProblem) {
        var problem: DocumentProblem?
        bytes.withUnsafeBytes { raw in
            do throws(DocumentProblem) {
                let walker = try XMLWalker(raw)
                while let event = try walker.next() {
                    guard try visit(event, walker) else { break }
                }
            } catch { problem = error }
        }
        if let problem { throw problem }
    }

    /// `<w:vanish/>` is on, `<w:vanish w:val="0"/>` off.
    static func isOn(_ walker: borrowing XMLWalker) -> Bool {
        !["0", "false", "off"].contains(walker.attribute("val") ?? "1")
    }

    mutating func read(_ bytes: [UInt8]) throws(DocumentProblem) {
        var paragraphs: [Paragraph] = []
        var runs: [Run] = []
        var cells: [[String]] = []
        var cellFill: [String?] = []
        var properties = false
        var isText = false
        var deleted = 0
        var fallback = 0
        var state = self
        try WordReader.walk(bytes) { event, walker throws(DocumentProblem) in
            switch event {
            case .start("Fallback", let isEmpty): if !isEmpty { fallback += 1 }
            case .end("Fallback"): fallback -= 1
            case _ where fallback > 0: break
            case .start("p", let isEmpty):
                if !paragraphs.isEmpty || !state.builder.isEmpty { try state.finish(paragraphs.last, in: cells.last != nil) }
                if !isEmpty { paragraphs.append(Paragraph()) }
            case .end("p"):
                try state.finish(paragraphs.popLast(), in: !cells.isEmpty)
            case .start("rPr", let isEmpty): properties = !isEmpty
            case .end("rPr"): properties = false
            case .start("r", let isEmpty): if !isEmpty { runs.append(Run()) }
            case .end("r"): _ = runs.popLast()
            case .start("pStyle", _): paragraphs.last_ { $0.style = walker.attribute("val") }
            case .start("numPr", _): paragraphs.last_ { $0.isList = true }
            case .start("outlineLvl", _): paragraphs.last_ { $0.outline = walker.attribute("val").flatMap { Int($0) } }
            case .start("vanish", _), .start("webHidden", _): if properties, WordReader.isOn(walker) { runs.last_ { $0.isVanished = true } }
            case .start("rStyle", _):
                if let style = walker.attribute("val").flatMap({ state.styles[$0] }), style.isHidden { runs.last_ { $0.isVanished = true } }
            case .start("color", _): if properties { runs.last_ { $0.colour = walker.attribute("val")?.lowercased() } }
            case .start("sz", _): if properties { runs.last_ { $0.size = walker.attribute("val").flatMap { Int($0) } } }
            case .start("highlight", _): if properties { runs.last_ { $0.fill = walker.attribute("val") } }
            case .start("shd", _):
                let fill = walker.attribute("fill")?.lowercased()
                if properties {
                    runs.last_ { $0.fill = fill }
                } else if !paragraphs.isEmpty {
                    paragraphs.last_ { $0.fill = fill }
                } else if !cellFill.isEmpty {
                    cellFill[cellFill.count - 1] = fill
                }
            case .start("t", let isEmpty), .start("delText", let isEmpty): isText = !isEmpty
            case .end("t"), .end("delText"): isText = false
            case .text(let text):
                if isText {
                    let hiding = state.hiding(runs.last, paragraphs.last, cell: cellFill.last ?? nil, isDeleted: deleted > 0)
                    try state.builder.add(text, hiding: hiding)
                }
            case .start("tab", _): if !properties, !runs.isEmpty { try state.builder.add(" ") }
            case .start("br", _), .start("cr", _):
                try state.builder.add(" ")
                if walker.attribute("type") == "page" { try state.turnPage(paragraphs.last, in: !cells.isEmpty) }
            case .start("lastRenderedPageBreak", _): try state.turnPage(paragraphs.last, in: !cells.isEmpty)
            case .start("del", let isEmpty), .start("moveFrom", let isEmpty): if !isEmpty, !properties { deleted += 1 }
            case .end("del"), .end("moveFrom"): if !properties { deleted -= 1 }
            case .start("tr", let isEmpty): if !isEmpty { cells.append([]) }
            case .start("tc", let isEmpty): if !isEmpty { cellFill.append(nil) }
            case .end("tc"):
                _ = cellFill.popLast()
                let cell = state.builder.takeVisible()
                if !cell.isEmpty, !cells.isEmpty { cells[cells.count - 1].append(cell) }
            case .end("tr"):
                let row = cells.popLast() ?? []
                try state.builder.add(row.joined(separator: " | "))
                if cells.isEmpty { try state.builder.end(.tableRow) }
            default: break
            }
            return true
        }
        self = state
        try builder.end(.paragraph)
    }

    private func hiding(_ run: Run?, _ paragraph: Paragraph?, cell: String?, isDeleted: Bool) -> ParsedDocument.Hiding? {
        if let everything { return everything }
        if isDeleted { return .deleted }
        if run?.isVanished == true || paragraph?.style.flatMap({ styles[$0] })?.isHidden == true { return .notDisplayed }
        if let size = run?.size, size <= 3 { return .zeroSize }
        guard let colour = run?.colour.flatMap({ HTMLStyle.colour("#\($0)") }) else { return nil }
        let fill = [run?.fill, paragraph?.fill, cell].lazy.compactMap { $0 }.first { $0 != "auto" && $0 != "none" }
        // A highlight is named, and never white.
        guard let fill else { return colour.isLike(.white) ? .sameColour : nil }
        guard let background = HTMLStyle.colour("#\(fill)") else { return nil }
        return colour.isLike(background) ? .sameColour : nil
    }

    private mutating func turnPage(_ paragraph: Paragraph?, in table: Bool) throws(DocumentProblem) {
        guard let page = builder.page else { return }
        if !table { try finish(paragraph, in: false) }
        builder.page = page + 1
    }

    private mutating func finish(_ paragraph: Paragraph?, in table: Bool) throws(DocumentProblem) {
        // A cell's paragraphs are one text.
        if table { return try builder.add(" ") }
        let style = paragraph?.style.flatMap { styles[$0] }
        let level = style?.level ?? paragraph?.outline.flatMap { $0 < 9 ? $0 + 1 : nil } ?? WordReader.level(paragraph?.style)
        if let level {
            try builder.end(.heading, level: min(6, max(1, level)))
        } else {
            try builder.end(paragraph?.isList == true ? .listItem : .paragraph)
        }
    }

    /// Without a style sheet the usual names say enough.
    private static func level(_ style: String?) -> Int? {
        guard let style = style?.lowercased() else { return nil }
        if style == "title" { return 1 }
        return style.hasPrefix("heading") ? Int(style.dropFirst(7)) : nil
    }

    /// The core properties that hold words.
    static func properties(_ bytes: [UInt8]) throws(DocumentProblem) -> [(name: String, value: String)] {
        let wanted: Set<String> = ["title", "subject", "description", "keywords", "category"]
        var found: [(name: String, value: String)] = []
        var name: String?
        try walk(bytes) { event, _ throws(DocumentProblem) in
            switch event {
            case .start(let element, let isEmpty): name = wanted.contains(element) && !isEmpty ? element : nil
            case .text(let text):
                let text = BlockBuilder.collapsed(text.prefix(10_000))
                if let name, !text.isEmpty { found.append((name, text)) }
            case .end: name = nil
            }
            return found.count < 20
        }
        return found
    }
}

extension Array {
    fileprivate mutating func last_(_ change: (inout Element) -> Void) {
        guard !isEmpty else { return }
        change(&self[count - 1])
    }
}
