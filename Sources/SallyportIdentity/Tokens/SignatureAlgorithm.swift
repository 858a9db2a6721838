import Crypto
import CryptoExtras
import FoundationEssentials

/// The signatures that are accepted (RFC 7518, RFC 8037). What is not in this list (`none`, `HS256` …) does not exist here.
package enum SignatureAlgorithm: String, Sendable, Hashable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case edDSA = "EdDSA"
    /// Its name since RFC 9864.
    case ed25519 = "Ed25519"
}

/// A public key of an issuer. Its type decides which algorithms can be verified with it at all: a key for signatures never becomes a
/// secret for codes.
enum SigningKey: Sendable {
    case rsa(_RSA.Signing.PublicKey)
    case p256(P256.Signing.PublicKey)
    case p384(P384.Signing.PublicKey)
    case p521(P521.Signing.PublicKey)
    case ed25519(Curve25519.Signing.PublicKey)

    func fits(_ algorithm: SignatureAlgorithm) -> Bool {
        switch (self, algorithm) {
        case (.rsa, .rs256), (.rsa, .rs384), (.rsa, .rs512), (.rsa, .ps256), (.rsa, .ps384), (.rsa, .ps512), (.p256, .es256),
            (.p384, .es384), (.p521, .es512), (.ed25519, .edDSA), (.ed25519, .ed25519):
            true
        default: false
        }
    }

    func verifies(_ signature: [UInt8], of signed: ArraySlice<UInt8>, _ algorithm: SignatureAlgorithm) -> Bool {
        switch (self, algorithm) {
        case (.rsa(let key), .rs256): Self.rsa(key, signature, SHA256.hash(data: signed), .insecurePKCS1v1_5)
        case (.rsa(let key), .rs384): Self.rsa(key, signature, SHA384.hash(data: signed), .insecurePKCS1v1_5)
        case (.rsa(let key), .rs512): Self.rsa(key, signature, SHA512.hash(data: signed), .insecurePKCS1v1_5)
        case (.rsa(let key), .ps256): Self.rsa(key, signature, SHA256.hash(data: signed), .PSS)
        case (.rsa(let key), .ps384): Self.rsa(key, signature, SHA384.hash(data: signed), .PSS)
        case (.rsa(let key), .ps512): Self.rsa(key, signature, SHA512.hash(data: signed), .PSS)
        case (.p256(let key), .es256):
            (try? P256.Signing.ECDSASignature(rawRepresentation: signature)).map {
                key.isValidSignature($0, for: SHA256.hash(data: signed))
            } ?? false
        case (.p384(let key), .es384):
            (try? P384.Signing.ECDSASignature(rawRepresentation: signature)).map {
                key.isValidSignature($0, for: SHA384.hash(data: signed))
            } ?? false
        case (.p521(let key), .es512):
            (try? P521.Signing.ECDSASignature(rawRepresentation: signature)).map {
                key.isValidSignature($0, for: SHA512.hash(data: signed))
            } ?? false
        case (.ed25519(let key), .edDSA), (.ed25519(let key), .ed25519): key.isValidSignature(Data(signature), for: Data(signed))
        default: false
        }
    }

    private static func rsa(
        _ key: _RSA.Signing.PublicKey, _ signature: [UInt8], _ digest: some Digest, _ padding: _RSA.Signing.Padding
    ) -> Bool {
        key.isValidSignature(_RSA.Signing.RSASignature(rawRepresentation: signature), for: digest, padding: padding)
    }
}
