/// What says that a document's row is as the gateway wrote it.
extension Schema {
    static let provenance = Migration(
        name: "0031-document-provenance", statements: ["ALTER TABLE document ADD COLUMN provenance BLOB"])
}
