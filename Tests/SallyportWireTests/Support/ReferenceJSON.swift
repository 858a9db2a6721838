import NIOCore
import SallyportWire

/// A JSON value as the reference reader and the generator see it; numbers keep their spelling.
indirect enum ReferenceJSON: Equatable {
    case object([Member])
    case array([ReferenceJSON])
    case string(String)
    case number(String)
    case bool(Bool)
    case null

    struct Member: Equatable {
        let key: [UInt8]
        let value: ReferenceJSON
    }

    // `String` compares canonically; documents must not.
    static func == (a: ReferenceJSON, b: ReferenceJSON) -> Bool {
        switch (a, b) {
        case (.object(let x), .object(let y)): x == y
        case (.array(let x), .array(let y)): x == y
        case (.string(let x), .string(let y)), (.number(let x), .number(let y)): x.utf8.elementsEqual(y.utf8)
        case (.bool(let x), .bool(let y)): x == y
        case (.null, .null): true
        default: false
        }
    }

    /// What the document's tape says, through its public reading calls only.
    init(_ document: JSONDocument, _ node: Int = 0) {
        switch document.nodes[node].kind {
        case .object:
            var members: [Member] = []
            document.forEachMember(of: node) { key, value in
                members.append(Member(key: document.text(key).bytes.array, value: ReferenceJSON(document, value)))
            }
            self = .object(members)
        case .array:
            var elements: [ReferenceJSON] = []
            document.forEachElement(of: node) { _, value in elements.append(ReferenceJSON(document, value)) }
            self = .array(elements)
        case .string, .key: self = .string(document.string(node) ?? "?")
        case .number: self = .number(document.text(node).bytes.text)
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .null: self = .null
        }
    }
}

/// A slow recursive reader of RFC 8259, written apart from the product's, to compare with.
struct ReferenceReader {
    private struct Refused: Error {}
    private let bytes: [UInt8]
    private var at = 0
    private let maximumDepth: Int

    /// nil when the text is to be refused.
    static func read(_ bytes: [UInt8], maximumDepth: Int = 64) -> ReferenceJSON? {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = ReferenceReader(bytes: bytes, maximumDepth: maximumDepth)
        do {
            let value = try reader.value(depth: 0)
            reader.space()
            return reader.at == bytes.count ? value : nil
        } catch {
            return nil
        }
    }

    private init(bytes: [UInt8], maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }
    private mutating func space() { while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 } }
    private mutating func expect(_ text: String) throws {
        guard bytes[at...].starts(with: text.utf8) else { throw Refused() }
        at += text.utf8.count
    }

    private mutating func value(depth: Int) throws -> ReferenceJSON {
        space()
        switch next {
        case UInt8(ascii: "{"):
            guard depth < maximumDepth else { throw Refused() }
            at += 1
            var members: [ReferenceJSON.Member] = []
            space()
            if next == UInt8(ascii: "}") {
                at += 1
                return .object([])
            }
            while true {
                space()
                let key = Array(try string().utf8)
                guard !members.contains(where: { $0.key == key }) else { throw Refused() }
                space()
                try expect(":")
                members.append(.init(key: key, value: try value(depth: depth + 1)))
                space()
                if next == UInt8(ascii: "}") {
                    at += 1
                    return .object(members)
                }
                try expect(",")
            }
        case UInt8(ascii: "["):
            guard depth < maximumDepth else { throw Refused() }
            at += 1
            var elements: [ReferenceJSON] = []
            space()
            if next == UInt8(ascii: "]") {
                at += 1
                return .array([])
            }
            while true {
                elements.append(try value(depth: depth + 1))
                space()
                if next == UInt8(ascii: "]") {
                    at += 1
                    return .array(elements)
                }
                try expect(",")
            }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        default: return .number(try number())
        }
    }

    private mutating func string() throws -> String {
        try expect("\"")
        var units: [UInt16] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF16.self) else { throw Refused() }
                return text
            case UInt8(ascii: "\\"):
                guard let escape = next else { throw Refused() }
                at += 1
                switch escape {
                case UInt8(ascii: "n"): units.append(10)
                case UInt8(ascii: "t"): units.append(9)
                case UInt8(ascii: "r"): units.append(13)
                case UInt8(ascii: "b"): units.append(8)
                case UInt8(ascii: "f"): units.append(12)
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): units.append(UInt16(escape))
                case UInt8(ascii: "u"):
                    guard at + 4 <= bytes.count, bytes[at..<at + 4].allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
                        let unit = UInt16(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
                    else { throw Refused() }
                    at += 4
                    units.append(unit)
                default: throw Refused()
                }
            case 0..<0x20: throw Refused()
            default:
                var end = at
                while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
                units += Array(String(decoding: bytes[at - 1..<end], as: UTF8.self).utf16)
                at = end
            }
        }
        throw Refused()
    }

    private mutating func number() throws -> String {
        let start = at
        func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }
        if next == UInt8(ascii: "-") { at += 1 }
        guard isDigit(next) else { throw Refused() }
        if next == 0x30 { at += 1 } else { while isDigit(next) { at += 1 } }
        if next == UInt8(ascii: ".") {
            at += 1
            guard isDigit(next) else { throw Refused() }
            while isDigit(next) { at += 1 }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            at += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
            guard isDigit(next) else { throw Refused() }
            while isDigit(next) { at += 1 }
        }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }
}
