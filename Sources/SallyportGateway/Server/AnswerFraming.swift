import NIOCore
import NIOHTTP1
import SallyportCore

/// Spells answers in HTTP/1.1 and gathers their bytes, so that head, body and end leave in one write.
struct AnswerFraming {
    private var gathered = ByteBuffer()
    private var isChunked = false
    private var mayHaveBody = true

    /// Pieces up to this size are copied to their neighbours; larger ones go out as they are.
    private static let copied = 16 * 1024
    /// More than this is not gathered.
    private static let full = 64 * 1024

    /// - Parameter isLast: the connection ends with this answer.
    mutating func head(status: Int, headers: HeaderFields, isLast: Bool, allocator: ByteBufferAllocator) {
        if gathered.readableBytes == 0 { gathered = allocator.buffer(capacity: 2048) }
        if status == 200 {
            gathered.writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            gathered.writeString("HTTP/1.1 \(status) \(HTTPResponseStatus(statusCode: status).reasonPhrase)\r\n")
        }
        // RFC 9110, section 6.4.1: these have no body, and no field that speaks of one.
        mayHaveBody = status >= 200 && status != 204 && status != 304
        isChunked = mayHaveBody && headers.fields.contains { $0.name == "transfer-encoding" }
        var size = 32
        for (name, value) in headers.fields { size += name.utf8.count + value.utf8.count + 4 }
        // Once into plain memory: a call of the buffer for each name and value costs three times as much.
        gathered.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { space in
            var end = 0
            for (name, value) in headers.fields where mayHaveBody || name != "content-length" && name != "transfer-encoding" {
                end += AnswerFraming.write(name, value, into: UnsafeMutableRawBufferPointer(rebasing: space[end...]))
            }
            return end
        }
        gathered.writeStaticString(isLast ? "connection: close\r\n\r\n" : "\r\n")
    }

    /// A field with a byte that could end it is left out: it would be read as another field, or as another answer.
    /// - Returns: how many bytes were written.
    private static func write(_ name: String, _ value: String, into space: UnsafeMutableRawBufferPointer) -> Int {
        var (name, value) = (name, value)
        return name.withUTF8 { name in
            value.withUTF8 { value in
                for byte in name where byte <= 0x20 || byte == 0x3A || byte >= 0x7F { return 0 }
                var plain = 0
                // Eight bytes at once while there is nothing unusual among them.
                while plain + 8 <= value.count, let base = value.baseAddress,
                    isPlain(UnsafeRawPointer(base + plain).loadUnaligned(as: UInt64.self))
                {
                    plain += 8
                }
                for byte in value[plain...] where byte < 0x20 && byte != 0x09 || byte == 0x7F { return 0 }
                space.copyMemory(from: UnsafeRawBufferPointer(name))
                let start = name.count + 2
                space[start - 2] = UInt8(ascii: ":")
                space[start - 1] = UInt8(ascii: " ")
                UnsafeMutableRawBufferPointer(rebasing: space[start...]).copyMemory(from: UnsafeRawBufferPointer(value))
                let end = start + value.count
                space[end] = UInt8(ascii: "\r")
                space[end + 1] = UInt8(ascii: "\n")
                return end + 2
            }
        }
    }

    /// No control character and no DEL. Says no now and then where it could say yes.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let deleted = word ^ (ones &* 0x7F)
        return ((word &- ones &* 0x20) & ~word | (deleted &- ones) & ~deleted) & (ones << 7) == 0
    }

    /// - Parameter send: takes what is complete, in order.
    mutating func body(_ bytes: ByteBuffer, allocator: ByteBufferAllocator, send: (ByteBuffer) -> Void) {
        let count = bytes.readableBytes
        guard mayHaveBody, count > 0 else { return }
        if gathered.readableBytes == 0 { gathered = allocator.buffer(capacity: count <= Self.copied ? count + 64 : 64) }
        if isChunked {
            gathered.writeString(String(count, radix: 16))
            gathered.writeStaticString("\r\n")
        }
        if count <= Self.copied {
            gathered.writeImmutableBuffer(bytes)
        } else {
            send(take())
            send(bytes)
            gathered = allocator.buffer(capacity: 64)
        }
        if isChunked { gathered.writeStaticString("\r\n") }
        if gathered.readableBytes > Self.full { send(take()) }
    }

    mutating func end() {
        if isChunked { gathered.writeStaticString("0\r\n\r\n") }
        isChunked = false
    }

    var isEmpty: Bool { gathered.readableBytes == 0 }

    mutating func take() -> ByteBuffer {
        defer { gathered = ByteBuffer() }
        return gathered
    }
}
