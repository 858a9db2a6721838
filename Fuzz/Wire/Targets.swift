import Foundation
import NIOCore
import SallyportCore
import SallyportWire

let targets: [String: Target] = ["json": json, "sse": sse, "multipart": multipart, "path": path, "header": header]

@Sendable private func json(_ bytes: UnsafeRawBufferPointer) {
    let buffer = ByteBuffer(bytes: bytes)
    guard let document = try? JSONDocument(parsing: buffer) else { return }
    // A reader of another kind accepts it as well (but for numbers that it cannot hold), and the tape lies within the text.
    let hasOddNumbers = document.nodes.contains {
        $0.kind == .number && ($0.end - $0.start > 15 || bytes[$0.start..<$0.end].contains { $0 | 0x20 == UInt8(ascii: "e") })
    }
    let isRead = (try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])) != nil
    must(isRead || hasOddNumbers, "accepted what Foundation refuses")
    var edits = JSONEdits()
    for (index, node) in document.nodes.enumerated() {
        must(node.start >= 0 && node.start <= node.end && node.end <= bytes.count && node.next > index, "a node outside of the text")
        guard node.kind == .string else { continue }
        let decoded = document.text(index)
        let count = decoded.bytes.readableBytes
        must(decoded.bytes.withUnsafeReadableBytes { UTF8Text.isValid($0) }, "a text that is not UTF-8")
        if count > 1 { edits.replace(decoded.rawRange(of: 1..<count), with: "*") }
    }
    must(JSONEdits().apply(to: document.bytes) == buffer, "no edit changed something")
    let edited = edits.apply(to: document.bytes)
    guard let again = try? JSONDocument(parsing: edited) else { fatalError("an edited text is no JSON") }
    must(again.nodes.count == document.nodes.count, "an edit changed the structure")
}

private func events(_ chunks: [ByteBuffer]) -> [SSEEvent]? {
    var parser = SSEParser(maximumEventBytes: 4096)
    var found: [SSEEvent] = []
    do {
        for chunk in chunks {
            parser.append(chunk)
            while let event = try parser.next() { found.append(event) }
        }
        if let last = try parser.finish() { found.append(last) }
    } catch { return nil }
    return found
}

@Sendable private func sse(_ bytes: UnsafeRawBufferPointer) {
    // The first byte says how the rest is cut.
    guard let step = bytes.first else { return }
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let size = max(1, Int(step))
    let chunks = stride(from: 0, to: rest.count, by: size).map { ByteBuffer(bytes: rest[$0..<min(rest.count, $0 + size)]) }
    guard let whole = events([ByteBuffer(bytes: rest)]), let cut = events(chunks) else { return }
    // A line feed that comes late, after a carriage return that ended an event, may stand alone in one that says nothing.
    func meaning(_ events: [SSEEvent]) -> [[ByteBuffer?]] { events.map { [$0.data, $0.name] }.filter { $0 != [nil, nil] } }
    must(meaning(whole) == meaning(cut), "cutting changed the meaning")
    var joined = ByteBuffer()
    for event in cut { joined.writeImmutableBuffer(event.raw) }
    must(joined == ByteBuffer(bytes: rest), "bytes were lost")
}

@Sendable private func multipart(_ bytes: UnsafeRawBufferPointer) {
    let buffer = ByteBuffer(bytes: bytes)
    let line = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
    for boundary in ["x", MultipartBody.boundary(fromContentType: line)].compactMap({ $0 }) {
        guard let body = try? MultipartBody(parsing: buffer, boundary: boundary) else { continue }
        var last = 0
        for part in body.parts {
            must(part.bodyRange.lowerBound >= last && part.bodyRange.upperBound <= bytes.count, "a part outside of the body")
            last = part.bodyRange.upperBound
        }
    }
}

@Sendable private func path(_ bytes: UnsafeRawBufferPointer) {
    guard let path = try? CanonicalPath(parsing: bytes) else { return }
    for segment in path.segments {
        must(!segment.isEmpty && segment != "." && segment != "..", "a segment that another reader takes away")
        must(!segment.utf8.contains { $0 == 0x2F || $0 == 0 || $0 == 0x5C }, "a segment that another reader takes apart")
    }
}

/// Header parameters, addresses and ranges.
@Sendable private func header(_ bytes: UnsafeRawBufferPointer) {
    let text = String(decoding: bytes, as: UTF8.self)
    _ = HeaderParameters(parsing: text)
    if let address = IPAddress(text) { must(IPAddress(address.description) == address, "an address reads otherwise") }
    _ = AddressRange(text)
}
