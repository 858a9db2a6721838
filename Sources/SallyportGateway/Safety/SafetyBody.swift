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

    func optionalText(_ name: StaticString, of object: Int = 0, at place: String = "", atMost limit: Int? = nil) throws -> Text? {
        try node(name, of: object).map { try text(at: $0, "\(place)\(name)", atMost: limit) }
    }

    /// - Throws: ``Fault`` `.invalidRequest` also for an empty text.
    func text(_ name: StaticString, of object: Int = 0, at place: String = "", atMost limit: Int? = nil) throws -> Text {
        guard let text = try optionalText(name, of: object, at: place, atMost: limit) else {
            throw Fault(.invalidRequest, "The field '\(place)\(name)' is required.", param: "\(place)\(name)")
        }
        guard text.bytes.readableBytes > 0 else {
            throw Fault(.invalidRequest, "The field '\(place)\(name)' must not be empty.", param: "\(place)\(name)")
        }
        return text
    }

    /// The elements of an array; nil when it is absent.
    func elements(_ name: StaticString, of object: Int = 0, at place: String = "") throws -> [Int]? {
        guard let array = node(name, of: object) else { return nil }
        guard document.nodes[array].kind == .array else {
            throw Fault(.invalidRequest, "The field '\(place)\(name)' must be an array.", param: "\(place)\(name)")
        }
        var found: [Int] = []
        document.forEachElement(of: array) { _, value in found.append(value) }
        return found
    }

    /// - Parameter total: the limit of all together, in code points.
    func texts(_ name: StaticString, of object: Int = 0, total: Int? = nil) throws -> [Text]? {
        guard let elements = try elements(name, of: object) else { return nil }
        let texts = try elements.enumerated().map { try text(at: $1, "\(name)[\($0)]") }
        if let total, texts.reduce(0, { $0 + $1.codePoints }) > total {
            throw Fault(.invalidRequest, "The texts of '\(name)' together are longer than \(total) characters.", param: "\(name)")
        }
        return texts
    }

    func flag(_ name: StaticString) throws -> Bool {
        guard let node = node(name) else { return false }
        guard let value = document.bool(node) else {
            throw Fault(.invalidRequest, "The field '\(name)' must be a boolean.", param: "\(name)")
        }
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
