/// What a field of a document holds, for filters.
package enum FieldValue: Sendable, Hashable {
    case text(String)
    case number(Double)
    case flag(Bool)
    case list([String])
    case null
}

extension FilterExpression {
    /// - Throws: ``Mistake`` when the filter names a field that is not there, or does with one what cannot be done.
    package func check(_ fields: Set<String>, collections: Set<String>) throws(Mistake) { try Self.check(root, fields, collections, [], 0) }

    private static func check(
        _ node: Node, _ fields: Set<String>, _ collections: Set<String>, _ variables: Set<String>, _ depth: Int
    ) throws(Mistake) {
        switch node {
        case .literal, .text: return
        case .path(let path):
            if variables.contains(path) { return }
            guard fields.contains(path) || collections.contains(path) else { throw unknown(path) }
            guard fields.contains(path) else {
                throw Mistake(
                    description: "Invalid expression: the collection '\(path)' is compared through any or all.\r\nParameter name: $filter")
            }
        case .call(let name, let arguments):
            guard name == "search.in", (2...3).contains(arguments.count), case .path = arguments[0],
                arguments.dropFirst().allSatisfy({ if case .text = $0 { true } else { false } })
            else { throw Mistake(description: "Invalid expression: the function '\(name)' is not served here.\r\nParameter name: $filter") }
            try check(arguments[0], fields, collections, variables, depth + 1)
        case .lambda(let path, _, let variable, let body):
            guard collections.contains(path) else {
                throw fields.contains(path)
                    ? Mistake(description: "Invalid expression: '\(path)' is no collection.\r\nParameter name: $filter") : unknown(path)
            }
            if let variable, let body { try check(body, [], [], variables.union([variable]), depth + 1) }
        case .not(let inner): try check(inner, fields, collections, variables, depth + 1)
        case .binary(_, let left, let right):
            try check(left, fields, collections, variables, depth + 1)
            try check(right, fields, collections, variables, depth + 1)
        }
    }

    private static func unknown(_ path: String) -> Mistake {
        Mistake(
            description:
                "Invalid expression: Could not find a property named '\(path.prefix(64))' on type 'search.document'.\r\nParameter name: $filter"
        )
    }

    /// - Parameter value: nil for a field that is not there.
    package func holds(_ value: (String) -> FieldValue?) -> Bool { Self.holds(root, value) }

    private static func holds(_ node: Node, _ value: (String) -> FieldValue?) -> Bool {
        switch node {
        case .literal(let text): return text == "true"
        case .text: return false
        case .path: return operand(node, value) == .flag(true)
        case .call(let name, let arguments):
            guard name == "search.in", arguments.count >= 2, case .text(let wanted) = operand(arguments[0], value),
                case .text(let list) = arguments[1]
            else { return false }
            var delimiters = Set(" ,")
            if arguments.count > 2, case .text(let given) = arguments[2] { delimiters = Set(given) }
            return list.split(whereSeparator: { delimiters.contains($0) }).contains { $0 == wanted }
        case .lambda(let path, let quantifier, let variable, let body):
            guard case .list(let elements)? = value(path) else { return false }
            guard let variable, let body else { return !elements.isEmpty }
            let test = { (element: String) in holds(body) { $0 == variable ? .text(element) : value($0) } }
            return quantifier == "any" ? elements.contains(where: test) : elements.allSatisfy(test)
        case .not(let inner): return !holds(inner, value)
        case .binary("and", let left, let right): return holds(left, value) && holds(right, value)
        case .binary("or", let left, let right): return holds(left, value) || holds(right, value)
        case .binary(let word, let left, let right): return compare(word, operand(left, value), operand(right, value))
        }
    }

    private static func operand(_ node: Node, _ value: (String) -> FieldValue?) -> FieldValue {
        switch node {
        case .text(let text): .text(text)
        case .literal("true"): .flag(true)
        case .literal("false"): .flag(false)
        case .literal("null"): .null
        case .literal(let text): Double(text).map { .number($0) } ?? .text(text)
        case .path(let path): value(path) ?? .null
        default: .null
        }
    }

    private static func compare(_ word: String, _ left: FieldValue, _ right: FieldValue) -> Bool {
        switch (left, right) {
        case (.text(let a), .text(let b)): ordered(word, a, b)
        case (.number(let a), .number(let b)): ordered(word, a, b)
        case (.flag(let a), .flag(let b)): word == "eq" ? a == b : word == "ne" ? a != b : false
        default: word == "eq" ? left == right : word == "ne" ? left != right : false
        }
    }

    private static func ordered<T: Comparable>(_ word: String, _ a: T, _ b: T) -> Bool {
        switch word {
        case "eq": a == b
        case "ne": a != b
        case "gt": a > b
        case "ge": a >= b
        case "lt": a < b
        default: a <= b
        }
    }
}
