/// An action's name in which `*` stands for any characters, slashes too, as in Azure's role definitions. Case does not matter.
package struct ActionPattern: Sendable, Hashable, CustomStringConvertible {
    package let description: String
    private let bytes: [UInt8]

    package init(_ text: String) {
        description = text
        bytes = Array(text.lowercased().utf8)
    }

    package func matches(_ action: String) -> Bool { Wildcard.matches(bytes, Array(action.lowercased().utf8)) }
}

/// `*` for any characters. In time proportional to both lengths' product at worst; both are bounded.
enum Wildcard {
    static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        let star = UInt8(ascii: "*")
        var (p, t) = (0, 0)
        // The last star, and where its match ends so far: only this one ever needs to take in more.
        var resume: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == star {
                resume = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = resume {
                resume = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        while p < pattern.count, pattern[p] == star { p += 1 }
        return p == pattern.count
    }
}
