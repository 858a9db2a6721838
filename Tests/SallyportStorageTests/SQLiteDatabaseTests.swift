import Foundation
import GRDB
import SallyportCore
import Testing

@testable import SallyportStorage

@Suite final class SQLiteDatabaseTests {
    private let folder = NSTemporaryDirectory() + "sallyport-test-\(UUID().uuidString)"
    deinit { try? FileManager.default.removeItem(atPath: folder) }
    private var path: String { folder + "/data/sallyport.sqlite" }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func key(_ id: KeyID, _ byte: UInt8) -> KeyRecord {
        KeyRecord(id: id, principal: "p", name: "n", secretHash: Array(repeating: byte, count: 32), createdAt: 1)
    }

    @Test func makesFilesThatOnlyTheOwnerCanRead() throws {
        let database = try SQLiteDatabase(.file(path))
        try SQLKeyStore(database).insert(key("a", 1))
        #expect(try mode(folder + "/data") == 0o700)
        for suffix in ["", "-wal", "-shm"] { #expect(try mode(path + suffix) == 0o600) }
    }

    @Test func takesOthersRightsFromAnExistingFile() throws {
        do { try SQLiteDatabase(.file(path)).close() }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        _ = try SQLiteDatabase(.file(path))
        #expect(try mode(path) == 0o600)
    }

    @Test func syncsEveryCommitAndChecksForeignKeys() throws {
        let database = try SQLiteDatabase(.file(path))
        func pragma(_ name: String) throws -> SQLValue? {
            try database.write { try $0.rows("PRAGMA \(name)", []).first?.values.first }
        }
        #expect(try pragma("synchronous") == .integer(2))
        #expect(try pragma("journal_mode") == .text("wal"))
        #expect(try pragma("foreign_keys") == .integer(1))
        #expect(try pragma("secure_delete") == .integer(1))
        #expect(try pragma("trusted_schema") == .integer(0))
    }

    @Test func keepsEverythingOverAReopening() throws {
        do {
            let database = try SQLiteDatabase(.file(path))
            try SQLKeyStore(database).insert(key("a", 1))
            try database.close()
        }
        #expect(try SQLKeyStore(try SQLiteDatabase(.file(path))).allKeys() == [key("a", 1)])
    }

    @Test func showsAnotherConnectionsChangeByItsRevision() throws {
        let server = SQLKeyStore(try SQLiteDatabase(.file(path)))
        let commandLine = SQLKeyStore(try SQLiteDatabase(.file(path)))
        let before = try server.revision()
        try commandLine.insert(key("a", 1))
        #expect(try server.revision() == before + 1)
        #expect(try server.allKeys().map(\.id) == ["a"])
    }

    @Test func refusesAFileThatIsNoDatabase() throws {
        try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
        try Data(repeating: 0x41, count: 5000).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: DatabaseOpenError.self) { try SQLiteDatabase(.file(path)) }
        #expect(error?.reason == .damaged("it is not a database"))
        #expect(error?.description.contains("Restore it from a backup") == true)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(repeating: 0x41, count: 5000), "the evidence is left alone")
    }

    @Test func refusesADamagedDatabase() throws {
        do {
            let database = try SQLiteDatabase(.file(path))
            database.attach(ClearSealer())
            let lists = SQLBlocklistStore(database)
            _ = try lists.upsert(Blocklist(name: "l"), of: .default)
            try lists.add((0..<2000).map { BlocklistItem(id: "\($0)", text: "text \($0)") }, to: "l", tenant: .default)
            try database.scrubDeleted()
            try database.close()
        }
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        let size = try file.seekToEnd()
        for offset in stride(from: UInt64(4096 * 12), to: size, by: 4096) {
            try file.seek(toOffset: offset)
            try file.write(contentsOf: Data(repeating: 0xEE, count: 64))
        }
        try file.close()
        let error = #expect(throws: DatabaseOpenError.self) { try SQLiteDatabase(.file(path)) }
        guard case .damaged = error?.reason else {
            Issue.record("\(String(describing: error)) is not about damage")
            return
        }
    }

    @Test func refusesAnotherProgramsDatabase() throws {
        try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
        try DatabaseQueue(path: path).write { try $0.execute(sql: "CREATE TABLE other (a)") }
        #expect(throws: DatabaseOpenError.self) { try SQLiteDatabase(.file(path)) }
    }

    @Test func refusesADatabaseOfALaterVersion() throws {
        do {
            let database = try SQLiteDatabase(.file(path))
            _ = try database.write { try $0.execute("INSERT INTO grdb_migrations (identifier) VALUES ('9999-later')", []) }
            try database.close()
        }
        let error = #expect(throws: DatabaseOpenError.self) { try SQLiteDatabase(.file(path)) }
        #expect(error?.reason == .newer)
    }

    @Test func refusesAFolderThatEverybodyMayWriteTo() throws {
        try FileManager.default.createDirectory(
            atPath: folder + "/data", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o777])
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder + "/data")
        let error = #expect(throws: DatabaseOpenError.self) { try SQLiteDatabase(.file(path)) }
        #expect(error?.reason == .exposed(folder + "/data"))
    }

    @Test func refusesALinkInPlaceOfTheFile() throws {
        try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder + "/elsewhere")
        #expect(throws: DatabaseOpenError.self) { try SQLiteDatabase(.file(path)) }
        #expect(!FileManager.default.fileExists(atPath: folder + "/elsewhere"))
    }

    #if os(Linux)
        /// SQLite's lock on an open database, asked for with a kind of lock that conflicts also within one process.
        @Test func leavesTheLocksOfAnOpenDatabaseInPlace() throws {
            let first = try SQLiteDatabase(.file(path))
            try SQLKeyStore(first).insert(key("a", 1))
            let file = open(path, O_RDWR)
            defer { close(file) }
            func isLocked() throws -> Bool {
                var lock = flock()
                lock.l_type = Int16(F_WRLCK)
                lock.l_whence = Int16(SEEK_SET)
                lock.l_start = 0x4000_0002  // SQLite's shared range
                lock.l_len = 510
                let getOpenFileLock: Int32 = 36  // F_OFD_GETLK
                try #require(fcntl(file, getOpenFileLock, &lock) == 0)
                return lock.l_type != Int16(F_UNLCK)
            }
            #expect(try isLocked())
            try PrivateFile.prepare(path)
            #expect(try isLocked())
            _ = try SQLiteDatabase(.file(path))
            #expect(try isLocked())
            _ = try SQLiteDatabase(.file(path), configuration: .init(isReadOnly: true))
            #expect(try isLocked())
        }
    #endif

    @Test func readsWithoutChangingWhenAskedTo() throws {
        #expect(throws: DatabaseOpenError.self) { try SQLiteDatabase(.file(path), configuration: .init(isReadOnly: true)) }
        #expect(!FileManager.default.fileExists(atPath: folder))
        let database = try SQLiteDatabase(.file(path))
        try SQLKeyStore(database).insert(key("a", 1))
        let reader = SQLKeyStore(try SQLiteDatabase(.file(path), configuration: .init(isReadOnly: true)))
        #expect(try reader.allKeys().map(\.id) == ["a"])
        #expect(throws: Fault.self) { try reader.insert(key("b", 2)) }
        try SQLKeyStore(database).insert(key("c", 3))
        #expect(try reader.allKeys().map(\.id) == ["a", "c"])
        try database.close()
        let alone = SQLKeyStore(try SQLiteDatabase(.file(path), configuration: .init(isReadOnly: true)))
        #expect(try alone.allKeys().count == 2, "also when nobody else has the file open")
    }

    @Test func undoesATransactionThatThrows() throws {
        struct Stop: Error {}
        let database = try SQLiteDatabase(.temporary)
        #expect(throws: Stop.self) {
            try database.write { db -> Int in
                try db.execute("INSERT INTO revision (store, number) VALUES ('x', 1)", [])
                throw Stop()
            }
        }
        #expect(try database.read { try $0.rows("SELECT 1 FROM revision WHERE store = 'x'", []).count } == 0)
    }

    @Test func saysThatTheStoreIsUnavailableWithoutTellingWhy() throws {
        let database = try SQLiteDatabase(.temporary)
        let fault = #expect(throws: Fault.self) { try database.read { try $0.rows("SELECT * FROM secret_table", []) } }
        #expect(fault?.code == .storeUnavailable)
        #expect(fault?.message.contains("secret_table") == false)
        #expect(fault?.cause != nil)
    }

    @Test func refusesToWriteWhenReading() throws {
        let database = try SQLiteDatabase(.temporary)
        #expect(throws: Fault.self) { try database.read { try $0.execute("DELETE FROM revision", []) } }
    }

    @Test func countsUsageExactlyUnderManyWriters() async throws {
        let path = path
        let databases = try (0..<2).map { _ in try SQLiteDatabase(.file(path)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                let store = SQLUsageStore(databases[worker % 2])
                group.addTask {
                    for _ in 0..<25 { try store.add(tokens: 3, costMicros: 2, scope: "s", window: "2026-11") }
                }
            }
            try await group.waitForAll()
        }
        #expect(try SQLUsageStore(databases[0]).usage(scope: "s", window: "2026-11") == (600, 400))
    }

    @Test func separatesTheUsageOfTenants() throws {
        let database = try SQLiteDatabase(.temporary)
        try SQLUsageStore(database, tenant: "a").add(tokens: 1, costMicros: 1, scope: "s", window: "2026-11")
        #expect(try SQLUsageStore(database, tenant: "b").usage(scope: "s", window: "2026-11") == (0, 0))
    }

    @Test func forgetsOldWindowsOfTheSameForm() throws {
        let store = SQLUsageStore(try SQLiteDatabase(.temporary))
        for window in ["2026-09", "2026-10", "2026-11", "2026-10-31", "2026-11-01"] {
            try store.add(tokens: 1, costMicros: 0, scope: "s", window: window)
        }
        try store.removeWindows(before: "2026-10")
        try store.removeWindows(before: "2026-11-01")
        let left = try ["2026-09", "2026-10", "2026-11", "2026-10-31", "2026-11-01"].filter { try !store.all(window: $0).isEmpty }
        #expect(left == ["2026-10", "2026-11", "2026-11-01"])
    }

    @Test func letsOneOfManyProjectsOwnAnID() async throws {
        let path = path
        let stores = try (0..<2).map { _ in SQLOwnershipStore(try SQLiteDatabase(.file(path))) }
        let winners = await withTaskGroup(of: Int.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    let ownership = Ownership(
                        tenant: .default, project: ProjectID("p\(worker)"), principal: "p", kind: .file, id: "f", upstream: "u",
                        deployment: nil, createdAt: 1)
                    return (try? stores[worker % 2].record(ownership)) == nil ? 0 : 1
                }
            }
            return await group.reduce(0, +)
        }
        #expect(winners == 1)
    }

    @Test func keepsAReplayableVersionOfADeletedPolicy() throws {
        let store = SQLPolicyStore(try SQLiteDatabase(.temporary))
        _ = try store.put("p", document: [1], of: .default, at: 1)
        _ = try store.put("p", document: [2], of: .default, at: 2)
        _ = try store.delete("p", of: .default)
        #expect(try store.policy("p", version: 1, of: .default)?.document == [1])
        #expect(try store.policy("p", version: 3, of: .default) == nil)
        #expect(try store.policy("p", version: 1, of: "other") == nil)
    }

    @Test func leavesNoTraceOfADestroyedKeyInTheFiles() throws {
        let secret = Array("0123456789-not-random-0123456789".utf8)
        let database = try SQLiteDatabase(.file(path))
        let store = SQLSubjectKeyStore(database) { _ in secret }
        _ = try store.key(forSubject: "someone", tenant: .default)
        func holdsSecret() throws -> Bool {
            try ["", "-wal"].contains { try Data(contentsOf: URL(fileURLWithPath: path + $0)).range(of: Data(secret)) != nil }
        }
        #expect(try holdsSecret())
        #expect(try store.destroyKey(ofSubject: "someone", tenant: .default))
        #expect(try !holdsSecret())
    }

    @Test func readsRolesThatItDoesNotKnowAndRefusesWhatIsNoListOfRoles() throws {
        let database = try SQLiteDatabase(.temporary)
        let store = SQLKeyStore(database)
        try store.insert(key("a", 1))
        // A custom role may have left the configuration: it gives nothing then.
        _ = try database.write { try $0.execute("UPDATE api_key SET roles = '[\"emperor\"]'", []) }
        #expect(try store.allKeys().map(\.roles) == [["emperor"]])
        _ = try database.write { try $0.execute("UPDATE api_key SET roles = '{\"emperor\": 1}'", []) }
        let fault = #expect(throws: Fault.self) { try store.allKeys() }
        #expect(fault?.code == .storeUnavailable)
    }
}
