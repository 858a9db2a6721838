import ArgumentParser
import Foundation
import SallyportCore
import SallyportServer
import SallyportStorage
import SallyportVault

/// Where the data lies: what every command that works on stored data takes.
struct StoreOptions: ParsableArguments {
    @Option(help: "The configuration file; its data directory is used.") var config: String?
    @Option(help: "The data directory, instead of the configuration's.") var data: String?

    func directory() throws -> String {
        if let data { return data }
        guard let config else { throw ValidationError("Say where the data is: --config FILE or --data DIR.") }
        return try StoreOptions.dataDirectory(config: config)
    }

    static func dataDirectory(config: String) throws -> String { try LoadedConfiguration.required(config).dataDirectory }
    static func auditDirectory(config: String) throws -> String { try dataDirectory(config: config) + "/audit" }

    /// How the guards run; without a configuration as they do by default.
    func learned() throws -> ServerPlan.Learned {
        try config.map { try LoadedConfiguration.required($0).plan.learned } ?? ServerPlan.Learned()
    }

    /// How documents are labelled; without a configuration as they are by default.
    func labels() throws -> ServerPlan.Labels {
        try config.map { try LoadedConfiguration.required($0).plan.labels } ?? ServerPlan.Labels()
    }

    /// The database, with the vault that seals what is stored in it.
    func database() throws -> SQLiteDatabase { try opened().database }

    func opened() throws -> (database: SQLiteDatabase, vault: Vault) {
        let (database, open) = try openedVault()
        return (database, open.vault)
    }

    func openedVault() throws -> (database: SQLiteDatabase, open: OpenVault) {
        let directory = try directory()
        let database = try SQLiteDatabase(.file(directory + "/sallyport.sqlite"))
        let settings = try config.map { try LoadedConfiguration.required($0).plan.vault } ?? VaultSettings()
        do {
            return (database, try VaultParts.open(settings, dataDirectory: directory, database: database))
        } catch let fault as Fault { throw ValidationError(fault.message + " " + VaultParts.reason(of: fault)) }
    }
    /// Without the database: its configuration may need the very secret that is put here.
    func secrets() throws -> SQLSecretStore {
        let settings = try config.map { try LoadedConfiguration.required($0).plan.vault } ?? VaultSettings()
        do { return try VaultParts.secretStore(settings, dataDirectory: directory()) } catch let fault as Fault {
            throw ValidationError(fault.message + " " + VaultParts.reason(of: fault))
        }
    }

    /// Where keys, roles and people are kept. Those of another gateway (`data.identity`) can be looked at; changes are refused, since who may change
    /// what, and what takes two people, stands in its configuration and its log.
    func identity() throws -> IdentitySource {
        try identitySource().map(IdentitySource.init(borrowingFrom:)) ?? IdentitySource(own: database())
    }

    /// The data directory of the gateway that keeps them; nil: this one. A directory that is named apart from a configuration says it itself.
    func identitySource() throws -> String? {
        let named = try config.flatMap { try LoadedConfiguration.required($0).plan.identityDirectory }
        if named != nil || (config != nil && data == nil) { return named }
        return IdentityMarker.source(in: try directory())
    }

    func keyStore() throws -> any KeyStore { SQLKeyStore(try identity().database) }

    /// Puts an act on record, then does it; a failure goes on record too.
    func act<R>(_ operation: String, target: String, result: (R) -> String? = { _ in nil }, _ work: (any KeyStore) throws -> R) throws -> R
    {
        let store = try keyStore()
        return try recorded(operation, target: target, result: result) { try work(store) }
    }

    /// - Parameter result: what came of it (an id), for a second record.
    func recorded<R>(
        _ operation: String, target: String, details: [(name: String, value: String)] = [], result: (R) -> String? = { _ in nil },
        _ work: () throws -> R
    ) throws -> R {
        let outbox = AdministrationOutbox(dataDirectory: try directory())
        try outbox.record(operation, target: target, details: details)
        do {
            let done = try work()
            if let made = result(done) { try outbox.record(operation, target: target, details: [(name: "made", value: made)]) }
            return done
        } catch {
            try outbox.record(operation, target: target, details: [(name: "result", value: "failed")])
            if let fault = error as? Fault { throw ValidationError(fault.message) }
            throw error
        }
    }
}
