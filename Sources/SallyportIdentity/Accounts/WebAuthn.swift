import Crypto
import CryptoExtras
import FoundationEssentials
import SallyportCore

/// Passkeys (W3C Web Authentication, level 2): what a browser brings back is checked here, by the steps of sections 7.1 and 7.2.
///
/// Attestation is neither asked for nor believed: which make an authenticator is says nothing about who holds it. User verification is
/// asked for, so that a passkey alone is two factors: the device, and what unlocks it.
package struct WebAuthn: Sendable {
    /// Why an answer was refused: for records, not for callers.
    package enum Refusal: String, Error, Sendable, CaseIterable {
        case malformed, wrongType, wrongChallenge, wrongOrigin, wrongSite, notPresent, notVerified, attestation, unsupportedKey, signature
        case counter, crossOrigin
    }

    /// A passkey as it is kept.
    package struct Credential: Sendable, Hashable {
        package let id: [UInt8]
        /// COSE, as the authenticator wrote it.
        package let publicKey: [UInt8]
        package let counter: Int64
    }

    /// The site's domain, without port.
    package let site: String
    package let origins: Set<String>

    package init(site: String, origins: Set<String>) {
        self.site = site
        self.origins = origins
    }

    /// COSE numbers of ES256, EdDSA, RS256, in the order of preference.
    package static let algorithms = [-7, -8, -257]

    private struct ClientData: Decodable {
        let type: String
        let challenge: String
        let origin: String
        let crossOrigin: Bool?
    }

    // MARK: Registration

    /// - Parameters:
    ///   - clientData: the browser's `clientDataJSON`.
    ///   - attestation: `attestationObject`.
    package func register(clientData: [UInt8], attestation: [UInt8], challenge: [UInt8]) throws(Refusal) -> Credential {
        try check(clientData, type: "webauthn.create", challenge)
        guard let object = try? CBOR(attestation), let data = object["authData"]?.asBytes else { throw .malformed }
        guard object["fmt"]?.asText == "none", object["attStmt"] == .map([:]) else { throw .attestation }
        let authenticator = try AuthenticatorData(data, site: site)
        guard let attested = authenticator.credential else { throw .malformed }
        _ = try PublicKey(attested.publicKey)
        return Credential(id: attested.id, publicKey: attested.publicKey, counter: Int64(authenticator.counter))
    }

    // MARK: Sign-in

    /// - Returns: the new counter.
    package func verify(
        clientData: [UInt8], authenticatorData: [UInt8], signature: [UInt8], credential: Credential, challenge: [UInt8]
    ) throws(Refusal) -> Int64 {
        try check(clientData, type: "webauthn.get", challenge)
        let authenticator = try AuthenticatorData(authenticatorData, site: site)
        let key = try PublicKey(credential.publicKey)
        guard key.verifies(signature, of: authenticatorData + Array(SHA256.hash(data: clientData))) else { throw .signature }
        // An authenticator that counts counts on; one that stands still or goes back is a copy.
        let counter = Int64(authenticator.counter)
        guard counter == 0 && credential.counter == 0 || counter > credential.counter else { throw .counter }
        return counter
    }

    private func check(_ json: [UInt8], type: String, _ challenge: [UInt8]) throws(Refusal) {
        guard json.count <= 4096, let data = try? JSONDecoder().decode(ClientData.self, from: Data(json)) else { throw .malformed }
        guard data.type == type else { throw .wrongType }
        guard let answered = Base64.decode(data.challenge, alphabet: .urlSafe), ConstantTime.equal(answered, challenge) else {
            throw .wrongChallenge
        }
        guard origins.contains(data.origin) else { throw .wrongOrigin }
        guard data.crossOrigin != true else { throw .crossOrigin }
    }
}

/// What an authenticator signs (section 6.1).
private struct AuthenticatorData {
    let counter: UInt32
    let credential: (id: [UInt8], publicKey: [UInt8])?

    init(_ data: [UInt8], site: String) throws(WebAuthn.Refusal) {
        guard data.count >= 37, data.count <= 16_384 else { throw .malformed }
        guard ConstantTime.equal(Array(data[..<32]), Array(SHA256.hash(data: Array(site.utf8)))) else { throw .wrongSite }
        let flags = data[32]
        guard flags & 0x01 != 0 else { throw .notPresent }
        guard flags & 0x04 != 0 else { throw .notVerified }
        counter = data[33..<37].reduce(0) { $0 << 8 | UInt32($1) }
        var rest = data[37...]
        if flags & 0x40 != 0 {
            guard rest.count >= 18 else { throw .malformed }
            let start = rest.startIndex
            let length = Int(data[start + 16]) << 8 | Int(data[start + 17])
            guard length > 0, length <= 1023, rest.count >= 18 + length else { throw .malformed }
            let id = Array(data[(start + 18)..<(start + 18 + length)])
            rest = data[(start + 18 + length)...]
            guard let key = try? CBOR.first(of: rest) else { throw .malformed }
            credential = (id, Array(rest.prefix(key.length)))
            rest = rest.dropFirst(key.length)
        } else {
            credential = nil
        }
        if flags & 0x80 != 0 {
            guard let extensions = try? CBOR.first(of: rest), case .map = extensions.item else { throw .malformed }
            rest = rest.dropFirst(extensions.length)
        }
        guard rest.isEmpty else { throw .malformed }
    }
}

/// A COSE key (RFC 9052, section 7; RFC 9053; RFC 8230) that this site accepts.
private enum PublicKey {
    case p256(P256.Signing.PublicKey)
    case ed25519(Curve25519.Signing.PublicKey)
    case rsa(_RSA.Signing.PublicKey)

    init(_ cose: [UInt8]) throws(WebAuthn.Refusal) {
        guard let key = try? CBOR(cose), let type = key[1]?.asInteger, let algorithm = key[3]?.asInteger else { throw .unsupportedKey }
        switch (type, algorithm, key[-1]?.asInteger) {
        case (2, -7, 1):
            guard let x = key[-2]?.asBytes, let y = key[-3]?.asBytes, x.count == 32, y.count == 32,
                let point = try? P256.Signing.PublicKey(rawRepresentation: x + y)
            else { throw .unsupportedKey }
            self = .p256(point)
        case (1, -8, 6):
            guard let x = key[-2]?.asBytes, x.count == 32, let point = try? Curve25519.Signing.PublicKey(rawRepresentation: x) else {
                throw .unsupportedKey
            }
            self = .ed25519(point)
        case (3, -257, _):
            guard let n = key[-1]?.asBytes, let e = key[-2]?.asBytes, n.count <= 1024, e.count <= 8,
                let rsa = try? _RSA.Signing.PublicKey(n: n, e: e)
            else { throw .unsupportedKey }
            self = .rsa(rsa)
        default: throw .unsupportedKey
        }
    }

    func verifies(_ signature: [UInt8], of signed: [UInt8]) -> Bool {
        switch self {
        case .p256(let key):
            (try? P256.Signing.ECDSASignature(derRepresentation: signature)).map {
                key.isValidSignature($0, for: SHA256.hash(data: signed))
            } ?? false
        case .ed25519(let key): key.isValidSignature(Data(signature), for: Data(signed))
        case .rsa(let key):
            key.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature), for: SHA256.hash(data: signed), padding: .insecurePKCS1v1_5)
        }
    }
}
