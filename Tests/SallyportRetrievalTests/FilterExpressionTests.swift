import Testing

@testable import SallyportRetrieval

@Suite struct FilterExpressionTests {
    private static let values: [String: FieldValue] = [
        "title": .text("O'Brien's rules"), "rating": .number(4.5), "open": .flag(true), "gone": .null,
        "groups": .list(["crew", "night shift"]),
        "none": .list([]),
    ]

    @Test(arguments: [
        ("title eq 'O''Brien''s rules'", true), ("title ne 'x' and rating gt 4", true), ("rating le 4.5 and rating ge 4.5", true),
        ("not (rating lt 4)", true), ("open", true), ("open eq false", false), ("gone eq null", true), ("groups/any()", true),
        ("none/any()", false), ("groups/any(g: g eq 'crew')", true), ("groups/any(g: search.in(g, 'a, crew'))", true),
        ("groups/any(g: search.in(g, 'night shift'))", false), ("groups/any(g: search.in(g, 'x|night shift', '|'))", true),
        ("groups/all(g: g ne 'office')", true), ("none/all(g: g eq 'x')", true), ("none/any(g: g eq 'x')", false),
        ("groups/any(g: search.in(g, ''))", false), ("true", true), ("false or rating eq 4.5", true),
        ("rating gt 1 or rating gt 9 and false", true), ("'a' lt 'b'", true), ("4 lt rating", true),
    ])
    func decides(_ filter: String, _ expected: Bool) throws {
        let parsed = try FilterExpression(parsing: filter)
        #expect(parsed.holds { Self.values[$0] } == expected)
        // Written anew it says the same.
        #expect(try FilterExpression(parsing: parsed.text).holds { Self.values[$0] } == expected)
    }

    @Test(arguments: [
        "", "a eq 1) or (true", "(a eq 1", "a eq", "eq 1", "a eq 'x", "a and", "not", "a/any(g g eq 1)", "a eq 1; b", "a eq 1 -- x",
        "drop(a)",
        "a/any(g: 'x')", "'x'", "5", "search.in(a, 'b'", "a/b/", "a..b eq 1", "a eq \"x\"", "a\u{0} eq 1", "geo.distance(a, b)", ")(",
        "or true",
    ])
    func refusesWhatIsNoFilterByItself(_ filter: String) {
        #expect(throws: FilterExpression.Mistake.self) { try FilterExpression(parsing: filter) }
    }

    @Test func joinedFiltersKeepTheirBrackets() throws {
        let theirs = try FilterExpression(parsing: "a eq 1 or true")
        let joined = try #require(FilterExpression.all([.anyOf(["x"], in: "group_ids"), theirs]))
        #expect(joined.text == "(group_ids/any(g: search.in(g, 'x', '|'))) and ((a eq 1) or (true))")
        #expect(try FilterExpression(parsing: joined.text).holds { $0 == "group_ids" ? .list(["y"]) : .number(1) } == false)
    }

    @Test func valuesWithEveryDelimiterAreComparedAlone() {
        let filter = FilterExpression.anyOf(["a|,;\u{1F}\u{1E}\u{1D}'", "b"], in: "groups")
        #expect(filter.holds { _ in .list(["b"]) })
        #expect(filter.holds { _ in .list(["a|,;\u{1F}\u{1E}\u{1D}'"]) })
        #expect(!filter.holds { _ in .list(["a"]) })
    }

    @Test func depthAndSizeAreBounded() {
        #expect(throws: FilterExpression.Mistake.self) { try FilterExpression(parsing: String(repeating: "(", count: 200) + "true") }
        #expect(throws: FilterExpression.Mistake.self) { try FilterExpression(parsing: String(repeating: "not ", count: 200) + "true") }
        #expect(throws: FilterExpression.Mistake.self) {
            try FilterExpression(parsing: "true" + String(repeating: " or true", count: 5000))
        }
        #expect(throws: FilterExpression.Mistake.self) {
            try FilterExpression(parsing: "a eq '" + String(repeating: "x", count: 70_000) + "'")
        }
    }

    @Test func unknownFieldsAndFunctionsAreNamed() throws {
        let (fields, collections): (Set<String>, Set<String>) = (["title"], ["groups"])
        for filter in [
            "titel eq 'x'", "group/any(g: g eq 'x')", "groups eq 'x'", "title/any()", "groups/any(g: title eq 'x')", "search.ismatch('x')",
        ] {
            #expect(throws: FilterExpression.Mistake.self) { try FilterExpression(parsing: filter).check(fields, collections: collections) }
        }
        try FilterExpression(parsing: "title eq 'x' and groups/any(g: search.in(g, 'a'))").check(fields, collections: collections)
    }

    @Test func randomBytesNeverEscape() {
        var generator = SeededGenerator(state: 3)
        let pieces = ["(", ")", "'", " ", "and", "or", "not", "a", "/", "any", ":", ",", "eq", "1", "search.in", "é", "\u{0}", "-", "."]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...14, using: &generator)).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined(
                separator: " ")
            guard let parsed = try? FilterExpression(parsing: text) else { continue }
            #expect((try? FilterExpression(parsing: parsed.text)) != nil, "\(text) → \(parsed.text)")
        }
    }
}
