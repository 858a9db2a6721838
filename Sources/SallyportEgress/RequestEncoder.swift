import NIOCore
import SallyportCore

/// Writes HTTP/1.1 request heads as bytes, refusing whatever could be read as more than one field or request.
enum RequestEncoder {
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameters:
    ///   - basePath: put before the request's own path.
    ///   - fixedLines: whole header lines of this upstream (`host`, a static credential, configured headers), already validated.
    ///   - credential: added as they are.
    ///   - ownNames: in lower case; fields of the request under these names are dropped.
    static func writeHead(
        of request: UpstreamRequest, basePath: String, fixedLines: [UInt8], credential: HeaderFields, ownNames: [String],
        bodyLength: Int, into buffer: inout ByteBuffer
    ) throws(Invalid) {
        try write(request.method, to: &buffer, allowed: token, "method")
        buffer.writeInteger(UInt8(ascii: " "))
        guard request.path.utf8.first == UInt8(ascii: "/") else { throw Invalid(description: "the request's path must begin with /") }
        buffer.writeString(basePath)
        try write(request.path, to: &buffer, allowed: target, "path")
        buffer.writeStaticString(" HTTP/1.1\r\n")
        buffer.writeBytes(fixedLines)
        for field in request.headers where forwards(field.name, ownNames: ownNames) {
            try writeLine(field.name, field.value, to: &buffer)
        }
        for field in credential { try writeLine(field.name, field.value, to: &buffer) }
        if sendsLength(request.method, bodyLength) {
            buffer.writeStaticString("content-length: ")
            buffer.writeString(String(bodyLength))
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("\r\n")
    }

    static func writeLine(_ name: String, _ value: String, to buffer: inout ByteBuffer) throws(Invalid) {
        var (name, value) = (name, value)
        // One piece of memory for the whole line: four small writes cost three times as much.
        let written = name.withUTF8 { name in
            value.withUTF8 { value in
                guard !name.isEmpty, isMade(of: token, name), isMade(of: fieldValue, value) else { return 0 }
                return buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: name.count + value.count + 4) { space in
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
        // The text itself is not repeated: it may be a caller's.
        if written == 0 { throw Invalid(description: "a header field of the request is empty or holds a character that is not allowed") }
    }

    static func sendsLength(_ method: String, _ bodyLength: Int) -> Bool {
        bodyLength > 0 || method == "POST" || method == "PUT" || method == "PATCH"
    }

    static func isToken(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy { token[Int($0)] } }
    static func isTarget(_ text: String) -> Bool { text.utf8.first == UInt8(ascii: "/") && text.utf8.allSatisfy { target[Int($0)] } }
    /// What may stand behind `Bearer` (RFC 6750).
    static func isToken68(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122, 43, 45, 46, 47, 61, 95, 126: true
            default: false
            }
        }
    }
    static func isFieldValue(_ text: String) -> Bool { text.utf8.allSatisfy { fieldValue[Int($0)] } }

    /// False for what the client writes itself and for fields that belong to one connection.
    static func forwards(_ name: String, ownNames: [String]) -> Bool {
        for own in ownNames where HeaderFields.sameName(name, own) { return false }
        let length = name.utf8.count
        guard length < ownFields.count else { return name.utf8.first != UInt8(ascii: ":") }
        for field in ownFields[length] where HeaderFields.sameName(field, name) { return false }
        return name.utf8.first != UInt8(ascii: ":")
    }

    /// By length.
    private static let ownFields: [[String]] = {
        let names = [
            "te", "host", "expect", "upgrade", "trailer", "api-key", "connection", "keep-alive", "authorization", "content-length",
            "http2-settings", "proxy-connection", "transfer-encoding", "proxy-authenticate", "proxy-authorization",
        ]
        return (0...19).map { length in names.filter { $0.utf8.count == length } }
    }()

    private static func write(
        _ text: String, to buffer: inout ByteBuffer, allowed: [Bool], _ what: String, mayBeEmpty: Bool = false
    ) throws(Invalid) {
        var text = text
        let fine = text.withUTF8 { bytes in
            for byte in bytes where !allowed[Int(byte)] { return false }
            buffer.writeBytes(bytes)
            return mayBeEmpty || !bytes.isEmpty
        }
        // The text itself is not repeated: it may be a caller's.
        guard fine else { throw Invalid(description: "the request's \(what) is empty or holds a character that is not allowed") }
    }

    private static func isMade(of allowed: [Bool], _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        allowed.withUnsafeBufferPointer { allowed in
            for byte in bytes where !allowed[Int(byte)] { return false }
            return true
        }
    }

    private static let token: [Bool] = (0..<256).map { byte in
        switch UInt8(byte) {
        case 48...57, 65...90, 97...122: true
        case 33, 35, 36, 37, 38, 39, 42, 43, 45, 46, 94, 95, 96, 124, 126: true
        default: false
        }
    }
    private static let target: [Bool] = (0..<256).map { $0 > 0x20 && $0 < 0x7f && $0 != 0x23 }
    private static let fieldValue: [Bool] = (0..<256).map { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
}
