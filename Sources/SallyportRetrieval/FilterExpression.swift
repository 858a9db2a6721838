import SallyportCore

/// A filter in the OData subset of Azure AI Search, read into a tree: what does not parse by itself can never be joined to another filter.
package struct FilterExpression: Sendable, Hashable {
    /// What is wrong with a filter, in the words of Azure AI Search.
    package struct Mistake: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    indirect enum Node: Sendable, Hashable {
        /// As it was written: a string's quotes doubled within, a number, a date, `true`, `false`, `null`.
        case literal(String)
        case text(String)
        case path(String)
        case call(String, [Node])
        /// `path/any(variable: body)` or `path/all(…)`; without a body `path/any()`.
        case lambda(path: String, quantifier: String, variable: String?, body: Node?)
        case not(Node)
        case binary(String, Node, Node)
    }

    let root: Node
    private static let longest = 65_536
    private static let deepest = 64
    private static let mostOperands = 2000

    init(_ root: Node) { self.root = root }

    package init(parsing text: String) throws(Mistake) {
        guard text.utf8.count <= Self.longest else {
            throw Mistake(description: "Invalid expression: the filter is too long.\r\nParameter name: $filter")
        }
        var parser = Parser(text)
        root = try parser.whole()
    }

    /// Both must hold.
    package static func all(_ filters: [FilterExpression]) -> FilterExpression? {
        guard var root = filters.first?.root else { return nil }
        for filter in filters.dropFirst() { root = .binary("and", root, filter.root) }
        return FilterExpression(root)
    }

    /// `field/any(g: search.in(g, 'a|b', '|'))`, with a delimiter that stands in none of the values; of none it holds for nothing.
    package static func anyOf(_ values: [String], in field: String) -> FilterExpression {
        let used = Set(values.joined())
        let delimiter = ["|", ",", ";", "\u{1F}", "\u{1E}", "\u{1D}"].first { !used.contains(Character($0)) }
        // A value that no delimiter can hold apart is compared by itself.
        guard let delimiter else {
            let parts = values.map { FilterExpression.Node.binary("eq", .path("g"), .text($0)) }
            var body = parts.first ?? .literal("false")
            for part in parts.dropFirst() { body = .binary("or", body, part) }
            return FilterExpression(.lambda(path: field, quantifier: "any", variable: "g", body: body))
        }
        return FilterExpression(
            .lambda(
                path: field, quantifier: "any", variable: "g",
                body: .call("search.in", [.path("g"), .text(values.joined(separator: delimiter)), .text(delimiter)])))
    }

    /// Every alternative, of which one must hold.
    package static func either(_ filters: [FilterExpression]) -> FilterExpression? {
        guard var root = filters.first?.root else { return nil }
        for filter in filters.dropFirst() { root = .binary("or", root, filter.root) }
        return FilterExpression(root)
    }

    /// Written anew from the tree, every pair in brackets.
    package var text: String { Self.write(root) }

    private static func write(_ node: Node) -> String {
        switch node {
        case .literal(let text): text
        case .text(let text): "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
        case .path(let path): path
        case .call(let name, let arguments): "\(name)(\(arguments.map(write).joined(separator: ", ")))"
        case .lambda(let path, let quantifier, let variable, let body):
            "\(path)/\(quantifier)(\(variable.flatMap { name in body.map { "\(name): \(write($0))" } } ?? ""))"
        case .not(let inner): "not (\(write(inner)))"
        case .binary(let word, let left, let right):
            ["and", "or"].contains(word) ? "(\(write(left))) \(word) (\(write(right)))" : "\(write(left)) \(word) \(write(right))"
        }
    }

    // MARK: Reading

    private enum Token: Hashable {
        case word(String), text(String), number(String), open, close, comma, colon, slash, end
    }

    private struct Parser {
        private let source: String
        private let bytes: [UInt8]
        private var place = 0
        private var token = Token.end
        private var start = 0
        private var depth = 0
        /// Together they bound how deep the tree is.
        private var operands = 0

        init(_ text: String) {
            source = text
            bytes = Array(text.utf8)
        }

        mutating func whole() throws(Mistake) -> Node {
            try advance()
            let node = try disjunction()
            guard token == .end else { throw mistake() }
            guard Self.isCondition(node) else {
                throw Mistake(description: "Invalid expression: the filter is no condition.\r\nParameter name: $filter")
            }
            return node
        }

        private func mistake() -> Mistake {
            Mistake(description: "Invalid expression: Syntax error at position \(start) in the filter.\r\nParameter name: $filter")
        }

        private static func isCondition(_ node: Node) -> Bool {
            switch node {
            case .literal(let text): text == "true" || text == "false"
            case .text: false
            case .path, .lambda, .not: true
            case .call(let name, _): name != "geo.distance" && name != "search.score"
            case .binary: true
            }
        }

        private mutating func advance() throws(Mistake) {
            while place < bytes.count, bytes[place] == 0x20 || bytes[place] == 0x09 || bytes[place] == 0x0A || bytes[place] == 0x0D {
                place += 1
            }
            start = place
            guard place < bytes.count else {
                token = .end
                return
            }
            let byte = bytes[place]
            switch byte {
            case UInt8(ascii: "("): (token, place) = (.open, place + 1)
            case UInt8(ascii: ")"): (token, place) = (.close, place + 1)
            case UInt8(ascii: ","): (token, place) = (.comma, place + 1)
            case UInt8(ascii: ":"): (token, place) = (.colon, place + 1)
            case UInt8(ascii: "/"): (token, place) = (.slash, place + 1)
            case UInt8(ascii: "'"): token = .text(try string())
            default:
                if isDigit(byte) || byte == UInt8(ascii: "-") {
                    token = .number(number())
                } else if isLetter(byte) {
                    let from = place
                    while place < bytes.count, isLetter(bytes[place]) || isDigit(bytes[place]) || bytes[place] == UInt8(ascii: ".") {
                        place += 1
                    }
                    token = .word(String(decoding: bytes[from..<place], as: UTF8.self))
                } else {
                    throw mistake()
                }
            }
        }

        private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        private func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F }

        private mutating func string() throws(Mistake) -> String {
            place += 1
            var out: [UInt8] = []
            while place < bytes.count {
                if bytes[place] == UInt8(ascii: "'") {
                    if place + 1 < bytes.count, bytes[place + 1] == UInt8(ascii: "'") {
                        out.append(bytes[place])
                        place += 2
                        continue
                    }
                    place += 1
                    return String(decoding: out, as: UTF8.self)
                }
                out.append(bytes[place])
                place += 1
            }
            throw mistake()
        }

        /// Numbers and dates, as far as their signs go.
        private mutating func number() -> String {
            let from = place
            place += 1
            while place < bytes.count {
                let byte = bytes[place]
                let isPart =
                    isDigit(byte) || isLetter(byte)
                    || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: ":")].contains(byte)
                guard isPart else { break }
                place += 1
            }
            return String(decoding: bytes[from..<place], as: UTF8.self)
        }

        private mutating func deeper<R>(_ work: (inout Parser) throws(Mistake) -> R) throws(Mistake) -> R {
            depth += 1
            guard depth <= FilterExpression.deepest else {
                throw Mistake(description: "Invalid expression: the filter is nested too deep.\r\nParameter name: $filter")
            }
            let result = try work(&self)
            depth -= 1
            return result
        }

        private mutating func disjunction() throws(Mistake) -> Node {
            try deeper { (parser) throws(Mistake) in
                var left = try parser.conjunction()
                while parser.token == .word("or") {
                    try parser.advance()
                    left = .binary("or", left, try parser.conjunction())
                }
                return left
            }
        }

        private mutating func conjunction() throws(Mistake) -> Node {
            var left = try negation()
            while token == .word("and") {
                try advance()
                left = .binary("and", left, try negation())
            }
            return left
        }

        private mutating func negation() throws(Mistake) -> Node {
            guard token == .word("not") else { return try comparison() }
            try advance()
            return try deeper { (parser) throws(Mistake) in
                let inner = try parser.negation()
                guard Self.isCondition(inner) else { throw parser.mistake() }
                return .not(inner)
            }
        }

        private mutating func comparison() throws(Mistake) -> Node {
            let left = try operand()
            guard case .word(let word) = token, ["eq", "ne", "gt", "ge", "lt", "le"].contains(word) else { return left }
            try advance()
            return .binary(word, left, try operand())
        }

        private mutating func operand() throws(Mistake) -> Node {
            operands += 1
            guard operands <= FilterExpression.mostOperands else {
                throw Mistake(description: "Invalid expression: the filter has too many parts.\r\nParameter name: $filter")
            }
            switch token {
            case .open:
                try advance()
                let inner = try disjunction()
                guard token == .close else { throw mistake() }
                try advance()
                return inner
            case .text(let text):
                try advance()
                return .text(text)
            case .number(let number):
                try advance()
                return .literal(number)
            case .word(let word):
                guard !["and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le"].contains(word) else { throw mistake() }
                try advance()
                if ["true", "false", "null", "NaN", "INF"].contains(word) { return .literal(word) }
                return try path(word)
            default: throw mistake()
            }
        }

        private mutating func path(_ first: String) throws(Mistake) -> Node {
            if token == .open {
                let known = ["search.in", "search.ismatch", "search.ismatchscoring", "geo.distance", "geo.intersects", "geography"]
                guard known.contains(first) else {
                    throw Mistake(
                        description:
                            "Invalid expression: An unknown function with name '\(first.prefix(64))' was found.\r\nParameter name: $filter")
                }
                return .call(first, try arguments())
            }
            guard !first.contains(".") else { throw mistake() }
            var path = first
            while token == .slash {
                try advance()
                guard case .word(let next) = token, !next.contains(".") else { throw mistake() }
                try advance()
                if (next == "any" || next == "all"), token == .open { return try lambda(path, next) }
                path += "/" + next
            }
            return .path(path)
        }

        private mutating func lambda(_ path: String, _ quantifier: String) throws(Mistake) -> Node {
            try advance()
            if token == .close, quantifier == "any" {
                try advance()
                return .lambda(path: path, quantifier: quantifier, variable: nil, body: nil)
            }
            guard case .word(let variable) = token, !variable.contains(".") else { throw mistake() }
            try advance()
            guard token == .colon else { throw mistake() }
            try advance()
            let body = try disjunction()
            guard token == .close, Self.isCondition(body) else { throw mistake() }
            try advance()
            return .lambda(path: path, quantifier: quantifier, variable: variable, body: body)
        }

        private mutating func arguments() throws(Mistake) -> [Node] {
            try advance()
            var found: [Node] = []
            while token != .close {
                guard found.count < 8 else { throw mistake() }
                found.append(try operand())
                if token == .comma { try advance() } else if token != .close { throw mistake() }
            }
            try advance()
            return found
        }
    }
}
