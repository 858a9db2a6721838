import Crypto
import NIOConcurrencyHelpers
import SallyportCore

/// Envelope encryption: a provider's key wraps each tenant's key, a tenant's key wraps those of its subjects, and what is derived from
/// them for each place seals the values there.
///
/// Keys are unwrapped on first use and stay in locked memory until something changes. ``confirm()`` asks the provider regularly whether
/// it still gives them out: when it does not, nothing is sealed or opened any more.
package final class Vault: Sealer, SubjectKeyStore {
    package enum Mode: String, Sendable, CaseIterable {
        case on
        /// Writes in the clear, and opens what was sealed before.
        case off
    }

    package struct Configuration: Sendable {
        package var mode = Mode.on
        /// How long keys in memory are used while the provider cannot be reached.
        package var offlineGrace: Duration = .seconds(15 * 60)
        package init() {}
    }

    private struct Name: Hashable {
        let tenant: TenantID
        let subject: String
    }
    private struct Derived: Hashable {
        let id: UInt64
        let version: Int
        let purpose: String
    }
    private struct Ring {
        var records: [VaultKeyRecord]
        var keys: [Int: LockedKey] = [:]
        var active: VaultKeyRecord? { records.last { $0.state == .active } }
    }
    private struct State {
        var rings: [Name: Ring] = [:]
        var derived: [Derived: LockedKey] = [:]
        var revision: Int64?
        var locked: SealError?
        var confirmedAt: Int64?
        /// Grows when what is cached was thrown away: what was loaded meanwhile is not kept.
        var generation = 0
    }

    package let store: any VaultKeyStore
    package let provider: any KeyProvider
    package let memory: LockedMemory
    private let configuration: Configuration
    private let others: [any KeyProvider]
    private let clock: @Sendable () -> Int64
    private let state = NIOLockedValueBox(State())
    private static let fingerprints = "\u{1}fingerprints"
    /// Of cached keys of subjects, and of derived ones; beyond it they are unwrapped anew.
    private static let maximumCached = 50_000

    /// Reads nothing yet.
    /// - Parameters:
    ///   - others: further providers that can unwrap what they once wrapped.
    ///   - clock: seconds since 1970.
    package init(
        store: any VaultKeyStore, provider: any KeyProvider, others: [any KeyProvider] = [], configuration: Configuration = Configuration(),
        memory: LockedMemory, clock: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.provider = provider
        self.others = others
        self.configuration = configuration
        self.memory = memory
        self.clock = clock
    }

    package var mode: Mode { configuration.mode }
    /// Why nothing is sealed or opened now; nil: all is well.
    package var locked: SealError? { state.withLockedValue { $0.locked } }

    // MARK: Sealer

    package func seal(_ plain: [UInt8], for context: SealContext) throws -> [UInt8] {
        guard mode == .on else { return plain }
        return try faults {
            let record = try active(Name(tenant: context.tenant, subject: context.subject ?? ""))
            let key = try derived(record, purpose: "seal/" + context.place)
            return try Envelope(isSubjects: context.subject != nil, keyID: record.id, version: record.version).seal(
                plain, under: key.symmetric, for: context)
        }
    }

    package func open(_ sealed: [UInt8], for context: SealContext) throws -> [UInt8] {
        guard let envelope = Envelope(sealed) else {
            if mode == .off { return sealed }
            throw Fault.sealing(.damaged("it is not sealed"))
        }
        return try faults {
            let record = try record(of: envelope, for: context)
            let key = try derived(record, purpose: "seal/" + context.place)
            do { return try envelope.open(sealed, under: key.symmetric, for: context) } catch {
                throw SealError.damaged("it does not open in \(context.place)")
            }
        }
    }

    package func isOutdated(_ sealed: [UInt8], for context: SealContext) throws -> Bool {
        guard let envelope = Envelope(sealed) else { return mode == .on }
        if mode == .off { return true }
        return try faults {
            // Asks for no new key: of a subject that was erased there must be none.
            try record(of: envelope, for: context).state != .active
        }
    }

    package func fingerprint(_ value: [UInt8], of tenant: TenantID, purpose: String) throws -> [UInt8] {
        try faults {
            let key = try derived(try active(Name(tenant: tenant, subject: Self.fingerprints)), purpose: "fingerprint/" + purpose)
            return Array(HMAC<SHA256>.authenticationCode(for: value, using: key.symmetric))
        }
    }

    private func faults<T>(_ work: () throws -> T) throws -> T {
        do { return try work() } catch let error as SealError { throw Fault.sealing(error) }
    }

    // MARK: Subjects

    package func key(forSubject subject: String, tenant: TenantID) throws -> [UInt8] {
        try faults {
            let name = Name(tenant: tenant, subject: try Self.checked(subject))
            return try unwrapped(try active(name), name).copy()
        }
    }

    package func destroyKey(ofSubject subject: String, tenant: TenantID) throws -> Bool {
        try destroy(subject: subject, of: tenant, reason: "erasure")
    }

    /// Erases whatever is sealed under a subject's key, by destroying it. Durable, in the files too, when it returns.
    /// - Returns: false when there was no key.
    package func destroy(subject: String, of tenant: TenantID, reason: String) throws -> Bool {
        _ = try faults { try Self.checked(subject) }
        let tombstone = VaultTombstone(
            tenant: tenant, subject: try fingerprint(Array(subject.utf8), of: tenant, purpose: "tombstone"), at: clock(), reason: reason)
        let existed = try store.destroy(subject, tombstone: tombstone)
        forget()
        return existed
    }

    /// Takes over a subject's key that was kept elsewhere before, if it has none yet.
    package func adopt(_ secret: [UInt8], forSubject subject: String, tenant: TenantID) throws {
        try faults {
            let name = Name(tenant: tenant, subject: try Self.checked(subject))
            guard try ring(name).records.isEmpty else { return }
            guard let key = LockedKey(secret, memory) else { throw SealError.damaged("a subject's key has 32 bytes") }
            _ = try insert(key, name, after: [])
        }
    }

    /// Destroys the keys of whom these tombstones name. For restored backups.
    /// - Returns: how many.
    package func replay(_ tombstones: [VaultTombstone]) throws -> Int {
        var count = 0
        for (tenant, stones) in Dictionary(grouping: tombstones, by: \.tenant) {
            let erased = Set(stones.map(\.subject))
            for record in try allSubjectKeys(of: tenant) where !record.subject.hasPrefix("\u{1}") {
                let name = try fingerprint(Array(record.subject.utf8), of: tenant, purpose: "tombstone")
                guard erased.contains(name), let stone = stones.first(where: { $0.subject == name }), record.createdAt <= stone.at else {
                    continue
                }
                if try store.destroy(record.subject, tombstone: stone) { count += 1 }
            }
        }
        forget()
        return count
    }

    private func allSubjectKeys(of tenant: TenantID) throws -> [VaultKeyRecord] {
        var all: [VaultKeyRecord] = []
        var last: (subject: String, version: Int)?
        while true {
            let page = try store.subjectKeys(of: tenant, after: last, limit: 500)
            guard let end = page.last else { return all }
            all += page
            last = (end.subject, end.version)
        }
    }

    private static func checked(_ subject: String) throws -> String {
        guard !subject.isEmpty, subject != fingerprints else { throw SealError.damaged("a subject has a name") }
        return subject
    }

    // MARK: Keys

    private func ring(_ name: Name) throws -> Ring {
        let (known, generation, hasRevision) = try state.withLockedValue { state in
            if let locked = state.locked { throw locked }
            return (state.rings[name], state.generation, state.revision != nil)
        }
        if let known { return known }
        if !hasRevision {
            // Before the first key is read: what another process changes after that is a change, whenever ``refresh()`` first looks.
            let revision = try store.revision()
            state.withLockedValue { if $0.revision == nil { $0.revision = revision } }
        }
        let ring = Ring(records: try store.keys(ofSubject: name.subject, tenant: name.tenant))
        state.withLockedValue { state in
            guard state.generation == generation else { return }
            if state.rings.count >= Self.maximumCached { state.rings = state.rings.filter { $0.key.subject.isEmpty } }
            state.rings[name] = ring
        }
        return ring
    }

    /// The record that seals; made when there is none.
    private func active(_ name: Name) throws -> VaultKeyRecord {
        // Another thread may keep what it read before the key was made: then it is read once more.
        for _ in 0..<16 {
            let ring = try ring(name)
            if let active = ring.active { return active }
            guard ring.records.allSatisfy({ $0.state == .destroyed }) else {
                throw SealError.revoked("the key of \(name.subject.isEmpty ? "the tenant \(name.tenant)" : "a subject") was revoked")
            }
            if let made = try insert(LockedKey(random: memory), name, after: ring.records) {
                // Made together with the tenant's first key, so that every backup has it: who is erased later is found in it by fingerprint.
                if name.subject.isEmpty { _ = try active(Name(tenant: name.tenant, subject: Self.fingerprints)) }
                return made
            }
            // Another process was first.
            state.withLockedValue { $0.rings[name] = nil }
        }
        throw SealError.unavailable("a key could not be made")
    }

    /// - Returns: nil when another process has made this version.
    private func insert(_ key: LockedKey, _ name: Name, after records: [VaultKeyRecord]) throws -> VaultKeyRecord? {
        var record = VaultKeyRecord(
            tenant: name.tenant, subject: name.subject, version: (records.map(\.version).max() ?? 0) + 1,
            id: records.last?.id ?? UInt64.random(in: .min ... .max), wrapped: [], createdAt: clock())
        try wrap(key, into: &record)
        let generation = state.withLockedValue { $0.generation }
        let inserted = try store.insert(record)
        let made = record
        state.withLockedValue { state in
            guard inserted, state.generation == generation else {
                state.rings[name] = nil
                return
            }
            let older = records.map { old in
                var old = old
                if old.state == .active { old.state = .retired }
                return old
            }
            state.rings[name] = Ring(records: older + [made], keys: [made.version: key])
        }
        return inserted ? record : nil
    }

    private func wrap(_ key: LockedKey, into record: inout VaultKeyRecord) throws {
        var raw = key.copy()
        defer { clear(&raw) }
        if record.subject.isEmpty {
            let wrapped = try provider.wrap(raw, binding: Self.binding(record))
            (record.provider, record.wrappingKey, record.wrappingVersion) = (provider.name, wrapped.key, wrapped.version)
            record.wrapped = wrapped.bytes
        } else {
            let tenant = try active(Name(tenant: record.tenant, subject: ""))
            record.wrapped = try Envelope(isSubjects: false, keyID: tenant.id, version: tenant.version).seal(
                raw, under: try derived(tenant, purpose: "wrap").symmetric, for: Self.context(record))
            record.wrappingVersion = "\(tenant.version)"
        }
    }

    private func unwrap(_ record: VaultKeyRecord) throws -> LockedKey {
        var raw: [UInt8]
        if record.subject.isEmpty {
            guard let provider = ([provider] + others).first(where: { $0.name == record.provider }) else {
                throw SealError.unavailable("the tenant's key was wrapped by '\(record.provider)', which is not configured")
            }
            raw = try provider.unwrap(
                WrappedKey(key: record.wrappingKey, version: record.wrappingVersion, bytes: record.wrapped), binding: Self.binding(record))
        } else {
            guard let envelope = Envelope(record.wrapped) else { throw SealError.damaged("a subject's key is not wrapped") }
            let context = Self.context(record)
            let tenant = try self.record(of: envelope, for: context)
            do {
                raw = try envelope.open(record.wrapped, under: derived(tenant, purpose: "wrap").symmetric, for: context)
            } catch is CryptoKitError { throw SealError.damaged("a subject's key does not open") }
        }
        defer { clear(&raw) }
        guard let key = LockedKey(raw, memory) else { throw SealError.damaged("an unwrapped key is not 32 bytes long") }
        return key
    }

    private static func binding(_ record: VaultKeyRecord) -> [String: String] {
        ["tenant": record.tenant.rawValue, "key": String(record.id, radix: 16), "version": "\(record.version)"]
    }

    private static func context(_ record: VaultKeyRecord) -> SealContext {
        SealContext(
            tenant: record.tenant, place: "vault_key.wrapped", row: [record.subject, "\(record.version)", String(record.id, radix: 16)])
    }

    private func record(of envelope: Envelope, for context: SealContext) throws -> VaultKeyRecord {
        guard envelope.isSubjects == (context.subject != nil) else { throw SealError.damaged("it was sealed for another place") }
        let name = Name(tenant: context.tenant, subject: context.subject ?? "")
        func find() throws -> VaultKeyRecord? { try ring(name).records.first { $0.version == envelope.version && $0.id == envelope.keyID } }
        var found = try find()
        if found == nil {
            // Made by another process since.
            state.withLockedValue { $0.rings[name] = nil }
            found = try find()
        }
        guard let found else {
            if let subject = context.subject, try isErased(subject, context.tenant) { throw SealError.destroyed }
            throw SealError.damaged("the key that it was sealed under is not known")
        }
        switch found.state {
        case .active, .retired: return found
        case .revoked: throw SealError.revoked("the key was revoked")
        case .destroyed: throw SealError.destroyed
        }
    }

    private func isErased(_ subject: String, _ tenant: TenantID) throws -> Bool {
        let key = try derived(try active(Name(tenant: tenant, subject: Self.fingerprints)), purpose: "fingerprint/tombstone")
        return try store.isErased(Array(HMAC<SHA256>.authenticationCode(for: Array(subject.utf8), using: key.symmetric)), tenant: tenant)
    }

    private func unwrapped(_ record: VaultKeyRecord, _ name: Name) throws -> LockedKey {
        let generation = state.withLockedValue { $0.generation }
        if let known = state.withLockedValue({ $0.rings[name]?.keys[record.version] }) { return known }
        let key = try unwrap(record)
        state.withLockedValue { state in if state.generation == generation { state.rings[name]?.keys[record.version] = key } }
        return key
    }

    private func derived(_ record: VaultKeyRecord, purpose: String) throws -> LockedKey {
        let name = Derived(id: record.id, version: record.version, purpose: purpose)
        let (known, generation) = try state.withLockedValue { state in
            if let locked = state.locked { throw locked }
            return (state.derived[name], state.generation)
        }
        if let known { return known }
        let key = try unwrapped(record, Name(tenant: record.tenant, subject: record.subject)).derived(purpose, memory)
        state.withLockedValue { state in
            guard state.generation == generation else { return }
            if state.derived.count >= Self.maximumCached { state.derived = [:] }
            state.derived[name] = key
        }
        return key
    }

    // MARK: Change

    /// Throws every key out of memory; they are unwrapped again when needed.
    package func forget() {
        state.withLockedValue { state in
            state.rings = [:]
            state.derived = [:]
            state.generation += 1
        }
    }

    /// Looks whether another process changed keys. Cheap; called several times a second.
    /// - Returns: true when it did.
    package func refresh() throws -> Bool {
        let revision = try store.revision()
        let changed = state.withLockedValue { state in
            defer { state.revision = revision }
            return state.revision != nil && state.revision != revision
        }
        if changed { forget() }
        return changed
    }

    /// Asks the provider whether it still unwraps the tenants' keys. Blocks; called every few seconds.
    /// - Returns: why the vault is locked now; nil: it is not.
    @discardableResult package func confirm() -> SealError? {
        do {
            for record in try store.tenantKeys() where record.state == .active { _ = try unwrap(record) }
            state.withLockedValue { state in
                state.locked = nil
                state.confirmedAt = clock()
            }
        } catch SealError.revoked(let why) { lock(.revoked(why)) } catch SealError.damaged(let why) { lock(.revoked(why)) } catch {
            // Out of reach: keys in memory serve for a while.
            let reason = (error as? SealError) ?? .unavailable("the keys cannot be read")
            let since = state.withLockedValue { state in
                if state.confirmedAt == nil { state.confirmedAt = clock() }
                return state.confirmedAt ?? 0
            }
            if clock() - since > configuration.offlineGrace.components.seconds { lock(reason) }
        }
        return locked
    }

    private func lock(_ reason: SealError) {
        state.withLockedValue { $0.locked = reason }
        forget()
    }

    /// Wraps tenants' keys anew that are not wrapped by the provider's newest version. May be broken off and begun again at any time.
    /// - Returns: how many were wrapped anew, and how many there are.
    package func rewrap(_ progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }) throws -> (changed: Int, all: Int) {
        try faults {
            let newest = try provider.newestVersion()
            let records = try store.tenantKeys().filter { $0.state != .destroyed }
            var changed = 0
            for (index, old) in records.enumerated() {
                if old.provider != provider.name || old.wrappingVersion != newest {
                    var record = old
                    try wrap(try unwrap(old), into: &record)
                    if try store.rewrap(record, replacing: old.wrapped) { changed += 1 }
                }
                progress(index + 1, records.count)
            }
            forget()
            return (changed, records.count)
        }
    }

    /// A new version of a tenant's key: it seals from now on, and the older ones still open.
    package func rotate(_ tenant: TenantID) throws -> VaultKeyRecord {
        try faults {
            let name = Name(tenant: tenant, subject: "")
            _ = try active(name)
            state.withLockedValue { $0.rings[name] = nil }
            guard let made = try insert(LockedKey(random: memory), name, after: try ring(name).records) else {
                throw SealError.unavailable("another process rotates this key at the same time")
            }
            forget()
            return made
        }
    }

    /// Wraps keys of subjects under the tenant's newest key.
    /// - Returns: where to go on, nil at the end; and how many were looked at.
    package func rewrapSubjects(of tenant: TenantID, after last: (subject: String, version: Int)?, limit: Int) throws -> (
        next: (subject: String, version: Int)?, seen: Int
    ) {
        try faults {
            let newest = try active(Name(tenant: tenant, subject: ""))
            let page = try store.subjectKeys(of: tenant, after: last, limit: limit)
            for old in page {
                if let envelope = Envelope(old.wrapped), envelope.version == newest.version { continue }
                var record = old
                try wrap(try unwrap(old), into: &record)
                _ = try store.rewrap(record, replacing: old.wrapped)
            }
            return (page.count < limit ? nil : page.last.map { ($0.subject, $0.version) }, page.count)
        }
    }

    /// Neither seals nor opens for this tenant until ``giveBack(_:)``, in every process within a second.
    package func revoke(_ tenant: TenantID) throws -> Bool {
        let changed = try store.setStates(ofSubject: "", tenant: tenant) { record, _ in
            record.state == .active || record.state == .retired ? .revoked : nil
        }
        forget()
        return changed > 0
    }

    package func giveBack(_ tenant: TenantID) throws -> Bool {
        let changed = try store.setStates(ofSubject: "", tenant: tenant) { record, newest in
            record.state == .revoked ? (record.version == newest ? .active : .retired) : nil
        }
        forget()
        return changed > 0
    }
}
