import NIOCore
import SallyportWire
import Testing

@Suite struct JSONDocumentTests {
    static let accepted: [String] = [
        "null", "true", "false", "0", "-0", "1", "-1", "10", "0.5", "-0.5", "1e5", "1E5", "1e+5", "1e-5", "1.0e0", "0e0", "0E+0",
        "123456789012345678901234567890",
        "1e999999", "-1.5e-300", #""""#, #""a""#, "\"\u{7f}\"", #""\"\\\/\b\f\n\r\t""#, #""\u0000""#, #""\uD83D\uDE00""#,
        #""\ud83d\ude00""#,
        #""\uFFFF""#, #""é""#, "\"\u{2028}\u{10FFFF}\"", #""0123456789abcdef""#, #""0123456789abcde""#, #""0123456789abcdefg""#,
        "[]", "[ ]", "[[]]", "[1]", "[1,2]", "[ 1 , 2 ]", "{}", "{ }", #"{"a":1}"#, #"{"a":{"b":[]}}"#, #"{"":1}"#, #"{"a":1,"A":2}"#,
        #"{"a":1,"b":{"a":1}}"#, #"{"a":"b","b":"a"}"#, " \t\r\n1 \t\r\n", #"[{"a":1},{"a":1}]"#, #"{"é":1,"e\u0301":2}"#,
        #"{"abcdefgh":1,"abcdefgi":2}"#,
        #"{"property1":1,"property2":2}"#, #"[""]"#, #"["a",null,1e1,{},[]]"#, "[true]", "[false,null]",
    ]

    @Test(arguments: accepted) func accepts(_ text: String) throws {
        let document = try JSONDocument(parsing: ByteBuffer(string: text))
        #expect(ReferenceJSON(document) == ReferenceReader.read(Array(text.utf8)))
    }

    static let refused: [(String, JSONFault.Reason)] = [
        ("", .empty), (" ", .empty), ("\n\t\r ", .empty), ("nul", .syntax), ("nulL", .syntax), ("True", .syntax), ("truee", .trailingBytes),
        ("tru", .syntax),
        ("NaN", .syntax), ("Infinity", .syntax), ("-Infinity", .syntax), ("-NaN", .syntax), ("+1", .syntax), ("01", .syntax),
        ("-01", .syntax),
        ("00", .syntax), ("1.", .syntax), (".5", .syntax), ("-.5", .syntax), ("1.e5", .syntax), ("1e", .syntax), ("1e+", .syntax),
        ("1e5.5", .trailingBytes),
        ("-", .syntax), ("0x10", .trailingBytes), ("1_000", .trailingBytes), ("1 2", .trailingBytes), ("1,", .trailingBytes),
        ("{}{}", .trailingBytes),
        ("null\0", .trailingBytes), ("\0", .syntax), ("\u{FEFF}1", .syntax), ("1\u{FEFF}", .trailingBytes), ("\u{A0}1", .syntax),
        ("1\u{0C}", .trailingBytes),
        ("\u{0B}1", .syntax), (#"""#, .syntax), (#""a"#, .syntax), (#""\"#, .syntax), (#""\""#, .syntax), (#""\x41""#, .syntax),
        (#""\a""#, .syntax),
        (#""\'""#, .syntax), ("'a'", .syntax), (#""\U0041""#, .syntax), (#""\u004""#, .syntax), (#""\u00G0""#, .syntax),
        (#""\u-001""#, .syntax),
        (#""\u 041""#, .syntax), (#""\u"#, .syntax), (#""\u0"#, .syntax), ("\"\n\"", .syntax), ("\"\t\"", .syntax), ("\"\0\"", .syntax),
        ("\"\u{1f}\"", .syntax),
        ("\"0123456789abcdef\u{01}\"", .syntax), ("\"a\\\nb\"", .syntax), (#""\uD800""#, .loneSurrogate), (#""\uDC00""#, .loneSurrogate),
        (#""\uD800\uD800""#, .loneSurrogate), (#""\uD800a""#, .loneSurrogate), (#""\uD800\n""#, .loneSurrogate),
        (#""\uDE00\uD83D""#, .loneSurrogate),
        (#""\uD83D\u0041""#, .loneSurrogate), (#""\uD83D\uDE0""#, .syntax), (#"{"\uD800":1}"#, .loneSurrogate), ("[", .syntax),
        ("]", .syntax), ("[1", .syntax),
        ("[1,", .syntax), ("[1,]", .syntax), ("[,1]", .syntax), ("[,]", .syntax), ("[1,,2]", .syntax), ("[1 2]", .syntax), ("[1}", .syntax),
        ("[1:2]", .syntax),
        ("[]]", .trailingBytes), ("{", .syntax), ("}", .syntax), ("{]", .syntax), (#"{"a""#, .syntax), (#"{"a":"#, .syntax),
        (#"{"a":}"#, .syntax),
        (#"{"a":1"#, .syntax), (#"{"a":1,"#, .syntax), (#"{"a":1,}"#, .syntax), (#"{"a" 1}"#, .syntax), (#"{"a"}"#, .syntax),
        (#"{a:1}"#, .syntax), ("{1:1}", .syntax),
        ("{null:1}", .syntax), (#"{,"a":1}"#, .syntax), (#"{"a":1,,"b":2}"#, .syntax), (#"{"a"::1}"#, .syntax), (#"{"a":1]"#, .syntax),
        (#"{"a":1 "b":2}"#, .syntax),
        (#"{"a":1;"b":2}"#, .syntax), ("[1] // c", .trailingBytes), ("/* c */ 1", .syntax), ("# c", .syntax),
        (#"{"a":1,"a":1}"#, .duplicateKey),
        (#"{"a":1,"b":2,"a":3}"#, .duplicateKey), (#"{"a":1,"\u0061":2}"#, .duplicateKey), (#"{"\u0061":1,"a":2}"#, .duplicateKey),
        (#"{"\u0061":1,"\u0061":2}"#, .duplicateKey), (#"{"":1,"":2}"#, .duplicateKey), (#"{"é":1,"\u00e9":2}"#, .duplicateKey),
        (#"{"\/":1,"/":2}"#, .duplicateKey), (#"{"😀":1,"\ud83d\ude00":2}"#, .duplicateKey), (#"[{"x":{"a":1,"a":2}}]"#, .duplicateKey),
        (#"{"model":1,"messages":2,"stream":3,"model":4}"#, .duplicateKey), (#"{"abcdefgh12345":1,"abcdefgh12345":2}"#, .duplicateKey),
        (#"{"a":{"b":1},"a":{"c":1}}"#, .duplicateKey),
    ]

    @Test(arguments: refused) func refuses(_ text: String, _ reason: JSONFault.Reason) {
        #expect(ReferenceReader.read(Array(text.utf8)) == nil)
        #expect(fault(Array(text.utf8))?.reason == reason)
        // Nothing that follows makes it whole, and nothing behind the document is read.
        var longer = ByteBuffer(string: text + "\"}]}")
        let exact = longer.readSlice(length: text.utf8.count)
        #expect(exact.map { fault($0)?.reason } == reason)
    }

    static let invalidUTF8: [[UInt8]] = [
        [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xE1, 0x80],
        [0xE1, 0x80, 0x41],
        [0xE1, 0x41, 0x80], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF1, 0x80, 0x80],
        [0xF1, 0x80, 0x80, 0x41], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF],
        [0xC3, 0xA9, 0x80],
    ]

    @Test(arguments: invalidUTF8) func refusesInvalidUTF8(_ bad: [UInt8]) {
        for padding in 0..<20 {
            let plain = Array(repeating: UInt8(ascii: "x"), count: padding)
            for tail in [[], Array("tail tail tail tail".utf8)] {
                let quoted = [0x22] + plain + bad + tail + [0x22]
                #expect(fault(quoted)?.reason == .invalidUTF8)
                #expect(fault([0x7B] + quoted + Array(":1}".utf8))?.reason == .invalidUTF8)
                (plain + bad + tail).withUnsafeBytes { #expect(!UTF8Text.isValid($0)) }
            }
            // Cut off by the end of the document.
            #expect([.invalidUTF8, .syntax].contains(fault([0x22] + plain + bad)?.reason))
        }
    }

    @Test func findsAControlCharacterAtEveryPositionOfALongString() {
        for length in [1, 7, 8, 9, 15, 16, 17, 33, 64] {
            for position in 0..<length {
                for bad in [UInt8(0), 0x0A, 0x1F] {
                    var bytes = Array(repeating: UInt8(ascii: "~"), count: length)
                    bytes[position] = bad
                    #expect(fault([0x22] + bytes + [0x22]) == JSONFault(.syntax, at: position + 1))
                }
            }
        }
    }

    @Test func refusesDepthBeyondTheLimit() throws {
        func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        _ = try JSONDocument(parsing: ByteBuffer(string: nested(64)))
        #expect(fault(Array(nested(65).utf8)) == JSONFault(.depth, at: 64))
        #expect(fault(Array(String(repeating: "{\"a\":", count: 100_000).utf8))?.reason == .depth)
        let deep = JSONLimits(maximumDepth: 200_000)
        let document = try JSONDocument(parsing: ByteBuffer(string: nested(150_000)), limits: deep)
        #expect(document.nodes.count == 150_000)
        #expect(throws: JSONFault(.depth, at: 0)) {
            try JSONDocument(parsing: ByteBuffer(string: "[]"), limits: JSONLimits(maximumDepth: 0))
        }
    }

    @Test func refusesMoreNodesThanTheLimit() throws {
        let limits = JSONLimits(maximumNodes: 1000)
        let values = Array(repeating: "1", count: 999).joined(separator: ",")
        #expect(try JSONDocument(parsing: ByteBuffer(string: "[\(values)]"), limits: limits).nodes.count == 1000)
        #expect(throws: JSONFault(.tooManyNodes, at: 1 + values.utf8.count + 1)) {
            try JSONDocument(parsing: ByteBuffer(string: "[\(values),1]"), limits: limits)
        }
    }

    @Test func findsADuplicateAmongManyKeys() throws {
        for count in [16, 23, 24, 25, 26, 5000] {
            let members = (0..<count).map { "\"key-\($0)\":\($0)" }
            _ = try JSONDocument(parsing: ByteBuffer(string: "{\(members.joined(separator: ","))}"))
            for duplicate in ["\"key-0\":1", "\"key-\(count - 1)\":1", "\"ke\\u0079-7\":1"] {
                let text = "{\((members + [duplicate]).joined(separator: ","))}"
                #expect(fault(Array(text.utf8))?.reason == .duplicateKey)
            }
        }
    }

    @Test func comparesKeysAtTheEndOfTheDocument() throws {
        // Keys so near to the end that a word cannot be read there.
        #expect(fault(Array(#"{"a":{},"b":0}"#.utf8)) == nil)
        #expect(fault(Array(#"{"":{},"":0}"#.utf8))?.reason == .duplicateKey)
        #expect(fault(Array(#"{"ab":0,"ab":0}"#.utf8))?.reason == .duplicateKey)
        #expect(fault(Array(#"{"ab":0,"ac":0}"#.utf8)) == nil)
    }

    // MARK: Reading

    let sample = """
        {"model":"gpt-4o","str\\u0065am":true,"n":1,"x":null,"list":[1,[2],{"a":"b"}],"text":"a\\n\\u00e9 \\ud83d\\ude00","plain":"é","off":false,"x\\ty":"z"}
        """

    @Test func findsMembers() throws {
        let document = try JSONDocument(parsing: ByteBuffer(string: sample))
        #expect(document.member("model", of: 0).map { document.equals($0, "gpt-4o") } == true)
        #expect(document.member("model", of: 0).map { document.equals($0, "gpt-4") } == false)
        #expect(document.member("stream", of: 0).flatMap(document.bool) == true)
        #expect(document.member("off", of: 0).flatMap(document.bool) == false)
        #expect(document.member("n", of: 0).flatMap(document.integer) == 1)
        #expect(document.member("x", of: 0).map { document.nodes[$0].kind } == .null)
        #expect(document.member("x\ty", of: 0).flatMap(document.string) == "z")
        #expect(document.member("a", of: 0) == nil)
        #expect(document.member("mode", of: 0) == nil)
        #expect(document.member("models", of: 0) == nil)
        let list = try #require(document.member("list", of: 0))
        #expect(document.member("a", of: list) == nil)
        #expect(document.member("a", of: list + 4).map { document.equals($0, "b") } == true)
        #expect(document.bool(list) == nil)
        #expect(document.string(list) == nil)
        #expect(document.integer(list) == nil)
        #expect(document.double(list) == nil)
        #expect(!document.equals(list, ""))
    }

    @Test func walksMembersAndElementsInOrder() throws {
        let document = try JSONDocument(parsing: ByteBuffer(string: sample))
        var keys: [String?] = []
        document.forEachMember(of: 0) { key, value in
            keys.append(document.string(key))
            #expect(value == key + 1 && document.nodes[key].kind == .key && document.nodes[key].next == document.nodes[value].next)
        }
        #expect(keys == ["model", "stream", "n", "x", "list", "text", "plain", "off", "x\ty"])
        let list = try #require(document.member("list", of: 0))
        var elements: [String] = []
        document.forEachElement(of: list) { elements.append("\($0)=\(document.raw($1).text)") }
        #expect(elements == ["0=1", "1=[2]", #"2={"a":"b"}"#])
        document.forEachElement(of: 0) { _, _ in Issue.record("an object has no elements") }
        document.forEachMember(of: list) { _, _ in Issue.record("an array has no members") }
    }

    @Test func decodesTextAndMapsItBack() throws {
        let document = try JSONDocument(parsing: ByteBuffer(string: sample))
        let node = try #require(document.member("text", of: 0))
        let text = document.text(node)
        #expect(text.bytes.text == "a\né 😀")
        #expect(!text.isASCII && document.nodes[node].hasEscapes)
        let start = document.nodes[node].start
        #expect(text.rawRange(of: 0..<1) == start..<start + 1)
        #expect(text.rawRange(of: 1..<2) == start + 1..<start + 3)
        #expect(text.rawRange(of: 2..<4) == start + 3..<start + 9)
        #expect(text.rawRange(of: 3..<4) == start + 3..<start + 9)
        #expect(text.rawRange(of: 5..<9) == start + 10..<start + 22)
        #expect(text.rawRange(of: 7..<8) == start + 10..<start + 22)
        #expect(text.rawRange(of: 0..<9) == start..<start + 22)
        #expect(text.rawRange(of: 9..<9) == start + 22..<start + 22)
        #expect(text.rawRange(of: 40..<90) == start + 22..<start + 22)
        let plain = document.text(try #require(document.member("plain", of: 0)))
        #expect(plain.rawRange(of: 1..<2).count == 2)
        let number = document.text(try #require(document.member("n", of: 0)))
        #expect(number.bytes.text == "1" && number.isASCII)
        #expect(document.text(0).bytes.readableBytes == 0)
    }

    @Test func givesTextWithoutEscapesWithoutACopy() throws {
        let document = try JSONDocument(parsing: ByteBuffer(string: #"["0123456789"]"#))
        let same = document.bytes.withUnsafeReadableBytes { whole in
            document.text(1).bytes.withUnsafeReadableBytes { $0.baseAddress == whole.baseAddress.map { $0 + 2 } }
        }
        #expect(same)
    }

    @Test func givesRawBytesWithQuotes() throws {
        let document = try JSONDocument(parsing: ByteBuffer(string: #" {"a\n" : [ "b" , 1.0 ] } "#))
        #expect(
            (0..<document.nodes.count).map { document.raw($0).text } == [
                #"{"a\n" : [ "b" , 1.0 ] }"#, #""a\n""#, #"[ "b" , 1.0 ]"#, #""b""#, "1.0",
            ])
        #expect(document.rawRange(1) == 2..<7)
        #expect(document.nodes[1].start == 3 && document.nodes[1].end == 6)
    }

    @Test func tellsASCIIFromTheRest() throws {
        let document = try JSONDocument(parsing: ByteBuffer(string: #"["a\n","\u007f","\u0080","é","\u00e9x",1]"#))
        #expect(document.nodes.map(\.isASCII) == [true, true, true, false, false, false, true])
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("1", 1), ("-1", -1), ("1.0", 1), ("1.000", 1), ("1e2", 100), ("1.5e1", 15), ("100e-2", 1), ("0.0", 0),
            ("0e999999999999", 0), ("1.5", nil),
            ("15e-1", nil), ("9223372036854775807", Int.max), ("9223372036854775808", nil), ("-9223372036854775808", Int.min),
            ("-9223372036854775809", nil),
            ("9223372036854775807.0", Int.max), ("922337203685477580.7e1", Int.max), ("1e18", 1_000_000_000_000_000_000), ("1e19", nil),
            ("1e999999999999", nil),
            ("10000000000000000000000e-22", 1), ("0.000000000000000000000001e24", 1), ("123456789012345678901234567890", nil),
            ("1e-1", nil),
        ] as [(String, Int?)])
    func readsExactIntegers(_ spelling: String, _ value: Int?) throws {
        #expect(try JSONDocument(parsing: ByteBuffer(string: spelling)).integer(0) == value)
    }

    @Test(arguments: [
        "0", "-0", "0.1", "0.7", "1e-2", "123456789012345", "0.123456789012345", "1.7976931348623157e308", "5e-324", "-2.5",
        "9007199254740993", "0.30000000000000004",
    ])
    func readsTheNearestDouble(_ spelling: String) throws {
        let value = try JSONDocument(parsing: ByteBuffer(string: spelling)).double(0)
        #expect(value?.bitPattern == Double(spelling)?.bitPattern)
    }

    @Test func readsNoInfinity() throws {
        #expect(try JSONDocument(parsing: ByteBuffer(string: "1e400")).double(0) == nil)
        #expect(try JSONDocument(parsing: ByteBuffer(string: "1e-400")).double(0) == 0)
    }

    private func fault(_ bytes: [UInt8]) -> JSONFault? { fault(ByteBuffer(bytes: bytes)) }

    private func fault(_ bytes: ByteBuffer) -> JSONFault? {
        do throws(JSONFault) {
            _ = try JSONDocument(parsing: bytes)
            return nil
        } catch {
            return error
        }
    }
}
