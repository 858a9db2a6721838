import Crypto
import Foundation
import SallyportCore

/// A key-encryption key in Azure Key Vault or a managed HSM: `wrapkey` and `unwrapkey` of the REST API, each version by its own id. The
/// transport brings the token.
///
/// The service binds nothing to what it wraps, so that a code over the binding, under a key derived from the wrapped one, goes along.
package struct AzureKeyProvider: KeyProvider {
    package let name = "azure-key-vault"
    package let isApart = true
    private static let version = "7.4"
    private static let codeLength = 32
    private let transport: any KeyServiceTransport
    private let key: String
    private let algorithm: String

    /// - Parameters:
    ///   - key: the key's name.
    ///   - algorithm: `RSA-OAEP-256` for RSA keys, `A256KW` for the symmetric keys of a managed HSM.
    package init(transport: any KeyServiceTransport, key: String, algorithm: String = "RSA-OAEP-256") {
        self.transport = transport
        self.key = key
        self.algorithm = algorithm
    }

    package func wrap(_ plain: [UInt8], binding: [String: String]) throws -> WrappedKey {
        let version = try newestVersion()
        let answer = try call(
            "POST", "/keys/\(key)/\(version)/wrapkey", Operation(alg: algorithm, value: Base64.encode(plain, alphabet: .urlSafe)),
            as: Operated.self)
        guard let bytes = Base64.decode(answer.value.utf8, alphabet: .urlSafe), Self.versionOf(answer.kid) == version else {
            throw SealError.unavailable("Azure Key Vault answered with something else")
        }
        return WrappedKey(key: key, version: version, bytes: Self.code(plain, binding) + bytes)
    }

    package func unwrap(_ wrapped: WrappedKey, binding: [String: String]) throws -> [UInt8] {
        guard wrapped.bytes.count > Self.codeLength, Self.isPlain(wrapped.key), Self.isPlain(wrapped.version) else {
            throw SealError.damaged("a wrapped key is not one of a key vault's")
        }
        let answer = try call(
            "POST", "/keys/\(wrapped.key)/\(wrapped.version)/unwrapkey",
            Operation(alg: algorithm, value: Base64.encode(Array(wrapped.bytes[Self.codeLength...]), alphabet: .urlSafe)), as: Operated.self
        )
        guard let plain = Base64.decode(answer.value.utf8, alphabet: .urlSafe) else {
            throw SealError.unavailable("Azure Key Vault answered with something else")
        }
        let key = Self.codeKey(plain)
        guard HMAC<SHA256>.isValidAuthenticationCode(wrapped.bytes[..<Self.codeLength], authenticating: Binding.bytes(binding), using: key)
        else { throw SealError.damaged("a wrapped key belongs elsewhere") }
        return plain
    }

    package func newestVersion() throws -> String { try version(in: call("GET", "/keys/\(key)", nil, as: Bundle.self)) }
    package func makeVersion() throws -> String { try version(in: call("POST", "/keys/\(key)/rotate", nil, as: Bundle.self)) }

    private func version(in bundle: Bundle) throws -> String {
        if bundle.attributes?.enabled == false { throw SealError.revoked("the key \(key) is disabled in Azure Key Vault") }
        guard let version = Self.versionOf(bundle.key.kid) else {
            throw SealError.unavailable("Azure Key Vault answered with something else")
        }
        return version
    }

    /// The last part of a key's id, which stands in paths.
    private static func versionOf(_ kid: String) -> String? {
        guard let last = kid.split(separator: "/").last.map(String.init), isPlain(last) else { return nil }
        return last
    }

    private static func isPlain(_ text: String) -> Bool {
        (1...127).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                $0 == UInt8(ascii: "-") || $0 < 0x80 && (Character(UnicodeScalar($0)).isLetter || (48...57).contains($0))
            }
    }

    private static func codeKey(_ plain: [UInt8]) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: plain), info: Array("sallyport/1/binding".utf8), outputByteCount: codeLength)
    }

    private static func code(_ plain: [UInt8], _ binding: [String: String]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Binding.bytes(binding), using: codeKey(plain)))
    }

    // MARK: The protocol

    private struct Operation: Encodable {
        let alg: String
        let value: String
    }
    private struct Operated: Decodable {
        let kid: String
        let value: String
    }
    private struct Bundle: Decodable {
        struct Key: Decodable { let kid: String }
        struct Attributes: Decodable { let enabled: Bool? }
        let key: Key
        let attributes: Attributes?
    }
    private struct Refusal: Decodable {
        struct Inner: Decodable { let code: String? }
        struct Failure: Decodable {
            let code: String?
            let innererror: Inner?
        }
        let error: Failure?
    }

    private func call<T: Decodable>(_ method: String, _ path: String, _ body: Operation?, as type: T.Type) throws -> T {
        var bytes = try body.map { Array(try JSONEncoder().encode($0)) } ?? []
        defer { clear(&bytes) }
        let answer = try transport.sendPatiently {
            KeyServiceRequest(
                method: method, target: "\(path)?api-version=\(Self.version)",
                headers: [(name: "accept", value: "application/json")]
                    + (body == nil ? [] : [(name: "content-type", value: "application/json")]), body: bytes)
        }
        guard answer.status == 200 else { throw error(answer) }
        do { return try JSONDecoder().decode(type, from: Data(answer.body)) } catch {
            throw SealError.unavailable("Azure Key Vault answered with something else")
        }
    }

    private func error(_ answer: KeyServiceAnswer) -> SealError {
        let refusal = (try? JSONDecoder().decode(Refusal.self, from: Data(answer.body)))?.error
        let code = [refusal?.innererror?.code, refusal?.code].compactMap { $0 }.first {
            (1...60).contains($0.utf8.count) && $0.utf8.allSatisfy { $0 < 0x80 && Character(UnicodeScalar($0)).isLetter }
        }
        let words = "\(answer.status)\(code.map { " (\($0))" } ?? "")"
        switch answer.status {
        case 400 where code == "BadParameter": return .damaged("Azure Key Vault does not open a wrapped key: \(words)")
        case 403, 404, 410: return .revoked("Azure Key Vault refuses the key \(key): \(words)")
        default: return .unavailable("Azure Key Vault answered \(words)")
        }
    }
}
