import Foundation
import SallyportCore
import SallyportOversight

/// Counts uses of permissions from the audit log, each record once, whoever does it: the place in the log and the counts are one
/// transaction. Blocks.
package struct AccessUseCollector: Sendable {
    private let reader: AuditReader
    private let store: any AccessUseStore

    /// Records that are counted in one transaction.
    private static let batch = 20_000
    private static let keptDays: Int64 = 400

    package init(auditDirectory: String, store: any AccessUseStore) {
        reader = AuditReader(directory: auditDirectory)
        self.store = store
    }

    /// Reads on from where the last one stopped.
    /// - Parameter most: batches at most: a caller with little time comes back for the rest.
    /// - Returns: whether the end of the log was reached.
    @discardableResult
    package func catchUp(most batches: Int = .max, at now: Int64) throws -> Bool {
        for _ in 0..<batches {
            let known = try store.place()
            let position = try known.map { try JSONDecoder().decode(AuditReader.Position.self, from: Data($0.cursor.utf8)) } ?? .start
            var counts = Counts()
            var first: Int64?
            var read = 0
            let next = try reader.read(after: position) { _, line in
                read += 1
                if first == nil { first = line.field("time").flatMap(Self.seconds) }
                counts.add(line)
                return read < Self.batch
            }
            guard read > 0 else { return true }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            let isAdded = try store.add(
                counts.all, from: known?.cursor, to: String(decoding: try encoder.encode(next), as: UTF8.self),
                observedSince: known?.observedSince ?? first ?? now)
            // Another process counted these: its place is ours now.
            if !isAdded { continue }
            if read < Self.batch { return true }
        }
        return false
    }

    /// Forgets counts that are older than what is kept of metadata.
    package func prune(at now: Int64) throws { _ = try store.removeUses(before: now / 86_400 - Self.keptDays) }

    /// Sums records that say the same of who, what and which day: told apart by the bytes that say it, so that the words are made once.
    private struct Counts {
        private(set) var all: [AccessUse] = []
        private var places: [Signature: Int] = [:]
        private var signature = Signature()

        /// Hashed and compared as a run of bytes: an array takes one byte after the other.
        private struct Signature: Hashable {
            var bytes: [UInt8] = []

            func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
        }

        mutating func add(_ line: AuditLine) {
            let fields = Fields(of: line)
            guard let details = fields.details, let principal = fields.principal, let time = fields.time,
                let at = AccessUseCollector.seconds(time)
            else { return }
            let (action, grant) = Fields.permission(in: AuditLine(details))
            guard let action else { return }
            signature.bytes.removeAll(keepingCapacity: true)
            // Each with its length: no two rows of fields are spelled alike. Ten digits and dashes of the time are the day.
            let day = UnsafeRawBufferPointer(rebasing: time[1..<11])
            for part in [day, principal, action, grant, fields.tenant, fields.key, fields.deployment] {
                withUnsafeBytes(of: part?.count ?? -1) { signature.bytes.append(contentsOf: $0) }
                if let part { signature.bytes.append(contentsOf: part) }
            }
            let isDenied = fields.error.flatMap(AuditLine.string) == "PermissionDenied"
            if let place = places[signature] { return all[place].note(isDenied: isDenied, at: at) }
            guard let principal = AuditLine.string(principal), let action = AuditLine.string(action) else { return }
            var use = AccessUse(
                tenant: fields.tenant.flatMap(AuditLine.string).map { TenantID($0) } ?? .default, principal: PrincipalID(principal),
                key: fields.key.flatMap(AuditLine.string).map { KeyID($0) }, action: action,
                deployment: fields.deployment.flatMap(AuditLine.string).map { DeploymentID($0) },
                grant: grant.flatMap(AuditLine.string), day: at / 86_400, allowed: 0, denied: 0, lastAt: at)
            use.note(isDenied: isDenied, at: at)
            places[signature] = all.count
            all.append(use)
        }
    }

    /// What a record says of who used what, as it stands in the line.
    private struct Fields {
        var time: UnsafeRawBufferPointer?
        var tenant: UnsafeRawBufferPointer?
        var principal: UnsafeRawBufferPointer?
        var key: UnsafeRawBufferPointer?
        var deployment: UnsafeRawBufferPointer?
        var error: UnsafeRawBufferPointer?
        var details: UnsafeRawBufferPointer?

        /// Of outcomes and administrative acts; everything else is left at its first words.
        init(of line: AuditLine) {
            line.forEachField { name, value in
                switch name.count {
                case 4 where AuditLine.isExactly(name, "type"):
                    return AuditLine.isExactly(value, "\"exchange.outcome\"") || AuditLine.isExactly(value, "\"admin.act\"")
                case 4 where AuditLine.isExactly(name, "time"): time = value
                case 6 where AuditLine.isExactly(name, "tenant"): tenant = value
                case 9 where AuditLine.isExactly(name, "principal"): principal = value
                case 3 where AuditLine.isExactly(name, "key"): key = value
                case 10 where AuditLine.isExactly(name, "deployment"): deployment = value
                case 5 where AuditLine.isExactly(name, "error"): error = value
                case 7 where AuditLine.isExactly(name, "details"): details = value
                default: break
                }
                return true
            }
        }

        static func permission(in details: AuditLine) -> (action: UnsafeRawBufferPointer?, grant: UnsafeRawBufferPointer?) {
            var (action, grant): (UnsafeRawBufferPointer?, UnsafeRawBufferPointer?)
            details.forEachField { name, value in
                if AuditLine.isExactly(name, "action") { action = value }
                if AuditLine.isExactly(name, "grant") { grant = value }
                return true
            }
            return (action, grant)
        }
    }

    /// `"2026-11-24T10:00:00.000Z"`; one spelling, so that no formatter is needed for each record.
    private static func seconds(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        guard bytes.count == 26, bytes[11] == 0x54, bytes[24] == 0x5A else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for index in range {
                guard (0x30...0x39).contains(bytes[index]) else { return nil }
                value = value * 10 + Int64(bytes[index] - 0x30)
            }
            return value
        }
        guard let year = number(1..<5), let month = number(6..<8), let day = number(9..<11), let hour = number(12..<14),
            let minute = number(15..<17), let second = number(18..<20), (1...12).contains(month)
        else { return nil }
        return CivilDate.seconds(year: Int(year), month: Int(month), day: Int(day)) + hour * 3600 + minute * 60 + second
    }
}

extension AccessUse {
    fileprivate mutating func note(isDenied: Bool, at time: Int64) {
        if isDenied { denied += 1 } else { allowed += 1 }
        lastAt = max(lastAt, time)
    }
}
