import Crypto
import SallyportCore

/// Deletes stored exchanges whose time is over, but for what a legal hold or a restriction keeps, and proves it: the batch's digest goes into the audit log
/// before the deletion, what is left after it.
package struct RetentionJob: Sendable {
    package struct Outcome: Sendable, Hashable {
        package var removed = 0
        /// Over their time and kept: a hold covers them, or the subject has restricted the processing.
        package var held = 0
    }

    private let store: any ExchangeStore
    private let privacy: any PrivacyStore
    private let tenant: TenantID
    private let makeID: @Sendable () -> String

    /// Exchanges of one batch.
    private static let batch = 500

    package init(store: any ExchangeStore, privacy: any PrivacyStore, tenant: TenantID = .default, makeID: @escaping @Sendable () -> String)
    {
        self.store = store
        self.privacy = privacy
        self.tenant = tenant
        self.makeID = makeID
    }

    /// - Parameter note: puts an act on record; throws when that cannot be, and then nothing more is deleted.
    package func run(
        at now: Int64, note: (_ operation: String, _ target: String, _ details: [(name: String, value: String)]) throws -> Void
    ) throws -> Outcome {
        var outcome = Outcome()
        var place: (expiresAt: Int64, id: String)?
        while true {
            let found = try store.expired(at: now, tenant: tenant, after: place, limit: Self.batch)
            guard let last = found.last else { break }
            place = (last.expiresAt, last.id)
            // For each batch anew: what is held from now on is kept, however much there is to delete.
            let holds = try privacy.holds(of: tenant).filter { $0.releasedAt == nil }
            let restricted = Set(try privacy.consents(of: tenant).filter { $0.kind == .restriction && $0.isLive(at: now) }.map(\.subject))
            let free = found.filter { exchange in
                !restricted.contains(exchange.subject) && !holds.contains { $0.covers(subject: exchange.subject, policy: exchange.policy) }
            }
            outcome.held += found.count - free.count
            guard let first = free.first else { continue }
            let batch = makeID()
            let ids = free.map(\.id)
            try note(
                "privacy.retention.delete", batch,
                [
                    ("count", "\(ids.count)"), ("digest", Self.digest(of: ids)), ("policies", Self.names(free.map(\.policy))),
                    ("oldest", "\(first.expiresAt)"), ("newest", "\(free.last?.expiresAt ?? first.expiresAt)"),
                ])
            let removed = try store.remove(ids, tenant: tenant, batch: batch, reason: "its time is over", at: now)
            let left = try store.remaining(of: ids, tenant: tenant)
            try note("privacy.retention.deleted", batch, [("removed", "\(removed)"), ("left", "\(left)")])
            outcome.removed += removed
        }
        return outcome
    }

    /// Over the ids of a batch, sorted: SHA-256 in hex.
    package static func digest(of ids: [String]) -> String {
        Hex.encode(SHA256.hash(data: Array(ids.sorted().map { $0 + "\n" }.joined().utf8)))
    }

    private static func names(_ policies: [String]) -> String { Set(policies).sorted().prefix(8).joined(separator: ",") }

    /// Whether an exchange was deleted, by which batch, and whether what is remembered of the batch gives the digest that was recorded.
    package func proof(of id: String) throws -> (removal: StoredExchangeRemoval, digest: String)? {
        guard let removal = try store.removal(of: id, tenant: tenant) else { return nil }
        return (removal, Self.digest(of: try store.removals(in: removal.batch, tenant: tenant).map(\.id)))
    }
}
