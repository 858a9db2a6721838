/// A header value of the form `value; name=token; name="quoted"`, read so that there is one reading only.
package struct HeaderParameters: Sendable, Equatable {
    /// What stands before the first semicolon, in lower case.
    package let value: String
    private let parameters: [(name: String, value: String)]

    package static func == (a: Self, b: Self) -> Bool {
        a.value == b.value && a.parameters.elementsEqual(b.parameters, by: ==)
    }

    /// A parameter by its lower-case name.
    package subscript(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// Every parameter but these, as it was written.
    package func others(than known: Set<String>) -> [String] {
        parameters.filter { !known.contains($0.name) }.map { "\($0.name)=\($0.value)" }
    }

    /// Whether a parameter uses RFC 8187's `name*=` form, which other readers may prefer to the plain one.
    package var hasExtended: Bool { parameters.contains { $0.name.last == "*" } }

    /// nil for a malformed value: a repeated parameter, one without a value, a backslash within quotes, bytes that are no text.
    package init?(parsing text: String) {
        var rest = Substring(text).utf8
        func trim() { while let first = rest.first, first == 0x20 || first == 0x09 { rest.removeFirst() } }
        trim()
        let head = rest.prefix { $0 != 0x3B && $0 != 0x20 && $0 != 0x09 }
        guard !head.isEmpty, head.allSatisfy({ HeaderParameters.isToken($0) || $0 == 0x2F }) else { return nil }
        rest = rest[head.endIndex...]
        var found: [(name: String, value: String)] = []
        while true {
            trim()
            guard let semicolon = rest.first else { break }
            guard semicolon == 0x3B else { return nil }
            rest.removeFirst()
            trim()
            // A closing semicolon without a parameter is common and says nothing.
            if rest.isEmpty { break }
            let name = rest.prefix(while: HeaderParameters.isToken)
            rest = rest[name.endIndex...]
            guard !name.isEmpty, rest.first == 0x3D else { return nil }
            rest.removeFirst()
            let value: Substring.UTF8View
            if rest.first == 0x22 {
                rest.removeFirst()
                value = rest.prefix { $0 != 0x22 }
                rest = rest[value.endIndex...]
                guard rest.first == 0x22, value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != 0x5C }) else { return nil }
                rest.removeFirst()
            } else {
                value = rest.prefix(while: HeaderParameters.isToken)
                guard !value.isEmpty else { return nil }
                rest = rest[value.endIndex...]
            }
            let key = String(Substring(name)).lowercased()
            guard !found.contains(where: { $0.name == key }) else { return nil }
            found.append((key, String(Substring(value))))
        }
        self.value = String(Substring(head)).lowercased()
        self.parameters = found
    }

    /// RFC 9110 `tchar`.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}

extension String {
    /// Whether these lower-case ASCII letters stand in it, in either case. Foundation's search for a text costs microseconds.
    package func mentions(_ word: StaticString) -> Bool {
        var text = self
        return text.withUTF8 { text in
            let length = word.utf8CodeUnitCount
            guard text.count >= length else { return false }
            for start in 0...(text.count - length) where (0..<length).allSatisfy({ text[start + $0] | 0x20 == word.utf8Start[$0] }) {
                return true
            }
            return false
        }
    }
}
