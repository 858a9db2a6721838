extension ConfigurationKey {
    /// Encryption of what is stored.
    static let vault: [ConfigurationKey] = [
        .init(
            "vault.encryption", .choice(["on", "off"]), "on",
            "`off`: what is stored from now on lies in the clear; what was sealed before can still be read."),
        .init(
            "vault.provider", .choice(["file", "pkcs11", "aws-kms", "azure-key-vault"]), "file",
            "Who holds the key-encryption key. After a change: `sallyport vault rewrap`, with the old provider's settings still there."),
        .init(
            "vault.offlineGrace", .duration, "15m",
            "How long keys in memory are used while the provider cannot be reached. A key that it says is revoked stops everything within a minute."
        ),
        .init("vault.file.directory", .path, "`keys` in the data directory", "Where the key files (0600) lie; better not beside the data."),
        .init(
            "vault.file.passphrase", .secret, "",
            "The key files are encrypted under it (scrypt). Without one whoever reads the whole data directory can read the data."),
        .init("vault.file.passphraseFile", .path, "", "Instead: a file that holds it."),
        .init(
            "vault.file.credential", .text, "",
            "Instead: a systemd credential (`LoadCredential=`), by its name in `$CREDENTIALS_DIRECTORY`."),
        .init(
            "vault.confirmInterval", .duration, "15s",
            "How often the provider is asked whether it still gives the keys out; a minute at most."),
        .init("vault.pkcs11.module", .path, "", "The library of the hardware module. Needed, as are token and PIN."),
        .init("vault.pkcs11.token", .text, "", "The token's label."), .init("vault.pkcs11.pin", .secret, "", "The user's PIN."),
        .init("vault.pkcs11.key", .text, "sallyport-kek", "What the labels of its AES-256 keys begin with; `-1` and so on follow."),
        .init("vault.awsKms.key", .text, "", "Id, ARN or `alias/NAME` of a symmetric key. Needed."),
        .init("vault.awsKms.region", .text, "", "Its region. Needed."),
        .init("vault.awsKms.endpoint", .url, "`https://kms.REGION.amazonaws.com`", "Another endpoint: of a VPC, for example."),
        .init("vault.awsKms.accessKeyId", .secret, "", "Needed, as is the secret."),
        .init("vault.awsKms.secretAccessKey", .secret, "", "The secret access key."),
        .init("vault.awsKms.sessionToken", .secret, "", "For temporary credentials."),
        .init("vault.awsKms.caFile", .path, "", "Certificate authorities to trust instead of the system's."),
        .init("vault.azureKeyVault.url", .url, "", "`https://NAME.vault.azure.net`, or a managed HSM's. Needed."),
        .init("vault.azureKeyVault.key", .text, "", "The key's name. Needed."),
        .init(
            "vault.azureKeyVault.algorithm", .choice(["RSA-OAEP-256", "A256KW"]), "RSA-OAEP-256",
            "`A256KW` for the symmetric keys of a managed HSM."),
        .init("vault.azureKeyVault.tenant", .text, "", "The directory of the application that may wrap and unwrap. Needed."),
        .init("vault.azureKeyVault.clientId", .text, "", "The application. Needed."),
        .init("vault.azureKeyVault.clientSecret", .secret, "", "Its secret; this or a federated token."),
        .init("vault.azureKeyVault.federatedTokenFile", .path, "", "For workload identity: the file with the workload's token."),
        .init("vault.azureKeyVault.scope", .text, "https://vault.azure.net/.default", "The token's scope."),
        .init("vault.azureKeyVault.authority", .url, "https://login.microsoftonline.com", "The token service."),
        .init("vault.azureKeyVault.caFile", .path, "", "Certificate authorities to trust instead of the system's."),
    ]

    /// The two keys of a provider's account, changed one after the other.
    static let keyRotation: [ConfigurationKey] = [
        .init(
            "upstreams.*.keyRotation.resource", .requestPath, "",
            "The account at the provider: `/subscriptions/ID/resourceGroups/NAME/providers/Microsoft.CognitiveServices/accounts/NAME`. Needed, and `apiKey` must be `vault:NAME`."
        ),
        .init(
            "upstreams.*.keyRotation.every", .duration, "", "Rotate both keys so often; without it only by `sallyport upstreams rotate`."),
        .init(
            "upstreams.*.keyRotation.overlap", .duration, "60s",
            "How long the old key stays good at the least; by schedule also until the gateway sends the new one."),
        .init("upstreams.*.keyRotation.endpoint", .url, "https://management.azure.com", "The resource manager."),
        .init("upstreams.*.keyRotation.tenant", .text, "", "The directory of the application that may regenerate keys. Needed."),
        .init("upstreams.*.keyRotation.clientId", .text, "", "The application. Needed."),
        .init("upstreams.*.keyRotation.clientSecret", .secret, "", "Its secret; this or a federated token."),
        .init("upstreams.*.keyRotation.federatedTokenFile", .path, "", "The file with the workload's token."),
        .init("upstreams.*.keyRotation.scope", .text, "https://management.azure.com/.default", "The token's scope."),
        .init("upstreams.*.keyRotation.authority", .url, "https://login.microsoftonline.com", "The token service."),
        .init("upstreams.*.keyRotation.caFile", .path, "", "Certificate authorities to trust instead of the system's."),
    ]
}
