#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A system call that failed, for the operator.
struct SystemError: Error, CustomStringConvertible {
    let call: String
    let path: String
    let code: Int32

    var description: String { "\(call) \(path): \(String(cString: strerror(code)))" }
    var isMissingFile: Bool { code == ENOENT }
}

/// How the log reaches the disk. Tests put a failing disk here.
struct DiskPort: Sendable {
    /// Writes at an offset. Returns the bytes written, or a negated `errno`.
    var write: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int
    /// Makes a file's content durable. Returns 0 or an `errno`.
    var synchronize: @Sendable (_ descriptor: Int32) -> Int32
    /// Makes a directory's names durable. Returns 0 or an `errno`.
    var synchronizeDirectory: @Sendable (_ descriptor: Int32) -> Int32 = { fsync($0) == 0 ? 0 : errno }

    static let system = DiskPort(
        write: { descriptor, bytes, offset in
            let written = pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
            return written < 0 ? -Int(errno) : written
        },
        synchronize: { descriptor in
            #if canImport(Darwin)
                fcntl(descriptor, F_FULLFSYNC) == 0 ? 0 : errno
            #else
                fdatasync(descriptor) == 0 ? 0 : errno
            #endif
        })
}

/// An open file, closed with its last use.
struct OpenFile: ~Copyable {
    let descriptor: Int32
    let path: String
    private let disk: DiskPort

    /// New files are readable by their owner only. Links are not followed.
    init(_ path: String, _ flags: Int32, disk: DiskPort = .system) throws {
        let descriptor = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, code: errno) }
        self.descriptor = descriptor
        self.path = path
        self.disk = disk
    }

    deinit { close(descriptor) }

    private func failure(_ call: String, _ code: Int32) -> SystemError { SystemError(call: call, path: path, code: code) }

    /// - Returns: the bytes read; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw failure("read", errno) }
        }
    }

    /// Writes all of it, however many calls that takes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = disk.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[done...]), offset + done)
            if count > 0 {
                done += count
            } else if count != -Int(EINTR) {
                throw failure("write", count == 0 ? ENOSPC : Int32(-count))
            }
        }
    }

    func synchronize() throws {
        let code = disk.synchronize(descriptor)
        guard code == 0 else { throw failure("fdatasync", code) }
    }

    func truncate(to size: Int) throws {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw failure("ftruncate", errno) }
    }

    func size() throws -> Int {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw failure("fstat", errno) }
        return Int(info.st_size)
    }

    /// - Returns: false when another process holds the lock.
    func lockExclusively() throws -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw failure("flock", errno) }
        return false
    }

    /// The whole content of a small file.
    static func contents(of path: String, limit: Int = 1 << 20) throws -> [UInt8] {
        let file = try OpenFile(path, O_RDONLY)
        let size = try file.size()
        guard size <= limit else { throw SystemError(call: "read", path: path, code: EFBIG) }
        var bytes = [UInt8](repeating: 0, count: size)
        var done = 0
        while done < size {
            let count = try bytes.withUnsafeMutableBytes { try file.read(into: .init(rebasing: $0[done...]), at: done) }
            if count == 0 { break }
            done += count
        }
        bytes.removeLast(size - done)
        return bytes
    }

    /// Replaces a file in one step: after a crash it holds the old content or the new one. Synchronises the file, not the directory.
    static func replace(_ path: String, with bytes: [UInt8], disk: DiskPort) throws {
        let temporary = path + ".new"
        do {
            let file = try OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC, disk: disk)
            try bytes.withUnsafeBytes { try file.write($0, at: 0) }
            try file.synchronize()
        }
        guard rename(temporary, path) == 0 else { throw SystemError(call: "rename", path: path, code: errno) }
    }
}

/// What the log does with directories.
enum Directory {
    static func create(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw SystemError(call: "mkdir", path: path, code: errno) }
    }

    /// Makes new, renamed and removed names durable.
    static func synchronize(_ path: String, disk: DiskPort) throws {
        let directory = try OpenFile(path, O_RDONLY | O_DIRECTORY)
        let code = disk.synchronizeDirectory(directory.descriptor)
        guard code == 0 else { throw SystemError(call: "fsync", path: path, code: code) }
    }

    /// Names in a directory, sorted, without `.` and `..`; empty when there is no such directory.
    static func names(in path: String) throws -> [String] {
        guard let stream = opendir(path) else {
            if errno == ENOENT { return [] }
            throw SystemError(call: "opendir", path: path, code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func exists(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0
    }

    static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError(call: "unlink", path: path, code: errno) }
    }
}

extension OpenFile {
    /// Makes a file's content durable through a descriptor of its own.
    static func synchronizeIfPresent(_ path: String, disk: DiskPort) throws {
        do {
            try OpenFile(path, O_WRONLY, disk: disk).synchronize()
        } catch let error as SystemError where error.isMissingFile {
            // Nothing was written yet.
        }
    }
}
