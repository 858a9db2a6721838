import SallyportCore

/// PowerPoint presentations. A slide is a page and its title a heading; notes and comments, which an audience does not see, are marked.
enum PPTXParser {
    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        let package = try OfficePackage(bytes) { name in
            name == "ppt/presentation.xml"
                || name.hasSuffix(".xml")
                    && ["ppt/slides/", "ppt/notesSlides/", "ppt/comments/", "ppt/diagrams/data"].contains { name.hasPrefix($0) }
        }
        guard let presentation = package["ppt/presentation.xml"] else { throw .mismatch }
        let related = try package.relationships(of: "ppt/presentation.xml")
        var files: [String] = []
        var size = (width: 12_192_000, height: 6_858_000)
        var isList = false
        try WordReader.walk(presentation) { event, walker throws(DocumentProblem) in
            switch event {
            case .start("sldIdLst", let isEmpty): isList = !isEmpty
            case .end("sldIdLst"): isList = false
            case .start("sldId", _):
                // `id` is a number, `r:id` names the file: the one of these that is a relationship.
                if isList, let target = walker.attributes("id").lazy.compactMap({ related[$0] }).first { files.append(target.target) }
            case .start("sldSz", _):
                if let width = walker.attribute("cx").flatMap({ Int($0) }), let height = walker.attribute("cy").flatMap({ Int($0) }) {
                    size = (width, height)
                }
            default: break
            }
            return files.count < 20_000
        }
        guard !files.isEmpty else { throw .empty }
        var reader = SlideReader(size: size)
        for (number, file) in files.enumerated() {
            guard let content = package[file] else { throw .malformed }
            reader.builder.page = number + 1
            try reader.read(content)
            for related in try package.relationships(of: file).values.sorted(by: { $0.target < $1.target }) {
                guard let content = package[related.target] else { continue }
                switch related.kind {
                case "notesSlide", "comments": try reader.read(content, everything: .comment)
                case "diagramData": try reader.read(content)
                default: break
                }
            }
        }
        reader.builder.page = nil
        let (title, hidden) = try package.properties()
        for block in hidden { try reader.builder.append(block) }
        let blocks = reader.builder.blocks
        return ParsedDocument(
            title: title ?? blocks.first { $0.kind == .heading && $0.hiding == nil }?.text, blocks: blocks, notes: package.notes)
    }
}

struct SlideReader {
    let size: (width: Int, height: Int)
    var builder = BlockBuilder()

    init(size: (width: Int, height: Int)) { self.size = size }

    private struct Shape {
        var isTitle = false
        var hiding: ParsedDocument.Hiding?
        var fill: HTMLStyle.Colour?
        var offset: (x: Int, y: Int)?
        /// Slide numbers, dates and footers say the same on every slide.
        var isFurniture = false
    }
    private struct Run {
        var colour: HTMLStyle.Colour?
        var size: Int?
        var isClear = false
    }

    mutating func read(_ bytes: [UInt8], everything: ParsedDocument.Hiding? = nil) throws(DocumentProblem) {
        var state = self
        var shapes: [Shape] = []
        var groups = 0
        var run: Run?
        var isBackground = 0
        var isShapeProperties = 0
        var isRunProperties = 0
        var isLine = 0
        var background: HTMLStyle.Colour? = .white
        var slideHiding = everything
        var isText = false
        var cells: [String]?
        var isComment = false
        func hiding() -> ParsedDocument.Hiding? {
            if let slideHiding { return slideHiding }
            if let hidden = shapes.lazy.compactMap(\.hiding).first { return hidden }
            guard let run else { return nil }
            if run.isClear { return .notDisplayed }
            // Hundredths of a point.
            if let size = run.size, size <= 200 { return .zeroSize }
            guard let colour = run.colour, let behind = shapes.last?.fill ?? background else { return nil }
            return colour.isLike(behind) ? .sameColour : nil
        }
        func endParagraph() throws(DocumentProblem) {
            if cells != nil {
                try state.builder.add(" ")
            } else if shapes.last?.isTitle == true {
                try state.builder.end(.heading, level: 1)
            } else {
                try state.builder.end(.paragraph)
            }
        }
        try WordReader.walk(bytes) { event, walker throws(DocumentProblem) in
            switch event {
            case .start("sld", _):
                if slideHiding == nil, ["0", "false"].contains(walker.attribute("show") ?? "1") { slideHiding = .notDisplayed }
            case .start("bg", let isEmpty): if !isEmpty { isBackground += 1 }
            case .end("bg"): isBackground -= 1
            case .start("blipFill", _), .start("gradFill", _):
                // What is behind cannot be told: take the text for visible.
                if isBackground > 0 {
                    background = nil
                } else if isShapeProperties > 0, !shapes.isEmpty {
                    shapes[shapes.count - 1].fill = HTMLStyle.Colour(red: -1000, green: -1000, blue: -1000)
                }
            case .start("grpSp", let isEmpty): if !isEmpty { groups += 1 }
            case .end("grpSp"): groups -= 1
            case .start("sp", let isEmpty), .start("graphicFrame", let isEmpty), .start("cxnSp", let isEmpty), .start("pic", let isEmpty):
                if !isEmpty { shapes.append(Shape()) }
            case .end("sp"), .end("graphicFrame"), .end("cxnSp"), .end("pic"): _ = shapes.popLast()
            case .start("cNvPr", _):
                if ["1", "true"].contains(walker.attribute("hidden") ?? ""), !shapes.isEmpty {
                    shapes[shapes.count - 1].hiding = .notDisplayed
                }
                if let words = walker.attribute("descr"), words.split(whereSeparator: \.isWhitespace).count >= 3 {
                    try state.builder.append(
                        .init(
                            .paragraph, BlockBuilder.collapsed(words.prefix(10_000)), page: state.builder.page,
                            hiding: everything ?? .metadata))
                }
            case .start("ph", _):
                guard !shapes.isEmpty else { break }
                let kind = walker.attribute("type") ?? ""
                shapes[shapes.count - 1].isTitle = kind == "title" || kind == "ctrTitle"
                shapes[shapes.count - 1].isFurniture = ["sldNum", "dt", "ftr", "hdr", "sldImg"].contains(kind)
            case .start("spPr", let isEmpty): if !isEmpty { isShapeProperties += 1 }
            case .end("spPr"): isShapeProperties -= 1
            case .start("ln", let isEmpty): if !isEmpty { isLine += 1 }
            case .end("ln"): isLine -= 1
            case .start("off", _):
                if groups == 0, !shapes.isEmpty, let x = walker.attribute("x").flatMap({ Int($0) }),
                    let y = walker.attribute("y").flatMap({ Int($0) })
                {
                    shapes[shapes.count - 1].offset = (x, y)
                    if x >= state.size.width || y >= state.size.height { shapes[shapes.count - 1].hiding = .offPage }
                }
            case .start("ext", _):
                if groups == 0, let offset = shapes.last?.offset, let width = walker.attribute("cx").flatMap({ Int($0) }),
                    let height = walker.attribute("cy").flatMap({ Int($0) }),
                    offset.x.addingReportingOverflow(width).partialValue <= 0 || offset.y.addingReportingOverflow(height).partialValue <= 0
                {
                    shapes[shapes.count - 1].hiding = .offPage
                }
            case .start("srgbClr", _), .start("schemeClr", _), .start("sysClr", _), .start("prstClr", _):
                guard isLine == 0 else { break }
                let colour = SlideReader.colour(event, walker)
                if isRunProperties > 0 {
                    run?.colour = colour
                } else if isBackground > 0 {
                    background = colour
                } else if isShapeProperties > 0, !shapes.isEmpty {
                    shapes[shapes.count - 1].fill = colour ?? HTMLStyle.Colour(red: -1000, green: -1000, blue: -1000)
                }
            case .start("alpha", _):
                if isRunProperties > 0, let value = walker.attribute("val").flatMap({ Int($0) }), value < 6000 { run?.isClear = true }
            case .start("r", let isEmpty), .start("fld", let isEmpty): if !isEmpty { run = Run() }
            case .end("r"), .end("fld"): run = nil
            case .start("rPr", let isEmpty):
                run?.size = walker.attribute("sz").flatMap { Int($0) }
                if !isEmpty { isRunProperties += 1 }
            case .end("rPr"): isRunProperties -= 1
            case .start("t", let isEmpty): isText = !isEmpty
            case .end("t"): isText = false
            // Comments of before 2018 hold their words in `text`.
            case .start("text", let isEmpty): isComment = !isEmpty && everything != nil
            case .end("text"):
                isComment = false
                try state.builder.end(.paragraph)
            case .text(let text):
                if isText && shapes.last?.isFurniture != true || isComment { try state.builder.add(text, hiding: hiding()) }
            case .start("br", _): try state.builder.add(" ")
            case .end("p"): try endParagraph()
            case .start("tr", let isEmpty):
                if !isEmpty {
                    try state.builder.end(.paragraph)
                    cells = []
                }
            case .end("tc"):
                let cell = state.builder.takeVisible()
                if !cell.isEmpty { cells?.append(cell) }
            case .end("tr"):
                if let row = cells {
                    cells = nil
                    try state.builder.add(row.joined(separator: " | "))
                    try state.builder.end(.tableRow)
                }
            default: break
            }
            return true
        }
        self = state
        try builder.end(.paragraph)
    }

    private static func colour(_ event: XMLWalker.Event, _ walker: borrowing XMLWalker) -> HTMLStyle.Colour? {
        guard case .start(let name, _) = event, let value = walker.attribute("val") else { return nil }
        switch name {
        case "srgbClr": return HTMLStyle.colour("#" + value.lowercased())
        case "sysClr": return HTMLStyle.colour("#" + (walker.attribute("lastClr") ?? "").lowercased())
        case "prstClr": return HTMLStyle.colour(value.lowercased())
        // The paper and the ink of themes that are not dark.
        default: return ["bg1", "lt1"].contains(value) ? .white : ["tx1", "dk1"].contains(value) ? HTMLStyle.colour("black") : nil
        }
    }
}
