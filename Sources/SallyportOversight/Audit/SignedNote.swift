import Crypto
import SallyportCore

/// A text with signatures under it (C2SP signed-note).
package struct SignedNote: Sendable, Hashable {
    /// Ends with a newline.
    package let text: String
    /// Name, key id and signature of each signature line, in order; unknown keys' lines included.
    let signatures: [Signature]

    struct Signature: Sendable, Hashable {
        let name: String
        let keyID: [UInt8]
        let bytes: [UInt8]
    }

    static let signaturePrefix = "\u{2014} "
    private static let maximumSignatures = 16

    init(text: String, signatures: [Signature]) {
        self.text = text
        self.signatures = signatures
    }

    /// - Throws: ``AuditError`` unless the whole of it is one well-formed note.
    package init(parsing note: String) throws {
        func malformed(_ reason: String) -> AuditError { .malformed("signed note: \(reason)") }
        let bytes = Array(note.utf8)
        guard bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }) else { throw malformed("control characters") }
        guard bytes.last == 0x0A else { throw malformed("it does not end with a newline") }
        // The signatures follow the last empty line: a text may have empty lines of its own.
        var split: Int?
        var position = bytes.count - 2
        while position > 0, split == nil {
            if bytes[position] == 0x0A && bytes[position - 1] == 0x0A { split = position }
            position -= 1
        }
        guard let split else { throw malformed("no empty line before the signatures") }
        text = String(decoding: bytes[..<split], as: UTF8.self)
        let lines = bytes[(split + 1)..<(bytes.count - 1)].split(separator: 0x0A, omittingEmptySubsequences: false)
        guard lines.count <= Self.maximumSignatures else { throw malformed("too many signatures") }
        signatures = try lines.map { line in
            guard line.starts(with: Self.signaturePrefix.utf8) else { throw malformed("a line that is no signature") }
            let parts = line.dropFirst(Self.signaturePrefix.utf8.count).split(separator: 0x20, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, let signature = Base64.decode(parts[1]), signature.count > 4 else {
                throw malformed("a signature that cannot be read")
            }
            return Signature(
                name: String(decoding: parts[0], as: UTF8.self), keyID: Array(signature[..<4]), bytes: Array(signature[4...]))
        }
    }

    /// The note as it is stored and sent.
    package var encoded: String {
        text + "\n" + signatures.map { "\(Self.signaturePrefix)\($0.name) \(Base64.encode($0.keyID + $0.bytes))\n" }.joined()
    }
}

/// The public half of a note key: `name+hex(key id)+base64(0x01 || key)`, the form in which auditors pin it.
package struct NoteVerifier: Sendable, Hashable {
    static let ed25519: UInt8 = 1
    package let name: String
    package let keyID: [UInt8]
    private let publicKey: [UInt8]

    init(name: String, publicKey: [UInt8]) throws {
        guard Self.isValid(name: name) else {
            throw AuditError.malformed("key name: it is empty or holds a space, a plus or a control character")
        }
        guard publicKey.count == 32 else { throw AuditError.malformed("verifier key: not an Ed25519 key") }
        self.name = name
        self.publicKey = publicKey
        keyID = Self.keyID(name: name, publicKey: publicKey)
    }

    /// - Throws: ``AuditError`` when it is not a verifier key or its key id does not fit.
    package init(vkey: String) throws {
        // The base64 part may hold plus signs itself.
        let parts = vkey.utf8.split(separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let id = Hex.decode(parts[1]), let key = Base64.decode(parts[2]), key.first == Self.ed25519 else {
            throw AuditError.malformed("verifier key: expected name+id+key for Ed25519")
        }
        try self.init(name: String(decoding: parts[0], as: UTF8.self), publicKey: Array(key.dropFirst()))
        guard id == keyID else { throw AuditError.malformed("verifier key: its key id does not fit the key") }
    }

    package var vkey: String { "\(name)+\(Hex.encode(keyID))+\(Base64.encode([Self.ed25519] + publicKey))" }

    /// True when the note bears this key's signature. Lines of other keys are passed over, as the specification says.
    package func accepts(_ note: SignedNote) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return false }
        let own = note.signatures.filter { $0.name == name && $0.keyID == keyID }
        return !own.isEmpty && own.allSatisfy { key.isValidSignature($0.bytes, for: Array(note.text.utf8)) }
    }

    static func keyID(name: String, publicKey: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: Array(name.utf8) + [0x0A, ed25519] + publicKey).prefix(4))
    }

    static func isValid(name: String) -> Bool {
        !name.isEmpty && name.unicodeScalars.allSatisfy { $0 != "+" && !$0.properties.isWhitespace && $0.value >= 0x20 && $0.value != 0x7F }
    }
}

/// The private half of a note key.
struct NoteSigner: Sendable {
    private static let prefix = "PRIVATE+KEY+"
    let verifier: NoteVerifier
    private let key: Curve25519.Signing.PrivateKey

    /// A new random key.
    init(name: String) throws {
        try self.init(name: name, key: Curve25519.Signing.PrivateKey())
    }

    private init(name: String, key: Curve25519.Signing.PrivateKey) throws {
        self.key = key
        verifier = try NoteVerifier(name: name, publicKey: Array(key.publicKey.rawRepresentation))
    }

    /// `PRIVATE+KEY+name+hex(key id)+base64(0x01 || seed)`, as Go's note package writes it.
    init(encoded: String) throws {
        // The text is a secret: no part of it may stand in an error.
        let malformed = AuditError.malformed("signing key: expected PRIVATE+KEY+name+id+key for Ed25519")
        guard encoded.hasPrefix(Self.prefix) else { throw malformed }
        let parts = encoded.dropFirst(Self.prefix.count).utf8
            .split(separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let seed = Base64.decode(parts[2]), seed.count == 33, seed.first == NoteVerifier.ed25519 else {
            throw malformed
        }
        try self.init(
            name: String(decoding: parts[0], as: UTF8.self), key: .init(rawRepresentation: seed.dropFirst()))
        guard Hex.decode(parts[1]) == verifier.keyID else { throw AuditError.malformed("signing key: its key id does not fit the key") }
    }

    var encoded: String {
        "\(Self.prefix)\(verifier.name)+\(Hex.encode(verifier.keyID))+"
            + Base64.encode([NoteVerifier.ed25519] + Array(key.rawRepresentation))
    }

    /// - Parameter text: ends with a newline.
    func sign(_ text: String) throws -> SignedNote {
        let signature = try key.signature(for: Array(text.utf8))
        return SignedNote(text: text, signatures: [.init(name: verifier.name, keyID: verifier.keyID, bytes: Array(signature))])
    }
}
