import NIOCore
import SallyportWire
import Testing

@Suite struct JSONWriterTests {
    @Test func writesNestedValuesWithTheirCommas() throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("a")
        writer.int(-12)
        writer.key("b")
        writer.beginArray()
        writer.bool(true)
        writer.null()
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.string("x\"y")
        writer.endArray()
        let name = "dyn\"amic"
        writer.key(name)
        writer.raw(ByteBuffer(string: "[1]"))
        writer.key("s")
        writer.string(ByteBuffer(string: "é\n"))
        writer.key("f")
        writer.double(0.5)
        writer.endObject()
        #expect(writer.buffer.text == #"{"a":-12,"b":[true,null,{},[],"x\"y"],"dyn\"amic":[1],"s":"é\n","f":0.5}"#)
        _ = try JSONDocument(parsing: writer.buffer)
    }

    @Test func goesOnBehindABuffer() {
        var writer = JSONWriter(into: ByteBuffer(string: "data: "))
        writer.string("x")
        #expect(writer.buffer.text == #"data: "x""#)
    }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "-1.5"), (0.1234, "0.123"), (0.1239, "0.124"), (0.9999, "1"), (0.05, "0.05"),
            (-0.0001, "0"), (12.3, "12.3"),
            (0.007, "0.007"), (1e6, "1000000"), (123456789.25, "123456789.25"), (.nan, "null"), (.infinity, "null"), (1e300, "1e+300"),
            (-0.25, "-0.25"),
        ] as [(Double, String)])
    func roundsToThreeDecimals(_ value: Double, _ text: String) throws {
        var writer = JSONWriter()
        writer.double(value)
        #expect(writer.buffer.text == text)
        _ = try JSONDocument(parsing: writer.buffer)
    }

    @Test func writesTheLargestIntegers() {
        for value in [Int.min, .max, 0, 9, 10, 99, 100, -1, -10] {
            var writer = JSONWriter()
            writer.int(value)
            #expect(writer.buffer.text == "\(value)")
        }
        for value in [UInt64.max, 9_999_999_999_999_999_999, 10_000_000_000_000_000_000] {
            var writer = JSONWriter()
            writer.int(value)
            #expect(writer.buffer.text == "\(value)")
        }
    }

    @Test func escapesWhatMustBeEscapedAndNothingElse() throws {
        let text = String(String.UnicodeScalarView((0..<0x180).compactMap(Unicode.Scalar.init))) + "\u{2028}😀"
        var out = ByteBuffer()
        JSONText.escape(text, into: &out)
        var back = ByteBuffer()
        out.withUnsafeReadableBytes { JSONText.decode($0, into: &back) }
        #expect(back.text.utf8.elementsEqual(text.utf8))
        #expect(
            out.text.contains(#"\u0000"#) && out.text.contains(#"\u001f"#) && out.text.contains(#"\b\t\n\u000b\f\r"#)
                && out.text.contains("./0") && out.text.contains("\u{7f}"))
        let quoted = try JSONDocument(parsing: ByteBuffer(string: "\"\(out.text)\""))
        #expect(quoted.string(0)?.utf8.elementsEqual(text.utf8) == true)
    }
}
