import Foundation
import SallyportCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The database of another gateway's data directory on this host: read as it is, never made, migrated or changed. Every reading makes sure that
/// it is still the same file: one that was deleted or replaced would otherwise go on answering, and what was revoked since would not be heard of.
package final class BorrowedDatabase: SQLDatabase {
    /// Which file it is, whatever its name.
    private struct File: Hashable {
        let device: dev_t
        let number: ino_t
        let owner: uid_t

        init(_ status: stat) {
            device = status.st_dev
            number = status.st_ino
            owner = status.st_uid
        }
    }

    /// The other gateway's data directory.
    package let directory: String
    private let database: SQLiteDatabase
    private let file: File

    /// - Throws: ``DatabaseOpenError`` when it is missing, somebody else's, not in use, of another version, or itself without identities.
    package init(directory: String) throws {
        let path = directory + "/sallyport.sqlite"
        self.directory = directory
        file = try Self.inspect(directory, path)
        database = try SQLiteDatabase(.file(path), configuration: .init(readers: 2, isBorrowed: true))
        guard try Self.inspect(directory, path) == file else {
            throw DatabaseOpenError(path: path, reason: .inaccessible("it was replaced while it was opened"))
        }
    }

    /// Opens no sealed value: the keys of the other gateway's vault are not asked for.
    package var sealer: any Sealer { database.sealer }

    /// - Throws: ``Fault`` `.storeUnavailable` when the file is no longer what it was when it was opened.
    package func confirm() throws {
        let path = directory + "/sallyport.sqlite"
        do {
            guard try Self.inspect(directory, path) == file else {
                throw DatabaseOpenError(path: path, reason: .inaccessible("it was replaced: restart this gateway"))
            }
        } catch { throw Fault.database(error) }
    }

    package func read<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T {
        try confirm()
        return try database.read(body)
    }

    package func write<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T {
        throw Fault(
            .permissionDenied,
            "Keys, roles, people, conditional access and consents are kept by another gateway (\(directory)): change them with its configuration."
        )
    }

    package func scrubDeleted() throws {}

    /// The same for counts of uses, which every gateway adds to: last uses of keys, uses of permissions.
    package var counting: any SQLDatabase { Counting(borrowed: self, database: database) }

    private struct Counting: SQLDatabase {
        let borrowed: BorrowedDatabase
        let database: SQLiteDatabase
        var sealer: any Sealer { database.sealer }

        func read<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T { try borrowed.read(body) }

        func write<T: Sendable>(_ body: (any SQLConnection) throws -> T) throws -> T {
            try borrowed.confirm()
            return try database.write(body)
        }

        func scrubDeleted() throws {}
    }

    // MARK: Which file

    private static func inspect(_ directory: String, _ path: String) throws -> File {
        var folder = stat()
        guard stat(directory, &folder) == 0 else { throw inaccessible(path) }
        // Whoever may write here could put another database in its place.
        guard folder.st_mode & 0o022 == 0 else { throw DatabaseOpenError(path: path, reason: .exposed(directory)) }
        guard folder.st_uid == geteuid() else { throw DatabaseOpenError(path: path, reason: .othersOwn(directory)) }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw inaccessible(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw DatabaseOpenError(path: path, reason: .inaccessible("it is not a plain file"))
        }
        guard status.st_uid == geteuid() else { throw DatabaseOpenError(path: path, reason: .othersOwn(path)) }
        if let source = IdentityMarker.source(in: directory) { throw DatabaseOpenError(path: path, reason: .borrowing(source)) }
        return File(status)
    }

    private static func inaccessible(_ path: String) -> DatabaseOpenError {
        DatabaseOpenError(path: path, reason: .inaccessible(String(cString: strerror(errno))))
    }
}
