import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import SallyportOversight
import SallyportStorage
import Testing

@testable import SallyportServer

@Suite struct BackupTests {
    /// Records that a checkpoint covers: its second line.
    private func signed(_ checkpoint: String) -> Int {
        let lines = try? String(contentsOfFile: checkpoint, encoding: .utf8).split(separator: "\n")
        return lines?.dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// Tiles are made and segments begun all the while.
    @Test func aBusyLogIsCopiedWhole() async throws {
        let data = FileManager.default.temporaryDirectory.appendingPathComponent("backup-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: data) }
        _ = try VaultParts.open(
            VaultSettings(), dataDirectory: data, database: SQLiteDatabase(.file(data + "/sallyport.sqlite")))
        let log = try AuditLog(
            .init(
                directory: data + "/audit", durability: .relaxed, segmentBytes: 256 << 10, checkpointInterval: .milliseconds(20)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let isOver = NIOLockedValueBox(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    var number = 0
                    while !isOver.withLockedValue({ $0 }) {
                        let padding = String(repeating: "a", count: 300)
                        _ = try await log.append(ByteBuffer(string: "{\"id\":\"\(writer)-\(number)\",\"x\":\"\(padding)\"}"))
                        number += 1
                        try await Task.sleep(for: .milliseconds(1))
                    }
                }
            }
            defer { isOver.withLockedValue { $0 = true } }
            // The first copy has records: other tests may keep the writers waiting.
            while signed(data + "/audit/checkpoint") < 10 { try await Task.sleep(for: .milliseconds(5)) }
            for round in 0..<5 {
                let folder = "\(data)-\(round)"
                defer { try? FileManager.default.removeItem(atPath: folder) }
                let report = try Backup.make(VaultSettings(), dataDirectory: data, to: folder)
                #expect(report.records > 0)
            }
        }
        await log.close()
    }
}
