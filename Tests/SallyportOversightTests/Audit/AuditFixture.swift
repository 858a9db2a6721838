import Logging
import NIOCore

@testable import SallyportOversight

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A directory of its own for one test, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/sallyport-audit-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw AuditError.notFound("a temporary directory") }
        path = String(cString: made)
    }

    deinit { Self.remove(path) }

    var log: String { path + "/audit" }

    func configuration(_ adapt: (inout AuditLog.Configuration) -> Void = { _ in }) -> AuditLog.Configuration {
        var configuration = AuditLog.Configuration(directory: log, recoveryInterval: .milliseconds(1))
        adapt(&configuration)
        return configuration
    }

    static func remove(_ path: String) {
        if let names = try? Directory.names(in: path) {
            for name in names { remove(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    static func copy(_ source: String, to target: String) throws {
        if let names = try? Directory.names(in: source) {
            try Directory.create(target)
            // A running log's `.new` files come and go.
            for name in names where !name.hasSuffix(".new") { try copy(source + "/" + name, to: target + "/" + name) }
        } else {
            try OpenFile.replace(target, with: OpenFile.contents(of: source, limit: 1 << 28), disk: .system)
        }
    }

    /// Every regular file below the log, as paths below it.
    func files(below part: String = "") throws -> [String] {
        try Directory.names(in: log + part).flatMap { name -> [String] in
            let path = part + "/" + name
            return (try? Directory.names(in: log + path)) == nil ? [path] : try files(below: path)
        }
    }
}

func bytes(of path: String) throws -> [UInt8] { try OpenFile.contents(of: path, limit: 1 << 28) }

func overwrite(_ path: String, _ bytes: [UInt8]) throws {
    let file = try OpenFile(path, O_WRONLY | O_TRUNC | O_CREAT)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
}

func record(_ number: Int, padding: Int = 0) -> ByteBuffer {
    ByteBuffer(string: "{\"v\":1,\"type\":\"admin.act\",\"id\":\"r-\(number)\",\"x\":\"\(String(repeating: "a", count: padding))\"}")
}

extension AuditLog {
    convenience init(_ directory: TemporaryDirectory, disk: DiskPort = .system, _ adapt: (inout Configuration) -> Void = { _ in }) throws {
        try self.init(directory.configuration(adapt), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, disk: disk)
    }

    /// Appends in order, all at once.
    func append(_ numbers: Range<Int>, padding: Int = 0) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in numbers { group.addTask { _ = try await self.append(record(number, padding: padding)) } }
            try await group.waitForAll()
        }
    }
}

/// A log of `count` records, closed.
func makeLog(in directory: TemporaryDirectory, records count: Int, segmentBytes: Int = 64 << 20) async throws {
    let log = try AuditLog(directory) {
        $0.segmentBytes = segmentBytes
        $0.durability = .relaxed
    }
    for number in 0..<count { _ = try await log.append(record(number)) }
    await log.close()
}

func permissions(of path: String) throws -> UInt32 {
    var info = stat()
    guard stat(path, &info) == 0 else { throw AuditError.notFound(path) }
    return UInt32(info.st_mode) & 0o777
}

extension DiskPort {
    /// Writes without waiting for the device: for tests that open hundreds of logs.
    static let unsynchronised = DiskPort(write: DiskPort.system.write, synchronize: { _ in 0 }, synchronizeDirectory: { _ in 0 })
}
