import SallyportCore

/// A document in a search index.
package struct DocumentEntry: Sendable, Hashable {
    package let id: DocumentID
    package let source: String
    package let title: String
    package let label: SensitivityLabel
    package let language: String
    package let format: DocumentFormat
    let access: AccessList

    init(_ document: DocumentRecord) {
        id = document.id
        source = document.source
        title = document.title
        label = document.label
        language = document.language
        format = document.format
        access = document.access
    }

    /// In a language that the embedding model knows, or nobody could tell.
    var isFamiliar: Bool { language == "en" || language == "und" }

    /// Fields that filters may compare.
    package static let fields: Set<String> = ["document_id", "title", "filepath", "language", "label", "label_level", "format"]
    /// Of a document's access list a reader sees what the reader is: nothing is told of others.
    package static let collections: Set<String> = ["group_ids", "user_ids"]

    package func value(of field: String, for reader: DocumentReader) -> FieldValue? {
        switch field {
        case "document_id": .text(id.rawValue)
        case "title": .text(title)
        case "filepath": .text(source)
        case "language": .text(language)
        case "label": .text(label.description)
        case "label_level": .number(Double(label.rawValue))
        case "format": .text(format.rawValue)
        case "group_ids": .list(reader.groups.filter { access.grantees.contains(.group($0)) }.sorted())
        case "user_ids": .list(access.grantees.contains(.user(reader.user)) ? [reader.user.rawValue] : [])
        default: nil
        }
    }
}
