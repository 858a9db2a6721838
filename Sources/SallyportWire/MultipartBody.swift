import NIOCore

/// Why a `multipart/form-data` body was refused. Holds no text of the body.
package enum MultipartFault: Error, Sendable, Equatable {
    case invalidBoundary, missingBoundary, missingFinalBoundary, trailingBytes, ambiguousBoundary
    case invalidHeader, headersTooLarge, foldedHeader, duplicateHeader, unsupportedEncoding
    case missingDisposition, invalidDisposition, missingName, tooManyParts
}

/// A `multipart/form-data` body (RFC 7578) read strictly: where each part's headers and content stand in the bytes.
///
/// There is one reading: no preamble, exact CRLF, no folded or repeated headers, no `filename*`, no backslash in a quoted value, and no
/// line that a laxer reader could take for a boundary.
package struct MultipartBody: Sendable {
    package struct Part: Sendable, Equatable {
        package let name: String
        package let filename: String?
        package let contentType: String?
        /// Header fields and parameters that say nothing of what the part is: words may travel in them.
        package let remarks: [String]
        /// From behind the boundary line to the blank line, with the last header's line end.
        package let headersRange: Range<Int>
        package let bodyRange: Range<Int>
    }

    /// In the order of the body; several parts may share a name.
    package let parts: [Part]

    /// How many bytes the headers of one part may take.
    package static let maximumHeaderBytes = 8 * 1024

    /// - Parameters:
    ///   - bytes: the whole body; ranges count from its reader index.
    ///   - boundary: as the `Content-Type` names it, without the leading dashes.
    package init(parsing bytes: ByteBuffer, boundary: String, maximumParts: Int = 128) throws(MultipartFault) {
        guard MultipartBody.isBoundary(boundary.utf8) else { throw .invalidBoundary }
        let delimiter = [0x2D, 0x2D] + Array(boundary.utf8)
        self.parts = try bytes.withUnsafeReadableBytes { raw in
            MultipartBody.read(raw, delimiter, maximumParts)
        }.get()
    }

    /// The parts of one name, in order.
    package func parts(named name: String) -> [Part] { parts.filter { $0.name == name } }

    /// The boundary that a `multipart/form-data` content type names; nil for any other type and for a malformed or repeated parameter.
    package static func boundary(fromContentType value: String) -> String? {
        guard let header = HeaderParameters(parsing: value), header.value == "multipart/form-data" else { return nil }
        guard let boundary = header["boundary"], isBoundary(boundary.utf8) else { return nil }
        return boundary
    }

    /// RFC 2046 `boundary`: 1 to 70 characters of a fixed set, not ending in a space.
    private static func isBoundary(_ text: String.UTF8View) -> Bool {
        guard (1...70).contains(text.count), text.last != 0x20 else { return false }
        return text.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            case UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "+"), UInt8(ascii: "_"), UInt8(ascii: ","),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "?"),
                UInt8(ascii: " "):
                true
            default: false
            }
        }
    }

    // MARK: Reading

    private static func read(
        _ raw: UnsafeRawBufferPointer, _ delimiter: [UInt8], _ maximumParts: Int
    ) -> Result<[Part], MultipartFault> {
        do throws(MultipartFault) {
            return .success(try delimiterLoop(raw, delimiter, maximumParts))
        } catch {
            return .failure(error)
        }
    }

    private static func delimiterLoop(
        _ raw: UnsafeRawBufferPointer, _ delimiter: [UInt8], _ maximumParts: Int
    ) throws(MultipartFault) -> [Part] {
        guard holds(delimiter, raw, at: 0) else { throw .missingBoundary }
        var parts: [Part] = []
        var position = delimiter.count
        while true {
            // Directly behind a delimiter.
            if position + 2 <= raw.count, raw[position] == 0x2D, raw[position + 1] == 0x2D {
                position += 2
                if position + 2 == raw.count, raw[position] == 0x0D, raw[position + 1] == 0x0A { position += 2 }
                guard position == raw.count else { throw .trailingBytes }
                return parts
            }
            guard position + 2 <= raw.count else { throw .missingFinalBoundary }
            guard raw[position] == 0x0D, raw[position + 1] == 0x0A else { throw .ambiguousBoundary }
            guard parts.count < maximumParts else { throw .tooManyParts }
            let headersStart = position + 2
            let (headers, headersEnd) = try readHeaders(raw, from: headersStart, delimiter)
            let bodyStart = headersEnd + 2
            let bodyEnd = try endOfBody(raw, from: bodyStart, delimiter)
            parts.append(try part(headers, headersStart..<headersEnd, bodyStart..<bodyEnd))
            position = bodyEnd + 2 + delimiter.count
        }
    }

    /// Where the content that starts at `start` ends: at the CRLF of the next delimiter.
    private static func endOfBody(
        _ raw: UnsafeRawBufferPointer, from start: Int, _ delimiter: [UInt8]
    ) throws(MultipartFault) -> Int {
        // The blank line's own CRLF may be the delimiter's: an empty body.
        var position = start - 2
        while position < raw.count {
            let stop = Bytes.firstIndex(of: 0x0A, or: 0x0D, in: raw, from: position)
            guard stop < raw.count else { break }
            if raw[stop] == 0x0D, stop + 1 < raw.count, raw[stop + 1] == 0x0A {
                if holds(delimiter, raw, at: stop + 2) {
                    // With a body of no bytes at all the CRLF would be shared with the blank line.
                    guard stop >= start else { throw .ambiguousBoundary }
                    return stop
                }
                position = stop + 2
            } else {
                // A lone CR or LF ends a line for some readers.
                if holds(delimiter, raw, at: stop + 1) { throw .ambiguousBoundary }
                position = stop + 1
            }
        }
        throw .missingFinalBoundary
    }

    private static func holds(_ delimiter: [UInt8], _ raw: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        guard raw.count - offset >= delimiter.count else { return false }
        for index in 0..<delimiter.count where raw[offset + index] != delimiter[index] { return false }
        return true
    }

    private struct Header {
        let name: String
        let value: String
    }

    /// The headers and the offset of the blank line.
    private static func readHeaders(
        _ raw: UnsafeRawBufferPointer, from start: Int, _ delimiter: [UInt8]
    ) throws(MultipartFault) -> ([Header], Int) {
        var headers: [Header] = []
        var line = start
        while true {
            let stop = Bytes.firstIndex(of: 0x0A, or: 0x0D, in: raw, from: line)
            guard stop - start <= maximumHeaderBytes else { throw .headersTooLarge }
            guard stop + 1 < raw.count else { throw .missingFinalBoundary }
            guard raw[stop] == 0x0D, raw[stop + 1] == 0x0A else { throw .invalidHeader }
            if stop == line { return (headers, line) }
            guard !holds(delimiter, raw, at: line) else { throw .ambiguousBoundary }
            guard raw[line] != 0x20, raw[line] != 0x09 else { throw .foldedHeader }
            headers.append(try header(UnsafeRawBufferPointer(rebasing: raw[line..<stop])))
            line = stop + 2
        }
    }

    private static func header(_ line: UnsafeRawBufferPointer) throws(MultipartFault) -> Header {
        guard let colon = line.firstIndex(of: 0x3A), colon > 0 else { throw .invalidHeader }
        guard line[..<colon].allSatisfy(HeaderParameters.isToken), UTF8Text.isValid(line) else { throw .invalidHeader }
        guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { throw .invalidHeader }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 0x20 || first == 0x09 { value = value.dropFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value = value.dropLast() }
        return Header(
            name: String(decoding: line[..<colon], as: UTF8.self).lowercased(), value: String(decoding: value, as: UTF8.self))
    }

    private static func part(
        _ headers: [Header], _ headersRange: Range<Int>, _ bodyRange: Range<Int>
    ) throws(MultipartFault) -> Part {
        for (index, header) in headers.enumerated() where headers[..<index].contains(where: { $0.name == header.name }) {
            throw .duplicateHeader
        }
        func value(_ name: String) -> String? { headers.first { $0.name == name }?.value }
        if let encoding = value("content-transfer-encoding"), !["7bit", "8bit", "binary"].contains(encoding.lowercased()) {
            throw .unsupportedEncoding
        }
        guard let disposition = value("content-disposition") else { throw .missingDisposition }
        guard let parameters = HeaderParameters(parsing: disposition), parameters.value == "form-data", !parameters.hasExtended else {
            throw .invalidDisposition
        }
        guard let name = parameters["name"], !name.isEmpty else { throw .missingName }
        let known: Set<String> = ["content-disposition", "content-type", "content-transfer-encoding"]
        let remarks =
            headers.filter { !known.contains($0.name) }.map { "\($0.name): \($0.value)" } + parameters.others(than: ["name", "filename"])
        return Part(
            name: name, filename: parameters["filename"], contentType: value("content-type"), remarks: remarks, headersRange: headersRange,
            bodyRange: bodyRange)
    }
}
