import ArgumentParser
import Foundation
import SallyportCore
import SallyportServer

/// How the two commands find what they need.
private enum Place {
    static func settings(_ config: String?) throws -> VaultSettings {
        try config.map { try LoadedConfiguration.required($0).plan.vault } ?? VaultSettings()
    }

    static func explaining<R>(_ work: () throws -> R) throws -> R {
        do { return try work() } catch let mistake as Backup.Mistake { throw ValidationError(mistake.description + ".") } catch let fault
            as Fault
        { throw ValidationError(LoadedConfiguration.explain(fault)) }
    }

    static func words(_ report: Backup.Report) -> String {
        "\(report.files) files, \(report.bytes) bytes, \(report.records) audit records, \(report.values) sealed values open"
            + (report.erased > 0 ? ", \(report.erased) are erased" : "")
    }
}

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy what is kept, beside a running gateway, and verify the copy.",
        discussion:
            "What is sealed stays sealed. The key-encryption key is not part of a backup: keep it apart, or the backup can be read by whoever finds it, or by nobody."
    )
    @OptionGroup var store: StoreOptions
    @Option(name: .customLong("to"), help: "The folder to make.") var target: String?
    @Option(help: "Verify this backup instead of making one.") var verify: String?
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let settings = try Place.settings(store.config)
        let directory = try store.directory()
        let report: Backup.Report
        if let verify {
            report = try Place.explaining { try Backup.verify(settings, dataDirectory: directory, verify) }
        } else {
            guard let target else { throw ValidationError("Say where to: --to FOLDER.") }
            report = try store.recorded("backup", target: target) {
                try Place.explaining { try Backup.make(settings, dataDirectory: directory, to: target) }
            }
        }
        print(json ? try VaultCommand.json(report) : "\(verify == nil ? "made and verified" : "verified"): \(Place.words(report))")
        if !json, let source = try store.identitySource() {
            print("note: keys, roles and people are not in it: back up the gateway of \(source) too.")
        }
    }
}

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a backup into an empty data directory, verified; who was erased since is erased again.")
    @Argument(help: "The backup's folder.") var backup: String
    @Option(name: .customLong("to"), help: "The data directory: missing or empty.") var target: String
    @Option(help: "The configuration, for where the key-encryption key is.") var config: String?
    @Option(help: "For the provider `file`: the folder of the key files.") var keys: String?
    @Option(help: "What `sallyport vault tombstones` printed last.") var tombstones: String?
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let stones = try tombstones.map { path in
            guard let data = FileManager.default.contents(atPath: path),
                let stones = try? JSONDecoder().decode([VaultTombstone].self, from: data)
            else { throw ValidationError("\(path) is not what `sallyport vault tombstones` prints.") }
            return stones
        }
        let settings = try Place.settings(config)
        let (report, erased) = try Place.explaining {
            try Backup.restore(settings, from: backup, to: target, keys: keys, tombstones: stones ?? [])
        }
        try AdministrationOutbox(dataDirectory: target).record(
            "restore", target: backup, details: [(name: "erased-again", value: "\(erased)")])
        if json {
            print(try VaultCommand.json(report))
        } else {
            print("restored and verified: \(Place.words(report)); \(erased) subjects were erased again")
            if let source = try config.map({ try LoadedConfiguration.required($0) })?.plan.identityDirectory {
                print("note: keys, roles and people are those of the gateway of \(source).")
            }
            if stones == nil { print("note: without --tombstones whoever was erased after the backup was made is back.") }
        }
    }
}
