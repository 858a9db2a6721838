import Foundation
import GRDB
import SallyportCore
import Testing

@testable import SallyportStorage

@Suite final class BorrowedDatabaseTests {
    private let folder = NSTemporaryDirectory() + "sallyport-test-\(UUID().uuidString)"
    deinit { try? FileManager.default.removeItem(atPath: folder) }
    private var directory: String { folder + "/data" }
    private var path: String { directory + "/sallyport.sqlite" }

    private func key(_ id: KeyID, _ byte: UInt8) -> KeyRecord {
        KeyRecord(id: id, principal: "p", name: "n", secretHash: Array(repeating: byte, count: 32), createdAt: 1)
    }

    private func reason(_ body: () throws -> some Any) -> DatabaseOpenError.Reason? {
        let error = #expect(throws: DatabaseOpenError.self) { _ = try body() }
        return error?.reason
    }

    @Test func seesWhatTheOwnerWritesAndChangesNothing() throws {
        let owner = SQLKeyStore(try SQLiteDatabase(.file(path)))
        try owner.insert(key("a", 1))
        let borrowed = try BorrowedDatabase(directory: directory)
        let store = SQLKeyStore(borrowed)
        #expect(try store.allKeys().map(\.id) == ["a"])
        let before = try store.revision()
        #expect(try owner.revoke("a", tenant: .default, at: 5))
        #expect(try store.revision() == before + 1)
        #expect(try store.revocations(since: 0).map(\.key) == ["a"])
        let fault = #expect(throws: Fault.self) { try store.insert(key("b", 2)) }
        #expect(fault?.code == .permissionDenied)
        #expect(throws: Fault.self) { try store.noteUses([KeyUse(tenant: .default, key: "a", at: 7)]) }
        #expect(try owner.allKeys().count == 1)
    }

    @Test func countsOfUsesAreAddedToTheOwners() throws {
        let database = try SQLiteDatabase(.file(path))
        let (owner, ownUses) = (SQLKeyStore(database), SQLAccessUseStore(database))
        try owner.insert(key("a", 1))
        let borrowed = try BorrowedDatabase(directory: directory)
        try SQLKeyStore(borrowed.counting).noteUses([KeyUse(tenant: .default, key: "a", at: 60)])
        #expect(try owner.uses(of: .default).map(\.at) == [60])
        let use = AccessUse(principal: "p", action: "read", day: 1, allowed: 2, lastAt: 90_000)
        let uses = SQLAccessUseStore(borrowed.counting, reader: "audit other")
        #expect(try ownUses.add([use], from: nil, to: "x", observedSince: 1))
        #expect(try uses.add([use], from: nil, to: "y", observedSince: 2))
        #expect(try !uses.add([use], from: nil, to: "z", observedSince: 2), "the place has moved")
        #expect(try ownUses.uses(of: .default, since: 0).map(\.allowed) == [4])
        #expect(try ownUses.place()?.cursor == "x" && uses.place()?.cursor == "y")
    }

    @Test func saysNoMoreWhenTheFileIsGoneOrAnother() throws {
        try SQLKeyStore(try SQLiteDatabase(.file(path))).insert(key("a", 1))
        let store = SQLKeyStore(try BorrowedDatabase(directory: directory))
        #expect(try store.allKeys().count == 1)
        try FileManager.default.moveItem(atPath: directory, toPath: folder + "/away")
        #expect(throws: Fault.self) { try store.revision() }
        // Restored from a backup: the old file would answer on and hear of no revocation.
        try FileManager.default.copyItem(atPath: folder + "/away", toPath: directory)
        let fault = #expect(throws: Fault.self) { try store.revision() }
        #expect("\(try #require(fault?.cause))".contains("restart this gateway"))
        try FileManager.default.removeItem(atPath: directory)
        try FileManager.default.moveItem(atPath: folder + "/away", toPath: directory)
        #expect(try store.revision() > 0)
        try IdentityMarker.set("/elsewhere", in: directory)
        #expect(throws: Fault.self) { try store.revision() }
    }

    @Test func isNeverMadeWhereItIsMissing() throws {
        #expect(reason { try BorrowedDatabase(directory: directory) } == .inaccessible("No such file or directory"))
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        #expect(reason { try BorrowedDatabase(directory: directory) } == .inaccessible("No such file or directory"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
        try Data(repeating: 0x41, count: 5000).write(to: URL(fileURLWithPath: path))
        #expect(reason { try BorrowedDatabase(directory: directory) } == .damaged("it is not a database"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(repeating: 0x41, count: 5000))
    }

    @Test func refusesWhatOthersMayChangeAndWhatLeadsElsewhere() throws {
        _ = try SQLiteDatabase(.file(path))
        try FileManager.default.setAttributes([.posixPermissions: 0o770], ofItemAtPath: directory)
        #expect(reason { try BorrowedDatabase(directory: directory) } == .exposed(directory))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: directory)
        _ = try BorrowedDatabase(directory: directory)
        try IdentityMarker.set("/elsewhere", in: directory)
        #expect(reason { try BorrowedDatabase(directory: directory) } == .borrowing("/elsewhere"))
        try IdentityMarker.set(nil, in: directory)
        _ = try BorrowedDatabase(directory: directory)
        try FileManager.default.moveItem(atPath: path, toPath: folder + "/real")
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder + "/real")
        #expect(reason { try BorrowedDatabase(directory: directory) } == .inaccessible("it is not a plain file"))
    }

    @Test func refusesACopyAndOtherVersions() throws {
        let database = try SQLiteDatabase(.file(folder + "/own/sallyport.sqlite"))
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try database.copy(to: path)
        #expect(reason { try BorrowedDatabase(directory: directory) } == .unused)
        #expect(!FileManager.default.fileExists(atPath: path + "-wal"), "a copy is left as it is")
        try SQLiteDatabase(.file(path)).close()
        let queue = try DatabaseQueue(path: path)
        let last = try queue.write { db in
            let last = try String.fetchOne(db, sql: "SELECT max(identifier) FROM grdb_migrations") ?? ""
            try db.execute(sql: "DELETE FROM grdb_migrations WHERE identifier = ?", arguments: [last])
            return last
        }
        #expect(reason { try BorrowedDatabase(directory: directory) } == .older)
        try queue.write { db in
            for name in [last, "9999-later"] {
                try db.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES (?)", arguments: [name])
            }
        }
        #expect(reason { try BorrowedDatabase(directory: directory) } == .newer)
        try queue.close()
    }

    @Test func tellsNetworkFileSystemsByTheirMounts() {
        let mounts = """
            25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            90 25 0:52 / /mnt/share rw,relatime shared:31 - nfs4 server:/export rw
            91 25 0:53 / /mnt/own rw,relatime - fuse.sshfs me@host: rw
            92 25 0:54 / /mnt/over rw - fuse.fuse-overlayfs overlay rw
            """
        func holds(_ major: UInt64, _ minor: UInt64) -> Bool {
            NetworkFileSystem.holds(device: (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12, mounts: mounts)
        }
        #expect(!holds(8, 1))
        #expect(holds(0, 52))
        #expect(holds(0, 53))
        #expect(!holds(0, 54))
        #expect(!holds(0, 99))
    }
}
