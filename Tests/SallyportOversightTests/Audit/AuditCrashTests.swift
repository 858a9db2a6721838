import NIOConcurrencyHelpers
import NIOCore
import SallyportCore
import Testing

@testable import SallyportOversight

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite struct AuditCrashTests {
    /// A copy such as a killed process leaves: what the log writes last is copied first.
    private static func snapshot(_ directory: TemporaryDirectory, to target: String) throws {
        try Directory.create(target)
        for name in ["checkpoint", "checkpoints.log", "tile", "signing-key", "verifier.vkey", "segments"] {
            try TemporaryDirectory.copy(directory.log + "/" + name, to: target + "/" + name)
        }
    }

    @Test(arguments: [false, true])
    func recoversFromASegmentCutAnywhere(isCutByPower: Bool) async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) { $0.checkpointInterval = .seconds(3600) }
        for number in 0..<3 { _ = try await log.append(record(number)) }
        _ = try await log.checkpoint()
        for number in 3..<6 { _ = try await log.append(record(number)) }
        let killed = directory.path + "/killed"
        try Self.snapshot(directory, to: killed)
        await log.close()
        let segment = "/segments/" + AuditLayout.segmentName(0)
        let content = Array(try bytes(of: killed + segment).prefix { $0 != 0 })
        let ends = content.indices.filter { content[$0] == 0x0A }.map { $0 + 1 }
        #expect(ends.count == 6)

        for cut in 0...content.count {
            let copy = try TemporaryDirectory()
            try TemporaryDirectory.copy(killed, to: copy.log)
            // Killed: the tail is simply not there, or is reserved space. Power cut: pages of later writes may stand without earlier ones.
            let rest: [UInt8] = isCutByPower ? [0, 0, 0, 0x7B, 0x61, 0x0A, 0x7D, 0x0A] : cut % 2 == 0 ? [] : [0, 0, 0, 0]
            try overwrite(copy.log + segment, Array(content[..<cut]) + rest)
            let whole = ends.filter { $0 <= cut }.count
            guard whole >= 3 else {
                #expect(throws: AuditError.self, "cut at \(cut)") { try AuditLog(copy, disk: .unsynchronised) }
                continue
            }
            let log = try AuditLog(copy, disk: .unsynchronised)
            #expect(log.statistics.records == UInt64(whole), "cut at \(cut)")
            #expect(try await log.append(record(whole)).index == UInt64(whole))
            await log.close()
            let report = try AuditVerifier.verify(directory: copy.log)
            #expect(report.problems == [], "cut at \(cut)")
            #expect(report.records == UInt64(whole) + 1)
        }
    }

    @Test func losesNoAcknowledgedRecordWhenKilledAtAnyMoment() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) {
            $0.segmentBytes = 20_000
            $0.checkpointInterval = .milliseconds(2)
        }
        let acknowledged = NIOLockedValueBox<Set<UInt64>>([])
        let isOver = NIOLockedValueBox(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    var number = 0
                    while !isOver.withLockedValue({ $0 }) {
                        let index = try await log.append(record(writer * 100_000 + number)).index
                        acknowledged.withLockedValue { _ = $0.insert(index) }
                        number += 1
                    }
                }
            }
            group.addTask {
                defer { isOver.withLockedValue { $0 = true } }
                var last = 0
                for round in 0..<25 {
                    while acknowledged.withLockedValue({ $0.count }) < last + 37 { await Task.yield() }
                    let known = acknowledged.withLockedValue { $0 }
                    last = known.count
                    let copy = try TemporaryDirectory()
                    try Self.snapshot(directory, to: copy.log)
                    let reopened = try AuditLog(copy, disk: .unsynchronised) { $0.segmentBytes = 20_000 }
                    let records = reopened.statistics.records
                    #expect(known.allSatisfy { $0 < records }, "round \(round)")
                    await reopened.close()
                    #expect(try AuditVerifier.verify(directory: copy.log).problems == [], "round \(round)")
                }
            }
            try await group.waitForAll()
        }
        await log.close()
        #expect(try AuditVerifier.verify(directory: directory.log).problems == [])
    }

    @Test func startsWithoutTilesAndMakesThemAgain() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 600)
        try overwrite(directory.log + "/tile/0/000", [1, 2, 3])
        try Directory.remove(directory.log + "/tile/0/001")
        await (try AuditLog(directory)).close()
        let report = try AuditVerifier.verify(directory: directory.log)
        #expect(report.problems == [])
        #expect(report.tiles == 2)
    }

    @Test func refusesToStartOnALogThatIsNotWhatItSigned() async throws {
        func tamper(_ body: (TemporaryDirectory) throws -> Void) async throws -> String {
            let directory = try TemporaryDirectory()
            try await makeLog(in: directory, records: 300, segmentBytes: 4000)
            try body(directory)
            do {
                await (try AuditLog(directory)).close()
                return "it started"
            } catch let error as AuditError {
                return error.description
            }
        }
        func segment(_ directory: TemporaryDirectory) throws -> String {
            let layout = AuditLayout(root: directory.log)
            return layout.segment(try #require(try layout.listSegments().indices.last))
        }
        #expect(try await tamper { try Directory.remove($0.log + "/checkpoint") }.contains("checkpoint is missing"))
        #expect(try await tamper { try Directory.remove($0.log + "/signing-key") }.contains("signing key is missing"))
        #expect(try await tamper { try Directory.remove(segment($0)) }.contains("was signed over 300"))
        #expect(try await tamper { try overwrite(segment($0), Array(bytes(of: segment($0)).dropLast(30))) }.contains("was signed over 300"))
        #expect(
            try await tamper { directory in
                var content = try bytes(of: segment(directory))
                content[content.count - 6] ^= 1
                try overwrite(segment(directory), content)
            }.contains("root of the last signed checkpoint"))
        #expect(try await tamper { try overwrite($0.log + "/checkpoint", Array("x".utf8)) }.contains("cannot be read"))
    }

    @Test func finishesAHistoryThatWasCutWithinACheckpoint() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 3)
        let content = try bytes(of: directory.log + "/checkpoints.log")
        for cut in 1..<content.count {
            try overwrite(directory.log + "/checkpoints.log", Array(content[..<cut]))
            if cut % 5 == 0 {
                await (try AuditLog(directory, disk: .unsynchronised)).close()
                #expect(try AuditVerifier.verify(directory: directory.log).problems == [], "cut at \(cut)")
            }
        }
    }
}

@Suite struct AuditDiskTests {
    /// A disk with so much room, which fails when told to.
    private struct Trouble: Sendable {
        var room = Int.max
        var synchronisation: Int32 = 0
        /// How many writes are cut in half before they fail.
        var isTorn = false
    }

    private static func disk(_ trouble: NIOLockedValueBox<Trouble>) -> DiskPort {
        DiskPort(
            write: { descriptor, bytes, offset in
                let (room, isTorn) = trouble.withLockedValue { ($0.room, $0.isTorn) }
                if offset + bytes.count <= room { return DiskPort.system.write(descriptor, bytes, offset) }
                // What a full disk does: takes what fits, then nothing.
                let fits = max(0, min(bytes.count, room - offset))
                if isTorn && fits > 0 { return DiskPort.system.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[..<fits]), offset) }
                return -Int(ENOSPC)
            },
            synchronize: { descriptor in
                let code = trouble.withLockedValue { $0.synchronisation }
                return code == 0 ? DiskPort.system.synchronize(descriptor) : code
            })
    }

    private static func becomesHealthy(_ log: AuditLog) async -> Bool {
        for _ in 0..<20_000 {
            if log.isHealthy { return true }
            try? await Task.sleep(for: .milliseconds(1))
        }
        return false
    }

    @Test(arguments: AuditLog.Durability.allCases, [false, true])
    func refusesWhileTheDiskIsFullAndRecovers(durability: AuditLog.Durability, isTorn: Bool) async throws {
        let directory = try TemporaryDirectory()
        let trouble = NIOLockedValueBox(Trouble(isTorn: isTorn))
        let log = try AuditLog(directory, disk: Self.disk(trouble)) { $0.durability = durability }
        for number in 0..<10 { _ = try await log.append(record(number)) }
        // Room for nothing but what was reserved, and in the relaxed case for half of a record.
        trouble.withLockedValue { $0.room = 700 }
        var number = 10
        var refused = 0
        while refused == 0 {
            do {
                #expect(try await log.append(record(number, padding: 200_000)).index == UInt64(number))
                number += 1
            } catch let fault as Fault {
                #expect(fault.code == .auditUnavailable)
                refused += 1
            }
        }
        #expect(!log.isHealthy)
        await #expect(throws: Fault.self) { try await log.append(record(number)) }
        trouble.withLockedValue { $0.room = .max }
        #expect(await Self.becomesHealthy(log))
        for later in 0..<5 { #expect(try await log.append(record(number + later)).index == UInt64(number + later)) }
        await log.close()
        let report = try AuditVerifier.verify(directory: directory.log)
        #expect(report.problems == [])
        #expect(report.records == UInt64(number + 5))
    }

    @Test func acknowledgesNothingThatWasNotSynchronised() async throws {
        let directory = try TemporaryDirectory()
        let trouble = NIOLockedValueBox(Trouble())
        let log = try AuditLog(directory, disk: Self.disk(trouble)) { $0.checkpointInterval = .seconds(3600) }
        for number in 0..<3 { _ = try await log.append(record(number)) }
        trouble.withLockedValue { $0.synchronisation = EIO }
        await #expect(throws: Fault.self) { try await log.append(record(99)) }
        #expect(!log.isHealthy)
        trouble.withLockedValue { $0.synchronisation = 0 }
        #expect(await Self.becomesHealthy(log))
        #expect(try await log.append(record(3)).index == 3)
        await log.close()
        // The record that was refused is not in the log.
        #expect(try AuditReader(directory: directory.log).indices(ofID: "r-99") == [])
        #expect(try AuditVerifier.verify(directory: directory.log).problems == [])
    }

    @Test func goesOnAfterASegmentCouldOnlyBeBegun() async throws {
        let directory = try TemporaryDirectory()
        let isBroken = NIOLockedValueBox(false)
        var disk = DiskPort.unsynchronised
        disk.synchronizeDirectory = { _ in isBroken.withLockedValue { $0 } ? EIO : 0 }
        let log = try AuditLog(directory, disk: disk) {
            $0.segmentBytes = 500
            $0.checkpointInterval = .seconds(3600)
        }
        var taken = 0
        isBroken.withLockedValue { $0 = true }
        do {
            while taken < 100 {
                #expect(try await log.append(record(taken)).index == UInt64(taken))
                taken += 1
            }
        } catch let fault as Fault {
            #expect(fault.code == .auditUnavailable)
        }
        #expect(taken > 0 && taken < 100)
        isBroken.withLockedValue { $0 = false }
        #expect(await Self.becomesHealthy(log))
        for number in taken..<(taken + 30) { #expect(try await log.append(record(number)).index == UInt64(number)) }
        await log.close()
        let report = try AuditVerifier.verify(directory: directory.log)
        #expect(report.problems == [])
        #expect(report.records == UInt64(taken + 30))
        await (try AuditLog(directory)).close()
    }

    @Test func refusesRecordsThatCanNoLongerBeSigned() async throws {
        let directory = try TemporaryDirectory()
        let isBroken = NIOLockedValueBox(false)
        var disk = DiskPort.unsynchronised
        disk.synchronizeDirectory = { _ in isBroken.withLockedValue { $0 } ? EIO : 0 }
        let log = try AuditLog(directory, disk: disk) { $0.checkpointInterval = .milliseconds(1) }
        isBroken.withLockedValue { $0 = true }
        _ = try await log.append(record(0))
        await #expect(throws: Fault.self) { try await log.checkpoint() }
        for _ in 0..<20_000 where log.isHealthy { try await Task.sleep(for: .milliseconds(1)) }
        #expect(!log.isHealthy)
        await #expect(throws: Fault.self) { try await log.append(record(1)) }
        isBroken.withLockedValue { $0 = false }
        #expect(await Self.becomesHealthy(log))
        #expect(try await log.append(record(1)).index == 1)
        await log.close()
        #expect(try AuditVerifier.verify(directory: directory.log).problems == [])
    }

    @Test func staysClosedWhenTheTailIsNotWhatWasAcknowledged() async throws {
        let directory = try TemporaryDirectory()
        let trouble = NIOLockedValueBox(Trouble())
        let log = try AuditLog(directory, disk: Self.disk(trouble)) { $0.checkpointInterval = .seconds(3600) }
        for number in 0..<3 { _ = try await log.append(record(number)) }
        let segment = directory.log + "/segments/" + AuditLayout.segmentName(0)
        trouble.withLockedValue { $0.synchronisation = EIO }
        await #expect(throws: Fault.self) { try await log.append(record(3)) }
        var content = try bytes(of: segment)
        content[20] ^= 1
        let file = try OpenFile(segment, O_WRONLY)
        try content.withUnsafeBytes { try file.write($0, at: 0) }
        trouble.withLockedValue { $0.synchronisation = 0 }
        try await Task.sleep(for: .milliseconds(50))
        #expect(!log.isHealthy)
        await log.close()
    }
}
