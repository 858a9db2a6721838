#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One stored record: a view of its bytes, with access to its top-level fields.
package struct AuditLine {
    /// The record without its newline.
    package let bytes: UnsafeRawBufferPointer

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private static let maximumDepth = 32

    /// What every record must be before it is taken: one line, in braces.
    static func isFramed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= 2 && bytes[0] == UInt8(ascii: "{") && bytes[bytes.count - 1] == UInt8(ascii: "}")
            && LineReader.position(of: 0x0A, in: bytes, from: 0) == nil && LineReader.position(of: 0, in: bytes, from: 0) == nil
    }

    /// True when the line is one JSON object.
    package var isObject: Bool { scan { _, _ in true } }

    /// The JSON text of a top-level field's value.
    package func field(_ name: String) -> UnsafeRawBufferPointer? {
        var found: UnsafeRawBufferPointer?
        var name = name
        name.withUTF8 { name in
            _ = scan { key, value in
                guard Self.equal(key, UnsafeRawBufferPointer(name)) else { return true }
                found = value
                return false
            }
        }
        return found
    }

    /// Gives each top-level field's name, without quotes, and the JSON text of its value, in the order of the line; `body` returns false to
    /// stop. One walk, for whoever needs several fields.
    package func forEachField(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool) { _ = scan(body) }

    /// True when a top-level field is this string. The string must be one that needs no escapes in JSON, as identifiers are.
    package func field(_ name: String, is value: String) -> Bool {
        guard let raw = field(name), raw.count == value.utf8.count + 2, raw[0] == 0x22 else { return false }
        var value = value
        return value.withUTF8 { Self.equal(UnsafeRawBufferPointer(rebasing: raw[1..<(raw.count - 1)]), UnsafeRawBufferPointer($0)) }
    }

    /// A top-level string field without escapes; nil when it is none.
    package func string(_ name: String) -> String? { field(name).flatMap(Self.string) }

    /// The string that a value's JSON text spells without escapes; nil when it is none.
    package static func string(_ raw: UnsafeRawBufferPointer) -> String? {
        guard raw.count >= 2, raw[0] == 0x22 else { return nil }
        let content = UnsafeRawBufferPointer(rebasing: raw[1..<(raw.count - 1)])
        return LineReader.position(of: 0x5C, in: content, from: 0) == nil ? String(decoding: content, as: UTF8.self) : nil
    }

    /// Whether these bytes, a name or a value's JSON text, are exactly that text.
    package static func isExactly(_ raw: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        text.withUTF8Buffer { equal(raw, UnsafeRawBufferPointer($0)) }
    }

    private static func equal(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
        guard a.count == b.count else { return false }
        guard let x = a.baseAddress, let y = b.baseAddress else { return true }
        return memcmp(x, y, a.count) == 0
    }

    /// Walks the object, giving `onField` each top-level name (without quotes) and value; it returns false to stop.
    /// - Returns: false when the line is not one JSON object, or `onField` stopped.
    private func scan(_ onField: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool) -> Bool {
        var scanner = Scanner(bytes: bytes)
        guard scanner.take(UInt8(ascii: "{")) else { return false }
        if !scanner.take(UInt8(ascii: "}")) {
            repeat {
                guard let key = scanner.string(), scanner.take(UInt8(ascii: ":")) else { return false }
                let start = scanner.position
                guard scanner.value(depth: 1) else { return false }
                if !onField(
                    .init(rebasing: bytes[(key.lowerBound + 1)..<(key.upperBound - 1)]), .init(rebasing: bytes[start..<scanner.position]))
                {
                    return false
                }
            } while scanner.take(UInt8(ascii: ","))
            guard scanner.take(UInt8(ascii: "}")) else { return false }
        }
        return scanner.position == bytes.count
    }

    /// Reads JSON without white space between its parts, as records are written.
    private struct Scanner {
        let bytes: UnsafeRawBufferPointer
        var position = 0

        mutating func take(_ byte: UInt8) -> Bool {
            guard position < bytes.count, bytes[position] == byte else { return false }
            position += 1
            return true
        }

        mutating func string() -> Range<Int>? {
            let start = position
            guard take(0x22) else { return nil }
            while position < bytes.count {
                // Eight bytes at once, up to one that ends the string or needs a look.
                if position + 8 <= bytes.count {
                    let plain = JSONLineWriter.plainBytes(of: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                    position += plain
                    if plain == 8 { continue }
                }
                let byte = bytes[position]
                position += 1
                if byte == 0x22 { return start..<position }
                if byte < 0x20 { return nil }
                if byte == 0x5C {
                    guard position < bytes.count else { return nil }
                    position += 1
                }
            }
            return nil
        }

        mutating func value(depth: Int) -> Bool {
            guard position < bytes.count else { return false }
            switch bytes[position] {
            case 0x22: return string() != nil
            case UInt8(ascii: "{"):
                guard depth < AuditLine.maximumDepth else { return false }
                position += 1
                if take(UInt8(ascii: "}")) { return true }
                repeat {
                    guard string() != nil, take(UInt8(ascii: ":")), value(depth: depth + 1) else { return false }
                } while take(UInt8(ascii: ","))
                return take(UInt8(ascii: "}"))
            case UInt8(ascii: "["):
                guard depth < AuditLine.maximumDepth else { return false }
                position += 1
                if take(UInt8(ascii: "]")) { return true }
                repeat {
                    guard value(depth: depth + 1) else { return false }
                } while take(UInt8(ascii: ","))
                return take(UInt8(ascii: "]"))
            case UInt8(ascii: "t"): return literal("true")
            case UInt8(ascii: "f"): return literal("false")
            case UInt8(ascii: "n"): return literal("null")
            default:
                let start = position
                while position < bytes.count, Self.isNumberByte(bytes[position]) { position += 1 }
                return position > start
            }
        }

        private mutating func literal(_ text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard position + count <= bytes.count, let base = bytes.baseAddress, memcmp(base + position, text.utf8Start, count) == 0 else {
                return false
            }
            position += count
            return true
        }

        private static func isNumberByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"),
                UInt8(ascii: "E"):
                true
            default: false
            }
        }
    }
}
