import SallyportCore
import Testing

@testable import SallyportIdentity

@Suite struct AccessConditionTests {
    /// Tuesday, 24 November 2026, 09:30 UTC.
    private let context = AccessContext(
        deployment: "gpt-4o", project: "blue", operation: "ChatCompletions_Create", label: "internal", client: "app-1",
        address: IPAddress("10.1.2.3"), now: 1_795_512_600)

    @Test(arguments: [
        ("deployment == \"gpt-4o\"", true), ("deployment == \"gpt-4\"", false), ("deployment == \"gpt-*\"", true),
        ("deployment != \"gpt-4o\"", false), ("project in [\"red\", \"blue\"]", true), ("project not in [\"red\", \"blue\"]", false),
        ("operation == \"ChatCompletions_Create\" and label == \"internal\"", true),
        ("label == \"secret\" or client == \"app-1\"", true), ("not label == \"secret\"", true),
        ("not (label == \"internal\" or label == \"secret\")", false),
        ("network in [\"10.0.0.0/8\"]", true), ("network in [\"10.2.0.0/16\", \"2001:db8::/32\"]", false),
        ("network == \"10.1.2.3\"", true), ("time == \"09:00-10:00\"", true), ("time == \"09:31-10:00\"", false),
        ("time in [\"22:00-06:00\"]", false), ("time in [\"22:00-09:31\"]", true), ("time == \"00:00-24:00\"", true),
        ("weekday in [\"mon\", \"tue\"]", true), ("weekday == \"wed\"", false),
        ("label == \"a\" and label == \"b\" or label == \"internal\"", true),
    ])
    func holdsWhenItIsMeantTo(text: String, expected: Bool) throws {
        #expect(try AccessCondition(text).holds(in: context) == expected)
    }

    @Test func whatTheRequestDoesNotHaveIsNeverEqual() throws {
        let bare = AccessContext(now: 0)
        #expect(try !AccessCondition("deployment == \"*\"").holds(in: bare))
        #expect(try !AccessCondition("network in [\"0.0.0.0/0\", \"::/0\"]").holds(in: bare))
        #expect(try AccessCondition("label != \"secret\"").holds(in: bare))
    }

    @Test(arguments: [
        "", "deployment", "deployment ==", "deployment = \"a\"", "colour == \"a\"", "deployment == gpt", "deployment == \"a",
        "(label == \"a\"",
        "label == \"a\")", "label in []", "label in [\"a\"", "label == \"a\" label == \"b\"", "network == \"10.0.0.1/8\"",
        "network == \"somewhere\"", "time == \"9:00-10:00\"", "time == \"25:00-26:00\"", "weekday == \"monday\"", "label == \"a\\\"b\"",
        "not", "and label == \"a\"", "label == \"\"", "label == \"a\" & label == \"b\"", "label not \"a\"",
    ])
    func refusesWhatItCannotRead(text: String) {
        #expect(throws: AccessCondition.Mistake.self) { try AccessCondition(text) }
    }

    @Test func isBoundedInLengthDepthAndNumber() {
        let deep = String(repeating: "(", count: 40) + "label == \"a\"" + String(repeating: ")", count: 40)
        #expect(throws: AccessCondition.Mistake.self) { try AccessCondition(deep) }
        #expect(throws: AccessCondition.Mistake.self) { try AccessCondition(String(repeating: "not ", count: 40) + "label == \"a\"") }
        let many = Array(repeating: "label==\"a\"", count: 65).joined(separator: " or ")
        #expect(throws: AccessCondition.Mistake.self) { try AccessCondition(many) }
        #expect(throws: AccessCondition.Mistake.self) { try AccessCondition("label == \"" + String(repeating: "a", count: 2000) + "\"") }
    }

    @Test func neverTrapsOnArbitraryText() {
        var random = SplitMix(seed: 7)
        let pieces = [
            "label", "not", "and", "or", "(", ")", "[", "]", "in", "==", "!=", "\"a\"", "\"10.0.0.0/8\"", ",", "time", "\"08:00-18:00\"",
            " ", "\"",
            "=", "ä", "\u{0}",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0..<14, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined(
                separator: " ")
            if let condition = try? AccessCondition(text) { _ = condition.holds(in: context) }
        }
    }
}

/// Repeatable randomness.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
