import SallyportCore
import SallyportPatterns
import Testing

@testable import SallyportGuard

@Suite struct BlocklistIndexTests {
    let compiler: HyperscanCompiler
    init() throws { compiler = try HyperscanCompiler() }

    func index(_ texts: [String], isRegex: Bool = false) throws -> BlocklistIndex {
        try BlocklistIndex(
            [(Blocklist(name: "list"), texts.enumerated().map { BlocklistItem(id: "\($0)", text: $1, isRegex: isRegex) })],
            compiler: compiler)
    }

    func found(_ texts: [String], isRegex: Bool = false, in text: String) throws -> [String] {
        try index(texts, isRegex: isRegex).matches(in: Passage(text, origin: .user)).map {
            "\($0.item.id):\(String(decoding: Array(text.utf8)[$0.range], as: UTF8.self))"
        }
    }

    @Test func findsTermsWhateverTheirCase() throws {
        #expect(try found(["Project Falcon", "HATE"], in: "the project FALCON, I hate it") == ["0:project FALCON", "1:hate"])
    }

    @Test(arguments: ["hated", "whate", "hate7", "éhate", "hateñ", "9hate"])
    func staysSilentInsideALongerWord(text: String) throws {
        #expect(try found(["hate"], in: "so \(text) it").isEmpty)
    }

    @Test(arguments: ["hate", "hate.", "(hate)", "-hate-", "hate_speech", "«hate»", "日hate本", "\u{200B}hate\u{200B}", "hate🙂", "#hate"])
    func findsAWholeWordBesideSigns(text: String) throws {
        #expect(try found(["hate"], in: text) == ["0:hate"])
    }

    @Test func asksForNoBorderWhereTheTermEndsInASign() throws {
        #expect(try found(["c++", "$$$"], in: "c++11 a$$$b") == ["0:c++", "1:$$$"])
        #expect(try found(["c++"], in: "xc++").isEmpty)
    }

    @Test func findsTermsOfScriptsWithoutSpacesAnywhere() throws {
        #expect(try found(["机密", "ひみつ", "ความลับ"], in: "这是机密文件。これはひみつです。นี่คือความลับนะ") == ["0:机密", "1:ひみつ", "2:ความลับ"])
    }

    @Test(arguments: [
        ("привет", "Скажи ПРИВЕТ миру", "ПРИВЕТ"), ("Straße", "die STRAßE dort", "STRAßE"), ("ÉCOLE", "une école", "école"),
        ("ΣΊΣΥΦΟΣ", "ο σίσυφος", "σίσυφος"),
        ("ｆｏｏ", "a ＦＯＯ b", "ＦＯＯ"), ("mÜller", "Herr MüLLER.", "MüLLER"),
    ])
    func foldsLettersBeyondASCII(term: String, text: String, expected: String) throws {
        #expect(try found([term, "ascii"], in: text) == ["0:\(expected)"])
    }

    @Test func matchesExpressionsAnywhereAndOncePerPlace() throws {
        #expect(try found(["b[i1][a@][s\\$]", "x+"], isRegex: true, in: "unb1@sed XXX x") == ["0:b1@s", "1:XXX", "1:x"])
    }

    @Test func namesEveryListAndItemThatHoldsATerm() throws {
        let index = try BlocklistIndex(
            [
                (Blocklist(name: "a"), [BlocklistItem(id: "1", text: "Word"), BlocklistItem(id: "2", text: "w.rd", isRegex: true)]),
                (Blocklist(name: "b"), [BlocklistItem(id: "3", text: " wORD ")]),
            ], compiler: compiler)
        #expect(index.itemCount == 3)
        #expect(try index.matches(in: Passage("a word", origin: .user)).map { "\($0.list)\($0.item.id)" } == ["a1", "a2", "b3"])
    }

    @Test func findsNothingWithoutItems() throws {
        #expect(try found([], in: "anything").isEmpty)
        #expect(try BlocklistIndex([], compiler: compiler).matches(in: Passage("x", origin: .user)).isEmpty)
    }

    @Test func namesTheItemThatCannotBeCompiled() throws {
        let error = #expect(throws: BlocklistIndex.InvalidItem.self) {
            try BlocklistIndex(
                [(Blocklist(name: "l"), [BlocklistItem(id: "ok", text: "("), BlocklistItem(id: "bad", text: "(", isRegex: true)])],
                compiler: compiler)
        }
        #expect(error?.itemID == "bad" && error?.list == "l")
    }

    @Test func holdsTenThousandItems() throws {
        let texts = (0..<10_000).map { "term\($0 * 7919 % 100_003)x" }
        let index = try index(texts)
        let matches = try index.matches(in: Passage("one \(texts[1234]) and \(texts[9999].uppercased())", origin: .user))
        #expect(matches.map(\.item.id) == ["1234", "9999"])
    }

    @Test func coversTheRestOfATextThatIsFullOfMatches() throws {
        let text = String(repeating: "a ", count: 100_000)
        let matches = try index(["a"]).matches(in: Passage(text, origin: .user))
        #expect(matches.count == BlocklistIndex.maximumMatches)
        #expect(matches.map(\.range.upperBound).max() == text.utf8.count)
    }

    @Test func reportsListAndItemNeverTheText() throws {
        let findings = try BlocklistDetector(index(["falcon"])).findings(in: Passage("a Falcon", origin: .completion), hits: [])
        #expect(findings == [Finding("blocklist", Finding.Category(.blocklist, "list"), at: 2..<8, evidence: "0")])
    }
}

@Suite struct CaseFoldingTests {
    @Test func keepsEveryOffset() {
        let folding = CaseFolding()
        var text = ""
        for value in UInt32(1)..<0x3000 { if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) } }
        text += "日本語😀ＡＺ\u{10400}"
        let folded = Array(text.utf8).withUnsafeBytes { folding.folded($0) }
        let result = String(validating: folded, as: UTF8.self)
        #expect(result?.unicodeScalars.count == text.unicodeScalars.count)
        for (before, after) in zip(text.unicodeScalars, result?.unicodeScalars ?? "".unicodeScalars) where before != after {
            #expect(after == "σ" || String(before).lowercased() == String(after), "\(before) \(after)")
        }
    }

    @Test func leavesBytesThatAreNotTextAlone() {
        let bytes: [UInt8] = [0xC3, 0x41, 0xE1, 0xFF, 0xF0, 0x80]
        #expect(bytes.withUnsafeBytes { CaseFolding().folded($0) }.count == 6)
    }
}
