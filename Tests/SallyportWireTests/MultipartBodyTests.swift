import NIOCore
import SallyportWire
import Testing

@Suite struct MultipartBodyTests {
    private func parse(_ text: String, boundary: String = "B", maximumParts: Int = 8) throws -> [String] {
        let buffer = ByteBuffer(string: text)
        return try MultipartBody(parsing: buffer, boundary: boundary, maximumParts: maximumParts).parts.map { part in
            let body = buffer.getSlice(at: buffer.readerIndex + part.bodyRange.lowerBound, length: part.bodyRange.count)
            return "\(part.name)|\(part.filename ?? "-")|\(part.contentType ?? "-")|\(body?.text ?? "?")"
        }
    }

    @Test func readsTheCorpus() throws {
        let files = try Fuzz.corpus("multipart")
        #expect(files.count == 2)
        let buffer = ByteBuffer(bytes: files[1])
        let body = try MultipartBody(parsing: buffer, boundary: "BOUNDARY")
        #expect(body.parts.map(\.name) == ["model", "timestamp_granularities[]", "timestamp_granularities[]", "file"])
        #expect(
            body.parts(named: "timestamp_granularities[]").map { String(decoding: files[1][$0.bodyRange], as: UTF8.self) } == [
                "word", "segment",
            ])
        let file = try #require(body.parts.last)
        #expect(file.filename == "a.wav" && file.contentType == "audio/wav")
        #expect(Array(files[1][file.bodyRange]) == Array("RIFF\r\n\n\r--BOUND\0".utf8) + [0xFF])
        #expect(
            String(decoding: files[1][file.headersRange], as: UTF8.self)
                == "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n")
        let empty = try MultipartBody(parsing: ByteBuffer(bytes: files[0]), boundary: "BOUNDARY")
        #expect(empty.parts.map(\.bodyRange.isEmpty) == [true])
    }

    @Test func readsParts() throws {
        #expect(
            try parse(
                "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx--B\r\n-\r\n--B\r\ncontent-disposition:form-data;name=b;filename=\"ä;x\"\r\ncontent-type: text/plain; charset=utf-8 \r\n\r\n\r\n--B--\r\n"
            )
                == ["a|-|-|x--B\r\n-", "b|ä;x|text/plain; charset=utf-8|"])
        #expect(try parse("--B--") == [])
    }

    @Test func countsRangesFromTheReaderIndex() throws {
        var buffer = ByteBuffer(string: "xx--B\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n--B--")
        buffer.moveReaderIndex(forwardBy: 2)
        let part = try #require(try MultipartBody(parsing: buffer, boundary: "B").parts.first)
        #expect(buffer.getSlice(at: buffer.readerIndex + part.bodyRange.lowerBound, length: part.bodyRange.count)?.text == "v")
    }

    private static let a = "Content-Disposition: form-data; name=a"
    @Test(
        arguments: [
            ("", .missingBoundary), ("x", .missingBoundary), ("\r\n--B--", .missingBoundary), ("preamble\r\n--B--", .missingBoundary),
            ("--C--", .missingBoundary),
            ("--B", .missingFinalBoundary), ("--B\r\n", .missingFinalBoundary), ("--B\r\n\(a)", .missingFinalBoundary),
            ("--B\r\n\(a)\r\n\r\nx", .missingFinalBoundary),
            ("--B\r\n\(a)\r\n\r\nx\r\n--B", .missingFinalBoundary), ("--B\r\n\(a)\r\n\r\nx\r\n--B-", .missingFinalBoundary),
            ("--B--x", .trailingBytes), ("--B--\r\nepilogue", .trailingBytes), ("--B--\n", .trailingBytes),
            ("--B \r\n\(a)\r\n\r\nx\r\n--B--", .ambiguousBoundary),
            ("--B\n\(a)\n\nx\n--B--", .ambiguousBoundary), ("--B\r\n\(a)\r\n\r\nx\n--B--", .ambiguousBoundary),
            ("--B\r\n\(a)\r\n\r\nx\r--B\r\n--B--", .ambiguousBoundary),
            ("--B\r\n\(a)\r\n\r\nx\r\n--BC\r\n--B--", .ambiguousBoundary), ("--B\r\n\(a)\r\n\r\n--B--", .ambiguousBoundary),
            ("--B\r\n--B\r\n", .ambiguousBoundary),
            ("--B\r\n\(a)\n\r\nx\r\n--B--", .invalidHeader), ("--B\r\nno colon\r\n\r\nx\r\n--B--", .invalidHeader),
            ("--B\r\n: v\r\n\r\nx\r\n--B--", .invalidHeader),
            ("--B\r\nA b: v\r\n\r\nx\r\n--B--", .invalidHeader), ("--B\r\nA : v\r\n\r\nx\r\n--B--", .invalidHeader),
            ("--B\r\nA: \0\r\n\r\nx\r\n--B--", .invalidHeader),
            ("--B\r\n\(a)\r\n filename=x\r\n\r\nx\r\n--B--", .foldedHeader), ("--B\r\n\(a)\r\n\t;\r\n\r\nx\r\n--B--", .foldedHeader),
            ("--B\r\n\(a)\r\n\(a)\r\n\r\nx\r\n--B--", .duplicateHeader),
            ("--B\r\n\(a)\r\nX: 1\r\nx: 2\r\n\r\nx\r\n--B--", .duplicateHeader),
            ("--B\r\n\(a)\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--B--", .unsupportedEncoding),
            ("--B\r\nX: y\r\n\r\nx\r\n--B--", .missingDisposition), ("--B\r\n\r\nx\r\n--B--", .missingDisposition),
            ("--B\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--B--", .invalidDisposition),
            ("--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--B--", .invalidDisposition),
            ("--B\r\nContent-Disposition: form-data; name=a; NAME=b\r\n\r\nx\r\n--B--", .invalidDisposition),
            ("--B\r\nContent-Disposition: form-data; name=a; filename*=UTF-8''b\r\n\r\nx\r\n--B--", .invalidDisposition),
            ("--B\r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n\r\nx\r\n--B--", .invalidDisposition),
            ("--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--B--", .invalidDisposition),
            ("--B\r\nContent-Disposition: form-data; name=\"a\" x\r\n\r\nx\r\n--B--", .invalidDisposition),
            ("--B\r\nContent-Disposition: form-data; filename=a\r\n\r\nx\r\n--B--", .missingName),
            ("--B\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nx\r\n--B--", .missingName),
            ("--B\r\nX: \(String(repeating: "y", count: 9000))\r\n\r\nx\r\n--B--", .headersTooLarge),
        ] as [(String, MultipartFault)])
    func refuses(_ text: String, _ fault: MultipartFault) {
        #expect(throws: fault) { try parse(text) }
    }

    @Test func refusesAHeaderLineThatIsABoundary() {
        #expect(throws: MultipartFault.ambiguousBoundary) { try parse("--a:b\r\n--a:b: x\r\n\r\nx\r\n--a:b--", boundary: "a:b") }
    }

    @Test func refusesTooManyParts() throws {
        let part = "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
        #expect(try parse(part + part + "--B--", maximumParts: 2).count == 2)
        #expect(throws: MultipartFault.tooManyParts) { try parse(part + part + part + "--B--", maximumParts: 2) }
    }

    @Test(
        arguments: [
            ("multipart/form-data; boundary=abc", "abc"), ("Multipart/Form-Data;charset=utf-8 ; Boundary=\"a b:c\"", "a b:c"),
            ("multipart/form-data; boundary=abc;", "abc"),
            ("multipart/form-data", nil), ("multipart/mixed; boundary=abc", nil), ("multipart/form-data; boundary=", nil),
            ("multipart/form-data; boundary=\"\"", nil),
            ("multipart/form-data; boundary=a; boundary=b", nil), ("multipart/form-data; boundary=\"a \"", nil),
            ("multipart/form-data; boundary=\"a\r\"", nil),
            ("multipart/form-data boundary=abc", nil), ("", nil), ("multipart/form-data; boundary=é", nil),
            ("multipart/form-data; boundary=a b", nil),
        ] as [(String, String?)])
    func readsTheBoundary(_ contentType: String, _ boundary: String?) {
        #expect(MultipartBody.boundary(fromContentType: contentType) == boundary)
        #expect(MultipartBody.boundary(fromContentType: "multipart/form-data; boundary=\(String(repeating: "x", count: 71))") == nil)
    }

    @Test func refusesABoundaryThatIsNone() {
        for boundary in ["", "a\r\n", "a ", "ä", String(repeating: "x", count: 71)] {
            #expect(throws: MultipartFault.invalidBoundary) { try parse("--B--", boundary: boundary) }
        }
    }
}

/// Short by default; `FUZZ_SECONDS` makes it run that long.
@Suite struct MultipartFuzzTests {
    @Test func keepsRangesApartAndInsideTheBody() throws {
        let corpus = try Fuzz.corpus("multipart")
        Fuzz.run(rounds: 4000) { seed, random in
            let bytes = Fuzz.mutate(random.pick(corpus), with: Array("\r\n-B:;=\"\\ \t\0".utf8), &random)
            guard let body = try? MultipartBody(parsing: ByteBuffer(bytes: bytes), boundary: "BOUNDARY") else { return }
            var end = 0
            for part in body.parts {
                Fuzz.check(part.headersRange.lowerBound >= end + 12, seed)
                Fuzz.check(part.bodyRange.lowerBound == part.headersRange.upperBound + 2, seed)
                Fuzz.check(bytes[..<part.headersRange.lowerBound].suffix(12).elementsEqual("--BOUNDARY\r\n".utf8), seed)
                Fuzz.check(bytes[part.bodyRange.upperBound...].starts(with: "\r\n--BOUNDARY".utf8), seed)
                Fuzz.check(!part.name.isEmpty, seed)
                end = part.bodyRange.upperBound
            }
        }
    }
}
