import NIOConcurrencyHelpers
import SallyportCore
import Testing

@testable import SallyportPatterns

@Suite struct HyperscanCompilerTests {
    let compiler: HyperscanCompiler
    init() throws { compiler = try HyperscanCompiler() }

    func hits(_ patterns: [Pattern], in text: String) throws -> [PatternHit] {
        var hits: [PatternHit] = []
        try compiler.compile(patterns).scan(Array(text.utf8)) {
            hits.append($0)
            return true
        }
        return hits
    }

    func ranges(_ pattern: Pattern, in text: String) throws -> [Range<Int>] { try hits([pattern], in: text).map(\.range) }

    @Test func passesItsOwnTest() throws { try compiler.selfTest() }

    @Test func findsNothingWithoutPatternsOrText() throws {
        #expect(try hits([], in: "anything").isEmpty)
        #expect(try hits([Pattern("a")], in: "").isEmpty)
    }

    @Test func givesTheStartOfLiteralsAndOfFixedAndVaryingExpressions() throws {
        let found = try hits(
            [Pattern("secret", isLiteral: true), Pattern("[0-9]{4}"), Pattern("key=[a-z]{1,3};")], in: "a secret 1234 key=ab;")
        #expect(
            found == [
                PatternHit(pattern: 0, range: 2..<8), PatternHit(pattern: 1, range: 9..<13), PatternHit(pattern: 2, range: 14..<21),
            ])
    }

    @Test func leavesTheStartAtZeroWhenNobodyAsks() throws {
        #expect(try ranges(Pattern("secret", isLiteral: true, needsStart: false), in: "a secret") == [0..<8])
        #expect(try ranges(Pattern("se+cret", needsStart: false), in: "a seecret") == [0..<9])
    }

    @Test func ordersHitsByTheirEndsAlsoAcrossAssertions() throws {
        let found = try hits(
            [Pattern(#"\bfoo\b"#), Pattern("foo", isLiteral: true), Pattern("oo b"), Pattern("[a-z]{2,}$"), Pattern("o")],
            in: "foo bar foo baz")
        #expect(found.map(\.range.upperBound) == found.map(\.range.upperBound).sorted())
        #expect(found.contains(PatternHit(pattern: 0, range: 8..<11)))
        #expect(found.contains(PatternHit(pattern: 3, range: 12..<15)))
    }

    @Test func takesLiteralsByteForByte() throws {
        #expect(try ranges(Pattern(".*[x]\\", isLiteral: true), in: #"a .*[x]\ b"#) == [2..<8])
        // Beside an expression, where literals are written as expressions.
        #expect(try hits([Pattern(".*[x]\\", isLiteral: true), Pattern("z+")], in: #"a .*[x]\ b"#).map(\.range) == [2..<8])
        #expect(try ranges(Pattern("a\0b", isLiteral: true), in: "xa\0bx") == [1..<4])
    }

    @Test(arguments: ["привет", "ПРИВЕТ", "ПрИвЕт"])
    func foldsLettersBeyondASCII(spelling: String) throws {
        #expect(try ranges(Pattern("привет", isLiteral: true, ignoresCase: true), in: "о, \(spelling)!") == [4..<16])
        #expect(try ranges(Pattern("при+вет", ignoresCase: true), in: "о, \(spelling)!") == [4..<16])
    }

    @Test func keepsCaseWhenAsked() throws {
        #expect(try ranges(Pattern("Straße", isLiteral: true), in: "STRASSE straße Straße") == [16..<23])
    }

    @Test func readsADotAsACharacterNotAByte() throws {
        #expect(try ranges(Pattern("h.te"), in: "hâte") == [0..<5])
        #expect(try ranges(Pattern("^.{3}$"), in: "日本語") == [0..<9])
        #expect(try ranges(Pattern("[^a]{2}b"), in: "éüb") == [0..<5])
    }

    @Test func neverCutsACharacterInTwo() throws {
        // In bytes the class takes one byte of the two.
        #expect(try ranges(Pattern(#"x[\x80-\xff]"#), in: "xé") == [0..<3])
        #expect(try ranges(Pattern(#"[\x80-\xff]x"#), in: "éx") == [0..<3])
    }

    @Test func reportsEveryEndAndEveryOverlap() throws {
        #expect(try ranges(Pattern("ab+"), in: "abbb") == [0..<2, 0..<3, 0..<4])
        #expect(try ranges(Pattern("aa", isLiteral: true), in: "aaaa") == [0..<2, 1..<3, 2..<4])
    }

    @Test func stopsWhenToldTo() throws {
        var count = 0
        let database = try compiler.compile([Pattern("a")])
        try database.scan([UInt8](repeating: UInt8(ascii: "a"), count: 500_000)) { _ in
            count += 1
            return count < 3
        }
        #expect(count == 3)
    }

    @Test func deliversEveryHitOfAFlood() throws {
        var count = 0
        var last = 0
        try compiler.compile([Pattern("a"), Pattern("aa", isLiteral: true)]).scan([UInt8](repeating: UInt8(ascii: "a"), count: 200_000)) {
            count += 1
            last = max(last, $0.range.upperBound)
            return true
        }
        #expect(count == 399_999)
        #expect(last == 200_000)
    }

    @Test func scansWithinAScanAndFromManyThreads() async throws {
        let database = try compiler.compile([Pattern("need+le"), Pattern("hay", isLiteral: true)])
        let text = Array((String(repeating: "hay ", count: 1_000) + "needdle").utf8)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<64 {
                group.addTask {
                    var count = 0
                    try database.scan(text) { hit in
                        if hit.pattern == 0 {
                            try? database.scan(text) { _ in
                                count += 1; return true
                            }
                        }
                        count += 1
                        return true
                    }
                    return count
                }
            }
            for try await count in group { #expect(count == 2_002) }
        }
    }

    @Test(arguments: [
        ("a(b", "parenthes"), ("", "empty"), ("a*", "empty"), (#"(a)\1"#, "reference"), ("(?=a)b", "assertion"), (#"\bпривет"#, "UCP"),
        ("a\0b", "NUL"),
    ])
    func namesThePatternAndTheReason(expression: String, word: String) throws {
        let error = #expect(throws: PatternError.self) {
            try compiler.compile([Pattern("fine"), Pattern("also", isLiteral: true), Pattern(expression)])
        }
        #expect(error?.index == 2)
        #expect(error?.reason.lowercased().contains(word.lowercased()) == true, "\(error?.reason ?? "")")
    }

    @Test(arguments: [
        "((a{1,300}b){1,300}c){1,30}", "(((((x{9}){9}){9}){9}){9})", "a{20001}", String(repeating: "(", count: 100),
        String(repeating: "x", count: 9_000),
        "(a{99999999999999999999}){99999999999999999999}",
    ])
    func refusesWhatWouldGrowWithoutEnd(expression: String) {
        #expect(throws: PatternError.self) { try compiler.compile([Pattern(expression)]) }
    }

    @Test func survivesHostileExpressions() {
        var random = SeededGenerator(state: 7)
        let alphabet = Array(#"ab\x{}[]()^$.*+?|,019-:\Q\E\p{L}(?i)é"#)
        for _ in 0..<400 {
            let expression = String((0..<Int.random(in: 1...14, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "a" })
            // Either it compiles and scans, or it says why not.
            do {
                let database = try compiler.compile([Pattern(expression, ignoresCase: true)])
                let text = Array("ab\\x{0}é, aab 019 \u{1F600}".utf8)
                try database.scan(text) { hit in
                    #expect(hit.range.upperBound <= text.count)
                    return true
                }
            } catch let error as PatternError {
                #expect(!error.reason.isEmpty && error.index == 0)
            } catch {
                Issue.record("\(expression): \(error)")
            }
        }
    }
}

@Suite struct ExpressionTraitsTests {
    @Test(arguments: [
        ("abc", 3), ("a{3}", 3), ("(ab){2,5}c", 11), ("[a-z]{1,8}", 8), ("a{x}", 4), (#"\Qa+b\E"#, 3), (#"\x{41}{2}"#, 2), ("[]a]{2}", 2),
        ("a{2,}", 3), ("(?:a|b)+", 2),
    ])
    func countsPositions(expression: String, atLeast: Int) {
        let positions = ExpressionTraits(expression.utf8).positions
        #expect(positions >= atLeast && positions <= atLeast + 4, "\(positions)")
    }

    @Test(arguments: [
        ("a[bc]d", false), ("a.c", true), (#"a\.c"#, false), ("[^a]", true), ("[.]", false), (#"\W"#, true), (#"\w"#, false), ("é", true),
        (#"\x{e9}"#, true), (#"\xe9"#, false), (#"\Q.\E"#, false), (#"[\S]"#, true), ("[[:^alpha:]]", true),
    ])
    func seesCodePointConstructs(expression: String, expected: Bool) {
        #expect(ExpressionTraits(expression.utf8).speaksOfCodePoints == expected)
    }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
