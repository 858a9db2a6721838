import SallyportCore

/// Reads the language of ``AccessCondition``.
struct ConditionParser {
    private enum Token: Equatable {
        case word(String)
        case text(String)
        case sign(String)
        case end
    }

    private let bytes: [UInt8]
    private var position = 0
    private var tests = 0
    private var depth = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func condition() throws(AccessCondition.Mistake) -> AccessCondition.Node {
        let node = try alternatives()
        guard try next() == .end else { throw mistake("goes on after its end") }
        return node
    }

    private mutating func alternatives() throws(AccessCondition.Mistake) -> AccessCondition.Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= AccessCondition.maximumDepth else { throw mistake("is nested too deep") }
        var nodes = [try conjunction()]
        while try peek() == .word("or") {
            _ = try next()
            nodes.append(try conjunction())
        }
        return nodes.count == 1 ? nodes[0] : .any(nodes)
    }

    private mutating func conjunction() throws(AccessCondition.Mistake) -> AccessCondition.Node {
        var nodes = [try unary()]
        while try peek() == .word("and") {
            _ = try next()
            nodes.append(try unary())
        }
        return nodes.count == 1 ? nodes[0] : .all(nodes)
    }

    private mutating func unary() throws(AccessCondition.Mistake) -> AccessCondition.Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= AccessCondition.maximumDepth else { throw mistake("is nested too deep") }
        switch try next() {
        case .word("not"): return .not(try unary())
        case .sign("("):
            let node = try alternatives()
            guard try next() == .sign(")") else { throw mistake("lacks a ')'") }
            return node
        case .word(let name):
            guard let attribute = AccessCondition.Attribute(rawValue: name) else {
                let known = AccessCondition.Attribute.allCases.map(\.rawValue).joined(separator: ", ")
                throw mistake("tests an unknown attribute; there are \(known)")
            }
            return try test(of: attribute)
        default: throw mistake("has no test where one is expected")
        }
    }

    private mutating func test(of attribute: AccessCondition.Attribute) throws(AccessCondition.Mistake) -> AccessCondition.Node {
        tests += 1
        guard tests <= AccessCondition.maximumTests else { throw mistake("has more than \(AccessCondition.maximumTests) tests") }
        switch try next() {
        case .sign("=="): return try node(attribute, [try text()])
        case .sign("!="): return .not(try node(attribute, [try text()]))
        case .word("in"): return try node(attribute, try texts())
        case .word("not"):
            guard try next() == .word("in") else { throw mistake("has a 'not' that 'in' does not follow") }
            return .not(try node(attribute, try texts()))
        default: throw mistake("needs ==, !=, in or not in after an attribute")
        }
    }

    private mutating func texts() throws(AccessCondition.Mistake) -> [String] {
        guard try next() == .sign("[") else { throw mistake("needs a list in brackets after 'in'") }
        var texts = [try text()]
        while try peek() == .sign(",") {
            _ = try next()
            texts.append(try text())
        }
        guard try next() == .sign("]") else { throw mistake("lacks a ']'") }
        return texts
    }

    private mutating func text() throws(AccessCondition.Mistake) -> String {
        guard case .text(let text) = try next() else { throw mistake("needs a text in double quotes") }
        return text
    }

    private func node(
        _ attribute: AccessCondition.Attribute, _ texts: [String]
    ) throws(AccessCondition.Mistake) -> AccessCondition.Node {
        switch attribute {
        case .network:
            var ranges: [AddressRange] = []
            for text in texts {
                guard let range = AddressRange(text) else { throw mistake("needs networks such as 10.0.0.0/8 for 'network'") }
                ranges.append(range)
            }
            return .networks(ranges)
        case .time:
            var ranges: [AccessCondition.TimeRange] = []
            for text in texts {
                let ends = text.split(separator: "-", omittingEmptySubsequences: false).map(Self.minutes)
                guard ends.count == 2, let start = ends[0], let end = ends[1] else {
                    throw mistake("needs times such as 08:00-18:00 for 'time'")
                }
                ranges.append(.init(start: start, end: end))
            }
            return .times(ranges)
        case .weekday:
            var days: Set<Int> = []
            for text in texts {
                guard let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].firstIndex(of: text.lowercased()) else {
                    throw mistake("needs days such as mon for 'weekday'")
                }
                days.insert(day)
            }
            return .weekdays(days)
        default: return .texts(attribute, texts.map { Array($0.utf8) })
        }
    }

    /// `24:00` is the end of the day.
    private static func minutes(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let hours = Int(parts[0]), let minutes = Int(parts[1]), minutes < 60, hours < 24 || hours == 24 && minutes == 0
        else { return nil }
        return hours * 60 + minutes
    }

    // MARK: Tokens

    private mutating func peek() throws(AccessCondition.Mistake) -> Token {
        let start = position
        defer { position = start }
        return try next()
    }

    private mutating func next() throws(AccessCondition.Mistake) -> Token {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
        guard position < bytes.count else { return .end }
        let byte = bytes[position]
        let start = position
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"):
            while position < bytes.count, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[position]) { position += 1 }
            return .word(String(decoding: bytes[start..<position], as: UTF8.self))
        case UInt8(ascii: "\""):
            position += 1
            while position < bytes.count, bytes[position] != byte { position += 1 }
            guard position < bytes.count else { throw mistake("has a text without its closing quote") }
            defer { position += 1 }
            let text = bytes[(start + 1)..<position]
            guard !text.isEmpty, !text.contains(UInt8(ascii: "\\")), text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw mistake("has a text that is empty or holds a backslash or control character")
            }
            return .text(String(decoding: text, as: UTF8.self))
        case UInt8(ascii: "="), UInt8(ascii: "!"):
            guard position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "=") else {
                throw mistake("has a sign that means nothing")
            }
            position += 2
            return .sign(byte == UInt8(ascii: "=") ? "==" : "!=")
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ","):
            position += 1
            return .sign(String(UnicodeScalar(byte)))
        default: throw mistake("has a character that means nothing")
        }
    }

    private func mistake(_ what: String) -> AccessCondition.Mistake {
        AccessCondition.Mistake(description: "the condition \(what) (near byte \(min(position, bytes.count)))")
    }
}
