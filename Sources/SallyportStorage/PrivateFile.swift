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
        // An existing database is never opened here: closing any descriptor of it would drop the locks that SQLite holds on it
        // elsewhere in this process, and another process could then take the log away from under it.
        let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        if file >= 0 {
            close(file)
            return
        }
        guard errno == EEXIST else { throw inaccessible(path) }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw inaccessible(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw DatabaseOpenError(path: path, reason: .inaccessible("it is not a plain file"))
        }
        if status.st_mode & 0o077 != 0, chmod(path, 0o600) != 0 { throw inaccessible(path) }
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
