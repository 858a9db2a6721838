import Crypto
import SallyportCore

/// Signs reports that leave the house (reviews, answers to data subjects), so that whoever gets one can tell that it was not changed.
///
/// A signed report is a C2SP signed note, as the audit log's checkpoints are: the text, an empty line, the signature.
package struct ReportSigner: Sendable {
    private let signer: NoteSigner

    /// A new random key.
    /// - Parameter name: without spaces and plus signs.
    package init(name: String) throws { signer = try NoteSigner(name: name) }

    /// A key that was kept as ``secret``.
    package init(secret: [UInt8]) throws { signer = try NoteSigner(encoded: String(decoding: secret, as: UTF8.self)) }

    /// To be kept where nobody reads it.
    package var secret: [UInt8] { Array(signer.encoded.utf8) }

    /// The public half, as auditors pin it.
    package var verifierKey: String { signer.verifier.vkey }

    /// - Parameter text: without control characters but newlines.
    package func sign(_ text: String) throws -> String { try signer.sign(text.hasSuffix("\n") ? text : text + "\n").encoded }

    /// - Returns: the text that was signed.
    /// - Throws: ``AuditError`` when it is no signed report, or not signed by this key.
    package static func text(of report: String, signedBy key: String) throws -> String {
        let note = try SignedNote(parsing: report)
        guard try NoteVerifier(vkey: key).accepts(note) else {
            throw AuditError.malformed("signed report: the signature is not this key's")
        }
        return note.text
    }

    /// SHA-256 in hex, for the record.
    package static func digest(of report: String) -> String { Hex.encode(SHA256.hash(data: Array(report.utf8))) }
}
