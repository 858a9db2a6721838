import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Makes a file that nobody but its owner can read, before anything is written to it.
enum PrivateFile {
    /// Makes the folder (0700) and the file (0600) when they are missing, and takes others' rights from an existing file.
    /// The log files beside a SQLite database take over the database's mode.
    static func prepare(_ path: String) throws {
        let folder = (path as NSString).deletingLastPathComponent
        if !folder.isEmpty { try prepareFolder(folder, for: path) }
        // O_NOFOLLOW: a link planted here must not lead the database elsewhere.
        let file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw inaccessible(path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw inaccessible(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw DatabaseOpenError(path: path, reason: .inaccessible("it is not a plain file"))
        }
        if status.st_mode & 0o077 != 0, fchmod(file, 0o600) != 0 { throw inaccessible(path) }
        for suffix in ["-wal", "-shm"] { _ = chmod(path + suffix, 0o600) }
    }

    private static func prepareFolder(_ folder: String, for path: String) throws {
        var status = stat()
        if stat(folder, &status) != 0 {
            do {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw DatabaseOpenError(path: path, reason: .inaccessible("its folder cannot be made"))
            }
            return
        }
        if status.st_mode & 0o002 != 0 { throw DatabaseOpenError(path: path, reason: .exposed(folder)) }
        // An empty folder was made for us; one that holds other things is left as it is, the files are closed anyway.
        if status.st_mode & 0o077 != 0, status.st_uid == geteuid(),
            (try? FileManager.default.contentsOfDirectory(atPath: folder))?.isEmpty == true
        {
            _ = chmod(folder, 0o700)
        }
    }

    private static func inaccessible(_ path: String) -> DatabaseOpenError {
        DatabaseOpenError(path: path, reason: .inaccessible(String(cString: strerror(errno))))
    }
}
