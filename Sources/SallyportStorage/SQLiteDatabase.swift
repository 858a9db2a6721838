import Foundation
import GRDB
import NIOConcurrencyHelpers
import SallyportCore

/// An embedded database in one file: write-ahead log, every commit synced to disk, one writer beside several readers.
/// Several processes may open the same file.
package final class SQLiteDatabase: SQLDatabase {
    package enum Location: Sendable, Hashable {
        /// A file; it and its folder are made, for the owner only, when they are missing.
        case file(String)
        /// A fresh file that is removed with this object. For tests.
        case temporary
    }

    /// Whose tables they are.
    package enum Content: Sendable {
        case gateway
        /// The wrapped keys of the vault.
        case vault

        fileprivate var migrations: [Schema.Migration] { self == .gateway ? Schema.migrations : Schema.vaultMigrations }
    }

    package struct Configuration: Sendable {
        /// How long a write waits for another process's write.
        package var busyTimeout: Duration
        /// Connections that read beside the writer.
        package var readers: Int
        /// For checks and lists: an existing file is read as it is. Nothing is made, migrated or changed, and writes throw.
        package var isReadOnly: Bool
        /// Another gateway's, see ``BorrowedDatabase``: it must be there and of this version. Nothing is made or migrated.
        var isBorrowed: Bool
        package var content: Content
        package init(
            busyTimeout: Duration = .seconds(5), readers: Int = 3, isReadOnly: Bool = false, content: Content = .gateway
        ) {
            self.init(busyTimeout: busyTimeout, readers: readers, isReadOnly: isReadOnly, isBorrowed: false, content: content)
        }

        init(
            busyTimeout: Duration = .seconds(5), readers: Int = 3, isReadOnly: Bool = false, isBorrowed: Bool, content: Content = .gateway
        ) {
            self.content = content
            self.isBorrowed = isBorrowed
            self.busyTimeout = busyTimeout
            self.readers = readers
            self.isReadOnly = isReadOnly
        }
    }

    package let path: String
    private let pool: DatabasePool
    private let ownedDirectory: String?
    private let attached: NIOLockedValueBox<any Sealer>

    /// A file's database seals and opens nothing until ``attach(_:)``.
    package var sealer: any Sealer { attached.withLockedValue { $0 } }

    /// Gives the stores over this database a vault. Once, before they are used.
    package func attach(_ sealer: any Sealer) { attached.withLockedValue { $0 = sealer } }

    /// Opens the file, checks that it is sound and brings its tables up to this version.
    /// - Throws: ``DatabaseOpenError``.
    package init(_ location: Location, configuration: Configuration = Configuration()) throws {
        switch location {
        case .file(let file):
            path = file
            ownedDirectory = nil
            attached = NIOLockedValueBox(ClearOrClosed.closed)
        case .temporary:
            let directory = FileManager.default.temporaryDirectory.appendingPathComponent("sallyport-\(UUID().uuidString)").path
            path = directory + "/sallyport.sqlite"
            ownedDirectory = directory
            attached = NIOLockedValueBox(ClearOrClosed.clear)
        }
        let migrator = Self.migrator(configuration.content)
        if !configuration.isReadOnly, !configuration.isBorrowed { try PrivateFile.prepare(path) }
        do {
            // Before anything that could change it.
            if configuration.isBorrowed { try Self.checkBorrowed(path, migrator) }
            pool = try DatabasePool(path: path, configuration: Self.settings(configuration))
            if configuration.isReadOnly {
                try pool.read { try Self.checkOwner($0, migrator, path: path) }
                return
            }
            // GRDB lowers this to NORMAL when it switches the log on; a commit must survive a power cut.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            if configuration.isBorrowed { return }
            try Self.check(pool, migrator, path: path)
            try migrator.migrate(pool)
        } catch let error as DatabaseOpenError {
            throw error
        } catch let error as DatabaseError {
            throw DatabaseOpenError(path: path, error)
        }
    }

    deinit {
        guard let ownedDirectory else { return }
        try? pool.close()
        // A temporary folder that cannot be removed is the system's to clean.
        try? FileManager.default.removeItem(atPath: ownedDirectory)
    }

    /// Keys of subjects: the vault's, where there is one.
    package var subjectKeys: any SubjectKeyStore { sealer as? any SubjectKeyStore ?? SQLSubjectKeyStore(self) }

    package func read<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T {
        try Self.mapping { try pool.read { try body(SQLiteConnection($0)) } }
    }

    package func write<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T {
        try Self.mapping { try pool.write { try body(SQLiteConnection($0)) } }
    }

    package func scrubDeleted() throws {
        // `secure_delete` has overwritten the content in its page; the older page may still stand in the log.
        try Self.mapping { _ = try pool.writeWithoutTransaction { try $0.checkpoint(.truncate) } }
    }

    /// Writes a consistent copy to a new file (0600), beside readers and writers.
    package func copy(to path: String) throws {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw DatabaseOpenError(path: path, reason: .inaccessible("there is a file of that name"))
        }
        try PrivateFile.prepare(path)
        do {
            let target = try DatabaseQueue(path: path)
            try pool.backup(to: target)
            // A copy stands alone: nothing of it in a log beside it.
            try target.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try target.close()
        } catch let error as DatabaseError {
            throw DatabaseOpenError(path: path, error)
        }
    }

    /// Closes all connections; later calls throw.
    package func close() throws { try pool.close() }

    private static func mapping<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw Fault.database(error)
        } catch let error as SQLColumnError {
            throw Fault.database(error)
        }
    }

    private static func settings(_ configuration: Configuration) -> GRDB.Configuration {
        var settings = GRDB.Configuration()
        settings.label = "sallyport.sqlite"
        settings.foreignKeysEnabled = true
        settings.journalMode = .wal
        settings.busyMode = .timeout(configuration.busyTimeout.seconds)
        settings.maximumReaderCount = max(1, configuration.readers)
        settings.readonly = configuration.isReadOnly
        settings.prepareDatabase { db in
            if !configuration.isReadOnly { try db.execute(sql: "PRAGMA secure_delete = ON") }
            // A schema that someone tampered with must not call functions with side effects.
            try db.execute(sql: "PRAGMA trusted_schema = OFF")
        }
        return settings
    }

    /// "SLPT": tells our file from another program's.
    static let applicationID: Int32 = 0x534C_5054

    private static func check(_ pool: DatabasePool, _ migrator: DatabaseMigrator, path: String) throws {
        try pool.writeWithoutTransaction { db in
            let owner = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") ?? 0
            if owner != applicationID {
                guard owner == 0, tables == 0 else { throw DatabaseOpenError(path: path, reason: .foreign) }
                try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            }
            let verdict = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no answer"
            guard verdict == "ok" else { throw DatabaseOpenError(path: path, reason: .damaged(verdict)) }
            guard try !migrator.hasBeenSuperseded(db) else { throw DatabaseOpenError(path: path, reason: .newer) }
        }
    }

    private static func checkOwner(_ db: Database, _ migrator: DatabaseMigrator, path: String) throws {
        guard try Int32.fetchOne(db, sql: "PRAGMA application_id") == applicationID else {
            throw DatabaseOpenError(path: path, reason: .foreign)
        }
        guard try !migrator.hasBeenSuperseded(db) else { throw DatabaseOpenError(path: path, reason: .newer) }
    }

    private static func checkBorrowed(_ path: String, _ migrator: DatabaseMigrator) throws {
        guard !NetworkFileSystem.holds(path) else { throw DatabaseOpenError(path: path, reason: .remote) }
        var settings = GRDB.Configuration()
        settings.readonly = true
        settings.prepareDatabase { try $0.execute(sql: "PRAGMA trusted_schema = OFF") }
        let probe = try DatabaseQueue(path: path, configuration: settings)
        try probe.read { db in
            try checkOwner(db, migrator, path: path)
            // What `backup` writes stands alone; what a gateway has opened has a log, whoever else reads it.
            guard try String.fetchOne(db, sql: "PRAGMA journal_mode")?.lowercased() == "wal" else {
                throw DatabaseOpenError(path: path, reason: .unused)
            }
            guard try migrator.hasCompletedMigrations(db) else { throw DatabaseOpenError(path: path, reason: .older) }
            let verdict = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no answer"
            guard verdict == "ok" else { throw DatabaseOpenError(path: path, reason: .damaged(verdict)) }
        }
        try probe.close()
    }

    private static func migrator(_ content: Content) -> DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for migration in content.migrations {
            migrator.registerMigration(migration.name) { db in
                for statement in migration.statements { try db.execute(sql: statement) }
            }
        }
        return migrator
    }
}

private enum ClearOrClosed {
    static let clear: any Sealer = ClearSealer()
    static let closed: any Sealer = ClosedSealer()
}

extension Duration {
    fileprivate var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// A GRDB connection in the stores' words.
private struct SQLiteConnection: SQLConnection {
    private let db: Database
    init(_ db: Database) { self.db = db }

    func rows(_ sql: String, _ arguments: [SQLValue]) throws -> [SQLRow] {
        let statement = try db.cachedStatement(sql: sql)
        let rows = try Row.fetchCursor(statement, arguments: Self.bound(arguments))
        var result: [SQLRow] = []
        while let row = try rows.next() {
            result.append(SQLRow(try row.databaseValues.map(Self.value)))
        }
        return result
    }

    func execute(_ sql: String, _ arguments: [SQLValue]) throws -> Int {
        let before = db.totalChangesCount
        try db.cachedStatement(sql: sql).execute(arguments: Self.bound(arguments))
        return db.totalChangesCount - before
    }

    private static func bound(_ arguments: [SQLValue]) -> StatementArguments {
        StatementArguments(
            arguments.map { value -> DatabaseValue in
                switch value {
                case .null: .null
                case .integer(let number): number.databaseValue
                case .text(let text): text.databaseValue
                case .blob(let bytes): Data(bytes).databaseValue
                }
            })
    }

    private static func value(_ value: DatabaseValue) throws -> SQLValue {
        switch value.storage {
        case .null: .null
        case .int64(let number): .integer(number)
        case .string(let text): .text(text)
        case .blob(let data): .blob([UInt8](data))
        case .double: throw SQLColumnError(column: 0, expected: "a type that the stores use")
        }
    }
}
