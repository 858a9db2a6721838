import Foundation
import SallyportCore

/// PDF through poppler's programs. `pdftotext` says what is written and where; `pdftoppm` draws the same pages, and what is written but
/// cannot be seen in the drawing (white on white, transparent, covered, of a hidden layer) is hidden text, whatever made it so. Pages that
/// are pictures of text are read by OCR, where it is installed.
enum PDFParser {
    private static let textProgram = "/usr/bin/pdftotext"
    private static let drawingProgram = "/usr/bin/pdftoppm"
    /// Of the longer side, in pixels: about 72 to an inch.
    private static let drawing = 800
    private static let pagesAtOnce = 40
    private static let mostReadByOCR = 40

    static func parse(_ bytes: [UInt8]) throws(DocumentProblem) -> ParsedDocument {
        // Readers look for the mark in the first kilobyte; a file that begins as something else is something else too.
        guard bytes.starts(with: Array("%PDF-".utf8)) else { throw .mismatch }
        let (output, complaint, status) = try ChildProgram.run(
            textProgram, ["-bbox-layout", "-enc", "UTF-8", "-q", "-", "-"], content: bytes, limit: 192 << 20)
        guard status == 0 else { throw complaint.contains("password") ? .encrypted : .malformed }
        var pages = try PDFPage.pages(of: output)
        guard !pages.isEmpty else { throw .malformed }
        var scanned: [Int] = []
        for start in stride(from: 0, to: pages.count, by: pagesAtOnce) {
            let end = min(pages.count, start + pagesAtOnce)
            // Nothing is written there that could be hidden, and pictures are seen below.
            let pictures = try drawings(of: bytes, from: start + 1, to: end, longest: drawing)
            guard pictures.count == end - start else { throw .malformed }
            for (offset, picture) in pictures.enumerated() {
                pages[start + offset].markHidden(by: picture)
                if pages[start + offset].isScanned(picture) { scanned.append(start + offset) }
            }
        }
        var notes: [String] = []
        if !scanned.isEmpty {
            if let reader = TextRecogniser() {
                for page in scanned.prefix(mostReadByOCR) {
                    let picture = try ChildProgram.run(
                        drawingProgram,
                        ["-gray", "-q", "-scale-to", "2600", "-f", "\(page + 1)", "-l", "\(page + 1)", "-"], content: bytes, limit: 16 << 20
                    )
                    guard picture.status == 0, !picture.output.isEmpty else { throw .malformed }
                    pages[page].recognised = try reader.text(in: picture.output)
                }
                notes.append("\(min(scanned.count, mostReadByOCR)) scanned pages read by OCR")
                if scanned.count > mostReadByOCR { notes.append("\(scanned.count - mostReadByOCR) scanned pages not read") }
            } else {
                notes.append("\(scanned.count) scanned pages not read: OCR is not installed")
            }
        }
        var document = try assemble(pages)
        document.notes = notes
        guard !document.blocks.isEmpty else { throw scanned.isEmpty || TextRecogniser() != nil ? .empty : .readerMissing }
        return document
    }

    private static func drawings(of bytes: [UInt8], from first: Int, to last: Int, longest: Int) throws(DocumentProblem) -> [GrayPicture] {
        let (output, _, status) = try ChildProgram.run(
            drawingProgram, ["-gray", "-q", "-scale-to", "\(longest)", "-f", "\(first)", "-l", "\(last)", "-"], content: bytes,
            limit: (last - first + 1) * (longest * longest + 64))
        guard status == 0 else { throw .malformed }
        return GrayPicture.all(in: output)
    }

    private static func assemble(_ pages: [PDFPage]) throws(DocumentProblem) -> ParsedDocument {
        // The size that most words have is the body's; what is clearly larger is a heading.
        var sizes: [Int: Int] = [:]
        for page in pages { for block in page.blocks { for line in block.lines { sizes[line.size, default: 0] += line.words.count } } }
        let body = sizes.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key ?? 0
        let larger = sizes.keys.filter { $0 * 4 >= body * 5 }.sorted(by: >)
        var builder = BlockBuilder(page: 1)
        var title: String?
        for (number, page) in pages.enumerated() {
            builder.page = number + 1
            for block in page.blocks {
                var isFirst = true
                var wasHeading: Int?
                for line in block.lines {
                    let level = line.size * 4 >= body * 5 ? larger.firstIndex(of: line.size).map { min(3, $0 + 1) } : nil
                    if wasHeading != level, !builder.isEmpty { try PDFParser.end(&builder, wasHeading, &title) }
                    wasHeading = level
                    if !isFirst, !builder.isEmpty { try builder.add(" ") }
                    isFirst = false
                    if line.isListItem, !builder.isEmpty { try builder.end(.paragraph) }
                    for (position, word) in line.words.enumerated() {
                        if position > 0 { try builder.add(" ", hiding: word.hiding) }
                        try builder.add(word.text, hiding: word.hiding)
                    }
                    if line.words.contains(where: { $0.hiding != nil }) { try builder.add(" ", hiding: line.words.last?.hiding) }
                }
                try PDFParser.end(&builder, wasHeading, &title)
            }
            if !page.recognised.isEmpty {
                for block in try PlainTextParser.paragraphs(of: page.recognised, hasTitle: false).blocks {
                    try builder.append(.init(block.kind, level: block.level, block.text, page: number + 1))
                }
            }
        }
        if title == nil, let first = builder.blocks.first, first.hiding == nil, first.kind == .paragraph, PDFParser.isTitle(first.text) {
            title = first.text
        }
        return ParsedDocument(title: title, blocks: builder.blocks)
    }

    private static func end(_ builder: inout BlockBuilder, _ level: Int?, _ title: inout String?) throws(DocumentProblem) {
        let count = builder.blocks.count
        if let level {
            try builder.end(.heading, level: level)
            if title == nil, builder.blocks.count > count, builder.blocks[count].hiding == nil { title = builder.blocks[count].text }
        } else {
            try builder.end(.paragraph)
        }
    }

    private static func isTitle(_ text: String) -> Bool {
        (1...100).contains(text.count) && !".,;:?!".contains(text.last ?? ".") && text.first?.isLetter == true
    }
}

/// What stands on a page, and where, in points from its upper left corner.
struct PDFPage {
    struct Word {
        let text: String
        let box: Box
        var hiding: ParsedDocument.Hiding?
    }
    struct Line {
        let box: Box
        var words: [Word] = []
        /// Half points, so that what is set alike compares alike.
        var size: Int { Int(((words.first?.box.height ?? 0) * 2).rounded()) }
        var isListItem: Bool { words.count > 1 && ["•", "–", "-", "◦", "▪"].contains(words[0].text) }
    }
    struct Block { var lines: [Line] = [] }
    struct Box {
        let left, top, right, bottom: Double
        var height: Double { bottom - top }
        var area: Double { max(0, right - left) * max(0, bottom - top) }
        func overlap(_ other: Box) -> Double {
            max(0, min(right, other.right) - max(left, other.left)) * max(0, min(bottom, other.bottom) - max(top, other.top))
        }
    }

    let width, height: Double
    var blocks: [Block] = []
    /// What OCR made of it.
    var recognised = ""

    /// Smaller than this, in points, nobody reads.
    private static let smallest = 2.0
    private static let mostWords = 4_000_000

    /// `pdftotext -bbox-layout` writes one element a line; it is read as lines, since its words may hold what XML forbids.
    static func pages(of output: [UInt8]) throws(DocumentProblem) -> [PDFPage] {
        var pages: [PDFPage] = []
        var words = 0
        for line in output.split(separator: UInt8(ascii: "\n")) {
            let text = line.drop { $0 == 0x20 }
            if text.starts(with: "<word ".utf8) {
                guard let end = text.firstIndex(of: UInt8(ascii: ">")), let box = box(text[..<end]) else { throw .malformed }
                var content = text[text.index(after: end)...]
                if content.suffix(7).elementsEqual("</word>".utf8) { content = content.dropLast(7) }
                let word = unescaped(String(decoding: content, as: UTF8.self))
                words += 1
                guard words <= mostWords else { throw .tooLarge }
                guard let page = pages.indices.last, let block = pages[page].blocks.indices.last,
                    let line = pages[page].blocks[block].lines.indices.last
                else { throw .malformed }
                pages[page].blocks[block].lines[line].words.append(Word(text: word, box: box))
            } else if text.starts(with: "<line ".utf8) {
                guard let page = pages.indices.last, let block = pages[page].blocks.indices.last, let box = box(text) else {
                    throw .malformed
                }
                pages[page].blocks[block].lines.append(Line(box: box))
            } else if text.starts(with: "<block ".utf8) {
                guard let page = pages.indices.last else { throw .malformed }
                pages[page].blocks.append(Block())
            } else if text.starts(with: "<page ".utf8) {
                let values = numbers(text)
                guard values.count >= 2, values[0] > 0, values[1] > 0 else { throw .malformed }
                guard pages.count < 20_000 else { throw .tooLarge }
                pages.append(PDFPage(width: values[0], height: values[1]))
            }
        }
        return pages
    }

    private static func box(_ element: ArraySlice<UInt8>) -> Box? {
        let values = numbers(element)
        guard values.count >= 4 else { return nil }
        return Box(left: values[0], top: values[1], right: values[2], bottom: values[3])
    }

    /// The quoted values of an element, in their order.
    private static func numbers(_ element: ArraySlice<UInt8>) -> [Double] {
        let parts = element.split(separator: UInt8(ascii: "\""), maxSplits: 9, omittingEmptySubsequences: false)
        return parts.enumerated().filter { $0.offset % 2 == 1 }.compactMap { part in
            Double(String(decoding: part.element, as: UTF8.self)).flatMap { $0.isFinite ? $0 : nil }
        }
    }

    private static func unescaped(_ text: String) -> String {
        guard text.contains("&") else { return text }
        return text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"").replacing("&#39;", with: "'")
            .replacing("&apos;", with: "'").replacing("&amp;", with: "&")
    }

    /// Marks words that the drawing does not show.
    mutating func markHidden(by picture: GrayPicture) {
        let scale = Double(max(picture.width, picture.height)) / max(width, height)
        for block in blocks.indices {
            for line in blocks[block].lines.indices {
                for word in blocks[block].lines[line].words.indices {
                    let box = blocks[block].lines[line].words[word].box
                    // Upright text is as high as its size, turned text as wide.
                    if min(box.height, box.right - box.left) < PDFPage.smallest, box.height < PDFPage.smallest || box.height < 4 {
                        blocks[block].lines[line].words[word].hiding = .zeroSize
                    } else if picture.contrast(in: box, scale: scale) < GrayPicture.visible {
                        blocks[block].lines[line].words[word].hiding = .sameColour
                    }
                }
            }
        }
        markLaidOver()
    }

    /// Two texts in one place: a reader sees at most one of them, and it cannot be told which. Both lines are hidden.
    private mutating func markLaidOver() {
        struct Place {
            let block, line: Int
            let box: Box
            let text: String
        }
        var words: [Place] = []
        for (block, content) in blocks.enumerated() {
            for (line, content) in content.lines.enumerated() {
                for word in content.words where word.hiding == nil {
                    words.append(Place(block: block, line: line, box: word.box, text: word.text))
                }
            }
        }
        guard words.count > 1 else { return }
        words.sort { $0.box.top < $1.box.top }
        for (position, one) in words.enumerated() {
            for other in words[(position + 1)...].prefix(400) {
                if other.box.top >= one.box.bottom { break }
                let smaller = min(one.box.area, other.box.area)
                guard smaller > 0, one.box.overlap(other.box) > smaller * 0.3, one.text != other.text else { continue }
                for place in [one, other] {
                    for word in blocks[place.block].lines[place.line].words.indices
                    where blocks[place.block].lines[place.line].words[word].hiding == nil {
                        blocks[place.block].lines[place.line].words[word].hiding = .notDisplayed
                    }
                }
            }
        }
    }

    /// Hardly a word, and more than a speck of ink.
    func isScanned(_ picture: GrayPicture) -> Bool {
        let seen = blocks.reduce(0) { $0 + $1.lines.reduce(0) { $0 + $1.words.count { $0.hiding == nil } } }
        return seen < 5 && picture.ink > 0.002
    }
}

/// A drawing in shades of gray, as `pdftoppm -gray` writes it (PGM).
struct GrayPicture {
    let width, height: Int
    private let pixels: ArraySlice<UInt8>
    /// Less difference than this, of 255, between the lightest and the darkest point where a word stands: nobody sees it.
    static let visible = 14

    static func all(in bytes: [UInt8]) -> [GrayPicture] {
        var pictures: [GrayPicture] = []
        var place = 0
        while place < bytes.count {
            // `P5`, width, height, 255, one white space, pixels.
            guard bytes[place...].starts(with: Array("P5".utf8)) else { return pictures }
            place += 2
            var numbers: [Int] = []
            while numbers.count < 3 {
                while place < bytes.count, bytes[place] == 0x20 || bytes[place] == 0x0A || bytes[place] == 0x0D { place += 1 }
                var number = 0
                let start = place
                while place < bytes.count, (0x30...0x39).contains(bytes[place]), place - start < 7 {
                    number = number * 10 + Int(bytes[place] - 0x30)
                    place += 1
                }
                guard place > start else { return pictures }
                numbers.append(number)
            }
            place += 1
            let count = numbers[0] * numbers[1]
            guard numbers[2] == 255, count > 0, place + count <= bytes.count else { return pictures }
            pictures.append(GrayPicture(width: numbers[0], height: numbers[1], pixels: bytes[place..<(place + count)]))
            place += count
        }
        return pictures
    }

    private init(width: Int, height: Int, pixels: ArraySlice<UInt8>) {
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// - Returns: between the lightest and the darkest point of the middle of a word's place, or 0 beside the page.
    func contrast(in box: PDFPage.Box, scale: Double) -> Int {
        // The middle: the lines above and below must not make a word seen.
        let inset = box.height * 0.2
        let left = max(0, Int(clamping: box.left * scale)), right = min(width, Int(clamping: (box.right * scale).rounded(.up)))
        let top = max(0, Int(clamping: (box.top + inset) * scale))
        let bottom = min(height, max(Int(clamping: ((box.bottom - inset) * scale).rounded(.up)), top + 2))
        guard left < right, top < bottom else { return 0 }
        var (darkest, lightest) = (255, 0)
        for row in top..<bottom {
            for value in pixels[(pixels.startIndex + row * width + left)..<(pixels.startIndex + row * width + right)] {
                darkest = min(darkest, Int(value))
                lightest = max(lightest, Int(value))
            }
        }
        return lightest - darkest
    }

    /// The share of points that differ from the paper.
    var ink: Double {
        guard let paper = pixels.first.map({ Int($0) }) else { return 0 }
        return Double(pixels.count { abs(Int($0) - paper) > 48 }) / Double(pixels.count)
    }
}

extension Int {
    /// For places on a page that a file may put anywhere.
    fileprivate init(clamping value: Double) { self = Int(Swift.max(-1e9, Swift.min(1e9, value))) }
}
