/// Why a request target was refused. Holds no text of it.
package enum CanonicalPathFault: Error, Sendable, Equatable {
    case notOriginForm, tooLong, invalidCharacter, fragment
    case emptySegment, dotSegment, encodedSeparator, doubleEncoding
    case invalidPercentEncoding, invalidUTF8
}

/// A request target in origin form, decoded once, in a way that no router or upstream can read differently.
///
/// Dot segments, empty segments, and encoded slashes, backslashes, control characters and percent sequences are refused rather than
/// resolved. A colon is an ordinary character.
package struct CanonicalPath: Sendable, Equatable {
    /// Decoded, never empty strings; `/` has none.
    package let segments: [String]
    /// Whether the path ended with a slash behind its last segment.
    package let hasTrailingSlash: Bool
    /// Decoded, in order; a plus sign is a space. Names may repeat.
    package let query: [(name: String, value: String)]
    /// What stands behind the question mark, as received; nil without one.
    package let rawQuery: String?

    package static let maximumBytes = 8 * 1024

    package static func == (a: Self, b: Self) -> Bool {
        a.segments == b.segments && a.hasTrailingSlash == b.hasTrailingSlash && a.rawQuery == b.rawQuery
    }

    /// The first value of a query parameter.
    package func queryValue(_ name: String) -> String? { query.first { $0.name == name }?.value }
    /// All values of a query parameter, in order.
    package func queryValues(_ name: String) -> [String] { query.filter { $0.name == name }.map(\.value) }

    package init(parsing target: String) throws(CanonicalPathFault) {
        var target = target
        let outcome = target.withUTF8 { CanonicalPath.read(UnsafeRawBufferPointer($0)) }
        self = try outcome.get()
    }

    /// The fields of a form as browsers send it (`application/x-www-form-urlencoded`): written like a query, of any length.
    package static func fields(ofForm body: [UInt8]) throws(CanonicalPathFault) -> [(name: String, value: String)] {
        try body.withUnsafeBytes { raw -> Result<[(name: String, value: String)], CanonicalPathFault> in
            do throws(CanonicalPathFault) {
                try checkBytes(raw)
                var scratch: [UInt8] = []
                return .success(try items(raw, &scratch))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    package init(parsing target: UnsafeRawBufferPointer) throws(CanonicalPathFault) {
        self = try CanonicalPath.read(target).get()
    }

    private init(segments: [String], hasTrailingSlash: Bool, query: [(name: String, value: String)], rawQuery: String?) {
        self.segments = segments
        self.hasTrailingSlash = hasTrailingSlash
        self.query = query
        self.rawQuery = rawQuery
    }

    private static func read(_ raw: UnsafeRawBufferPointer) -> Result<CanonicalPath, CanonicalPathFault> {
        do throws(CanonicalPathFault) {
            return .success(try parse(raw))
        } catch {
            return .failure(error)
        }
    }

    private static func parse(_ raw: UnsafeRawBufferPointer) throws(CanonicalPathFault) -> CanonicalPath {
        guard raw.count <= maximumBytes else { throw .tooLong }
        guard raw.first == UInt8(ascii: "/") else { throw .notOriginForm }
        try checkBytes(raw)
        let mark = Bytes.firstIndex(of: UInt8(ascii: "?"), in: raw, from: 0)
        let path = UnsafeRawBufferPointer(rebasing: raw[..<mark])
        var scratch: [UInt8] = []
        var segments: [String] = []
        var trailing = false
        var start = 1
        while start < path.count {
            let end = Bytes.firstIndex(of: UInt8(ascii: "/"), in: path, from: start)
            guard end > start else { throw .emptySegment }
            segments.append(try segment(UnsafeRawBufferPointer(rebasing: path[start..<end]), &scratch))
            trailing = end == path.count - 1
            start = end + 1
        }
        guard mark < raw.count else {
            return CanonicalPath(segments: segments, hasTrailingSlash: trailing, query: [], rawQuery: nil)
        }
        let query = UnsafeRawBufferPointer(rebasing: raw[(mark + 1)...])
        return CanonicalPath(
            segments: segments, hasTrailingSlash: trailing, query: try items(query, &scratch),
            rawQuery: String(decoding: query, as: UTF8.self))
    }

    private static func checkBytes(_ raw: UnsafeRawBufferPointer) throws(CanonicalPathFault) {
        for byte in raw {
            guard byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "\\") else { throw .invalidCharacter }
            guard byte != UInt8(ascii: "#") else { throw .fragment }
        }
    }

    private static func segment(_ raw: UnsafeRawBufferPointer, _ scratch: inout [UInt8]) throws(CanonicalPathFault) -> String {
        let text = try decode(raw, plusIsSpace: false, &scratch)
        guard text != ".", text != ".." else { throw .dotSegment }
        guard !scratch.isEmpty else { return text }
        for (index, byte) in scratch.enumerated() {
            guard byte >= 0x20, byte != 0x7F, byte != UInt8(ascii: "/"), byte != UInt8(ascii: "\\") else { throw .encodedSeparator }
            if byte == UInt8(ascii: "%"), index + 2 < scratch.count, Bytes.hexValue(scratch[index + 1]) < 16,
                Bytes.hexValue(scratch[index + 2]) < 16
            {
                throw .doubleEncoding
            }
        }
        return text
    }

    private static func items(
        _ query: UnsafeRawBufferPointer, _ scratch: inout [UInt8]
    ) throws(CanonicalPathFault) -> [(name: String, value: String)] {
        var items: [(name: String, value: String)] = []
        var start = 0
        while start < query.count {
            let end = Bytes.firstIndex(of: UInt8(ascii: "&"), in: query, from: start)
            if end > start {
                let item = UnsafeRawBufferPointer(rebasing: query[start..<end])
                let equals = Bytes.firstIndex(of: UInt8(ascii: "="), in: item, from: 0)
                let name = try decode(UnsafeRawBufferPointer(rebasing: item[..<equals]), plusIsSpace: true, &scratch)
                guard scratch.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .invalidCharacter }
                let value =
                    equals < item.count
                    ? try decode(UnsafeRawBufferPointer(rebasing: item[(equals + 1)...]), plusIsSpace: true, &scratch) : ""
                guard equals == item.count || !scratch.contains(0) else { throw .invalidCharacter }
                items.append((name, value))
            }
            start = end + 1
        }
        return items
    }

    /// Decodes percent sequences. `scratch` holds the decoded bytes afterwards, or nothing when there was nothing to decode.
    private static func decode(
        _ raw: UnsafeRawBufferPointer, plusIsSpace: Bool, _ scratch: inout [UInt8]
    ) throws(CanonicalPathFault) -> String {
        scratch.removeAll(keepingCapacity: true)
        let other = plusIsSpace ? UInt8(ascii: "+") : UInt8(ascii: "%")
        if Bytes.firstIndex(of: UInt8(ascii: "%"), or: other, in: raw, from: 0) == raw.count {
            return String(decoding: raw, as: UTF8.self)
        }
        var index = 0
        while index < raw.count {
            let byte = raw[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < raw.count else { throw .invalidPercentEncoding }
                let (high, low) = (Bytes.hexValue(raw[index + 1]), Bytes.hexValue(raw[index + 2]))
                guard high < 16, low < 16 else { throw .invalidPercentEncoding }
                scratch.append(high << 4 | low)
                index += 3
            } else {
                scratch.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
                index += 1
            }
        }
        guard scratch.withUnsafeBytes({ UTF8Text.isValid($0) }) else { throw .invalidUTF8 }
        return String(decoding: scratch, as: UTF8.self)
    }
}
