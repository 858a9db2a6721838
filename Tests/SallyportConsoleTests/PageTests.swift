import Foundation
import NIOCore
import SallyportCore
import SallyportIdentity
import Testing

@testable import SallyportConsole

/// What pages are built of, with names and documents that would be markup.
@Suite struct PageTests {
    private static let hostile = "</textarea></pre><script>alert('1')</script>\"&"
    private static let escaped = "&lt;/textarea&gt;&lt;/pre&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;"

    // MARK: Escaping

    @Test func whatIsPutIntoAPageStaysText() {
        let pages: [HTML] = [
            Page.text("Document", "document", Self.hostile), Page.hidden("name", Self.hostile),
            Page.input("Name", "name", value: Self.hostile),
            Page.choice(Self.hostile, "x", ["a"]),
            Page.choice("Label", "x", [(value: Self.hostile, word: Self.hostile)], chosen: Self.hostile),
            Page.table(["A"], [["\(Self.hostile)"]], caption: Self.hostile, empty: ""), Page.table([], [], empty: "\(Self.hostile)"),
            Page.facts([(Self.hostile, Self.hostile)]), Page.finder("/indexes", "Find", Self.hostile), Page.code(Self.hostile),
        ]
        for page in pages {
            #expect(page.text.contains(Self.escaped))
            #expect(!page.text.contains("<script"))
        }
    }

    @Test func aDocumentInAFormIsWhatItWas() {
        // Browsers take one line break off the beginning.
        #expect(Page.text("D", "d", "\n{}").text.contains(">\n\n{}</textarea>"))
        #expect(Page.text("D", "d", "{}").text.contains(">\n{}</textarea>"))
    }

    @Test func theChosenOneIsChosenAndNoOther() {
        let html = Page.choice("Label", "label", ["public", "internal"], chosen: "internal").text
        #expect(html.contains("<option value=\"internal\" selected>internal"))
        #expect(!html.contains("<option value=\"public\" selected"))
    }

    @Test func aRefusalIsToldWithAWayBackAndAsText() {
        var refusal = ConsoleRefusal(400, "InvalidRequest", Self.hostile)
        refusal.back = "/indexes/\"><script>"
        let html = String(buffer: refusal.page.body)
        #expect(html.contains(Self.escaped))
        #expect(html.contains("href=\"/indexes/&quot;&gt;&lt;script&gt;\">Go back"))
        #expect(!html.contains("<script"))
    }

    @Test func findingsAreText() throws {
        let found = PolicyPages.found(PolicyFindings(name: "x", rules: 1, blocklists: 1, basedOn: Self.hostile, notes: [Self.hostile]))
        #expect(found.text.components(separatedBy: Self.escaped).count == 3)
        let finding = ["policy": Self.hostile, "demand": Self.hostile]
        let json = try JSONSerialization.data(
            withJSONObject: ["allowed": false, "findings": [finding], "reported": [finding]] as [String: Any])
        let outcome = try JSONDecoder().decode(ConditionalDocuments.Outcome.self, from: json)
        let shown = ConditionalPages.shown(outcome).text
        #expect(shown.components(separatedBy: Self.escaped).count == 5)
        #expect(!shown.contains("<script"))
    }

    // MARK: Paths

    @Test(arguments: ["a/b", "../x", "a b", "ä", "a?b#c", "%2F", "\"><script>", "a\\b", "a\u{0}b"])
    func aNameIsOneSegmentOfAPath(name: String) {
        let path = Page.path("policies", name)
        #expect(path.split(separator: "/", omittingEmptySubsequences: false).count == 3)
        #expect(path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"<>?#\\".utf8.contains($0) })
        #expect(path.removingPercentEncoding == "/policies/\(name)")
    }

    // MARK: Long lists

    @Test(arguments: ["0", "-1", "", "x", "1.5", " 1", "1000001", "9223372036854775808"])
    func noNumberOfAPage(text: String) {
        #expect(throws: Fault.self) { try ListPage.asked(text) }
    }

    @Test(arguments: [
        (1, 0, 1, 1, 0), (1, 50, 1, 1, 50), (1, 51, 1, 2, 50), (2, 51, 2, 2, 1), (1_000_000, 51, 2, 2, 1), (1_000_000, 0, 1, 1, 0),
        (3, 150, 3, 3, 50),
    ])
    func aPartOfALongList(asked: Int, total: Int, number: Int, last: Int, shown: Int) throws {
        let part = ListPage(try ListPage.asked("\(asked)"), of: total)
        #expect((part.number, part.last) == (number, last))
        let rows = part.rows(of: Array(0..<total))
        #expect(rows.count == shown)
        #expect(rows.first == (total > 0 ? part.skip : nil))
    }

    @Test func linksLeadToThePartsThatThereAre() {
        #expect(ListPage(1, of: 50).links("/policies") == nil)
        let first = ListPage(1, of: 120).links("/indexes/a", [(name: "find", value: "a&b=\"c\"")])?.text ?? ""
        #expect(first.contains("href=\"/indexes/a?find=a%26b%3D%22c%22&amp;page=2\"") && !first.contains("prev"))
        let middle = ListPage(2, of: 120).links("/x")?.text ?? ""
        #expect(middle.contains("rel=\"prev\" href=\"/x?page=1\"") && middle.contains("rel=\"next\" href=\"/x?page=3\""))
        let last = ListPage(9, of: 120).links("/x")?.text ?? ""
        #expect(last.contains("Page 3 of 3, 120 in all") && !last.contains("next"))
    }

    // MARK: Documents

    @Test(arguments: [
        #"{"a":[1,2,{"b":"x, {y}: \" z"}],"c":{},"d":[],"e":null}"#, #"[]"#, #"{"a" : "\\", "b":[ [ ] ]}"#, #""text: {,}""#, "",
    ])
    func jsonInOneLineIsShownInLinesAndMeansTheSame(json: String) throws {
        let shown = Page.indented(json)
        guard !json.isEmpty else {
            #expect(shown.isEmpty)
            return
        }
        let options: JSONSerialization.ReadingOptions = .fragmentsAllowed
        let (a, b) = (
            try JSONSerialization.jsonObject(with: Data(json.utf8), options: options),
            try JSONSerialization.jsonObject(with: Data(shown.utf8), options: options)
        )
        #expect(a as? NSObject == b as? NSObject)
        #expect(shown.contains("\n") == (json.contains(",") && json.first != "\""))
    }

    @Test func jsonInLinesStaysAsItWasWritten() {
        let written = "{\n \"a\" :1 }"
        #expect(Page.indented(written) == written)
    }

    @Test func depthCostsNoMoreThanLength() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(Page.indented(deep).utf8.count < 100 * deep.utf8.count)
    }

    @Test func onlyTheStateOfAPolicyIsChanged() throws {
        let text = "{ \"displayName\": \"state\", \"conditions\": {\"state\": \"x\"},\n  \"state\" : \"disabled\" }"
        let changed = try ConditionalPages.document(ByteBuffer(string: text), withState: "enabled")
        #expect(changed == text.replacingOccurrences(of: "\"disabled\"", with: "\"enabled\""))
        for unreadable in ["{", "{}", "[]", "{\"state\": 1, \"state\": 2}"] {
            #expect(throws: Fault.self) { try ConditionalPages.document(ByteBuffer(string: unreadable), withState: "enabled") }
        }
    }
}
