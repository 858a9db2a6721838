import Foundation
import SallyportCore

/// A key-encryption key in AWS KMS: `Encrypt` wraps, `Decrypt` unwraps, the binding is the encryption context. The key may be named by an
/// alias; a rotation on demand makes new key material, an alias that is pointed elsewhere another key.
package struct AWSKeyProvider: KeyProvider {
    package struct Credentials: Sendable, Hashable {
        package var accessKeyID: String
        package var secretAccessKey: String
        package var sessionToken: String?
        package init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
            self.accessKeyID = accessKeyID
            self.secretAccessKey = secretAccessKey
            self.sessionToken = sessionToken
        }
    }

    package let name = "aws-kms"
    package let isApart = true
    private let transport: any KeyServiceTransport
    private let key: String
    private let region: String
    private let credentials: @Sendable () throws -> Credentials
    private let clock: @Sendable () -> Int64

    /// - Parameters:
    ///   - key: id, ARN or `alias/NAME`.
    ///   - credentials: asked for with every call, so that they may change.
    package init(
        transport: any KeyServiceTransport, key: String, region: String, clock: @escaping @Sendable () -> Int64,
        credentials: @escaping @Sendable () throws -> Credentials
    ) {
        self.transport = transport
        self.key = key
        self.region = region
        self.clock = clock
        self.credentials = credentials
    }

    package func wrap(_ plain: [UInt8], binding: [String: String]) throws -> WrappedKey {
        let version = try newestVersion()
        let answer = try call("Encrypt", Request(KeyId: key, Plaintext: Data(plain), EncryptionContext: binding), as: Encrypted.self)
        return WrappedKey(key: answer.KeyId, version: version, bytes: Array(answer.CiphertextBlob))
    }

    package func unwrap(_ wrapped: WrappedKey, binding: [String: String]) throws -> [UInt8] {
        let answer = try call(
            "Decrypt", Request(KeyId: wrapped.key, CiphertextBlob: Data(wrapped.bytes), EncryptionContext: binding), as: Decrypted.self)
        return Array(answer.Plaintext)
    }

    /// The key's own id and how often it was rotated on demand.
    package func newestVersion() throws -> String {
        let id = try call("DescribeKey", Request(KeyId: key), as: Described.self).KeyMetadata.KeyId
        return "\(id)/\(try rotations(of: id))"
    }

    package func makeVersion() throws -> String {
        let id = try call("DescribeKey", Request(KeyId: key), as: Described.self).KeyMetadata.KeyId
        _ = try call("RotateKeyOnDemand", Request(KeyId: id), as: Rotated.self)
        return "\(id)/\(try rotations(of: id))"
    }

    /// Who may wrap need not be allowed to list: then rotations are not seen, and the service re-encrypts nothing by itself anyway.
    private func rotations(of id: String) throws -> Int {
        let answer = try exchange("ListKeyRotations", Request(KeyId: id))
        guard answer.status == 200, let list = try? JSONDecoder().decode(Rotations.self, from: Data(answer.body)) else { return 0 }
        return list.Rotations.count
    }

    // MARK: The protocol

    private struct Request: Encodable {
        var KeyId: String
        var Plaintext: Data?
        var CiphertextBlob: Data?
        var EncryptionContext: [String: String]?
    }
    private struct Encrypted: Decodable {
        let CiphertextBlob: Data
        let KeyId: String
    }
    private struct Decrypted: Decodable { let Plaintext: Data }
    private struct Described: Decodable {
        struct Metadata: Decodable { let KeyId: String }
        let KeyMetadata: Metadata
    }
    private struct Rotated: Decodable {}
    private struct Rotations: Decodable {
        struct Rotation: Decodable {}
        let Rotations: [Rotation]
    }
    private struct Refusal: Decodable { let __type: String? }

    private func call<T: Decodable>(_ operation: String, _ body: Request, as type: T.Type) throws -> T {
        let answer = try exchange(operation, body)
        guard answer.status == 200 else { throw Self.error(answer, operation) }
        do { return try JSONDecoder().decode(type, from: Data(answer.body)) } catch {
            throw SealError.unavailable("AWS KMS answered \(operation) with something else")
        }
    }

    private func exchange(_ operation: String, _ body: Request) throws -> KeyServiceAnswer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var bytes = Array(try encoder.encode(body))
        defer { clear(&bytes) }
        return try transport.sendPatiently {
            let credentials = try credentials()
            let headers = [
                (name: "content-type", value: "application/x-amz-json-1.1"), (name: "x-amz-target", value: "TrentService.\(operation)"),
            ]
            let signature = AWSSignature(
                accessKeyID: credentials.accessKeyID, secretAccessKey: Redacted(credentials.secretAccessKey),
                sessionToken: credentials.sessionToken.map { Redacted($0) }, region: region, service: "kms")
            return KeyServiceRequest(
                method: "POST", target: "/", headers: headers,
                credential: signature.headers(
                    method: "POST", path: "/", headers: headers + [(name: "host", value: transport.host)], body: bytes, time: clock()),
                body: bytes)
        }
    }

    private static func error(_ answer: KeyServiceAnswer, _ operation: String) -> SealError {
        let type = (try? JSONDecoder().decode(Refusal.self, from: Data(answer.body)))?.__type ?? ""
        let code = type.split(separator: "#").last.map(String.init) ?? ""
        switch code {
        case "DisabledException", "KMSInvalidStateException", "NotFoundException", "AccessDeniedException", "KeyUnavailableException":
            return .revoked("AWS KMS refuses \(operation) (\(code))")
        case "InvalidCiphertextException", "IncorrectKeyException": return .damaged("AWS KMS does not open a wrapped key (\(code))")
        default:
            let known =
                !code.isEmpty && code.utf8.count <= 60 && code.utf8.allSatisfy { $0 < 0x80 && Character(UnicodeScalar($0)).isLetter }
            return .unavailable("AWS KMS answered \(operation) with \(answer.status)\(known ? " (\(code))" : "")")
        }
    }
}
