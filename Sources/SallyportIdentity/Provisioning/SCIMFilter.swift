/// A filter (RFC 7644, section 3.4.2.2): `userName eq "bjensen" and emails[type eq "work" and value co "@example.com"]`.
indirect enum SCIMFilter: Sendable, Hashable {
    enum Comparison: String, Sendable, CaseIterable { case eq, ne, co, sw, ew, gt, ge, lt, le }

    case compare(SCIMPath.Name, Comparison, SCIMValue)
    case present(SCIMPath.Name)
    case and(SCIMFilter, SCIMFilter)
    case or(SCIMFilter, SCIMFilter)
    case not(SCIMFilter)
    /// At least one value of a multi-valued attribute satisfies the filter.
    case values(SCIMPath.Name, SCIMFilter)

    static let longest = 2048
    static let mostTerms = 64
    static let deepest = 16

    /// - Throws: ``SCIMFault`` `invalidFilter`.
    init(_ text: String) throws {
        var parser = SCIMParser(text)
        self = try parser.filter()
        try parser.end()
    }

    /// Whether a resource, or a complex value, satisfies it. Texts are compared without regard to case but where the attribute is exact.
    func matches(_ members: [String: SCIMValue], in schema: SCIMSchema) -> Bool {
        switch self {
        case .and(let a, let b): a.matches(members, in: schema) && b.matches(members, in: schema)
        case .or(let a, let b): a.matches(members, in: schema) || b.matches(members, in: schema)
        case .not(let filter): !filter.matches(members, in: schema)
        case .present(let name): name.values(in: members).contains { !$0.isEmpty && $0 != .string("") }
        case .values(let name, let filter):
            name.values(in: members).contains { value in
                filter.matches(value.members ?? ["value": value], in: schema)
            }
        case .compare(let name, let comparison, let wanted):
            Self.compare(name.values(in: members), comparison, wanted, isExact: schema.isCaseExact(name))
        }
    }

    private static func compare(_ found: [SCIMValue], _ comparison: Comparison, _ wanted: SCIMValue, isExact: Bool) -> Bool {
        if wanted == .null { return (comparison == .eq) == found.allSatisfy(\.isEmpty) }
        let values = found.flatMap { value in
            // A multi-valued attribute without a sub-attribute means its `value` (RFC 7644, figure 1).
            value.members.map { $0[folded: "value"].map { [$0] } ?? [] } ?? [value]
        }
        if comparison == .ne { return !values.contains { holds($0, .eq, wanted, isExact) } }
        return values.contains { holds($0, comparison, wanted, isExact) }
    }

    private static func holds(_ value: SCIMValue, _ comparison: Comparison, _ wanted: SCIMValue, _ isExact: Bool) -> Bool {
        switch (value, wanted) {
        case (.string(let a), .string(let b)):
            let (a, b) = isExact ? (a, b) : (a.lowercased(), b.lowercased())
            switch comparison {
            case .eq: return a == b
            case .ne: return a != b
            case .co: return a.contains(b)
            case .sw: return a.hasPrefix(b)
            case .ew: return a.hasSuffix(b)
            case .gt: return a > b
            case .ge: return a >= b
            case .lt: return a < b
            case .le: return a <= b
            }
        case (.bool, _):
            guard let a = value.boolean, let b = wanted.boolean else { return false }
            return comparison == .eq && a == b
        default:
            guard let a = number(value), let b = number(wanted) else { return false }
            switch comparison {
            case .eq: return a == b
            case .gt: return a > b
            case .ge: return a >= b
            case .lt: return a < b
            case .le: return a <= b
            case .ne, .co, .sw, .ew: return false
            }
        }
    }

    private static func number(_ value: SCIMValue) -> Double? {
        switch value {
        case .integer(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }
}

/// Where a PATCH operation works: `name.familyName`, `emails[type eq "work"].value`, with the schema's URN before it or without.
struct SCIMPath: Sendable, Hashable {
    /// An attribute, with its sub-attribute and the URN of its schema.
    struct Name: Sendable, Hashable {
        var urn: String?
        var attribute: String
        var sub: String?

        /// The attribute's values in a resource: those of a multi-valued one each by itself.
        func values(in members: [String: SCIMValue]) -> [SCIMValue] {
            var members = members
            if let urn, SCIMSchema.extensions.contains(where: { $0.lowercased() == urn.lowercased() }) {
                guard let inner = members[folded: urn]?.members else { return [] }
                members = inner
            }
            guard let value = members[folded: attribute] else { return [] }
            let values = value.list ?? [value]
            guard let sub else { return values }
            return values.compactMap { $0.members?[folded: sub] }
        }
    }

    var name: Name
    /// Which of the values of a multi-valued attribute.
    var filter: SCIMFilter?

    /// - Throws: ``SCIMFault`` `invalidPath`.
    init(_ text: String) throws {
        var parser = SCIMParser(text)
        do {
            (name, filter) = try parser.path()
            try parser.end()
        } catch let fault as SCIMFault {
            throw SCIMFault(400, .invalidPath, fault.detail)
        }
    }
}

/// Reads filters and paths. Bounded in length, terms and depth.
private struct SCIMParser {
    private let text: [Unicode.Scalar]
    private var position = 0
    private var terms = 0

    init(_ text: String) { self.text = Array(text.unicodeScalars) }

    private func fault(_ reason: String) -> SCIMFault {
        SCIMFault(400, .invalidFilter, "The filter \(reason) (at character \(position + 1)).")
    }

    mutating func end() throws {
        skipBlanks()
        guard position == text.count else { throw fault("goes on where it should end") }
    }

    // MARK: Filters

    mutating func filter(depth: Int = 0) throws -> SCIMFilter {
        guard text.count <= SCIMFilter.longest else { throw fault("is longer than \(SCIMFilter.longest) characters") }
        guard depth < SCIMFilter.deepest else { throw fault("is nested too deep") }
        var left = try conjunction(depth)
        while keyword("or") { left = .or(left, try conjunction(depth)) }
        return left
    }

    private mutating func conjunction(_ depth: Int) throws -> SCIMFilter {
        var left = try term(depth)
        while keyword("and") { left = .and(left, try term(depth)) }
        return left
    }

    private mutating func term(_ depth: Int) throws -> SCIMFilter {
        terms += 1
        guard terms <= SCIMFilter.mostTerms else { throw fault("has more than \(SCIMFilter.mostTerms) terms") }
        if keyword("not") {
            guard take("(") else { throw fault("has no bracket after 'not'") }
            let inner = try filter(depth: depth + 1)
            guard take(")") else { throw fault("has an open bracket") }
            return .not(inner)
        }
        if take("(") {
            let inner = try filter(depth: depth + 1)
            guard take(")") else { throw fault("has an open bracket") }
            return inner
        }
        let name = try self.name()
        if take("[") {
            let inner = try filter(depth: depth + 1)
            guard take("]") else { throw fault("has an open bracket") }
            return .values(name, inner)
        }
        let word = self.word().lowercased()
        if word == "pr" { return .present(name) }
        guard let comparison = SCIMFilter.Comparison(rawValue: word) else {
            throw fault("has no operator after '\(name.attribute.prefix(64))'")
        }
        let value = try self.value()
        switch (comparison, value) {
        case (.eq, _), (.ne, _), (_, .string): break
        case (.gt, .integer), (.ge, .integer), (.lt, .integer), (.le, .integer), (.gt, .number), (.ge, .number), (.lt, .number),
            (.le, .number):
            break
        default: throw fault("compares a value with '\(comparison.rawValue)' that cannot be")
        }
        return .compare(name, comparison, value)
    }

    // MARK: Paths

    mutating func path() throws -> (SCIMPath.Name, SCIMFilter?) {
        guard text.count <= SCIMFilter.longest else { throw fault("is longer than \(SCIMFilter.longest) characters") }
        // An extension as a whole is named by its URN alone.
        let whole = String(String.UnicodeScalarView(text))
        if let urn = SCIMSchema.extensions.first(where: { $0.lowercased() == whole.lowercased() }) {
            position = text.count
            return (SCIMPath.Name(urn: nil, attribute: urn, sub: nil), nil)
        }
        var name = try self.name()
        guard take("[") else { return (name, nil) }
        let inner = try filter(depth: 1)
        guard take("]") else { throw fault("has an open bracket") }
        if takeExactly(".") { name.sub = try identifier() }
        return (name, inner)
    }

    /// `urn:…:User:name.familyName`, `name.familyName`, `name`.
    private mutating func name() throws -> SCIMPath.Name {
        skipBlanks()
        let start = position
        while position < text.count, Self.isNamePart(text[position]) || text[position] == ":" || text[position] == "." { position += 1 }
        let spelled = String(String.UnicodeScalarView(text[start..<position]))
        var urn: String?
        var rest = Substring(spelled)
        if spelled.lowercased().hasPrefix("urn:") {
            // The version's dot is the URN's own: the last colon ends it.
            guard let colon = spelled.lastIndex(of: ":") else { throw fault("has a name that cannot be read") }
            urn = String(spelled[..<colon])
            rest = spelled[spelled.index(after: colon)...]
        }
        let parts = rest.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ Self.isIdentifier($0) }) else { throw fault("has no attribute's name") }
        return SCIMPath.Name(urn: urn, attribute: String(parts[0]), sub: parts.count == 2 ? String(parts[1]) : nil)
    }

    private mutating func identifier() throws -> String {
        let start = position
        while position < text.count, Self.isNamePart(text[position]) { position += 1 }
        let spelled = String(String.UnicodeScalarView(text[start..<position]))
        guard Self.isIdentifier(spelled) else { throw fault("has no sub-attribute's name") }
        return spelled
    }

    private static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII
            && (("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "-"
                || scalar == "_" || scalar == "$")
    }

    private static func isIdentifier(_ text: some StringProtocol) -> Bool {
        guard let first = text.unicodeScalars.first, first == "$" || ("a"..."z").contains(first) || ("A"..."Z").contains(first) else {
            return false
        }
        return text.unicodeScalars.allSatisfy(isNamePart)
    }

    // MARK: Values

    private mutating func value() throws -> SCIMValue {
        skipBlanks()
        guard position < text.count else { throw fault("has no value to compare with") }
        if text[position] == "\"" { return .string(try quoted()) }
        let start = position
        while position < text.count, text[position] != " ", text[position] != ")", text[position] != "]" { position += 1 }
        let spelled = String(String.UnicodeScalarView(text[start..<position]))
        switch spelled.lowercased() {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null": return .null
        default:
            if let number = Int64(spelled) { return .integer(number) }
            if spelled.first.map({ $0.isNumber || $0 == "-" }) ?? false, let number = Double(spelled), number.isFinite {
                return .number(number)
            }
            throw fault("has a value that is no JSON value")
        }
    }

    private mutating func quoted() throws -> String {
        position += 1
        var result = String.UnicodeScalarView()
        while position < text.count {
            let scalar = text[position]
            position += 1
            if scalar == "\"" { return String(result) }
            guard scalar.value >= 0x20 else { throw fault("has a control character in a text") }
            guard scalar == "\\" else {
                result.append(scalar)
                continue
            }
            guard position < text.count else { break }
            let escaped = text[position]
            position += 1
            switch escaped {
            case "\"", "\\", "/": result.append(escaped)
            case "n": result.append("\n")
            case "t": result.append("\t")
            case "r": result.append("\r")
            case "b": result.append("\u{8}")
            case "f": result.append("\u{C}")
            case "u": result.append(try unicode())
            default: throw fault("has an escape that JSON has not")
            }
        }
        throw fault("has a text without an end")
    }

    private mutating func unicode() throws -> Unicode.Scalar {
        func unit() throws -> UInt32 {
            guard position + 4 <= text.count,
                let value = UInt32(String(String.UnicodeScalarView(text[position..<(position + 4)])), radix: 16)
            else { throw fault("has an escape that JSON has not") }
            position += 4
            return value
        }
        let first = try unit()
        if (0xD800...0xDBFF).contains(first), position + 2 <= text.count, text[position] == "\\", text[position + 1] == "u" {
            position += 2
            let second = try unit()
            guard (0xDC00...0xDFFF).contains(second), let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            else {
                throw fault("has half of a surrogate pair")
            }
            return scalar
        }
        guard let scalar = Unicode.Scalar(first) else { throw fault("has half of a surrogate pair") }
        return scalar
    }

    // MARK: Words

    private mutating func skipBlanks() { while position < text.count, text[position] == " " { position += 1 } }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        skipBlanks()
        return takeExactly(scalar)
    }

    private mutating func takeExactly(_ scalar: Unicode.Scalar) -> Bool {
        guard position < text.count, text[position] == scalar else { return false }
        position += 1
        return true
    }

    private mutating func word() -> String {
        skipBlanks()
        let start = position
        while position < text.count, text[position].isASCII, text[position].properties.isAlphabetic { position += 1 }
        return String(String.UnicodeScalarView(text[start..<position]))
    }

    /// Takes a logical word when it is the next one.
    private mutating func keyword(_ wanted: String) -> Bool {
        let start = position
        if word().lowercased() == wanted, position == text.count || text[position] == " " || text[position] == "(" { return true }
        position = start
        return false
    }
}
