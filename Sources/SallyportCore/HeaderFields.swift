/// Header fields in order of arrival. Names keep their spelling; every look-up ignores case (ASCII only).
package struct HeaderFields: Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var fields: [(name: String, value: String)]

    package init() { fields = [] }
    package init(_ fields: [(name: String, value: String)]) { self.fields = fields }
    package init(dictionaryLiteral elements: (String, String)...) { fields = elements.map { (name: $0.0, value: $0.1) } }

    package mutating func reserveCapacity(_ count: Int) { fields.reserveCapacity(count) }
    package mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }
    package mutating func append(contentsOf others: HeaderFields) { fields.append(contentsOf: others.fields) }
    /// Removes every field of that name, then adds one.
    package mutating func set(_ name: String, _ value: String) {
        remove(name)
        fields.append((name, value))
    }
    package mutating func remove(_ name: String) { fields.removeAll { HeaderFields.sameName($0.name, name) } }

    package func first(_ name: String) -> String? {
        for field in fields where HeaderFields.sameName(field.name, name) { return field.value }
        return nil
    }
    package func all(_ name: String) -> [String] {
        fields.lazy.filter { HeaderFields.sameName($0.name, name) }.map(\.value)
    }
    package func contains(_ name: String) -> Bool {
        fields.contains { HeaderFields.sameName($0.name, name) }
    }

    /// ASCII case-insensitive equality of two field names, without an allocation.
    package static func sameName(_ a: String, _ b: String) -> Bool {
        guard a.utf8.count == b.utf8.count else { return false }
        var (a, b) = (a, b)
        return a.withUTF8 { x in
            b.withUTF8 { y in
                for index in 0..<x.count {
                    var (p, q) = (x[index], y[index])
                    if p == q { continue }
                    if p &- 65 < 26 { p |= 0x20 }
                    if q &- 65 < 26 { q |= 0x20 }
                    guard p == q else { return false }
                }
                return true
            }
        }
    }
}

extension HeaderFields: RandomAccessCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { fields.count }
    package subscript(position: Int) -> (name: String, value: String) { fields[position] }
}

extension HeaderFields: Equatable {
    /// Same fields, same order, same spelling.
    package static func == (a: HeaderFields, b: HeaderFields) -> Bool {
        a.fields.count == b.fields.count && zip(a.fields, b.fields).allSatisfy { $0.name == $1.name && $0.value == $1.value }
    }
}
