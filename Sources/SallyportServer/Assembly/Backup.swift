import Crypto
import Foundation
import SallyportCore
import SallyportOversight
import SallyportStorage
import SallyportVault

/// Copies of what is kept: the databases, the audit log, administrative acts that wait. What is sealed stays sealed; the key-encryption key
/// is never part of one.
package enum Backup {
    package struct Mistake: Error, CustomStringConvertible { package let description: String }

    package struct Manifest: Codable, Sendable {
        package struct File: Codable, Sendable, Hashable {
            package let path: String
            package let bytes: Int
            package let sha256: String
        }
        package var format = 1
        package var product: String
        /// Seconds since 1970.
        package var createdAt: Int64
        package var files: [File]
        /// HMAC over the list, under a key of the vault's: nobody else makes a backup that is taken for ours.
        package var code: String
    }

    /// What verifying a backup found.
    package struct Report: Codable, Sendable {
        package var files = 0
        package var bytes = 0
        package var records: UInt64 = 0
        /// Sealed values that opened.
        package var values = 0
        package var tenants = 0
        /// Values whose key was destroyed: erased before the backup was made.
        package var erased = 0
    }

    private static let manifestName = "manifest.json"
    private static let databases = ["sallyport.sqlite", "vault.sqlite"]

    // MARK: Making

    /// Makes a backup beside a running gateway. The folder must not exist.
    package static func make(_ settings: VaultSettings, dataDirectory: String, to folder: String) throws -> Report {
        guard FileManager.default.fileExists(atPath: dataDirectory + "/sallyport.sqlite") else {
            throw Mistake(description: "\(dataDirectory) holds no data of Sallyport")
        }
        guard !FileManager.default.fileExists(atPath: folder) else { throw Mistake(description: "\(folder) exists already") }
        let database = try SQLiteDatabase(.file(dataDirectory + "/sallyport.sqlite"))
        let open = try VaultParts.open(settings, dataDirectory: dataDirectory, database: database)
        let unfinished = folder + ".unfinished"
        try? FileManager.default.removeItem(atPath: unfinished)
        try makeFolder(unfinished)
        do {
            // The key that the list is signed with is made when it is first asked for, and must be in the copy.
            _ = try code(Manifest(product: "", createdAt: 0, files: [], code: ""), open.vault)
            // The data before the keys: every value in the copy has its key in the copy, unless it was destroyed between the two.
            try database.copy(to: unfinished + "/sallyport.sqlite")
            try SQLiteDatabase(.file(dataDirectory + "/vault.sqlite"), configuration: .init(content: .vault)).copy(
                to: unfinished + "/vault.sqlite")
            try copyLog(from: dataDirectory + "/audit", to: unfinished + "/audit")
            try copyTree(from: dataDirectory + "/outbox", to: unfinished + "/outbox") { $0.hasSuffix(".json") }
            var manifest = Manifest(
                product: ServerPlan.version, createdAt: ServerProcess.wallTime().seconds, files: try list(unfinished), code: "")
            manifest.code = try code(manifest, open.vault)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            try write(Array(try encoder.encode(manifest)), to: unfinished + "/" + manifestName)
            let report = try verify(settings, dataDirectory: dataDirectory, unfinished)
            guard rename(unfinished, folder) == 0 else { throw Mistake(description: "\(folder) cannot be made") }
            return report
        } catch {
            try? FileManager.default.removeItem(atPath: unfinished)
            throw error
        }
    }

    /// The checkpoint first, then the tiles: whatever is copied later holds all that is signed, and all records that a tile stands for.
    private static func copyLog(from source: String, to target: String) throws {
        guard FileManager.default.fileExists(atPath: source) else { return }
        try makeFolder(target)
        for name in ["checkpoint", "checkpoints.log", "verifier.vkey", "signing-key"] {
            let path = source + "/" + name
            if let content = FileManager.default.contents(atPath: path) { try write(Array(content), to: target + "/" + name) }
        }
        try copyTree(from: source + "/tile", to: target + "/tile") { !$0.hasSuffix(".new") }
        try makeFolder(target + "/segments")
        // In their order, those that there are now: one that is begun meanwhile must not come without the end of the one before.
        for name in try FileManager.default.contentsOfDirectory(atPath: source + "/segments").sorted() {
            try copyFile(from: source + "/segments/" + name, to: target + "/segments/" + name, isSegment: true)
        }
    }

    private static func copyTree(from source: String, to target: String, where isWanted: (String) -> Bool) throws {
        guard let names = FileManager.default.enumerator(atPath: source) else { return }
        try makeFolder(target)
        for case let name as String in names {
            let path = source + "/" + name
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { continue }
            if isDirectory.boolValue {
                try makeFolder(target + "/" + name)
            } else if isWanted(name) {
                try copyFile(from: path, to: target + "/" + name)
            }
        }
    }

    /// - Parameter isSegment: reading ends at the first zero byte: reserved space, into which records are written while it is read.
    private static func copyFile(from source: String, to target: String, isSegment: Bool = false) throws {
        let input = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        // What went away between the listing and now (an act that was taken into the log) needs no copy.
        if input < 0, errno == ENOENT { return }
        guard input >= 0 else { throw Mistake(description: "\(source) cannot be read") }
        defer { close(input) }
        let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard output >= 0 else { throw Mistake(description: "\(target) cannot be made") }
        defer { close(output) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let found = read(input, &buffer, buffer.count)
            guard found >= 0 else { throw Mistake(description: "\(source) cannot be read") }
            let count = isSegment ? buffer[..<found].firstIndex(of: 0) ?? found : found
            if found == 0 { break }
            var done = 0
            while done < count {
                let written = buffer.withUnsafeBytes { writeOnce(output, $0.baseAddress.map { $0 + done }, count - done) }
                guard written > 0 else { throw Mistake(description: "\(target) cannot be written") }
                done += written
            }
            if count < found { break }
        }
        guard fsync(output) == 0 else { throw Mistake(description: "\(target) cannot be written") }
    }

    private static func writeOnce(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        Foundation.write(descriptor, bytes, count)
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let output = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard output >= 0 else { throw Mistake(description: "\(path) cannot be made") }
        defer { close(output) }
        let isWritten = bytes.withUnsafeBytes { writeOnce(output, $0.baseAddress, $0.count) } == bytes.count
        guard isWritten, fsync(output) == 0 else { throw Mistake(description: "\(path) cannot be written") }
    }

    private static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw Mistake(description: "\(path) cannot be made") }
    }

    private static func list(_ folder: String) throws -> [Manifest.File] {
        var files: [Manifest.File] = []
        guard let names = FileManager.default.enumerator(atPath: folder) else { return [] }
        for case let name as String in names where name != manifestName {
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: folder + "/" + name, isDirectory: &isDirectory), !isDirectory.boolValue else {
                continue
            }
            files.append(try entry(name, in: folder))
        }
        return files.sorted { $0.path < $1.path }
    }

    private static func entry(_ name: String, in folder: String) throws -> Manifest.File {
        guard let handle = FileHandle(forReadingAtPath: folder + "/" + name) else { throw Mistake(description: "\(name) cannot be read") }
        defer { try? handle.close() }
        var hash = SHA256()
        var bytes = 0
        while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
            hash.update(data: piece)
            bytes += piece.count
        }
        return Manifest.File(
            path: name, bytes: bytes, sha256: Hex.encode(hash.finalize()))
    }

    private static func code(_ manifest: Manifest, _ vault: Vault) throws -> String {
        let lines =
            ["\(manifest.format)", manifest.product, "\(manifest.createdAt)"] + manifest.files.map { "\($0.sha256) \($0.bytes) \($0.path)" }
        return Base64.encode(
            try vault.fingerprint(Array(lines.joined(separator: "\n").utf8), of: .default, purpose: "backup-manifest"), alphabet: .urlSafe)
    }

    // MARK: Verifying

    /// Every file as the manifest says, the databases sound, the audit log intact, every sealed value opens under its key.
    /// - Parameter dataDirectory: where the key files of the provider `file` are looked for (`keys`), unless they lie elsewhere.
    package static func verify(_ settings: VaultSettings, dataDirectory: String, _ folder: String) throws -> Report {
        let manifest = try manifest(of: folder)
        guard try list(folder) == manifest.files else { throw Mistake(description: "\(folder) does not hold what its manifest says") }
        // Opened as a copy: a backup is never changed by being looked at.
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("sallyport-verify-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try makeFolder(copy)
        for name in databases { try copyFile(from: folder + "/" + name, to: copy + "/" + name) }
        var report = try check(settings.keeping(keysOf: dataDirectory), copy, manifest)
        report.files = manifest.files.count
        report.bytes = manifest.files.reduce(0) { $0 + $1.bytes }
        report.records = try checkLog(folder + "/audit")
        return report
    }

    private static func manifest(of folder: String) throws -> Manifest {
        guard let data = FileManager.default.contents(atPath: folder + "/" + manifestName),
            let manifest = try? JSONDecoder().decode(Manifest.self, from: data)
        else { throw Mistake(description: "\(folder) is no backup: it has no manifest") }
        guard manifest.format == 1 else { throw Mistake(description: "\(folder) was made by a newer version") }
        for file in manifest.files where file.path.hasPrefix("/") || file.path.split(separator: "/").contains("..") {
            throw Mistake(description: "the manifest of \(folder) names files outside of it")
        }
        return manifest
    }

    /// Opens the databases of a folder and every value in them.
    private static func check(_ settings: VaultSettings, _ directory: String, _ manifest: Manifest) throws -> Report {
        let database = try SQLiteDatabase(.file(directory + "/sallyport.sqlite"))
        let open = try VaultParts.open(settings, dataDirectory: directory, database: database)
        if let locked = open.vault.confirm() { throw Fault.sealing(locked) }
        guard try code(manifest, open.vault) == manifest.code else {
            throw Mistake(description: "the manifest was not made by this installation's vault")
        }
        var report = Report()
        report.tenants = Set(try open.vault.store.tenantKeys().map(\.tenant)).count
        let sweep = SealingSweep(database, adoptsClear: false)
        var position = SealingSweep.Position()
        var unreadable = 0
        while !position.isAtEnd {
            let step = try sweep.check(position, limit: 200)
            report.values += step.seen - step.unreadable - step.erased
            report.erased += step.erased
            unreadable += step.unreadable
            position = step.next
        }
        guard unreadable == 0 || settings.mode == .off else { throw Mistake(description: "\(unreadable) sealed values do not open") }
        return report
    }

    private static func checkLog(_ folder: String) throws -> UInt64 {
        guard FileManager.default.fileExists(atPath: folder) else { return 0 }
        let log = try AuditVerifier.verify(directory: folder)
        guard log.isIntact else {
            let first = log.problems.first.map { "\($0.file): \($0.reason)" } ?? ""
            throw Mistake(description: "the audit log of the backup is not intact: \(first)")
        }
        return log.records
    }

    // MARK: Restoring

    /// Verifies a backup, puts it into an empty folder and erases again whom the tombstones name.
    /// - Parameters:
    ///   - keys: where the key files of the provider `file` are; copied into the folder unless the configuration says where they lie.
    ///   - tombstones: of those who were erased after the backup was made.
    package static func restore(
        _ settings: VaultSettings, from folder: String, to directory: String, keys: String?, tombstones: [VaultTombstone]
    ) throws -> (report: Report, erased: Int) {
        if let names = try? FileManager.default.contentsOfDirectory(atPath: directory), !names.isEmpty {
            throw Mistake(description: "\(directory) is not empty: a restore never overwrites anything")
        }
        let manifest = try manifest(of: folder)
        guard try list(folder) == manifest.files else { throw Mistake(description: "\(folder) does not hold what its manifest says") }
        let keyFiles: [String]
        if let keys, settings.keyDirectory == nil {
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: keys) else {
                throw Mistake(description: "the folder of key files \(keys) cannot be read")
            }
            keyFiles = names.filter { $0.hasSuffix(".key") }.map { keys + "/" + $0 }
            guard !keyFiles.isEmpty else { throw Mistake(description: "there are no key files (*.key) in \(keys)") }
        } else {
            keyFiles = []
        }
        _ = try checkLog(folder + "/audit")
        try makeFolder(directory)
        do {
            for file in manifest.files {
                try makeFolder((directory + "/" + file.path as NSString).deletingLastPathComponent)
                try copyFile(from: folder + "/" + file.path, to: directory + "/" + file.path)
            }
            if !keyFiles.isEmpty {
                try makeFolder(directory + "/keys")
                for file in keyFiles { try copyFile(from: file, to: directory + "/keys/" + (file as NSString).lastPathComponent) }
            }
            var report = try check(settings, directory, manifest)
            report.files = manifest.files.count
            report.bytes = manifest.files.reduce(0) { $0 + $1.bytes }
            report.records = try checkLog(directory + "/audit")
            let database = try SQLiteDatabase(.file(directory + "/sallyport.sqlite"))
            let open = try VaultParts.open(settings, dataDirectory: directory, database: database)
            try open.vault.store.add(tombstones)
            let erased = try open.vault.replay(try open.vault.store.tombstones())
            return (report, erased)
        } catch {
            // Half a restore is none.
            try? FileManager.default.removeItem(atPath: directory)
            if error is Fault, keyFiles.isEmpty, settings.provider == .file, settings.keyDirectory == nil {
                throw Mistake(
                    description: "the key files are not part of a backup: give the folder that they are kept in (keys/*.key) with --keys")
            }
            throw error
        }
    }
}

extension VaultSettings {
    /// The same, with the key files where they lie now although the data is looked at elsewhere.
    fileprivate func keeping(keysOf dataDirectory: String) -> VaultSettings {
        var settings = self
        settings.keyDirectory = keyDirectory ?? dataDirectory + "/keys"
        return settings
    }
}
