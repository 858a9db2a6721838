import SallyportWire
import Testing

@Suite struct CanonicalPathTests {
    @Test func decodesSegmentsAndQuery() throws {
        let path = try CanonicalPath(
            parsing: "/openai/deployments/dep%20one/chat/completions?api-version=2024-10-21&q=a+b%2Bc&flag&e=&x=1=2&&q=%C3%A9")
        #expect(path.segments == ["openai", "deployments", "dep one", "chat", "completions"])
        #expect(path.query.map(\.name) == ["api-version", "q", "flag", "e", "x", "q"])
        #expect(path.query.map(\.value) == ["2024-10-21", "a b+c", "", "", "1=2", "é"])
        #expect(path.queryValue("q") == "a b+c")
        #expect(path.queryValues("q") == ["a b+c", "é"])
        #expect(path.queryValue("none") == nil)
        #expect(path.rawQuery == "api-version=2024-10-21&q=a+b%2Bc&flag&e=&x=1=2&&q=%C3%A9")
    }

    @Test func keepsColonsPlusSignsAndOddCharactersOfSegments() throws {
        #expect(try CanonicalPath(parsing: "/contentsafety/text:analyze").segments == ["contentsafety", "text:analyze"])
        #expect(try CanonicalPath(parsing: "/a+b/~user/docs('x')/...").segments == ["a+b", "~user", "docs('x')", "..."])
        #expect(try CanonicalPath(parsing: "/100%25/%C3%A9").segments == ["100%", "é"])
        #expect(try CanonicalPath(parsing: "/%7Euser%3A").segments == ["~user:"])
    }

    @Test func knowsTheRootAndATrailingSlash() throws {
        let root = try CanonicalPath(parsing: "/")
        #expect(root.segments.isEmpty && !root.hasTrailingSlash && root.rawQuery == nil && root.query.isEmpty)
        #expect(try CanonicalPath(parsing: "/?").rawQuery == "")
        let trailing = try CanonicalPath(parsing: "/openai/?a=/")
        #expect(trailing.segments == ["openai"] && trailing.hasTrailingSlash)
        #expect(try !CanonicalPath(parsing: "/openai").hasTrailingSlash)
    }

    @Test(
        arguments: [
            ("", .notOriginForm), ("*", .notOriginForm), ("http://host/a", .notOriginForm), ("host:443", .notOriginForm),
            ("a/b", .notOriginForm), ("?a", .notOriginForm),
            ("//", .emptySegment), ("//host/a", .emptySegment), ("/a//b", .emptySegment), ("/a//", .emptySegment), ("/.", .dotSegment),
            ("/..", .dotSegment),
            ("/a/../b", .dotSegment), ("/a/./b", .dotSegment), ("/%2e", .dotSegment), ("/%2E%2e/a", .dotSegment), ("/.%2e", .dotSegment),
            ("/a/..?x", .dotSegment),
            ("/a%2Fb", .encodedSeparator), ("/a%2fb", .encodedSeparator), ("/a%5Cb", .encodedSeparator), ("/a%00", .encodedSeparator),
            ("/a%0Ab", .encodedSeparator),
            ("/a%7F", .encodedSeparator), ("/%252e%252e/a", .doubleEncoding), ("/a%252Fb", .doubleEncoding), ("/a\\b", .invalidCharacter),
            ("/a b", .invalidCharacter),
            ("/a\0", .invalidCharacter), ("/a\r\n", .invalidCharacter), ("/é", .invalidCharacter), ("/a?é", .invalidCharacter),
            ("/a?b c", .invalidCharacter),
            ("/a#b", .fragment), ("/a?b#c", .fragment), ("/%", .invalidPercentEncoding), ("/%4", .invalidPercentEncoding),
            ("/%4g", .invalidPercentEncoding),
            ("/a%", .invalidPercentEncoding), ("/a?b=%", .invalidPercentEncoding), ("/a?%zz=1", .invalidPercentEncoding),
            ("/%C3", .invalidUTF8), ("/%C0%AF", .invalidUTF8),
            ("/%ED%A0%80", .invalidUTF8), ("/a?b=%FF", .invalidUTF8), ("/a?%00=1", .invalidCharacter), ("/a?b=%00", .invalidCharacter),
            ("/a?b%0A=1", .invalidCharacter),
            ("/%2e%2e%2fa", .encodedSeparator),
        ] as [(String, CanonicalPathFault)])
    func refuses(_ target: String, _ fault: CanonicalPathFault) {
        #expect(throws: fault) { try CanonicalPath(parsing: target) }
        #expect(throws: fault) { try Array(target.utf8).withUnsafeBytes { try CanonicalPath(parsing: $0) } }
    }

    @Test func refusesMoreThanEightKilobytes() throws {
        let longest = "/" + String(repeating: "a", count: 8191)
        #expect(try CanonicalPath(parsing: longest).segments.count == 1)
        #expect(throws: CanonicalPathFault.tooLong) { try CanonicalPath(parsing: longest + "a") }
    }

    @Test func neverGivesASegmentThatMeansSomethingElse() throws {
        let pieces = ["a", ".", "..", "%2e", "%2F", "/", "//", "%5c", "%25", "%252f", "?", "&", "=", "+", "%", "%C3%A9", "%00", ":", "b"]
        Fuzz.run(rounds: 4000) { seed, random in
            let target = "/" + (0..<random.below(10)).map { _ in random.pick(pieces) }.joined()
            guard let path = try? CanonicalPath(parsing: target) else { return }
            for segment in path.segments {
                Fuzz.check(!segment.isEmpty && segment != "." && segment != "..", seed, target)
                Fuzz.check(
                    !segment.utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }, seed, target)
            }
            // As many segments as slashes separate: nothing was joined, split or dropped.
            let plain = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)[0]
            Fuzz.check(plain.split(separator: "/").count == path.segments.count, seed, target)
        }
    }

    // MARK: Forms

    @Test func aFormIsReadLikeAQueryOfAnyLength() throws {
        let long = String(repeating: "x", count: 100_000)
        let fields = try CanonicalPath.fields(ofForm: Array("a=1+2&document=%7B%0D%0A%7D\(long)&empty=&b".utf8))
        #expect(fields.map(\.name) == ["a", "document", "empty", "b"])
        #expect(fields.map(\.value) == ["1 2", "{\r\n}" + long, "", ""])
        #expect(try CanonicalPath.fields(ofForm: []).isEmpty)
    }

    @Test(arguments: ["a=\u{0}", "a=%00", "a=%zz", "a=%c3%28", "a b=1", "a=1#b", "a=\\", "a%0a=1", "a=\u{7f}", "a=ä"])
    func aFormThatNoBrowserWritesIsRefused(form: String) {
        #expect(throws: CanonicalPathFault.self) { try CanonicalPath.fields(ofForm: Array(form.utf8)) }
    }
}
