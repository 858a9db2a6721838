import NIOCore
import Testing

@testable import SallyportOversight

@Suite struct AuditTamperingTests {
    private static func files(_ directory: TemporaryDirectory) throws -> [String] {
        // The signing key and the lock are no evidence; the key beside the log is compared with the pinned one.
        try directory.files().filter { !["/signing-key", "/lock"].contains($0) }
    }

    @Test func findsEveryFlippedByteOfASmallLog() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 12, segmentBytes: 300)
        let key = try AuditLayout(root: directory.log).readVerifier().vkey
        #expect(try AuditVerifier.verify(directory: directory.log, trustedKey: key).problems == [])
        var flips = 0
        for file in try Self.files(directory) {
            let original = try bytes(of: directory.log + file)
            for position in original.indices {
                var changed = original
                changed[position] ^= [0x01, 0x04, 0x20, 0x80][position % 4]
                try overwrite(directory.log + file, changed)
                let report = try AuditVerifier.verify(directory: directory.log, trustedKey: key)
                #expect(!report.isIntact, "\(file), byte \(position)")
                if file.hasPrefix("/segments") {
                    #expect(report.problems.contains { $0.record != nil || $0.reason.contains("cut off") }, "\(file), byte \(position)")
                }
                flips += 1
            }
            try overwrite(directory.log + file, original)
        }
        #expect(flips > 1000)
        #expect(try AuditVerifier.verify(directory: directory.log, trustedKey: key).problems == [])
    }

    @Test func findsFlippedBytesOfTilesAndNamesThem() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 530)
        let key = try AuditLayout(root: directory.log).readVerifier().vkey
        for file in ["/tile/0/000", "/tile/0/001"] {
            let original = try bytes(of: directory.log + file)
            for position in stride(from: 0, to: original.count, by: 487) {
                var changed = original
                changed[position] ^= 1 << UInt8(position % 8)
                try overwrite(directory.log + file, changed)
                let report = try AuditVerifier.verify(directory: directory.log, trustedKey: key)
                #expect(report.problems.count == 1)
                #expect(report.problems.first?.file == String(file.dropFirst()))
                let record = UInt64(position / 32 + (file.hasSuffix("1") ? 256 : 0))
                #expect(report.problems.first?.record == record)
            }
            try overwrite(directory.log + file, original)
        }
    }

    @Test func namesTheTileOfAFlippedRecord() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 530)
        let segment = directory.log + "/segments/" + AuditLayout.segmentName(0)
        var content = try bytes(of: segment)
        let lines = content.split(separator: 0x0A)
        // Within the number of record 300's id, so that it stays JSON.
        let position = lines[..<300].reduce(0) { $0 + $1.count + 1 } + lines[300].count - 9
        content[position] ^= 1
        try overwrite(segment, content)
        let report = try AuditVerifier.verify(directory: directory.log)
        #expect(report.problems.contains { $0.file == "tile/0/001" && $0.record == 300 })
        #expect(throws: AuditError.self) { try AuditProver(directory: directory.log).prove(index: 300) }
    }

    @Test func findsMissingAndSurplusFiles() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 600, segmentBytes: 8 << 10)
        for file in try Self.files(directory) where file != "/verifier.vkey" {
            let content = try bytes(of: directory.log + file)
            try Directory.remove(directory.log + file)
            #expect(try !AuditVerifier.verify(directory: directory.log).isIntact, "without \(file)")
            try overwrite(directory.log + file, content)
        }
        for file in ["/tile/0/002", "/tile/0/stranger", "/tile/9", "/segments/1.jsonl", "/segments/" + AuditLayout.segmentName(900)] {
            try overwrite(directory.log + file, [])
            #expect(try !AuditVerifier.verify(directory: directory.log).isIntact, "with \(file)")
            try Directory.remove(directory.log + file)
        }
        #expect(try AuditVerifier.verify(directory: directory.log).problems == [])
    }

    @Test func findsARolledBackLogByAnExportedCheckpoint() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 20)
        let earlier = directory.path + "/earlier"
        try TemporaryDirectory.copy(directory.log, to: earlier)
        let log = try AuditLog(directory)
        try await log.append(20..<30)
        let exported = try await log.checkpoint()
        await log.close()
        let key = log.verifierKey.vkey
        // The whole directory as it once was: every signature in it holds.
        #expect(try AuditVerifier.verify(directory: earlier, trustedKey: key).problems == [])
        let report = try AuditVerifier.verify(directory: earlier, trustedKey: key, against: exported)
        #expect(report.problems.count == 1)
        #expect(report.problems.first?.reason.contains("10 are cut off") == true)
        #expect(try AuditVerifier.verify(directory: directory.log, trustedKey: key, against: exported).problems == [])
    }

    @Test func findsALogRewrittenAndSignedByAnotherKey() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 5)
        let other = try TemporaryDirectory()
        try await makeLog(in: other, records: 5)
        let key = try AuditLayout(root: directory.log).readVerifier().vkey
        #expect(try AuditVerifier.verify(directory: other.log).problems == [])
        #expect(try AuditVerifier.verify(directory: other.log).notes.contains { $0.contains("proves nothing") })
        #expect(try !AuditVerifier.verify(directory: other.log, trustedKey: key).isIntact)
    }

    @Test func findsBytesHiddenBehindAZero() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) { $0.checkpointInterval = .seconds(3600) }
        for number in 0..<3 { _ = try await log.append(record(number)) }
        let copy = directory.path + "/copy"
        try TemporaryDirectory.copy(directory.log, to: copy)
        let segment = copy + "/segments/" + AuditLayout.segmentName(0)
        var content = try bytes(of: segment)
        let second = try #require(content.firstIndex(of: 0x0A)) + 1
        content[second] = 0
        try overwrite(segment, content)
        let report = try AuditVerifier.verify(directory: copy)
        #expect(report.problems.contains { $0.reason.contains("after the end of the records") })
        await log.close()
    }

    @Test(arguments: [1, 2, 255, 256, 257, 700])
    func provesRecordsOfItsDirectory(count: Int) async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: count, segmentBytes: 10_000)
        let prover = AuditProver(directory: directory.log)
        let key = try AuditLayout(root: directory.log).readVerifier()
        for number in Set([0, 1, count / 2, 254, 255, 256, count - 1]) where number < count {
            let proofs = try prover.prove(id: "r-\(number)")
            #expect(proofs.map(\.index) == [UInt64(number)])
            try proofs[0].verify(record: Array(record(number).readableBytesView), key: key)
            #expect(throws: AuditError.self) { try proofs[0].verify(record: Array(record(number + 1).readableBytesView), key: key) }
            #expect(throws: AuditError.self) {
                try proofs[0].verify(record: Array(record(number).readableBytesView), key: NoteSigner(name: "sallyport/audit").verifier)
            }
        }
        #expect(throws: AuditError.self) { try prover.prove(id: "r-\(count)") }
        #expect(throws: AuditError.self) { try prover.prove(index: UInt64(count)) }
    }

    @Test func provesThatTheLogOnlyGrew() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory)
        var checkpoints: [SignedCheckpoint] = []
        for end in [1, 100, 256, 300, 600] {
            try await log.append(Int(log.statistics.records)..<end)
            checkpoints.append(try await log.checkpoint())
        }
        await log.close()
        let prover = AuditProver(directory: directory.log)
        for (position, old) in checkpoints.enumerated() {
            for new in checkpoints[position...] {
                let proof = try prover.consistency(from: old.checkpoint.size, to: new.checkpoint.size)
                try proof.verify(from: old, to: new, key: log.verifierKey)
                if old != new { #expect(throws: AuditError.self) { try proof.verify(from: new, to: old, key: log.verifierKey) } }
            }
        }
    }
}
