import Crypto
import Foundation
import SallyportCore

/// A keyed seal over what is said of a document (where it is from, whose it is, who may read it, its label, its file's hash) and over the text
/// that can be found in it. The key is the tenant's, in the vault: whoever can write the database but does not have that key cannot widen an
/// access list, lower a label, change a text, or let a piece out of quarantine without its being noticed.
enum DocumentProvenance {
    static let purpose = "document-provenance"

    private struct Statement: Encodable {
        let version = 1
        let tenant, index, id, source, origin, owner, access, title, pipeline, format, language, labelOrigin: String
        let label: Int
        let hash: [UInt8]
        let addedAt: Int64
        let pieces: [Piece]
    }

    private struct Piece: Encodable {
        let position, start, end: Int
        let headings: [String]
        let text: String
    }

    /// - Parameter chunks: all of the document's, or those that can be found: those in quarantine are passed over.
    static func seal(_ document: DocumentRecord, _ chunks: [ChunkRecord], by sealer: any Sealer) throws -> [UInt8] {
        let statement = Statement(
            tenant: document.tenant.rawValue, index: document.index.rawValue, id: document.id.rawValue, source: document.source,
            origin: document.origin, owner: document.owner.rawValue, access: document.access.text, title: document.title,
            pipeline: document.pipeline, format: document.format.rawValue, language: document.language,
            labelOrigin: document.labelOrigin.description, label: document.label.rawValue, hash: document.hash, addedAt: document.addedAt,
            pieces: chunks.filter { $0.quarantine == nil }.sorted { $0.position < $1.position }.map {
                Piece(
                    position: $0.position, start: $0.range.lowerBound, end: $0.range.upperBound, headings: $0.headings, text: $0.text)
            })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try sealer.fingerprint(Array(SHA256.hash(data: try encoder.encode(statement))), of: document.tenant, purpose: purpose)
    }
}
