import Foundation
import SallyportCore
import SallyportVault

/// Encryption of what is stored.
extension ConfigurationMapping {
    mutating func vault() -> VaultSettings {
        var settings = VaultSettings()
        settings.mode = text("vault.encryption").flatMap(Vault.Mode.init(rawValue:)) ?? .on
        settings.provider = text("vault.provider").flatMap(VaultSettings.Provider.init(rawValue:)) ?? .file
        settings.offlineGrace = duration("vault.offlineGrace") ?? settings.offlineGrace
        settings.confirmInterval = duration("vault.confirmInterval") ?? settings.confirmInterval
        if settings.confirmInterval > .seconds(60) { report("must be a minute at most", at: "vault.confirmInterval") }
        settings.keyDirectory = text("vault.file.directory")
        settings.passphrase = passphrase()
        settings.pkcs11 = pkcs11(isNeeded: settings.provider == .pkcs11)
        settings.aws = aws(isNeeded: settings.provider == .aws)
        settings.azure = azure(isNeeded: settings.provider == .azure)
        if settings.mode == .off { warn("vault.encryption is off: stored texts lie in the clear") }
        return settings
    }

    /// A group of settings of which some are needed together; nil where there are none.
    private mutating func group(_ name: String, needs: [String], isNeeded: Bool) -> Bool {
        let base = "vault.\(name)"
        let given = tree.values.keys.contains { $0.hasPrefix(base + ".") }
        guard given || isNeeded else { return false }
        let missing = needs.filter { tree.values["\(base).\($0)"] == nil }
        guard !missing.isEmpty else { return true }
        if given {
            report("needs \(missing.joined(separator: ", "))", under: base)
        } else {
            report("needs '\(base)' with \(missing.joined(separator: ", "))", at: "vault.provider")
        }
        return false
    }

    private mutating func pkcs11(isNeeded: Bool) -> VaultSettings.PKCS11? {
        guard group("pkcs11", needs: ["module", "token", "pin"], isNeeded: isNeeded), let module = text("vault.pkcs11.module"),
            let token = text("vault.pkcs11.token"), let pin = text("vault.pkcs11.pin")
        else { return nil }
        return .init(module: module, token: token, pin: SecretText(pin), key: text("vault.pkcs11.key") ?? "sallyport-kek")
    }

    private mutating func aws(isNeeded: Bool) -> VaultSettings.AWS? {
        guard group("awsKms", needs: ["key", "region", "accessKeyId", "secretAccessKey"], isNeeded: isNeeded),
            let key = text("vault.awsKms.key"), let region = text("vault.awsKms.region"), let id = text("vault.awsKms.accessKeyId"),
            let secret = text("vault.awsKms.secretAccessKey")
        else { return nil }
        guard region.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || (97...122).contains($0) || (48...57).contains($0) }) else {
            report("must be a region such as eu-central-1", at: "vault.awsKms.region")
            return nil
        }
        return .init(
            key: key, region: region, endpoint: text("vault.awsKms.endpoint") ?? "https://kms.\(region).amazonaws.com", accessKeyID: id,
            secretAccessKey: SecretText(secret), sessionToken: text("vault.awsKms.sessionToken").map { SecretText($0) },
            authoritiesFile: text("vault.awsKms.caFile"))
    }

    private mutating func azure(isNeeded: Bool) -> VaultSettings.Azure? {
        guard group("azureKeyVault", needs: ["url", "key", "tenant", "clientId"], isNeeded: isNeeded),
            let url = text("vault.azureKeyVault.url"), let key = text("vault.azureKeyVault.key"),
            let tenant = text("vault.azureKeyVault.tenant"), let client = text("vault.azureKeyVault.clientId")
        else { return nil }
        let (secret, file) = (text("vault.azureKeyVault.clientSecret"), text("vault.azureKeyVault.federatedTokenFile"))
        guard (secret == nil) != (file == nil) else {
            report("needs one of clientSecret and federatedTokenFile", under: "vault.azureKeyVault")
            return nil
        }
        guard (1...127).contains(key.utf8.count),
            key.utf8.allSatisfy({
                $0 == UInt8(ascii: "-") || $0 < 0x80 && (Character(UnicodeScalar($0)).isLetter || (48...57).contains($0))
            })
        else {
            report("must be a key's name: letters, digits and -", at: "vault.azureKeyVault.key")
            return nil
        }
        return .init(
            url: url, key: key, algorithm: text("vault.azureKeyVault.algorithm") ?? "RSA-OAEP-256",
            authority: text("vault.azureKeyVault.authority") ?? "https://login.microsoftonline.com", tenant: tenant, clientID: client,
            clientSecret: secret.map { SecretText($0) }, federatedTokenFile: file,
            scope: text("vault.azureKeyVault.scope") ?? "https://vault.azure.net/.default",
            authoritiesFile: text("vault.azureKeyVault.caFile"))
    }

    private mutating func passphrase() -> SecretText? {
        let sources = ["vault.file.passphrase", "vault.file.passphraseFile", "vault.file.credential"].filter { text($0) != nil }
        guard sources.count <= 1 else {
            report("only one of passphrase, passphraseFile and credential may be set", at: sources[1])
            return nil
        }
        if let passphrase = text("vault.file.passphrase") { return SecretText(passphrase) }
        if let file = text("vault.file.passphraseFile") { return content(of: file, at: "vault.file.passphraseFile") }
        guard let name = text("vault.file.credential") else { return nil }
        guard !name.contains("/"), let directory = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"] else {
            report("there are no systemd credentials here ($CREDENTIALS_DIRECTORY)", at: "vault.file.credential")
            return nil
        }
        return content(of: directory + "/" + name, at: "vault.file.credential")
    }

    private mutating func content(of file: String, at path: String) -> SecretText? {
        guard let data = FileManager.default.contents(atPath: file), data.count <= 4096, let text = String(bytes: data, encoding: .utf8)
        else {
            report(UnreadableFile.reason(file), at: path)
            return nil
        }
        let line = text.trimmingCharacters(in: .newlines)
        guard !line.isEmpty else {
            report("the file is empty", at: path)
            return nil
        }
        return SecretText(line)
    }

    /// Upstreams whose two keys are rotated.
    mutating func keyRotations() -> [KeyRotationPlan] {
        (tree.names["upstreams"] ?? []).compactMap { upstream in
            let base = "upstreams.\(upstream.name).keyRotation"
            guard tree.values.keys.contains(where: { $0.hasPrefix(base + ".") }) else { return nil }
            guard case .vault(let secret) = tree.references["upstreams.\(upstream.name).apiKey"] else {
                report("needs the upstream's apiKey to be vault:NAME, where the new keys are put", under: base)
                return nil
            }
            let (clientSecret, file) = (text("\(base).clientSecret"), text("\(base).federatedTokenFile"))
            guard let resource = text("\(base).resource"), let tenant = text("\(base).tenant"), let client = text("\(base).clientId"),
                (clientSecret == nil) != (file == nil)
            else {
                report("needs resource, tenant, clientId and one of clientSecret and federatedTokenFile", under: base)
                return nil
            }
            guard !resource.contains("?"), !resource.hasSuffix("/"), resource.lowercased().hasPrefix("/subscriptions/") else {
                report("must be the account's id: /subscriptions/…/accounts/NAME", at: "\(base).resource")
                return nil
            }
            return KeyRotationPlan(
                upstream: UpstreamID(upstream.name), secret: secret, resource: resource, every: duration("\(base).every"),
                overlap: duration("\(base).overlap") ?? .seconds(60), endpoint: text("\(base).endpoint") ?? "https://management.azure.com",
                authority: text("\(base).authority") ?? "https://login.microsoftonline.com", tenant: tenant, clientID: client,
                clientSecret: clientSecret.map { SecretText($0) }, federatedTokenFile: file,
                scope: text("\(base).scope") ?? "https://management.azure.com/.default", authoritiesFile: text("\(base).caFile"))
        }
    }
}
