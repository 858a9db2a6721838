import NIOCore
import SallyportCore
import SallyportWire

/// A request of the Content Safety API: its fields, their kinds and their limits. Every mistake is told with the field's name.
struct SafetyBody {
    let document: JSONDocument

    /// A string of the request.
    struct Text: Sendable {
        /// Valid UTF-8.
        let bytes: ByteBuffer
        let isASCII: Bool
        let codePoints: Int

        var string: String { String(buffer: bytes) }

        func passage(_ origin: PassageOrigin) -> Passage { Passage(bytes, origin: origin, isASCII: isASCII) }

        /// - Parameter number: under which findings in it are told apart; nil: under none.
        func slot(_ origin: PassageOrigin, number: Int? = nil) -> TextSlot {
            TextSlot(
                kind: .prose, passage: passage(origin), text: DecodedText.plain(bytes), outer: nil, choice: number, channel: nil,
                isOutside: true)
        }
    }

    init(_ document: JSONDocument) throws {
        guard document.nodes[0].kind == .object else { throw Fault(.invalidRequest, "The request body must be a JSON object.") }
        self.document = document
    }

    /// The member's node; nil when it is absent or `null`.
    func node(_ name: StaticString, of object: Int = 0) -> Int? {
        guard let node = document.member(name, of: object), document.nodes[node].kind != .null else { return nil }
        return node
    }

    /// The name as the object spells it, whatever the case of its letters: some of the service's documents capitalise members.
    private func member(ignoringCase name: StaticString, of object: Int) -> Int? {
        if let node = node(name, of: object) { return node }
        var found: Int?
        document.forEachMember(of: object) { key, value in
            if found == nil, document.string(key)?.lowercased() == "\(name)".lowercased() { found = value }
        }
        return found.flatMap { document.nodes[$0].kind == .null ? nil : $0 }
    }

    func text(at node: Int, _ field: String, atMost limit: Int? = nil) throws -> Text {
        guard document.nodes[node].kind == .string else {
            throw Fault(.invalidRequest, "The field '\(field)' must be a string.", param: field)
        }
        let text = document.text(node)
        let points = text.isASCII ? text.bytes.readableBytes : text.bytes.withUnsafeReadableBytes { UTF8Text.codePointCount($0) }
        if let limit, points > limit {
            throw Fault(.invalidRequest, "The field '\(field)' is longer than \(limit) characters.", param: field)
        }
        return Text(bytes: text.bytes, isASCII: text.isASCII, codePoints: points)
    }

    func optionalText(
        _ name: StaticString, of object: Int = 0, at place: String = "", atMost limit: Int? = nil, ignoringCase: Bool = false
    ) throws -> Text? {
        let node = ignoringCase ? member(ignoringCase: name, of: object) : node(name, of: object)
        return try node.map { try text(at: $0, "\(place)\(name)", atMost: limit) }
    }

    /// - Throws: ``Fault`` `.invalidRequest` also for an empty text.
    func text(
        _ name: StaticString, of object: Int = 0, at place: String = "", atMost limit: Int? = nil, ignoringCase: Bool = false
    ) throws -> Text {
        let text = try required(
            try optionalText(name, of: object, at: place, atMost: limit, ignoringCase: ignoringCase), "\(place)\(name)")
        guard text.bytes.readableBytes > 0 else {
            throw Fault(.invalidRequest, "The field '\(place)\(name)' must not be empty.", param: "\(place)\(name)")
        }
        return text
    }

    /// The elements of an array; nil when it is absent.
    func elements(_ name: StaticString, of object: Int = 0, at place: String = "", ignoringCase: Bool = false) throws -> [Int]? {
        guard let array = ignoringCase ? member(ignoringCase: name, of: object) : node(name, of: object) else { return nil }
        guard document.nodes[array].kind == .array else {
            throw Fault(.invalidRequest, "The field '\(place)\(name)' must be an array.", param: "\(place)\(name)")
        }
        var found: [Int] = []
        document.forEachElement(of: array) { _, value in found.append(value) }
        return found
    }

    /// - Parameter total: the limit of all together, in code points.
    func texts(_ name: StaticString, of object: Int = 0, total: Int? = nil, ignoringCase: Bool = false) throws -> [Text]? {
        guard let elements = try elements(name, of: object, ignoringCase: ignoringCase) else { return nil }
        let texts = try elements.enumerated().map { try text(at: $1, "\(name)[\($0)]") }
        if let total, texts.reduce(0, { $0 + $1.codePoints }) > total {
            throw Fault(.invalidRequest, "The texts of '\(name)' together are longer than \(total) characters.", param: "\(name)")
        }
        return texts
    }

    func flag(_ name: StaticString) throws -> Bool { try optionalFlag(name) ?? false }

    func optionalFlag(_ name: StaticString, of object: Int = 0, at place: String = "") throws -> Bool? {
        try value(name, of: object, at: place, "a boolean", document.bool)
    }

    func optionalInteger(_ name: StaticString, of object: Int = 0, at place: String = "") throws -> Int? {
        try value(name, of: object, at: place, "a whole number", document.integer)
    }

    func optionalNumber(_ name: StaticString, of object: Int = 0, at place: String = "") throws -> Double? {
        try value(name, of: object, at: place, "a number", document.double)
    }

    private func value<Value>(
        _ name: StaticString, of object: Int, at place: String, _ kind: String, _ read: (Int) -> Value?
    ) throws -> Value? {
        guard let node = node(name, of: object) else { return nil }
        guard let value = read(node) else {
            throw Fault(.invalidRequest, "The field '\(place)\(name)' must be \(kind).", param: "\(place)\(name)")
        }
        return value
    }

    /// An object's node; nil when it is absent.
    func object(_ name: StaticString, of object: Int = 0, at place: String = "") throws -> Int? {
        guard let node = node(name, of: object) else { return nil }
        try requireObject(node, "\(place)\(name)")
        return node
    }

    func requireObject(_ node: Int, _ field: String) throws {
        guard document.nodes[node].kind == .object else {
            throw Fault(.invalidRequest, "The field '\(field)' must be an object.", param: field)
        }
    }

    /// What is there, or a fault that says that it is missing.
    func required<Value>(_ value: Value?, _ field: String) throws -> Value {
        guard let value else { throw Fault(.invalidRequest, "The field '\(field)' is required.", param: field) }
        return value
    }

    /// One of the values, whatever the case of its letters where `ignoringCase`; `standard` when it is absent.
    func choice(
        _ name: StaticString, of object: Int = 0, at place: String = "", among values: [String], standard: String? = nil,
        ignoringCase: Bool = false
    ) throws -> String {
        guard let text = try optionalText(name, of: object, at: place)?.string ?? standard else {
            throw Fault(.invalidRequest, "The field '\(place)\(name)' is required.", param: "\(place)\(name)")
        }
        guard let value = values.first(where: { $0 == text || ignoringCase && $0.lowercased() == text.lowercased() }) else {
            throw Fault(
                .invalidRequest, "The field '\(place)\(name)' must be one of \(values.joined(separator: ", ")).", param: "\(place)\(name)")
        }
        return value
    }
}
