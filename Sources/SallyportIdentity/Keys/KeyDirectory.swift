import NIOConcurrencyHelpers
import SallyportCore
import Synchronization

/// All keys in memory: what a request presents becomes a principal without I/O.
///
/// Why timing tells an attacker nothing: the credential is hashed first, and only digests are compared. How far a comparison
/// gets depends on the digest, which cannot be steered towards a stored one without inverting SHA-256, and the time of the
/// hash depends on the credential's length alone, which is public.
package final class KeyDirectory: Authenticator {
    /// What the directory knows of one key.
    private final class Entry: Sendable {
        let principal: Principal
        let limits: LimitSet
        let expiresAt: Int64
        let revokedAt: Synchronization.Atomic<Int64>
        let isHoney: Bool
        let lastUse: Synchronization.Atomic<Int64>
        let notedUse = Synchronization.Atomic<Int64>(0)

        /// - Throws: for a network that cannot be read: a key must not work from everywhere because of it.
        init(_ record: KeyRecord, lastUse: Int64) throws {
            isHoney = record.isHoney
            let addresses = try record.addresses.map { texts in
                try texts.map { text in
                    guard let range = AddressRange(text) else { throw Fault(.storeUnavailable, "The key store is damaged.") }
                    return range
                }
            }
            let ends = [record.expiresAt, record.revokedAt].compactMap(\.self).min()
            principal = Principal(
                tenant: record.tenant, project: record.project, id: record.principal, key: record.id, team: record.team,
                roles: record.roles, deployments: record.deployments,
                scope: CredentialScope(operations: record.operations, labels: record.labels, addresses: addresses),
                grantedPolicies: record.grantedPolicies,
                limits: record.limits, expiresAt: ends)
            limits = record.limits
            expiresAt = record.expiresAt ?? .max
            revokedAt = Synchronization.Atomic(record.revokedAt ?? .max)
            self.lastUse = Synchronization.Atomic(lastUse)
        }

        /// A revocation only ever moves to an earlier time.
        func revoke(at moment: Int64) {
            if moment < revokedAt.load(ordering: .relaxed) { revokedAt.store(moment, ordering: .relaxed) }
        }
    }

    /// An immutable state; replaced as a whole.
    private final class Snapshot: Sendable {
        let entries: [KeyDigest: Entry]
        let byID: [KeyReference: Entry]
        let revision: Int64?

        init(entries: [KeyDigest: Entry] = [:], byID: [KeyReference: Entry] = [:], revision: Int64? = nil) {
            self.entries = entries
            self.byID = byID
            self.revision = revision
        }
    }

    private struct KeyReference: Hashable {
        let tenant: TenantID
        let key: KeyID
    }

    /// Revocations that were heard of before the keys were read anew.
    private struct TakenBack {
        var revision: Int64?
        var moments: [KeyReference: Int64] = [:]
    }

    private let snapshot = NIOLockedValueBox(Snapshot())
    private let takenBack = NIOLockedValueBox(TakenBack())
    private let confirmedAt = Synchronization.Atomic<Int64>(.min)
    private let maximumAge: Int64?

    /// - Parameter maximumAge: seconds after which keys that no ``reload(from:at:)`` or ``refresh(from:at:)`` has confirmed
    ///   are no longer trusted (a revocation may have been missed): requests are then refused. nil: always trusted.
    package init(maximumAge: Int64?) { self.maximumAge = maximumAge }

    /// Keys known, expired ones included.
    package var count: Int { snapshot.withLockedValue { $0 }.entries.count }

    package func principal(presenting credential: Substring, at now: Int64) throws -> Principal {
        if let maximumAge {
            let confirmed = confirmedAt.load(ordering: .relaxed)
            guard confirmed > .min, now - confirmed <= maximumAge else { throw Self.stale }
        }
        guard credential.utf8.count == APIKey.length else { throw Self.unknown }
        guard let entry = entry(of: credential) else { throw Self.unknown }
        // Revocation first: it is the stronger statement, and its message says less.
        guard now < entry.revokedAt.load(ordering: .relaxed) else { throw Self.unknown }
        guard now < entry.expiresAt else { throw Self.expired }
        guard !entry.isHoney else {
            throw HoneyKeyUsed(
                tenant: entry.principal.tenant, key: entry.principal.key ?? "", principal: entry.principal.id, fault: Self.unknown)
        }
        if entry.lastUse.load(ordering: .relaxed) < now { entry.lastUse.store(now, ordering: .relaxed) }
        return entry.principal
    }

    private func entry(of credential: Substring) -> Entry? {
        let digest =
            credential.utf8.withContiguousStorageIfAvailable { KeyDigest(hashing: UnsafeRawBufferPointer($0)) }
            ?? Array(credential.utf8).withUnsafeBytes { KeyDigest(hashing: $0) }
        return snapshot.withLockedValue { $0 }.entries[digest]
    }

    /// The limits that were given to a key; nil when there is no such key.
    package func limits(of key: KeyID, tenant: TenantID) -> LimitSet? {
        snapshot.withLockedValue { $0 }.byID[KeyReference(tenant: tenant, key: key)]?.limits
    }

    /// When a key was last accepted by this process (seconds since 1970); nil when never.
    package func lastUse(of key: KeyID, tenant: TenantID) -> Int64? {
        let entry = snapshot.withLockedValue { $0 }.byID[KeyReference(tenant: tenant, key: key)]
        return entry.map { $0.lastUse.load(ordering: .relaxed) }.flatMap { $0 > .min ? $0 : nil }
    }

    /// Uses since the last call, to the minute, for ``KeyStore/noteUses(_:)``: called now and then, so that no request writes.
    package func usesToNote() -> [KeyUse] {
        var uses: [KeyUse] = []
        for (reference, entry) in snapshot.withLockedValue({ $0 }).byID {
            let minute = entry.lastUse.load(ordering: .relaxed) / 60
            guard minute > entry.notedUse.load(ordering: .relaxed) else { continue }
            entry.notedUse.store(minute, ordering: .relaxed)
            uses.append(KeyUse(tenant: reference.tenant, key: reference.key, at: minute * 60))
        }
        return uses
    }

    /// Reads all keys and replaces what is known. Blocks. When it throws, the former keys stay until they are too old.
    package func reload(from store: any KeyStore, at now: Int64) throws {
        // The revision first: a change between the two reads is then seen as one by the next refresh.
        let revision = try store.revision()
        let former = snapshot.withLockedValue { $0 }
        var entries: [KeyDigest: Entry] = [:]
        var byID: [KeyReference: Entry] = [:]
        for record in try store.allKeys() where record.revokedAt.map({ $0 > now }) ?? true {
            let reference = KeyReference(tenant: record.tenant, key: record.id)
            let lastUse = former.byID[reference]?.lastUse.load(ordering: .relaxed) ?? .min
            let entry = try Entry(record, lastUse: lastUse)
            // A hash that stands for two principals identifies neither.
            guard let digest = KeyDigest(record.secretHash), entries.updateValue(entry, forKey: digest) == nil else {
                throw Fault(.storeUnavailable, "The key store is damaged.")
            }
            byID[reference] = entry
        }
        takenBack.withLockedValue { taken in
            // What was read before a revocation must not bring its key back.
            if taken.revision ?? .min > revision {
                for (reference, moment) in taken.moments { byID[reference]?.revoke(at: moment) }
            } else {
                taken.moments = [:]
            }
            snapshot.withLockedValue { $0 = Snapshot(entries: entries, byID: byID, revision: revision) }
        }
        confirmedAt.store(now, ordering: .relaxed)
    }

    /// Heeds which keys were revoked, and nothing else: quick however many keys there are. Blocks, briefly.
    /// - Parameters:
    ///   - revision: the store's.
    ///   - revocations: the recent ones at least; asked for when the store has changed since the keys were read.
    package func takeBack(at revision: Int64, _ revocations: () throws -> [(tenant: TenantID, key: KeyID, at: Int64)]) throws {
        guard revision != snapshot.withLockedValue({ $0 }).revision, revision != takenBack.withLockedValue({ $0.revision }) else { return }
        let found = try revocations()
        takenBack.withLockedValue { taken in
            taken.revision = max(taken.revision ?? .min, revision)
            let known = snapshot.withLockedValue { $0 }.byID
            for (tenant, key, moment) in found {
                let reference = KeyReference(tenant: tenant, key: key)
                taken.moments[reference] = min(moment, taken.moments[reference] ?? .max)
                known[reference]?.revoke(at: moment)
            }
        }
    }

    /// ``reload(from:at:)`` when the store has changed since; else confirms that what is known still holds. Blocks, briefly.
    /// - Returns: whether the keys were read again.
    @discardableResult
    package func refresh(from store: any KeyStore, at now: Int64) throws -> Bool {
        let known = snapshot.withLockedValue { $0 }.revision
        guard try store.revision() == known else {
            try reload(from: store, at: now)
            return true
        }
        confirmedAt.store(now, ordering: .relaxed)
        return false
    }

    private static let unknown = Fault(
        .unauthenticated,
        """
        Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active \
        subscription and use a correct regional API endpoint for your resource.
        """)
    package static let expired = Fault(.unauthenticated, "Access denied: this API key has expired. Ask for a new key.")
    private static let stale = Fault(
        .storeUnavailable, "The gateway cannot confirm its keys at the moment. Try again shortly.", retryAfter: .seconds(1))
}
