import Foundation
import NIOCore
import SallyportCore
import SallyportOversight

/// Administrative acts of other processes (the command line), on their way into the audit log, which one process alone may write.
///
/// Each act is a file, synchronised to disk before the act is done; the server takes them in and removes them. While no server runs
/// they wait.
package struct AdministrationOutbox: Sendable {
    private let directory: String

    /// - Parameter dataDirectory: the server's data directory.
    package init(dataDirectory: String) { directory = dataDirectory + "/outbox" }

    /// Puts an act on record. Durable when it returns.
    /// - Parameter principal: nil: whoever runs this program.
    package func record(
        _ operation: String, target: String, details: [(name: String, value: String)] = [], by principal: PrincipalID? = nil
    ) throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var record = AuditRecord(.adminAct, id: UUID().uuidString.lowercased())
        record.tenant = .default
        record.principal = principal ?? PrincipalID("os-user:\(NSUserName())")
        record.operation = operation
        record.details = [(name: "target", value: target)] + details
        let line = record.encoded()
        let name = "\(directory)/\(UInt64(Date().timeIntervalSince1970 * 1_000_000))-\(record.id)"
        let file = open(name + ".new", O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard file >= 0 else { throw Fault(.auditUnavailable, "The act could not be put on record in \(directory).") }
        defer { close(file) }
        let isWritten = line.withUnsafeReadableBytes { write(file, $0.baseAddress, $0.count) == $0.count }
        guard isWritten, fsync(file) == 0, rename(name + ".new", name + ".json") == 0, Self.synchronize(directory) else {
            throw Fault(.auditUnavailable, "The act could not be put on record in \(directory).")
        }
    }

    /// Makes new names durable.
    private static func synchronize(_ directory: String) -> Bool {
        let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return false }
        defer { close(folder) }
        return fsync(folder) == 0
    }

    /// Takes waiting acts into the log, in order; each is removed once it is durable there. A file that holds no record is put aside, on
    /// record: it must not keep the others waiting, nor become a line that breaks the log.
    /// - Returns: how many.
    package func drain(into log: AuditLog) async throws -> Int {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { $0.hasSuffix(".json") }.sorted()
        for name in names {
            let path = "\(directory)/\(name)"
            guard let bytes = FileManager.default.contents(atPath: path) else { continue }
            guard bytes.count <= AuditLog.defaultMaximumRecordBytes, bytes.withUnsafeBytes({ AuditLine($0).isObject }) else {
                _ = try await log.append(Self.rejection(of: name).encoded())
                guard rename(path, path + ".rejected") == 0 else {
                    throw Fault(.auditUnavailable, "A file in \(directory) that holds no record cannot be put aside.")
                }
                continue
            }
            _ = try await log.append(ByteBuffer(bytes: bytes))
            try FileManager.default.removeItem(atPath: path)
        }
        return names.count
    }

    private static func rejection(of name: String) -> AuditRecord {
        var record = AuditRecord(.adminAct, id: UUID().uuidString.lowercased())
        record.tenant = .default
        record.principal = "system:outbox"
        record.operation = "outbox.reject"
        record.details = [(name: "target", value: name), (name: "reason", value: "it holds no record")]
        return record
    }
}
