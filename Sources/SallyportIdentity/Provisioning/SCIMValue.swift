import Foundation

/// A JSON value as SCIM uses them. Names of attributes are compared without regard to case (RFC 7643, section 2.1).
enum SCIMValue: Sendable, Hashable, Codable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([SCIMValue])
    case object([String: SCIMValue])

    init(from decoder: any Decoder) throws {
        if let object = try? decoder.container(keyedBy: Name.self) {
            var members: [String: SCIMValue] = [:]
            for key in object.allKeys { members[key.stringValue] = try object.decode(SCIMValue.self, forKey: key) }
            self = .object(members)
        } else if var list = try? decoder.unkeyedContainer() {
            var values: [SCIMValue] = []
            while !list.isAtEnd { values.append(try list.decode(SCIMValue.self)) }
            self = .array(values)
        } else {
            let value = try decoder.singleValueContainer()
            if value.decodeNil() {
                self = .null
            } else if let bool = try? value.decode(Bool.self) {
                self = .bool(bool)
            } else if let integer = try? value.decode(Int64.self) {
                self = .integer(integer)
            } else if let number = try? value.decode(Double.self) {
                self = .number(number)
            } else {
                self = .string(try value.decode(String.self))
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .object(let members):
            var container = encoder.container(keyedBy: Name.self)
            for (name, value) in members { try container.encode(value, forKey: Name(stringValue: name)) }
        case .array(let values):
            var container = encoder.unkeyedContainer()
            for value in values { try container.encode(value) }
        case .null:
            var container = encoder.singleValueContainer()
            try container.encodeNil()
        case .bool(let value): try Self.encode(value, encoder)
        case .integer(let value): try Self.encode(value, encoder)
        case .number(let value): try Self.encode(value, encoder)
        case .string(let value): try Self.encode(value, encoder)
        }
    }

    private static func encode(_ value: some Encodable, _ encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private static let deepest = 24

    /// - Throws: ``SCIMFault`` for what is no JSON object, or nested too deep.
    static func object(parsing bytes: [UInt8]) throws -> [String: SCIMValue] {
        // Counted before it is decoded: the decoder calls itself for each level.
        var (depth, isText, isEscaped) = (0, false, false)
        for byte in bytes {
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isText = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
                guard depth <= deepest else { throw SCIMFault(400, .invalidSyntax, "The body is nested too deep.") }
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                depth -= 1
            }
        }
        guard let value = try? JSONDecoder().decode(SCIMValue.self, from: Data(bytes)), case .object(let members) = value else {
            throw SCIMFault(400, .invalidSyntax, "The body is not a JSON object.")
        }
        return members
    }

    var json: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Every case can be encoded, but for numbers that JSON cannot spell, which no JSON can have brought in.
        return (try? encoder.encode(self)).map { Array($0) } ?? Array("null".utf8)
    }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var list: [SCIMValue]? { if case .array(let values) = self { values } else { nil } }
    var members: [String: SCIMValue]? { if case .object(let members) = self { members } else { nil } }

    /// Entra sends `"True"` and `"False"`.
    var boolean: Bool? {
        switch self {
        case .bool(let value): value
        case .string(let text): text.lowercased() == "true" ? true : text.lowercased() == "false" ? false : nil
        default: nil
        }
    }

    var isEmpty: Bool {
        switch self {
        case .null: true
        case .array(let values): values.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
    }
}

extension [String: SCIMValue] {
    /// A member by its name, whatever the case.
    subscript(folded name: String) -> SCIMValue? {
        if let exact = self[name] { return exact }
        let name = name.lowercased()
        return first { $0.key.lowercased() == name }?.value
    }

    /// The spelling in which a name stands here.
    func spelling(of name: String) -> String? {
        if self[name] != nil { return name }
        let name = name.lowercased()
        return keys.first { $0.lowercased() == name }
    }
}

/// Why a SCIM request is refused (RFC 7644, section 3.12).
package struct SCIMFault: Error, Sendable, Hashable {
    package enum Kind: String, Sendable {
        case invalidFilter, tooMany, uniqueness, mutability, invalidSyntax, invalidPath, noTarget, invalidValue, invalidVers, sensitive
    }
    package let status: Int
    package let kind: Kind?
    package let detail: String

    package init(_ status: Int, _ kind: Kind? = nil, _ detail: String) {
        self.status = status
        self.kind = kind
        self.detail = detail
    }
}
