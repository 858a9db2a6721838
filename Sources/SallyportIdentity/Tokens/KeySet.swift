import Crypto
import CryptoExtras
import FoundationEssentials
import SallyportCore

/// An issuer's published keys (RFC 7517). Keys that are not for signatures, or of kinds that are not accepted, are passed over.
package struct KeySet: Sendable {
    struct Entry: Sendable {
        let id: String?
        let key: SigningKey
        /// nil: every one that the key's type fits.
        let algorithm: SignatureAlgorithm?
    }

    let entries: [Entry]

    /// No issuer needs more; a set of thousands would make each look-up slow.
    static let maximumKeys = 64

    package struct Mistake: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    package init(parsing json: [UInt8]) throws(Mistake) {
        let document: Document
        do { document = try JSONDecoder().decode(Document.self, from: Data(json)) } catch {
            throw Mistake(description: "the key set is not a JSON Web Key Set")
        }
        guard document.keys.count <= Self.maximumKeys else {
            throw Mistake(description: "the key set has more than \(Self.maximumKeys) keys")
        }
        entries = document.keys.compactMap(Self.entry)
        guard !entries.isEmpty else { throw Mistake(description: "the key set holds no key that can be used") }
    }

    /// Keys that a token may have been signed with. Without a key id, all that fit.
    func candidates(id: String?, _ algorithm: SignatureAlgorithm) -> [SigningKey] {
        entries.filter { entry in
            (id == nil || entry.id == id) && entry.key.fits(algorithm) && (entry.algorithm.map { $0 == algorithm } ?? true)
        }.map(\.key)
    }

    func holds(id: String) -> Bool { entries.contains { $0.id == id } }

    package var count: Int { entries.count }

    private struct Document: Decodable {
        let keys: [Key]
    }

    private struct Key: Decodable {
        let kty: String
        let kid: String?
        let use: String?
        let alg: String?
        let key_ops: [String]?
        let n: String?
        let e: String?
        let crv: String?
        let x: String?
        let y: String?
    }

    private static func entry(_ key: Key) -> Entry? {
        guard key.use == nil || key.use == "sig", key.key_ops?.contains("verify") ?? true, (key.kid?.utf8.count ?? 0) <= 512 else {
            return nil
        }
        var algorithm: SignatureAlgorithm?
        if let name = key.alg {
            guard let known = SignatureAlgorithm(rawValue: name) else { return nil }
            algorithm = known
        }
        guard let signing = signingKey(key), algorithm.map(signing.fits) ?? true else { return nil }
        return Entry(id: key.kid, key: signing, algorithm: algorithm)
    }

    private static func signingKey(_ key: Key) -> SigningKey? {
        func bytes(_ text: String?) -> [UInt8]? { text.flatMap { Base64.decode($0, alphabet: .urlSafe) } }
        switch (key.kty, key.crv) {
        case ("RSA", _):
            // At least 2,048 bits (the library's own rule), and not so many that a verification takes long.
            guard let n = bytes(key.n), let e = bytes(key.e), n.count <= 1024, e.count <= 8 else { return nil }
            return (try? _RSA.Signing.PublicKey(n: n, e: e)).map { .rsa($0) }
        case ("EC", "P-256"):
            guard let x = bytes(key.x), let y = bytes(key.y), x.count == 32, y.count == 32 else { return nil }
            return (try? P256.Signing.PublicKey(rawRepresentation: x + y)).map { .p256($0) }
        case ("EC", "P-384"):
            guard let x = bytes(key.x), let y = bytes(key.y), x.count == 48, y.count == 48 else { return nil }
            return (try? P384.Signing.PublicKey(rawRepresentation: x + y)).map { .p384($0) }
        case ("EC", "P-521"):
            guard let x = bytes(key.x), let y = bytes(key.y), x.count == 66, y.count == 66 else { return nil }
            return (try? P521.Signing.PublicKey(rawRepresentation: x + y)).map { .p521($0) }
        case ("OKP", "Ed25519"):
            guard let x = bytes(key.x), x.count == 32 else { return nil }
            return (try? Curve25519.Signing.PublicKey(rawRepresentation: x)).map { .ed25519($0) }
        default: return nil
        }
    }
}
