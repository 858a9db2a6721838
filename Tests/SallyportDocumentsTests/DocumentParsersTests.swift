import SallyportCore
import Testing

@testable import SallyportDocuments

@Suite struct DocumentParsersTests {
    // MARK: Structure

    @Test func readsMarkdown() throws {
        let text = """
            ---
            secret: front matter
            ---
            # Title

            Intro *with* `marks` and a [link](https://example.com/x).
            Second line.

            - one
            - two

            | a | b |
            |---|---|
            | 1 | 2 |

            ```
            code {
              x
            }
            ```
            """
        let document = try DocumentParsers.parse(Array(text.utf8), as: .markdown)
        #expect(document.title == "Title")
        #expect(
            document.blocks.filter { $0.hiding == nil }.map(\.kind) == [
                .heading, .paragraph, .listItem, .listItem, .tableRow, .tableRow, .code,
            ])
        #expect(
            document.visible == ["Title", "Intro with marks and a link. Second line.", "one", "two", "a | b", "1 | 2", "code {\n  x\n}"])
        #expect(document.hidden(.metadata) == ["secret: front matter"])
    }

    @Test func readsMarkdownAsOthersDo() throws {
        let text = """
            Title
            =====

            A [name][there] and ``a ` b``, 2 \\* 3 &amp; ~~gone~~.

            1. one
               - inner

            | a \\| b | c |
            |:--|--:|
            | 1 | 2 |

                indented code

            <div hidden>

            not seen

            </div>

            [there]: https://example.com/x "A title of its own"
            """
        let document = try DocumentParsers.parse(Array(text.utf8), as: .markdown)
        #expect(document.title == "Title")
        #expect(
            document.visible == ["Title", "A name and a ` b, 2 * 3 & gone.", "one", "inner", "a | b | c", "1 | 2", "indented code"])
        #expect(document.hidden(.notDisplayed) == ["not seen"])
        #expect(document.hidden(.metadata) == ["A title of its own"])
    }

    @Test func readsPlainTextByPages() throws {
        let document = try DocumentParsers.parse(Array("A title\n\nOne two.\nThree.\n\u{0C}Next page.\n".utf8), as: .text)
        #expect(document.title == "A title")
        #expect(document.blocks.map(\.text) == ["A title", "One two. Three.", "Next page."])
        #expect(document.blocks.map(\.page) == [1, 1, 2])
    }

    @Test func readsHTMLStructure() throws {
        let html = """
            <html><head><title>T</title><script>alert(1)</script></head><body><h1>Head</h1><p>One <b>two</b>.</p>
            <ul><li>a<li>b</ul><table><tr><th>A<th>B<tr><td>1<td>2</table><pre>x
              y</pre></body></html>
            """
        let document = try DocumentParsers.parse(Array(html.utf8), as: .html)
        #expect(document.title == "T")
        #expect(document.visible == ["Head", "One two.", "a", "b", "A | B", "1 | 2", "x\n  y"])
        #expect(document.blocks.map(\.kind) == [.heading, .paragraph, .listItem, .listItem, .tableRow, .tableRow, .code])
    }

    @Test func readsWordStructure() throws {
        let body =
            paragraph("Crane rules", "<w:pStyle w:val=\"Heading1\"/>") + paragraph("Lift 40 tonnes.")
            + "<w:tbl><w:tr><w:tc>\(paragraph("A"))</w:tc><w:tc>\(paragraph("B"))</w:tc></w:tr></w:tbl>"
            + "<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>" + paragraph("Second page.")
        let document = try DocumentParsers.parse(docx(body), as: .docx)
        #expect(document.title == "Crane rules")
        #expect(document.visible == ["Crane rules", "Lift 40 tonnes.", "A | B", "Second page."])
        #expect(document.blocks.map(\.kind) == [.heading, .paragraph, .tableRow, .paragraph])
        #expect(document.blocks.last?.page == 2)
    }

    // MARK: Hidden text

    @Test(arguments: [
        ("<p style='display:none'>obey me now</p>", ParsedDocument.Hiding.notDisplayed),
        ("<div hidden><p>obey me now</p></div>", .notDisplayed), ("<p style='visibility: hidden'>obey me now</p>", .notDisplayed),
        ("<p style='opacity:0'>obey me now</p>", .notDisplayed), ("<span style='font-size:0px'>obey me now</span>", .zeroSize),
        ("<span style='font-size: 0.1pt'>obey me now</span>", .zeroSize), ("<p style='color:#FFFFFF'>obey me now</p>", .sameColour),
        ("<font color=white>obey me now</font>", .sameColour),
        ("<div style='background:#102030'><p style='color: rgb(16,32,48)'>obey me now</p></div>", .sameColour),
        ("<p style='position:absolute;left:-9999px'>obey me now</p>", .offPage),
        ("<p style='text-indent:-9999px'>obey me now</p>", .offPage),
        ("<style>.k{display:none}</style><p class='a k'>obey me now</p>", .notDisplayed),
        ("<style>#k{color:white}</style><p id=k>obey me now</p>", .sameColour), ("<!-- obey me now -->", .comment),
        ("<img alt='obey me now'>", .metadata), ("<template><p>obey me now</p></template>", .notDisplayed),
        ("<meta name=description content='obey me now'>", .metadata),
    ])
    func marksHiddenHTML(fragment: String, hiding: ParsedDocument.Hiding) throws {
        let document = try DocumentParsers.parse(Array("<html><body><p>Visible.</p>\(fragment)</body></html>".utf8), as: .html)
        #expect(document.hidden(hiding) == ["obey me now"])
        #expect(document.visible == ["Visible."])
        // Markdown may hold the same.
        let markdown = try DocumentParsers.parse(Array("Visible.\n\n\(fragment)\n".utf8), as: .markdown)
        #expect(markdown.visible == ["Visible."])
    }

    @Test func whiteOnADarkBannerIsSeen() throws {
        let html = "<body><div style='background-color:#000'><h2 style='color:white'>Banner</h2></div></body>"
        #expect(try DocumentParsers.parse(Array(html.utf8), as: .html).visible == ["Banner"])
    }

    @Test func marksHiddenWordText() throws {
        let body =
            paragraph("Visible.") + paragraph("vanished words", run: "<w:vanish/>")
            + paragraph("white words", run: "<w:color w:val=\"FFFFFF\"/>")
            + paragraph("tiny words", run: "<w:sz w:val=\"2\"/>") + paragraph("shown", run: "<w:vanish w:val=\"0\"/>")
            + "<w:p><w:del><w:r><w:delText>deleted words</w:delText></w:r></w:del></w:p>"
        let document = try DocumentParsers.parse(
            docx(
                body,
                also: [
                    ("word/comments.xml", "<w:comments xmlns:w=\"urn:w\"><w:comment>\(paragraph("a comment"))</w:comment></w:comments>"),
                    ("docProps/core.xml", "<c:p xmlns:c=\"urn:c\"><c:title>Title</c:title><c:description>obey</c:description></c:p>"),
                    ("word/vbaProject.bin", "macro"),
                ]), as: .docx)
        #expect(document.visible == ["Visible.", "shown"])
        #expect(document.title == "Title")
        #expect(document.hidden(.notDisplayed) == ["vanished words"])
        #expect(document.hidden(.sameColour) == ["white words"])
        #expect(document.hidden(.zeroSize) == ["tiny words"])
        #expect(document.hidden(.deleted) == ["deleted words"])
        #expect(document.hidden(.comment) == ["a comment"])
        #expect(document.hidden(.metadata) == ["obey"])
        #expect(document.notes == ["macros"])
    }

    // MARK: Malice

    @Test func refusesEntities() {
        let prolog = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"
        #expect(problem(docx(paragraph("&a;"), prolog: prolog), .docx) == .declaresEntities)
        let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>"
        #expect(problem(docx(paragraph("&c;"), prolog: laughs), .docx) == .declaresEntities)
    }

    @Test func htmlKnowsNoExternalEntities() throws {
        let html = "<!DOCTYPE html [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><body><p>Visible &a; text.</p></body>"
        #expect(try !DocumentParsers.parse(Array(html.utf8), as: .html).blocks.contains { $0.text.contains("root:") })
    }

    @Test func refusesABomb() {
        let zeros = [UInt8](repeating: 0x20, count: 80 << 20)
        let bomb = zip([("[Content_Types].xml", []), ("word/document.xml", zeros)])
        #expect(bomb.count < 1 << 20)
        #expect(problem(bomb, .docx) == .inflates)
    }

    @Test(arguments: ["../../etc/passwd", "/etc/passwd", "word/../../x", "..\\x", "C:\\x"])
    func refusesPathsThatLeadOut(name: String) {
        #expect(problem(docx(paragraph("text"), also: [(name, "x")]), .docx) == .pathTraversal)
    }

    @Test func refusesTwoFilesOfOneName() {
        #expect(problem(docx(paragraph("one"), also: [("word/document.xml", "<a/>")]), .docx) == .malformed)
    }

    @Test func refusesWhatIsCutShort() {
        let whole = docx(paragraph(String(repeating: "words ", count: 200)))
        for length in stride(from: 1, to: whole.count - 1, by: 37) { #expect(problem(Array(whole[..<length]), .docx) != nil) }
    }

    @Test func refusesPolyglots() {
        let document = docx(paragraph("text"))
        #expect(problem(Array("%PDF-1.4\n".utf8) + document, .docx) == .mismatch)
        #expect(problem(document, .text) == .mismatch)
        #expect(problem(document, .html) == .mismatch)
        #expect(problem(Array("%PDF-1.4".utf8), .markdown) == .mismatch)
        #expect(problem(Array("<html>%PDF-1.4".utf8), .pdf) == .mismatch)
        #expect(problem(zip([("a.txt", [0x61])]), .docx) == .mismatch)
        #expect(problem([0xD0, 0xCF, 0x11, 0xE0] + Array("old word".utf8), .docx) == .encrypted)
    }

    @Test func refusesWhatIsNoText() {
        #expect(problem([0x61, 0x00, 0x62], .text) == .notText)
        #expect(problem([0xFF, 0xC0, 0x80], .markdown) == .notText)
        #expect(problem([], .text) == .empty)
        #expect(problem(Array(" \n\n ".utf8), .text) == .empty)
        #expect(problem(Array("<script>x</script>".utf8), .html) == .empty)
    }

    @Test func refusesBottomlessNesting() {
        let deep = String(repeating: "<w:x>", count: 400) + String(repeating: "</w:x>", count: 400)
        #expect(problem(docx(deep), .docx) != nil)
        let divs = String(repeating: "<div>", count: 100_000) + "text"
        // Read or refused, never a crash.
        if let found = problem(Array(divs.utf8), .html) { #expect(found == .tooDeep || found == .malformed || found == .empty) }
    }

    @Test func survivesMutations() {
        var state: UInt64 = 7
        func next(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        let seeds: [(DocumentFormat, [UInt8])] = [
            (.docx, docx(paragraph("Some words to read.") + "<w:tbl><w:tr><w:tc>\(paragraph("A"))</w:tc></w:tr></w:tbl>")),
            (.html, Array("<html><body><style>.a{color:red}</style><p class=a>Text <b>bold</b><table><tr><td>1</table></body>".utf8)),
            (.markdown, Array("# A\n\ntext <b style='color:red'>x</b>\n\n| a | b |\n\n```\ncode\n```\n".utf8)),
        ]
        for (format, seed) in seeds {
            for _ in 0..<400 {
                var bytes = seed
                for _ in 0..<1 + next(6) {
                    switch next(3) {
                    case 0: bytes[next(bytes.count)] = UInt8(next(256))
                    case 1: bytes.remove(at: next(bytes.count))
                    default: bytes.insert(UInt8(next(256)), at: next(bytes.count))
                    }
                }
                if let document = try? DocumentParsers.parse(bytes, as: format) { #expect(!document.visible.isEmpty) }
            }
        }
    }
}
