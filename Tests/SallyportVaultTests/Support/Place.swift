import Foundation
import NIOConcurrencyHelpers
import SallyportCore
import SallyportStorage
import SallyportVault

/// A folder with a vault and a database, as a gateway has them; removed with the object.
final class Place: Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("vault-\(UUID().uuidString)").path
    let time = NIOLockedValueBox<Int64>(1_800_000_000)

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func vault(_ provider: (any KeyProvider)? = nil, others: [any KeyProvider] = [], mode: Vault.Mode = .on, passphrase: String? = nil)
        throws -> Vault
    {
        let keys = try SQLiteDatabase(.file(path + "/vault.sqlite"), configuration: .init(content: .vault))
        let memory = LockedMemory()
        var configuration = Vault.Configuration()
        configuration.mode = mode
        configuration.offlineGrace = .seconds(60)
        return Vault(
            store: SQLVaultKeyStore(keys), provider: provider ?? files(passphrase: passphrase, memory), others: others,
            configuration: configuration, memory: memory
        ) { [time] in time.withLockedValue { $0 } }
    }

    func files(passphrase: String? = nil, _ memory: LockedMemory = LockedMemory()) -> FileKeyProvider {
        FileKeyProvider(directory: path + "/keys", passphrase: passphrase.map { Redacted($0) }, memory: memory)
    }

    func database(_ vault: Vault) throws -> SQLiteDatabase {
        let database = try SQLiteDatabase(.file(path + "/sallyport.sqlite"))
        database.attach(vault)
        return database
    }

    /// Whether these bytes stand anywhere in the folder.
    func holds(_ marker: String) throws -> Bool {
        let needle = Data(marker.utf8)
        guard let files = FileManager.default.enumerator(atPath: path) else { return false }
        for case let name as String in files {
            if let content = FileManager.default.contents(atPath: path + "/" + name), content.range(of: needle) != nil { return true }
        }
        return false
    }
}

/// A provider whose moods are given.
final class MoodyProvider: KeyProvider {
    enum Mood: Sendable { case well, revoked, unreachable }
    let name = "moody"
    let isApart = true
    let mood = NIOLockedValueBox(Mood.well)
    let calls = NIOLockedValueBox(0)
    private let version = NIOLockedValueBox(1)

    private func check() throws {
        calls.withLockedValue { $0 += 1 }
        switch mood.withLockedValue({ $0 }) {
        case .well: break
        case .revoked: throw SealError.revoked("the key was disabled")
        case .unreachable: throw SealError.unavailable("no route")
        }
    }

    func wrap(_ key: [UInt8], binding: [String: String]) throws -> WrappedKey {
        try check()
        return WrappedKey(key: "k", version: try newestVersion(), bytes: key.map { $0 ^ 0x5A })
    }
    func unwrap(_ wrapped: WrappedKey, binding: [String: String]) throws -> [UInt8] {
        try check()
        return wrapped.bytes.map { $0 ^ 0x5A }
    }
    func newestVersion() throws -> String { "\(version.withLockedValue { $0 })" }
    func makeVersion() throws -> String {
        version.withLockedValue { $0 += 1 }
        return try newestVersion()
    }
}

extension Error { var sealError: SealError? { (self as? Fault)?.cause as? SealError } }
