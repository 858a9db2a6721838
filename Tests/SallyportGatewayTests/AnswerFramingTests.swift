import NIOCore
import NIOHTTP1
import SallyportCore
import Testing

@testable import SallyportGateway

@Suite struct AnswerFramingTests {
    private func answer(status: Int = 200, _ headers: HeaderFields, _ pieces: [String] = [], isLast: Bool = false) -> [String] {
        var framing = AnswerFraming()
        var sent: [String] = []
        framing.head(status: status, headers: headers, isLast: isLast, allocator: ByteBufferAllocator())
        for piece in pieces {
            framing.body(ByteBuffer(string: piece), allocator: ByteBufferAllocator()) { sent.append(String(buffer: $0)) }
        }
        framing.end()
        if !framing.isEmpty { sent.append(String(buffer: framing.take())) }
        return sent
    }

    @Test func sendsHeadAndBodyInOnePiece() {
        #expect(
            answer(["content-length": "5", "x-request-id": "a"], ["hello"])
                == ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-request-id: a\r\n\r\nhello"])
    }

    @Test func framesChunks() {
        #expect(
            answer(["transfer-encoding": "chunked"], ["hello", "", "a second, longer one"])
                == [
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n14\r\na second, longer one\r\n0\r\n\r\n"
                ])
    }

    @Test func sendsLargePiecesAsTheyAre() {
        let large = String(repeating: "x", count: 20_000)
        #expect(
            answer(["transfer-encoding": "chunked"], [large, "y"])
                == ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4e20\r\n", large, "\r\n1\r\ny\r\n0\r\n\r\n"])
    }

    @Test(arguments: [204, 304]) func sendsNoBodyWhereThereIsNone(status: Int) {
        let reason = status == 204 ? "No Content" : "Not Modified"
        #expect(
            answer(status: status, ["content-length": "0", "transfer-encoding": "chunked", "etag": "1"], ["x"])
                == ["HTTP/1.1 \(status) \(reason)\r\netag: 1\r\n\r\n"])
    }

    @Test func saysWhenTheConnectionEnds() {
        #expect(
            answer(status: 503, ["content-length": "0"], isLast: true)
                == ["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"])
    }

    @Test(arguments: ["a\r\nset-cookie: b", "a\nb", "a\u{0}b", "a\u{7F}"]) func leavesOutFieldsThatCouldBeReadAsMore(value: String) {
        var headers = HeaderFields()
        headers.append("x-bad", value)
        headers.append("content-length", "0")
        #expect(answer(headers) == ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
    }
}

@Suite struct TraceContextTests {
    @Test func makesIdentifiersFromTheirBits() {
        var random = FixedWords(words: [0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210])
        #expect(TraceContext.uuid(&random) == "01234567-89ab-4def-bedc-ba9876543210")
        random = FixedWords(words: [0xA, 0x0123_4567_89AB_CDEF, 0x1])
        let trace = TraceContext(nil, random: &random, sampling: 0)
        #expect(trace.outgoing == "00-0123456789abcdef0000000000000001-000000000000000a-00")
    }

    private struct FixedWords: RandomNumberGenerator {
        var words: [UInt64]
        mutating func next() -> UInt64 { words.removeFirst() }
    }
}
