import NIOConcurrencyHelpers
import NIOCore
import SallyportCore

/// Counts refusals of callers who did not authenticate, so that a flood of them cannot fill the disk.
///
/// The first refusal of an address range for a reason is recorded at once; those that follow are counted, and the counts recorded once
/// a minute.
package final class RefusalAggregator: Sendable {
    package enum Reason: String, Sendable, Hashable, CaseIterable {
        case missingCredential = "missing-credential"
        case unknownCredential = "unknown-credential"
        case expiredCredential = "expired-credential"
        case revokedCredential = "revoked-credential"
        case networkDenied = "network-denied"
        case malformedRequest = "malformed-request"
        case overLimit = "over-limit"
    }

    package struct Configuration: Sendable {
        /// How long refusals are counted before their record is due.
        package var interval: Duration
        /// Address ranges and reasons that are told apart at a time; what comes above is counted together, per reason.
        package var maximumBuckets: Int
        /// Records at once within one interval, for the whole server.
        package var maximumImmediate: Int
        package init(interval: Duration = .seconds(60), maximumBuckets: Int = 512, maximumImmediate: Int = 128) {
            self.interval = interval
            self.maximumBuckets = maximumBuckets
            self.maximumImmediate = maximumImmediate
        }
    }

    /// IPv4 by /24, IPv6 by /48: what one household or one attacker gets cheaply.
    private struct Range: Hashable {
        enum Family: UInt8 { case v4, v6, other, overflow }
        let family: Family
        /// The address with its last bits cleared.
        let prefix: UInt64
    }

    private struct Bucket: Hashable {
        let range: Range
        let reason: Reason
    }

    private struct Tally {
        var count: Int
        var first: AuditTime
        var last: AuditTime
        /// When its record is due.
        let due: Int64
    }

    private struct State {
        var tallies: [Bucket: Tally] = [:]
        var immediate = 0
        var intervalEnd: Int64 = .min
    }

    private let configuration: Configuration
    private let milliseconds: Int64
    private let state = NIOLockedValueBox(State())

    package init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        milliseconds = max(1, Int64(configuration.interval.nanoseconds / 1_000_000))
    }

    /// Notes one refusal.
    /// - Returns: a record to append now, or nil when it was only counted.
    package func refuse(_ address: SocketAddress?, _ reason: Reason, at now: AuditTime = .now()) -> AuditRecord? {
        let bucket = Bucket(range: Self.range(of: address), reason: reason)
        let isImmediate = state.withLockedValue { state -> Bool in
            let time = now.millisecondsSince1970
            if time >= state.intervalEnd {
                state.immediate = 0
                state.intervalEnd = time + milliseconds
            }
            if state.tallies[bucket] != nil {
                state.tallies[bucket]?.count += 1
                state.tallies[bucket]?.last = now
                return false
            }
            let hasRoom = state.tallies.count < configuration.maximumBuckets
            let isImmediate = hasRoom && state.immediate < configuration.maximumImmediate
            if isImmediate { state.immediate += 1 }
            let counted = hasRoom ? bucket : Bucket(range: Range(family: .overflow, prefix: 0), reason: reason)
            // A refusal that is recorded at once is not counted a second time.
            state.tallies[counted, default: Tally(count: 0, first: now, last: now, due: time + milliseconds)].count += isImmediate ? 0 : 1
            state.tallies[counted]?.last = now
            return isImmediate
        }
        guard isImmediate else { return nil }
        return record(bucket, Tally(count: 1, first: now, last: now, due: 0), at: now)
    }

    /// The records of all counts that are due, to append now. Called by a timer, and with `everything` at shutdown.
    package func flush(at now: AuditTime = .now(), everything: Bool = false) -> [AuditRecord] {
        let due = state.withLockedValue { state in
            let due = state.tallies.filter { everything || now.millisecondsSince1970 >= $0.value.due }
            for bucket in due.keys { state.tallies[bucket] = nil }
            return due
        }
        // A bucket that saw nothing after its first refusal has been recorded already.
        return due.filter { $0.value.count > 0 }
            .sorted {
                ($0.value.first, $0.key.range.prefix, $0.key.reason.rawValue) < (
                    $1.value.first, $1.key.range.prefix, $1.key.reason.rawValue
                )
            }
            .map { record($0.key, $0.value, at: now) }
    }

    private func record(_ bucket: Bucket, _ tally: Tally, at now: AuditTime) -> AuditRecord {
        let source = Self.text(bucket.range)
        var record = AuditRecord(
            .authRefused, id: "refused-\(bucket.reason.rawValue)-\(source)-\(tally.first.millisecondsSince1970)", time: now)
        record.sourceAddress = source
        record.reason = bucket.reason.rawValue
        record.verdict = .refused
        record.count = tally.count
        record.firstSeen = tally.first
        record.lastSeen = tally.last
        return record
    }

    private static func range(of address: SocketAddress?) -> Range {
        switch address {
        case .v4(let address):
            var host = address.address.sin_addr
            let value = withUnsafeBytes(of: &host) { $0.prefix(3).reduce(0 as UInt64) { $0 << 8 | UInt64($1) } }
            return Range(family: .v4, prefix: value)
        case .v6(let address):
            var host = address.address.sin6_addr
            return withUnsafeBytes(of: &host) { bytes in
                // An IPv4 caller on a dual-stack socket is an IPv4 caller.
                if bytes[..<10].allSatisfy({ $0 == 0 }) && bytes[10] == 0xFF && bytes[11] == 0xFF {
                    return Range(family: .v4, prefix: bytes[12..<15].reduce(0) { $0 << 8 | UInt64($1) })
                }
                return Range(family: .v6, prefix: bytes.prefix(6).reduce(0) { $0 << 8 | UInt64($1) })
            }
        default: return Range(family: .other, prefix: 0)
        }
    }

    private static func text(_ range: Range) -> String {
        let prefix = range.prefix
        switch range.family {
        case .v4: return "\(prefix >> 16 & 255).\(prefix >> 8 & 255).\(prefix & 255).0/24"
        case .v6: return [prefix >> 32, prefix >> 16, prefix].map { String($0 & 0xFFFF, radix: 16) }.joined(separator: ":") + "::/48"
        case .other: return "local"
        case .overflow: return "other"
        }
    }
}
