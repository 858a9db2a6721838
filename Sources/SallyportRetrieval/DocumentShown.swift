import SallyportCore

/// A document without its text, as lists show it in JSON. What one list alone tells is left out of the other.
package struct DocumentShown: Codable {
    package let id, source, title, owner, label, labelOrigin, language, format, sha256: String
    package let access: [String]
    package let chunks, quarantined: Int
    package let addedAt: String?
    package let isLabelDeclared: Bool?
    package let notes: [String]

    package init(_ document: DocumentRecord, addedAt: String? = nil, isLabelDeclared: Bool? = nil) {
        id = document.id.rawValue
        source = document.source
        title = document.title
        owner = document.owner.rawValue
        label = document.label.description
        labelOrigin = document.labelOrigin.description
        language = document.language
        format = document.format.rawValue
        sha256 = Hex.encode(document.hash)
        access = document.access.grantees.map(\.description).sorted()
        chunks = document.chunks
        quarantined = document.quarantined
        self.addedAt = addedAt
        self.isLabelDeclared = isLabelDeclared
        notes = document.notes
    }
}
