import CProcess
import Foundation
import SallyportCore
import SallyportEgress
import SallyportStorage
import SallyportVault

/// A vault in use, and the secrets in it.
package struct OpenVault: Sendable {
    package let vault: Vault
    package let secrets: SQLSecretStore

    package func resealing(_ database: SQLiteDatabase) -> Resealing { Resealing(database, vault, secrets) }
}

/// Puts the vault together and gives it to the database of the data.
package enum VaultParts {
    /// Opens `vault.sqlite` beside the database, takes over subjects' keys from before there was a vault, and seals what still lies in the
    /// clear. The provider is asked for nothing that is not needed. Blocks.
    package static func open(_ settings: VaultSettings, dataDirectory: String, database: SQLiteDatabase) throws -> OpenVault {
        let (vault, keys) = try make(settings, dataDirectory: dataDirectory)
        database.attach(vault)
        try adoptSubjectKeys(database, vault)
        try sealClearData(database, vault)
        return OpenVault(vault: vault, secrets: SQLSecretStore(keys, sealer: vault))
    }

    private static func make(_ settings: VaultSettings, dataDirectory: String) throws -> (vault: Vault, keys: SQLiteDatabase) {
        keepOutOfDumps()
        let keys = try SQLiteDatabase(.file(dataDirectory + "/vault.sqlite"), configuration: .init(readers: 2, content: .vault))
        let memory = LockedMemory()
        let providers = try providers(settings, dataDirectory: dataDirectory, memory)
        guard let provider = providers[settings.provider] else { throw Fault.sealing(.unavailable("the provider is not configured")) }
        var configuration = Vault.Configuration()
        configuration.mode = settings.mode
        configuration.offlineGrace = settings.offlineGrace
        let vault = Vault(
            store: SQLVaultKeyStore(keys), provider: provider, others: providers.filter { $0.key != settings.provider }.map(\.value),
            configuration: configuration, memory: memory
        ) { ServerProcess.wallTime().seconds }
        return (vault, keys)
    }

    /// The vault's secrets, for the configuration and for those who change them.
    package static func secretStore(_ settings: VaultSettings, dataDirectory: String) throws -> SQLSecretStore {
        let (vault, keys) = try make(settings, dataDirectory: dataDirectory)
        return SQLSecretStore(keys, sealer: vault)
    }

    /// Those of these names that there are, none where there is no vault yet, and the revision that they are of at least.
    static func secrets(
        _ names: Set<String>, _ settings: VaultSettings, dataDirectory: String
    ) throws -> (secrets: [String: String], revision: Int64) {
        guard FileManager.default.fileExists(atPath: dataDirectory + "/vault.sqlite") else { return ([:], 0) }
        let store = try secretStore(settings, dataDirectory: dataDirectory)
        // Before the secrets: what changes meanwhile is found by the first look at the revision.
        let revision = try store.revision()
        let secrets = try names.reduce(into: [:]) { found, name in found[name] = try store.secret(name, of: .default)?.value.reveal() }
        return (secrets, revision)
    }

    /// Every provider that is configured: what another one than today's has wrapped is unwrapped there. Files can always be read.
    private static func providers(_ settings: VaultSettings, dataDirectory: String, _ memory: LockedMemory) throws -> [VaultSettings
        .Provider: any KeyProvider]
    {
        var providers: [VaultSettings.Provider: any KeyProvider] = [:]
        providers[.file] = FileKeyProvider(
            directory: settings.keyDirectory ?? dataDirectory + "/keys", passphrase: settings.passphrase.map { Redacted($0.reveal()) },
            isElsewhere: settings.keyDirectory != nil, memory: memory)
        if let hsm = settings.pkcs11 {
            do {
                providers[.pkcs11] = try PKCS11KeyProvider(
                    module: hsm.module, token: hsm.token, pin: Redacted(hsm.pin.reveal()), key: hsm.key)
            } catch let error as SealError {
                // One that is only there to unwrap what it once wrapped may be gone.
                if settings.provider == .pkcs11 { throw Fault.sealing(error) }
            }
        }
        if let aws = settings.aws {
            let credentials = AWSKeyProvider.Credentials(
                accessKeyID: aws.accessKeyID, secretAccessKey: aws.secretAccessKey.reveal(), sessionToken: aws.sessionToken?.reveal())
            providers[.aws] = AWSKeyProvider(
                transport: try KeyServiceClient(endpoint: aws.endpoint, credential: .none, authoritiesFile: aws.authoritiesFile),
                key: aws.key, region: aws.region, clock: { ServerProcess.wallTime().seconds }, credentials: { credentials })
        }
        if let azure = settings.azure {
            let credential = EntraCredential(
                authority: try EndpointURL(parsing: azure.authority), tenant: azure.tenant, clientID: azure.clientID,
                clientSecret: Redacted(azure.clientSecret?.reveal() ?? ""), federatedTokenFile: azure.federatedTokenFile,
                scope: azure.scope, egress: EgressPolicy(allowPrivate: true), tls: UpstreamTLS(authoritiesFile: azure.authoritiesFile))
            providers[.azure] = AzureKeyProvider(
                transport: try KeyServiceClient(
                    endpoint: azure.url, credential: .entra(credential), authoritiesFile: azure.authoritiesFile), key: azure.key,
                algorithm: azure.algorithm)
        }
        return providers
    }

    /// What the operator should know of a fault of the vault.
    package static func reason(of fault: Fault) -> String { (fault.cause as? SealError).map { "(\(words($0)))" } ?? "" }

    package static func words(_ error: SealError) -> String {
        switch error {
        case .destroyed: "destroyed"
        case .revoked(let why): "revoked: \(why)"
        case .unavailable(let why): "unavailable: \(why)"
        case .damaged(let why): "damaged: \(why)"
        case .closed: "closed"
        }
    }

    /// Whether the audit log's signing key is sealed under another than the newest key.
    package static func isSigningKeyOutdated(in dataDirectory: String, _ vault: Vault) throws -> Bool {
        guard let content = FileManager.default.contents(atPath: dataDirectory + "/audit/signing-key") else { return false }
        let text = String(decoding: content, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return try vault.isOutdated(SealedText.decode(text) ?? Array(text.utf8), for: SealContext.auditSigningKey)
    }

    /// No core dumps, and no other process of the same user may read this one's memory.
    package static func keepOutOfDumps() { _ = process_keep_out_of_dumps() }

    /// Keys of subjects lay in the data's own database once.
    private static func adoptSubjectKeys(_ database: SQLiteDatabase, _ vault: Vault) throws {
        let old = SQLSubjectKeyStore(database)
        let entries = try old.all()
        guard !entries.isEmpty else { return }
        for entry in entries { try vault.adopt(entry.secret, forSubject: entry.subject, tenant: entry.tenant) }
        try old.removeAll()
    }

    /// Data from before there was a vault, or from when encryption was switched off. Once: what is found in the clear later is refused.
    private static func sealClearData(_ database: SQLiteDatabase, _ vault: Vault) throws {
        let places = try vault.store.sealedPlaces()
        guard vault.mode == .on else {
            if !places.isEmpty { try vault.store.setSealedPlaces([]) }
            return
        }
        let wanted = Set(SealedColumn.all.map(\.place))
        guard !wanted.isSubset(of: places) else { return }
        let sweep = SealingSweep(database, adoptsClear: true, only: wanted.subtracting(places))
        var position = SealingSweep.Position()
        var changed = 0
        while !position.isAtEnd {
            let step = try sweep.step(position, limit: 200)
            changed += step.changed
            position = step.next
        }
        if changed > 0 { try database.scrubDeleted() }
        try vault.store.setSealedPlaces(wanted)
    }
}
