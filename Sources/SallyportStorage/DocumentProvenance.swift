import Crypto
import Foundation
import SallyportCore

/// A signature (Ed25519, RFC 8032) over what is said of a document (where it is from, whose it is, who may read it, its label, its file's hash)
/// and over the text that can be found in it. The private key follows from the tenant's key in the vault: whoever can write the database but does
/// not have that key cannot widen an access list, lower a label, change a text, or let a piece out of quarantine without its being noticed. The
/// public key is for whoever gets a statement and wants to know that it is this gateway's.
enum DocumentProvenance {
    private static let purpose = "document-provenance"

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

    /// The bytes that are signed: JSON with sorted members.
    /// - Parameter chunks: all of the document's, or those that can be found: those in quarantine are passed over.
    static func statement(_ document: DocumentRecord, _ chunks: [ChunkRecord]) throws -> [UInt8] {
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
        return Array(try encoder.encode(statement))
    }

    static func sign(_ document: DocumentRecord, _ chunks: [ChunkRecord], by sealer: any Sealer) throws -> [UInt8] {
        Array(try key(of: document.tenant, by: sealer).signature(for: statement(document, chunks)))
    }

    static func isSigned(_ document: DocumentRecord, _ chunks: [ChunkRecord], by sealer: any Sealer) throws -> Bool {
        guard let signature = document.provenance else { return false }
        return try key(of: document.tenant, by: sealer).publicKey.isValidSignature(signature, for: statement(document, chunks))
    }

    /// 32 bytes.
    static func publicKey(of tenant: TenantID, by sealer: any Sealer) throws -> [UInt8] {
        Array(try key(of: tenant, by: sealer).publicKey.rawRepresentation)
    }

    private static func key(of tenant: TenantID, by sealer: any Sealer) throws -> Curve25519.Signing.PrivateKey {
        let secret = SymmetricKey(data: try sealer.fingerprint(Array("signing key".utf8), of: tenant, purpose: purpose))
        let seed = HKDF<SHA256>.deriveKey(inputKeyMaterial: secret, info: Array("Ed25519 \(purpose)".utf8), outputByteCount: 32)
        return try seed.withUnsafeBytes { try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
    }
}
