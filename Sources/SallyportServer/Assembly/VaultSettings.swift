import Foundation
import SallyportCore
import SallyportVault

/// How stored data is encrypted, and where the key-encryption key is.
package struct VaultSettings: Sendable, Hashable {
    package enum Provider: String, Sendable, CaseIterable {
        case file
        case pkcs11
        case aws = "aws-kms"
        case azure = "azure-key-vault"
    }

    package struct PKCS11: Sendable, Hashable {
        package var module: String
        package var token: String
        package var pin: SecretText
        package var key: String
    }

    package struct AWS: Sendable, Hashable {
        package var key: String
        package var region: String
        package var endpoint: String
        package var accessKeyID: String
        package var secretAccessKey: SecretText
        package var sessionToken: SecretText?
        package var authoritiesFile: String?
    }

    package struct Azure: Sendable, Hashable {
        package var url: String
        package var key: String
        package var algorithm: String
        package var authority: String
        package var tenant: String
        package var clientID: String
        /// One of the two.
        package var clientSecret: SecretText?
        package var federatedTokenFile: String?
        package var scope: String
        package var authoritiesFile: String?
    }

    package var mode = Vault.Mode.on
    package var provider = Provider.file
    package var offlineGrace: Duration = .seconds(15 * 60)
    package var confirmInterval: Duration = .seconds(15)
    /// nil: `keys` in the data directory.
    package var keyDirectory: String?
    package var passphrase: SecretText?
    package var pkcs11: PKCS11?
    package var aws: AWS?
    package var azure: Azure?

    package init() {}
}

/// A secret as settings hold it: comparable, never printed.
package struct SecretText: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    private let text: String
    package init(_ text: String) { self.text = text }
    package func reveal() -> String { text }
    package var description: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
