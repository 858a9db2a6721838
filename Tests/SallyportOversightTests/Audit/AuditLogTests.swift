import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SallyportCore
import Testing

@testable import SallyportOversight

@Suite struct AuditLogTests {
    @Test(arguments: AuditLog.Durability.allCases)
    func keepsRecordsInOrderAndVerifies(durability: AuditLog.Durability) async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) { $0.durability = durability }
        for number in 0..<600 {
            #expect(try await log.append(record(number)).index == UInt64(number))
        }
        #expect(log.statistics.records == 600)
        let key = log.verifierKey.vkey
        await log.close()
        let report = try AuditVerifier.verify(directory: directory.log, trustedKey: key)
        #expect(report.problems == [])
        #expect(report.records == 600)
        #expect(report.signedRecords == 600)
        #expect(report.tiles == 2)
        #expect(report.isKeyPinned)
        try AuditReader(directory: directory.log).forEach { index, line in
            #expect(line.field("id", is: "r-\(index)"))
            return true
        }
    }

    @Test func commitsWhatGathersTogetherInTheOrderOfTheCalls() async throws {
        let directory = try TemporaryDirectory()
        // The first synchronisation waits until all records are handed over, so that the rest must gather behind it.
        let gate = ConditionLock(value: 0)
        var disk = DiskPort.system
        disk.synchronize = { descriptor in
            gate.lock(whenValue: 1)
            gate.unlock()
            return DiskPort.system.synchronize(descriptor)
        }
        gate.lock()
        gate.unlock(withValue: 1)
        let log = try AuditLog(directory, disk: disk)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        gate.lock()
        gate.unlock(withValue: 0)
        let order = NIOLockedValueBox<[UInt64]>([])
        let futures = try await loop.submit {
            (0..<200).map { number in
                log.append(record(number), on: loop).map { receipt in order.withLockedValue { $0.append(receipt.index) } }
            }
        }.get()
        gate.lock()
        gate.unlock(withValue: 1)
        try await EventLoopFuture.andAllSucceed(futures, on: loop).get()
        #expect(order.withLockedValue { $0 } == Array(0..<200))
        #expect(log.statistics.batches <= 3)
        await log.close()
        try await group.shutdownGracefully()
        var seen: [UInt64] = []
        try AuditReader(directory: directory.log).forEach { index, line in
            if line.field("id", is: "r-\(index)") { seen.append(index) }
            return true
        }
        #expect(seen == Array(0..<200))
    }

    @Test func aLoopThatIsLongAtWorkKeepsNobodyElseWaiting() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) { $0.durability = .relaxed }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let (busy, other) = (group.next(), group.next())
        let isDone = ConditionLock(value: 0)
        // The busy loop hands a record over and goes on in the same turn until another loop's record is in the log.
        let turn = busy.submit {
            let own = log.append(record(0), on: busy)
            other.execute {
                log.append(record(1), on: other).whenComplete { _ in
                    isDone.lock()
                    isDone.unlock(withValue: 1)
                }
            }
            guard isDone.lock(whenValue: 1, timeoutSeconds: 60) else { return own.map { _ in false } }
            isDone.unlock()
            return own.map { _ in true }
        }
        #expect(try await turn.flatMap { $0 }.get())
        await log.close()
        try await group.shutdownGracefully()
    }

    @Test func takesRecordsFromManyLoopsAndTasksAtOnce() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) {
            $0.segmentBytes = 8 << 10
            $0.checkpointInterval = .milliseconds(5)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
        let indices = try await withThrowingTaskGroup(of: [UInt64].self) { tasks in
            for writer in 0..<9 {
                tasks.addTask {
                    var indices: [UInt64] = []
                    for number in 0..<60 {
                        let line = record(writer * 1000 + number)
                        let loop = group.next()
                        indices.append(
                            writer % 3 == 0 ? try await log.append(line).index : try await log.append(line, on: loop).get().index)
                    }
                    // One writer's records keep its order.
                    #expect(indices == indices.sorted())
                    return indices
                }
            }
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(indices) == Set(0..<540))
        await log.close()
        try await group.shutdownGracefully()
        let report = try AuditVerifier.verify(directory: directory.log)
        #expect(report.problems == [])
        #expect(report.records == 540)
        #expect(try AuditLayout(root: directory.log).listSegments().indices.count > 3)
    }

    @Test(arguments: [1 << 20, 700]) func findsItsPlaceAgainWhenWhatItReadWasCutOff(segmentBytes: Int) async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 3)
        let segment = AuditLayout(root: directory.log).segment(0)
        let acknowledged = try bytes(of: segment)
        // Written, read by somebody, and cut off because the disk failed before it was acknowledged.
        try overwrite(segment, acknowledged + Array(buffer: record(3, padding: 900)) + [0x0A])
        let reader = AuditReader(directory: directory.log)
        let place = try reader.read(after: .start) { _, _ in true }
        #expect(place.index == 4)
        try overwrite(segment, acknowledged)
        let log = try AuditLog(directory) { $0.segmentBytes = segmentBytes }
        for number in 0..<40 { _ = try await log.append(record(100 + number)) }
        await log.close()
        var seen: [String] = []
        let end = try reader.read(after: place) { index, line in
            #expect(line.field("id", is: "r-\(index + 97)"))
            seen.append(line.string("id") ?? "")
            return true
        }
        #expect(end.index == 43 && seen.count == 39 && seen.first == "r-101")
    }

    @Test func goesOnWhereItStopped() async throws {
        let directory = try TemporaryDirectory()
        var key: String?
        for round in 0..<5 {
            let log = try AuditLog(directory) { $0.segmentBytes = 4 << 10 }
            #expect(key == nil || key == log.verifierKey.vkey)
            key = log.verifierKey.vkey
            #expect(log.statistics.records == UInt64(round * 130))
            try await log.append((round * 130)..<(round * 130 + 130))
            await log.close()
        }
        let report = try AuditVerifier.verify(directory: directory.log, trustedKey: key)
        #expect(report.problems == [])
        #expect(report.records == 650)
        #expect(report.checkpoints >= 6)
    }

    @Test(arguments: ["", "{", "{\"a\":1}\n", "{\"a\":\n1}", "[1]", "{\"a\":\"\u{0}\"}", "{}x"])
    func refusesWhatIsNotOneLine(text: String) async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory)
        await #expect(throws: Fault.self) { try await log.append(ByteBuffer(string: text)) }
        #expect(try await log.append(record(0)).index == 0)
        await log.close()
    }

    @Test func refusesARecordThatIsTooLarge() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) { $0.maximumRecordBytes = 100 }
        await #expect(throws: Fault.self) { try await log.append(record(0, padding: 100)) }
        await log.close()
    }

    @Test func boundsWhatWaitsForTheDisk() async throws {
        let directory = try TemporaryDirectory()
        let gate = ConditionLock(value: 1)
        var disk = DiskPort.system
        disk.synchronize = { descriptor in
            gate.lock(whenValue: 1)
            gate.unlock()
            return DiskPort.system.synchronize(descriptor)
        }
        let log = try AuditLog(directory, disk: disk) { $0.maximumQueuedBytes = 10_000 }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        gate.lock()
        gate.unlock(withValue: 0)
        let futures = (0..<400).map { log.append(record($0), on: loop) }
        gate.lock()
        gate.unlock(withValue: 1)
        var taken = 0
        for future in futures {
            do {
                _ = try await future.get()
                taken += 1
            } catch let fault as Fault {
                #expect(fault.code == .auditUnavailable)
            }
        }
        #expect(taken > 0 && taken < 400)
        await log.close()
        try await group.shutdownGracefully()
        let report = try AuditVerifier.verify(directory: directory.log)
        #expect(report.problems == [])
        #expect(report.records == UInt64(taken))
    }

    @Test func letsOneProcessInOnly() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory)
        #expect(throws: AuditError.self) { try AuditLog(directory) }
        await log.close()
        await log.close()
        await #expect(throws: Fault.self) { try await log.append(record(0)) }
        await #expect(throws: Fault.self) { try await log.checkpoint() }
        await (try AuditLog(directory)).close()
    }

    @Test func keepsItsFilesToItself() async throws {
        let directory = try TemporaryDirectory()
        try await makeLog(in: directory, records: 260)
        for file in try directory.files() { #expect(try permissions(of: directory.log + file) == 0o600, "\(file)") }
        for folder in ["", "/segments", "/tile", "/tile/0"] { #expect(try permissions(of: directory.log + folder) == 0o700, "\(folder)") }
    }

    @Test func exportsACheckpointOverEverythingAcknowledged() async throws {
        let directory = try TemporaryDirectory()
        let log = try AuditLog(directory) { $0.checkpointInterval = .seconds(3600) }
        for number in 0..<7 { _ = try await log.append(record(number)) }
        let signed = try await log.checkpoint()
        #expect(signed.checkpoint.size == 7)
        #expect(signed.isSigned(by: log.verifierKey))
        // A running log can be verified too.
        let report = try AuditVerifier.verify(directory: directory.log, against: signed)
        #expect(report.problems == [])
        await log.close()
    }
}
