/// Who or what gave a document its label.
package enum LabelOrigin: Sendable, Hashable, CustomStringConvertible {
    /// Nobody said anything: the default of the index.
    case standard
    /// Set by a person, for the document or the run that took it in.
    case declared
    /// By a rule of the configuration, by its name.
    case rule(String)
    /// By what the detectors found: the kinds, never the things.
    case detected(String)
    /// Below what rules or detectors say, by a person who may and with a reason on record.
    case lowered

    /// As the store keeps it.
    package var description: String {
        switch self {
        case .standard: "default"
        case .declared: "declared"
        case .rule(let name): "rule: \(name)"
        case .detected(let kinds): "detected: \(kinds)"
        case .lowered: "lowered"
        }
    }

    package init?(_ text: String) {
        switch text {
        case "default": self = .standard
        case "declared": self = .declared
        case "lowered": self = .lowered
        case let text where text.hasPrefix("rule: "): self = .rule(String(text.dropFirst(6)))
        case let text where text.hasPrefix("detected: "): self = .detected(String(text.dropFirst(10)))
        default: return nil
        }
    }
}

/// Gives a label to documents by their name, their words or what detectors found in them. All that a rule names must be met.
package struct LabelRule: Sendable, Hashable {
    package var name: String
    package var label: SensitivityLabel
    /// Of the source: `*` within a name, `**` across folders. Empty: any.
    package var paths: [String]
    /// Any of them, whatever their case. Empty: none is needed.
    package var words: [String]
    /// Kinds of sensitive data, as detectors name them. Empty: none is needed.
    package var kinds: Set<String>
    /// How often those kinds must be found together.
    package var atLeast: Int

    package init(
        name: String, label: SensitivityLabel, paths: [String] = [], words: [String] = [], kinds: Set<String> = [], atLeast: Int = 1
    ) {
        self.name = name
        self.label = label
        self.paths = paths
        self.words = words
        self.kinds = kinds
        self.atLeast = atLeast
    }

    /// - Parameters:
    ///   - texts: the document's pieces.
    ///   - found: how often each kind of sensitive data was found.
    package func applies(to source: String, texts: [String], found: [String: Int]) -> Bool {
        if !paths.isEmpty, !paths.contains(where: { PathPattern.matches(source, $0) }) { return false }
        if !kinds.isEmpty, kinds.reduce(0, { $0 + found[$1, default: 0] }) < atLeast { return false }
        if !words.isEmpty {
            let wanted = words.map { $0.lowercased() }
            guard
                texts.contains(where: { text in
                    let text = text.lowercased(); return wanted.contains { text.contains($0) }
                })
            else { return false }
        }
        return !paths.isEmpty || !kinds.isEmpty || !words.isEmpty
    }
}

/// `*` within a name, `**` across folders.
enum PathPattern {
    static func matches(_ path: String, _ pattern: String) -> Bool {
        // Against stars that stand for each other in many ways: each pair of places is tried once.
        let (path, pattern) = (Array(path.utf8), Array(pattern.utf8))
        var reached = [Bool](repeating: false, count: path.count + 1)
        reached[0] = true
        var at = 0
        while at < pattern.count {
            let isStar = pattern[at] == UInt8(ascii: "*")
            let isDouble = isStar && at + 1 < pattern.count && pattern[at + 1] == UInt8(ascii: "*")
            var next = [Bool](repeating: false, count: path.count + 1)
            if isStar {
                var isOpen = false
                for place in 0...path.count {
                    isOpen = isOpen || reached[place]
                    next[place] = isOpen
                    if place < path.count, !isDouble, path[place] == UInt8(ascii: "/") { isOpen = false }
                }
            } else {
                for place in 0..<path.count where reached[place] && path[place] == pattern[at] { next[place + 1] = true }
            }
            reached = next
            at += isDouble ? 2 : 1
        }
        return reached[path.count]
    }
}

/// What detectors found in a piece of a document.
package struct ChunkInspection: Sendable, Hashable {
    /// Why it must not be searched; nil: it may. Never holds text of the document.
    package var quarantine: String?
    /// Sensitive data by kind, secrets as `secret`.
    package var found: [String: Int]

    package init(quarantine: String? = nil, found: [String: Int] = [:]) {
        self.quarantine = quarantine
        self.found = found
    }
}

/// The label that found data speaks for, where no rule says otherwise.
package enum LabelProposal {
    private static let contacts: Set<String> = [
        "Email", "PhoneNumber", "Person", "Address", "IPAddress", "Organization", "URL", "DateTime", "Location",
    ]

    /// - Returns: nil when nothing speaks for any label.
    package static func label(for found: [String: Int]) -> (label: SensitivityLabel, origin: LabelOrigin)? {
        func named(_ kinds: some Sequence<String>) -> LabelOrigin { .detected(kinds.sorted().prefix(5).joined(separator: ", ")) }
        if found["secret", default: 0] > 0 { return (.restricted, named(["secret"])) }
        let strong = found.filter { !contacts.contains($0.key) && $0.key != "secret" && $0.value > 0 }
        if !strong.isEmpty {
            // One number may be an example; a list of them is a register.
            let isMany = strong.values.reduce(0, +) >= 10
            return (isMany ? .highlyConfidential : .confidential, named(strong.keys))
        }
        let personal = found.filter { ["Email", "PhoneNumber", "Person", "Address"].contains($0.key) && $0.value > 0 }
        if personal.values.reduce(0, +) >= 20 { return (.internal, named(personal.keys)) }
        return nil
    }
}
