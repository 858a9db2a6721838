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

    private struct Key: Hashable {
        let tenant: TenantID
        let principal: PrincipalID
        let key: KeyID?
        let action: String
        let deployment: DeploymentID?
        let grant: String?
        let day: Int64
    }

    /// Reads on from where the last one stopped.
    /// - Parameter most: batches at most: a caller with little time comes back for the rest.
    /// - Returns: whether the end of the log was reached.
    @discardableResult
    package func catchUp(most batches: Int = .max, at now: Int64) throws -> Bool {
        for _ in 0..<batches {
            let known = try store.place()
            let position = try known.map { try JSONDecoder().decode(AuditReader.Position.self, from: Data($0.cursor.utf8)) } ?? .start
            var counts: [Key: AccessUse] = [:]
            var first: Int64?
            var read = 0
            let next = try reader.read(after: position) { _, line in
                read += 1
                if let (key, use) = Self.use(line) {
                    if first == nil { first = use.lastAt }
                    counts[key] = counts[key].map { Self.sum($0, use) } ?? use
                } else if first == nil {
                    first = line.string("time").flatMap(Self.seconds)
                }
                return read < Self.batch
            }
            guard read > 0 else { return true }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            let isAdded = try store.add(
                Array(counts.values), from: known?.cursor, to: String(decoding: try encoder.encode(next), as: UTF8.self),
                observedSince: known?.observedSince ?? first ?? now)
            // Another process counted these: its place is ours now.
            if !isAdded { continue }
            if read < Self.batch { return true }
        }
        return false
    }

    /// Forgets counts that are older than what is kept of metadata.
    package func prune(at now: Int64) throws { _ = try store.removeUses(before: now / 86_400 - Self.keptDays) }

    private static func sum(_ a: AccessUse, _ b: AccessUse) -> AccessUse {
        var sum = a
        sum.allowed += b.allowed
        sum.denied += b.denied
        sum.lastAt = max(a.lastAt, b.lastAt)
        return sum
    }

    private static func use(_ line: AuditLine) -> (Key, AccessUse)? {
        guard let type = line.string("type"), type == "exchange.outcome" || type == "admin.act", let raw = line.field("details"),
            let principal = line.string("principal"), let at = line.string("time").flatMap(seconds)
        else { return nil }
        let details = AuditLine(raw)
        guard let action = details.string("action") else { return nil }
        let isDenied = line.string("error") == "PermissionDenied"
        let tenant = line.string("tenant").map { TenantID($0) } ?? .default
        let key = line.string("key").map { KeyID($0) }
        let deployment = line.string("deployment").map { DeploymentID($0) }
        let grant = details.string("grant")
        let use = AccessUse(
            tenant: tenant, principal: PrincipalID(principal), key: key, action: action, deployment: deployment, grant: grant,
            day: at / 86_400, allowed: isDenied ? 0 : 1, denied: isDenied ? 1 : 0, lastAt: at)
        return (
            Key(
                tenant: tenant, principal: use.principal, key: key, action: action, deployment: deployment, grant: grant, day: use.day),
            use
        )
    }

    /// `2026-11-24T10:00:00.000Z`; one spelling, so that no formatter is needed for each record.
    static func seconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count == 24, bytes[10] == 0x54, bytes[23] == 0x5A else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for byte in bytes[range] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), (1...12).contains(month)
        else { return nil }
        return CivilDate.seconds(year: Int(year), month: Int(month), day: Int(day)) + hour * 3600 + minute * 60 + second
    }
}
