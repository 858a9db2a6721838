import SallyportCore
import Testing

@testable import SallyportDocuments

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func problem(_ bytes: [UInt8], _ format: DocumentFormat) -> DocumentProblem? {
    do {
        _ = try DocumentParsers.parse(bytes, as: format)
        return nil
    } catch { return error }
}

/// A workbook around the rows of its first sheet.
func xlsx(
    _ rows: String, columns: String = "", state: String = "visible", styles: String = "", strings: [String] = [], prolog: String = "",
    also: [(name: String, content: [UInt8])] = []
) -> [UInt8] {
    let relationships = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    return zip(
        [
            ("[Content_Types].xml", bytes("<Types/>")),
            (
                "xl/workbook.xml",
                bytes(
                    "<workbook xmlns:r=\"\(relationships)\"><sheets><sheet name=\"Front\" sheetId=\"7\" r:id=\"r1\"/><sheet name=\"Data\" sheetId=\"1\" state=\"\(state)\" r:id=\"r2\"/></sheets></workbook>"
                )
            ),
            (
                "xl/_rels/workbook.xml.rels",
                bytes(
                    "<Relationships><Relationship Id=\"r2\" Type=\"\(relationships)/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"r1\" Type=\"\(relationships)/worksheet\" Target=\"/xl/worksheets/sheet2.xml\"/></Relationships>"
                )
            ),
            ("xl/styles.xml", bytes("<styleSheet>\(styles)</styleSheet>")),
            ("xl/sharedStrings.xml", bytes("<sst>\(strings.map { "<si><t>\($0)</t></si>" }.joined())</sst>")),
            ("xl/worksheets/sheet1.xml", bytes("\(prolog)<worksheet>\(columns)<sheetData>\(rows)</sheetData></worksheet>")),
            (
                "xl/worksheets/sheet2.xml",
                bytes("<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>Front page.</t></is></c></row></sheetData></worksheet>")
            ),
        ] + also)
}

func cell(_ text: String, _ place: String = "A1", style: Int? = nil) -> String {
    "<c r=\"\(place)\" t=\"inlineStr\"\(style.map { " s=\"\($0)\"" } ?? "")><is><t>\(text)</t></is></c>"
}

/// A presentation of one slide.
func pptx(
    _ shapes: String, show: String = "1", background: String = "", prolog: String = "",
    also: [(name: String, content: [UInt8])] = []
) -> [UInt8] {
    let relationships = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    return zip(
        [
            ("[Content_Types].xml", bytes("<Types/>")),
            (
                "ppt/presentation.xml",
                bytes(
                    "<p:presentation xmlns:p=\"urn:p\" xmlns:r=\"\(relationships)\"><p:sldIdLst><p:sldId id=\"256\" r:id=\"r9\"/></p:sldIdLst><p:sldSz cx=\"9144000\" cy=\"6858000\"/></p:presentation>"
                )
            ),
            (
                "ppt/_rels/presentation.xml.rels",
                bytes(
                    "<Relationships><Relationship Id=\"r9\" Type=\"\(relationships)/slide\" Target=\"slides/slide1.xml\"/></Relationships>")
            ),
            (
                "ppt/slides/_rels/slide1.xml.rels",
                bytes(
                    "<Relationships><Relationship Id=\"n\" Type=\"\(relationships)/notesSlide\" Target=\"../notesSlides/notesSlide1.xml\"/></Relationships>"
                )
            ),
            (
                "ppt/notesSlides/notesSlide1.xml",
                bytes("<p:notes xmlns:p=\"urn:p\" xmlns:a=\"urn:a\"><p:sp><a:p><a:r><a:t>speaker words</a:t></a:r></a:p></p:sp></p:notes>")
            ),
            (
                "ppt/slides/slide1.xml",
                bytes(
                    "\(prolog)<p:sld xmlns:p=\"urn:p\" xmlns:a=\"urn:a\" show=\"\(show)\"><p:cSld>\(background)<p:spTree>\(shapes)</p:spTree></p:cSld></p:sld>"
                )
            ),
        ] + also)
}

func shape(_ text: String, kind: String = "", place: String = "", fill: String = "", run: String = "<a:rPr/>") -> String {
    "<p:sp><p:nvSpPr><p:cNvPr id=\"2\"/><p:nvPr>\(kind.isEmpty ? "" : "<p:ph type=\"\(kind)\"/>")</p:nvPr></p:nvSpPr><p:spPr>\(place)\(fill)</p:spPr><p:txBody><a:p><a:r>\(run)<a:t>\(text)</a:t></a:r></a:p></p:txBody></p:sp>"
}

@Suite struct OfficeFormatsTests {
    // MARK: Structure

    @Test func readsSheetsInTheirOrder() throws {
        let rows =
            "<row><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c></row><row><c r=\"A2\" s=\"1\"><v>45292</v></c><c r=\"B2\"><v>4.0999999999999996</v></c><c r=\"C2\" t=\"b\"><v>1</v></c><c r=\"D2\" s=\"2\"><v>0.25</v></c></row>"
        let styles = "<cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"9\"/></cellXfs>"
        let document = try DocumentParsers.parse(xlsx(rows, styles: styles, strings: ["Day", "Tonnes"]), as: .xlsx)
        #expect(document.visible == ["Front", "Front page.", "Data", "Day | Tonnes", "2024-01-01 | 4.1 | TRUE | 25%"])
        #expect(document.blocks.map(\.page) == [1, 1, 2, 2, 2])
        #expect(document.blocks.map(\.kind) == [.heading, .tableRow, .heading, .tableRow, .tableRow])
    }

    @Test func readsSlides() throws {
        let table =
            "<p:graphicFrame><a:tbl><a:tr><a:tc><a:p><a:r><a:t>A</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>B</a:t></a:r></a:p></a:tc></a:tr></a:tbl></p:graphicFrame>"
        let document = try DocumentParsers.parse(pptx(shape("Crane rules", kind: "title") + shape("Lift 40 tonnes.") + table), as: .pptx)
        #expect(document.title == "Crane rules")
        #expect(document.visible == ["Crane rules", "Lift 40 tonnes.", "A | B"])
        #expect(document.blocks.filter { $0.hiding == nil }.map(\.kind) == [.heading, .paragraph, .tableRow])
        #expect(document.blocks.allSatisfy { $0.page == 1 })
        #expect(document.hidden(.comment) == ["speaker words"])
    }

    @Test(arguments: [",", ";", "\t", "|"])
    func readsTables(separator: String) throws {
        let text = [
            "Name\(separator)Note", "Ann\(separator)\"says \"\"hi\"\"\(separator)\nand goes\"", "Bob\(separator)=cmd|' /C calc'!A0",
        ]
        let document = try DocumentParsers.parse(bytes(text.joined(separator: "\r\n") + "\r\n"), as: .csv)
        #expect(document.visible[0] == "Name | Note")
        #expect(document.visible[1] == "Ann | says \"hi\"\(separator == "\t" ? "" : separator) and goes")
        #expect(document.blocks.allSatisfy { $0.kind == .tableRow })
        #expect(document.notes == ["1 cells that a spreadsheet would run"])
    }

    // MARK: Hidden text

    @Test func marksHiddenCells() throws {
        let styles =
            "<numFmts><numFmt numFmtId=\"170\" formatCode=\";;;\"/></numFmts><fonts><font/><font><sz val=\"1\"/></font><font><color rgb=\"FFFFFFFF\"/></font></fonts><fills><fill/><fill><patternFill><fgColor rgb=\"FF003366\"/></patternFill></fill></fills><cellXfs><xf/><xf fontId=\"1\"/><xf fontId=\"2\"/><xf numFmtId=\"170\"/><xf fontId=\"2\" fillId=\"1\"/></cellXfs>"
        let rows =
            "<row>\(cell("seen"))\(cell("tiny", "B1", style: 1))\(cell("white", "C1", style: 2))\(cell("formatted", "D1", style: 3))\(cell("banner", "E1", style: 4))\(cell("column", "F1"))</row><row hidden=\"1\">\(cell("row", "A2"))</row>"
        let document = try DocumentParsers.parse(
            xlsx(rows, columns: "<cols><col min=\"6\" max=\"6\" hidden=\"1\"/></cols>", styles: styles), as: .xlsx)
        #expect(document.visible == ["Front", "Front page.", "Data", "seen | banner"])
        #expect(document.hidden(.zeroSize) == ["tiny"])
        #expect(document.hidden(.sameColour) == ["white"])
        #expect(document.hidden(.notDisplayed) == ["formatted column", "row"])
        let sheet = try DocumentParsers.parse(xlsx("<row>\(cell("secret sheet"))</row>", state: "veryHidden"), as: .xlsx)
        #expect(sheet.hidden(.notDisplayed) == ["secret sheet"])
        #expect(!sheet.visible.contains("Data"))
    }

    @Test func marksHiddenShapes() throws {
        let away = "<a:xfrm><a:off x=\"9999999\" y=\"0\"/><a:ext cx=\"10\" cy=\"10\"/></a:xfrm>"
        let white = "<a:rPr><a:solidFill><a:srgbClr val=\"FFFFFF\"/></a:solidFill></a:rPr>"
        let dark = "<a:solidFill><a:srgbClr val=\"003366\"/></a:solidFill>"
        let clear = "<a:rPr><a:solidFill><a:srgbClr val=\"000000\"><a:alpha val=\"0\"/></a:srgbClr></a:solidFill></a:rPr>"
        let document = try DocumentParsers.parse(
            pptx(
                shape("seen") + shape("away", place: away) + shape("white", run: white) + shape("banner", fill: dark, run: white)
                    + shape("tiny", run: "<a:rPr sz=\"100\"/>") + shape("clear", run: clear)), as: .pptx)
        #expect(document.visible == ["seen", "banner"])
        #expect(document.hidden(.offPage) == ["away"])
        #expect(document.hidden(.sameColour) == ["white"])
        #expect(document.hidden(.zeroSize) == ["tiny"])
        #expect(document.hidden(.notDisplayed) == ["clear"])
        #expect(problem(pptx(shape("hidden slide"), show: "0"), .pptx) == .empty)
    }

    // MARK: Malice

    @Test func refusesEntities() {
        let prolog = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"
        #expect(problem(xlsx("<row>\(cell("&a;"))</row>", prolog: prolog), .xlsx) == .declaresEntities)
        #expect(problem(pptx(shape("&a;"), prolog: prolog), .pptx) == .declaresEntities)
    }

    @Test func refusesBombs() {
        let zeros = [UInt8](repeating: 0x20, count: 80 << 20)
        #expect(problem(xlsx("", also: [("xl/worksheets/sheet9.xml", zeros)]), .xlsx) == .inflates)
        #expect(problem(pptx(shape("a"), also: [("ppt/slides/slide9.xml", zeros)]), .pptx) == .inflates)
        // Many cells that say the same long word.
        let word = String(repeating: "x", count: 30_000)
        let cells = String(repeating: "<c t=\"s\"><v>0</v></c>", count: 2000)
        #expect(problem(xlsx("<row>\(cells)</row>", strings: [word]), .xlsx) == .tooLarge)
    }

    @Test func refusesWhatLeadsOutAndWhatIsCutShort() {
        #expect(problem(xlsx("", also: [("../../etc/passwd", bytes("x"))]), .xlsx) == .pathTraversal)
        #expect(problem(pptx(shape("a"), also: [("/etc/passwd", bytes("x"))]), .pptx) == .pathTraversal)
        let book = xlsx("<row>\(cell(String(repeating: "words ", count: 100)))</row>")
        for length in stride(from: 1, to: book.count - 1, by: 61) { #expect(problem(Array(book[..<length]), .xlsx) != nil) }
        let slides = pptx(shape("words"))
        for length in stride(from: 1, to: slides.count - 1, by: 61) { #expect(problem(Array(slides[..<length]), .pptx) != nil) }
        // A target that is not there.
        #expect(problem(xlsx("<row>"), .xlsx) == .malformed)
    }

    @Test func refusesPolyglots() {
        let book = xlsx("<row>\(cell("a"))</row>")
        #expect(problem(book, .pptx) == .mismatch)
        #expect(problem(book, .docx) == .mismatch)
        #expect(problem(book, .csv) == .mismatch)
        #expect(problem(book, .zip) == .mismatch)
        #expect(problem(bytes("%PDF-1.4\n") + book, .xlsx) == .mismatch)
        #expect(problem(book + bytes("%PDF-1.4\n"), .xlsx) == .malformed)
        #expect(problem(bytes("%PDF-1.4"), .csv) == .mismatch)
        #expect(problem([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], .xlsx) == .encrypted)
    }

    @Test func notesWhatIsMoreThanText() throws {
        let document = try DocumentParsers.parse(
            xlsx(
                "<row><c r=\"A1\"><f>SUM(B1:B9)</f><v>45</v></c></row>",
                also: [("xl/vbaProject.bin", bytes("macro")), ("xl/externalLinks/externalLink1.xml", bytes("<a/>"))]), as: .xlsx)
        #expect(document.visible.last == "45")
        #expect(document.notes == ["macros", "links to other files", "1 formulas, shown as what they last came to"])
    }

    @Test func refusesQuotesThatNobodyCloses() {
        #expect(problem(bytes("a,b\n\"c,d\n"), .csv) == .malformed)
        #expect(problem(bytes("\n\n,,,\n"), .csv) == .empty)
        #expect(problem([0x61, 0, 0x2C], .csv) == .notText)
        #expect(problem(bytes(String(repeating: "a,", count: 5000)), .csv) == .tooLarge)
    }

    @Test func survivesMutations() {
        var state: UInt64 = 11
        func next(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        let seeds: [(DocumentFormat, [UInt8])] = [
            (.xlsx, xlsx("<row>\(cell("words"))</row>")), (.pptx, pptx(shape("words", kind: "title"))), (.csv, bytes("a,b\n\"c\"\"\",d\n")),
            (.eml, bytes(mail)), (.zip, zip([("a.md", bytes("# A\n\nwords\n"))])),
        ]
        for (format, seed) in seeds {
            for _ in 0..<250 {
                var mutant = seed
                for _ in 0..<1 + next(6) {
                    switch next(3) {
                    case 0: mutant[next(mutant.count)] = UInt8(next(256))
                    case 1: mutant.remove(at: next(mutant.count))
                    default: mutant.insert(UInt8(next(256)), at: next(mutant.count))
                    }
                }
                if let document = try? DocumentParsers.parse(mutant, as: format) {
                    #expect(!document.visible.isEmpty || !document.parts.isEmpty)
                }
            }
        }
    }
}
