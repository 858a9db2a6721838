import SallyportCore
import Testing

@testable import SallyportGuard

/// What stands between the model's words and the names that are reported.
struct NameRulesTests {
    /// Names in brackets with their kind: `[p:Anna]`, `[l:Oslo]`, `[o:Acme]`.
    private func settled(_ marked: String) -> [String] {
        var text: [UInt8] = []
        var spans: [NameSpan] = []
        var open: (start: Int, kind: NameSpan.Kind)?
        var rest = Substring(marked)
        while let character = rest.popFirst() {
            if character == "[", let letter = rest.popFirst() {
                rest.removeFirst()
                open = (text.count, letter == "p" ? .person : letter == "l" ? .location : .organization)
            } else if character == "]", let begun = open {
                spans.append(NameSpan(range: begun.start..<text.count, kind: begun.kind, confidence: 0.9))
                open = nil
            } else {
                text += Array(String(character).utf8)
            }
        }
        return text.withUnsafeBytes { bytes in
            NameRules(text: bytes).settled(spans).map { span in
                let kind = span.kind == .person ? "p" : span.kind == .location ? "l" : "o"
                return "\(kind):" + String(decoding: bytes[span.range], as: UTF8.self)
            }
        }
    }

    @Test(arguments: [
        // Titles and degrees.
        ("call Mr. [p:Tim Wise] now", ["p:Mr. Tim Wise"]), ("[p:Dr] [p:Glen Shaw] wrote", ["p:Dr Glen Shaw"]),
        ("Herr [p:Eckard Warmer] B.Eng. und", ["p:Herr Eckard Warmer B.Eng."]), ("the doctor is [p:Ana Ruiz].", ["p:Ana Ruiz"]),
        ("[p:User Hunt] lives", ["p:Hunt"]),
        // Firms.
        ("at [o:Evans], [o:Sykes] and [o:Adams].", ["o:Evans, Sykes and Adams"]),
        ("at [o:Harris], [o:Reese and] [o:Ballard].", ["o:Harris, Reese and Ballard"]),
        ("the [o:Bank] [l:of England] said", ["o:Bank of England"]), ("the [o:Bank of] [l:Ireland] said", ["o:Bank of Ireland"]),
        ("of [l:Malaysia] [o:Airlines] now", ["o:Malaysia Airlines"]), ("at [p:Ibrahim] [o:Nyberg HB] today", ["o:Ibrahim Nyberg HB"]),
        ("at [o:Szyda S.A] yesterday", ["o:Szyda S.A"]), ("at [o:Szyda S.A]. Then", ["o:Szyda S.A."]),
        ("[p:Lynn] and [o:Sons] pay", ["o:Lynn and Sons"]),
        ("to [p:Christian] [o:Hall] there", ["p:Christian Hall"]),
        ("to [p:Demir Tekstil] A.Ş., attn", ["o:Demir Tekstil A.Ş."]), ("by [p:Lewin Poczta S.A.]", ["o:Lewin Poczta S.A."]),
        ("at [p:Joan Marsh] Ltd. Then", ["o:Joan Marsh Ltd."]), ("when [p:Joan Marsh] limited it", ["p:Joan Marsh"]),
        ("at [p:Joan Marsh] LLC today", ["o:Joan Marsh LLC"]),
        // Places stay what they are beside a firm, and lists of firms in capitals are lists.
        ("in [l:Bergen] [o:Acme] opened", ["l:Bergen", "o:Acme"]), ("by [o:IBM], [o:SAP] and [o:AMD].", ["o:IBM", "o:SAP", "o:AMD"]),
        // Surnames in several words, nicknames, initials, hashtags.
        ("[p:van] den [p:Berg] wrote", ["p:van den Berg"]), ("by [p:Gerda] [p:van Laar].", ["p:Gerda van Laar"]),
        ("[p:Ana] de la [p:Cruz] and [p:Leo]", ["p:Ana de la Cruz", "p:Leo"]), ("[p:Ann] in [p:Bern]", ["p:Ann", "p:Bern"]),
        ("[p:Ray] \"[p:Bones]\" [p:Miller] won", ["p:Ray \"Bones\" Miller"]),
        ("[p:Ray] \"[p:Bones]' [p:Miller]", ["p:Ray", "p:Bones", "p:Miller"]),
        ("at [l:al] - [l:Basra] today", ["l:al - Basra"]), ("[l:Oslo] - [l:Bergen]", ["l:Oslo", "l:Bergen"]),
        ("the [l:U]. S. [o:Army] said", ["l:U. S.", "o:Army"]), ("in the [l:U.S]. today", ["l:U.S."]), ("of vitamin [o:C]. Then", ["o:C"]),
        ("go #[l:Iceland]!", ["l:#Iceland"]), ("C#[o:Acme]", ["o:Acme"]),
        // What is none.
        ("expires next [l:Haziran].", []), ("order [o:FX]-6230 left", []), ("[o:ORD735103]", []), ("[o:NHS] number 1", []),
        ("[o:The] big one", []),
        ("[p:April] phoned", ["p:April"]), ("near [l:Alabang and] more", ["l:Alabang"]), ("", []),
    ]) func settles(_ marked: String, _ names: [String]) {
        #expect(settled(marked) == names)
    }

    @Test func survivesAnySpans() {
        var generator = SystemRandomNumberGenerator()
        let pieces = ["Dr", " ", ".", "-", "and", "Müller", ",", "of", "🚢", "1234", "B.Sc.", "\n", "("]
        for _ in 0..<2000 {
            let text = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                pieces[Int.random(in: 0..<pieces.count, using: &generator)]
            }
            let bytes = Array(text.joined().utf8)
            var spans: [NameSpan] = []
            var start = 0
            while start < bytes.count {
                let end = Int.random(in: start + 1...bytes.count, using: &generator)
                if Bool.random(using: &generator) {
                    spans.append(
                        NameSpan(
                            range: start..<end, kind: .init(rawValue: Int.random(in: 0...2, using: &generator)) ?? .person, confidence: 1))
                }
                start = end
            }
            let settled = bytes.withUnsafeBytes { NameRules(text: $0).settled(spans) }
            #expect(settled.allSatisfy { !$0.range.isEmpty && $0.range.upperBound <= bytes.count })
        }
    }
}
