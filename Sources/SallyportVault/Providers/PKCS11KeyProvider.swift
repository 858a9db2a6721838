import Crypto
import SallyportCore

/// A key-encryption key in a hardware module (PKCS#11). It never leaves the module: AES-256-GCM wraps there, with the binding as associated
/// data. A version is a key of its own on the token, labelled `NAME-1`, `NAME-2`; the first is made when there is none.
package final class PKCS11KeyProvider: KeyProvider {
    package let name = "pkcs11"
    package let isApart = true
    private let module: PKCS11Module
    private let key: String

    /// - Parameters:
    ///   - module: the module's library.
    ///   - token: the token's label.
    ///   - key: what the keys' labels begin with.
    package init(module: String, token: String, pin: Redacted<String>, key: String) throws {
        self.module = try PKCS11Module(path: module, token: token, pin: pin)
        self.key = key
    }

    package func wrap(_ plain: [UInt8], binding: [String: String]) throws -> WrappedKey {
        try explained {
            let version = try newest() ?? create(1)
            let nonce = Array(AES.GCM.Nonce())
            guard let bytes = try module.gcm(.encrypt, key: label(version), nonce: nonce, associated: Binding.bytes(binding), plain) else {
                throw SealError.revoked("the key \(label(version)) is not on the token")
            }
            return WrappedKey(key: key, version: "\(version)", bytes: nonce + bytes)
        }
    }

    package func unwrap(_ wrapped: WrappedKey, binding: [String: String]) throws -> [UInt8] {
        guard let version = Int(wrapped.version), wrapped.bytes.count > 28 else {
            throw SealError.damaged("a wrapped key is not one of a token's")
        }
        return try explained {
            let label = "\(wrapped.key)-\(version)"
            guard
                let bytes = try module.gcm(
                    .decrypt, key: label, nonce: Array(wrapped.bytes[..<12]), associated: Binding.bytes(binding),
                    Array(wrapped.bytes[12...]))
            else { throw SealError.revoked("the key \(label) is not on the token") }
            return bytes
        }
    }

    package func newestVersion() throws -> String { try explained { "\(try newest() ?? create(1))" } }
    package func makeVersion() throws -> String { try explained { "\(try create((newest() ?? 0) + 1))" } }

    private func label(_ version: Int) -> String { "\(key)-\(version)" }

    private func newest() throws -> Int? {
        try module.labels().compactMap { $0.hasPrefix(key + "-") ? Int($0.dropFirst(key.count + 1)) : nil }.max()
    }

    private func create(_ version: Int) throws -> Int {
        try module.makeKey(label(version))
        return version
    }

    /// Codes in words.
    private func explained<T>(_ work: () throws -> T) throws -> T {
        do { return try work() } catch let failure as PKCS11Module.Failure {
            switch failure.code {
            // Encrypted data invalid or of a wrong length; SoftHSM says "general error" of a wrong tag.
            case 0x40, 0x41: throw SealError.damaged("the token does not open a wrapped key")
            case 0x05 where failure.call == "C_Decrypt": throw SealError.damaged("the token does not open a wrapped key")
            // Key function not permitted, key handle invalid, the date has passed.
            case 0x60, 0x68: throw SealError.revoked("the token does not let the key \(key) be used")
            default: throw SealError.unavailable("the token failed (\(failure.call) \(PKCS11Module.spelled(failure.code)))")
            }
        }
    }
}

/// What a wrapped key is bound to, as bytes.
enum Binding {
    static func bytes(_ binding: [String: String]) -> [UInt8] {
        var data: [UInt8] = []
        for (name, value) in binding.sorted(by: { $0.key < $1.key }) {
            for part in [name, value] {
                data += withUnsafeBytes(of: UInt32(part.utf8.count).bigEndian, Array.init)
                data += part.utf8
            }
        }
        return data
    }
}
