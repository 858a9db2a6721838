/// What a protected work is made of: it decides how it is cut into tokens.
package enum MaterialKind: UInt8, Sendable, CaseIterable {
    case text = 0
    case code = 1

    package var name: String { self == .text ? "text" : "code" }
    package init?(name: String) {
        guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

/// A work whose copies are looked for, and how it is cited.
package struct MaterialSource: Sendable, Hashable {
    /// Given by the index; never used again after removal.
    package let id: UInt32
    package let kind: MaterialKind
    package let name: String
    /// An SPDX expression, or `NOASSERTION`.
    package let licence: String
    /// Where it was published; may be empty.
    package let url: String

    package init(id: UInt32, kind: MaterialKind, name: String, licence: String, url: String) {
        self.id = id
        self.kind = kind
        self.name = name
        self.licence = licence
        self.url = url
    }
}
