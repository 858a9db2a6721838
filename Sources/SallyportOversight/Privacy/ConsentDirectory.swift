import NIOConcurrencyHelpers
import SallyportCore

/// Consents, objections, restrictions and acknowledgements in memory, read anew when the store has changed.
package final class ConsentDirectory: ConsentRegister {
    private struct Key: Hashable {
        let tenant: TenantID
        let subject: String
        let purpose: String
    }

    private struct State {
        var consents: [Key: Consent] = [:]
        var objections: Set<Key> = []
        var restricted: Set<Key> = []
        /// Newest version of each notice; `subject` is empty.
        var notices: [Key: Int] = [:]
        var acknowledged: [Key: Int] = [:]
        var revision: Int64?
        /// nil: not read yet.
        var confirmedAt: Int64?

        func isConfirmed(at now: Int64, within age: Int64) -> Bool { confirmedAt.map { now - $0 <= age } ?? false }
    }

    private let state = NIOLockedValueBox(State())
    private let maximumAge: Int64
    private let clock: @Sendable () -> Int64

    /// - Parameter maximumAge: seconds after which what no refresh has confirmed is no longer trusted: then nobody has agreed.
    package init(maximumAge: Int64 = 60, clock: @escaping @Sendable () -> Int64) {
        self.maximumAge = maximumAge
        self.clock = clock
    }

    package func allows(_ purpose: String, version: String?, for subject: String, of tenant: TenantID) -> Bool {
        let now = clock()
        let key = Key(tenant: tenant, subject: subject, purpose: purpose)
        return state.withLockedValue { state in
            guard state.isConfirmed(at: now, within: maximumAge), let consent = state.consents[key], consent.isLive(at: now),
                version.map({ $0 == consent.version }) ?? true
            else { return false }
            return !Self.isForbidden(key, in: state)
        }
    }

    package func forbids(_ purpose: String, for subject: String, of tenant: TenantID) -> Bool {
        let key = Key(tenant: tenant, subject: subject, purpose: purpose)
        let now = clock()
        // Nobody knows who has objected meanwhile: then nothing is done with anybody's data that could wait.
        return state.withLockedValue { !$0.isConfirmed(at: now, within: maximumAge) || Self.isForbidden(key, in: $0) }
    }

    package func hasAcknowledged(_ notice: String, subject: String, of tenant: TenantID) -> Bool {
        let now = clock()
        return state.withLockedValue { state in
            guard state.isConfirmed(at: now, within: maximumAge),
                let newest = state.notices[Key(tenant: tenant, subject: "", purpose: notice)]
            else { return false }
            return state.acknowledged[Key(tenant: tenant, subject: subject, purpose: notice)] ?? 0 >= newest
        }
    }

    private static func isForbidden(_ key: Key, in state: State) -> Bool {
        state.objections.contains(key) || state.restricted.contains(Key(tenant: key.tenant, subject: key.subject, purpose: "*"))
    }

    /// Reads what is stored when it has changed since. Blocks, briefly.
    package func refresh(from store: any PrivacyStore, tenants: [TenantID] = [.default]) throws {
        let now = clock()
        let revision = try store.revision()
        if state.withLockedValue({ $0.revision }) == revision { return state.withLockedValue { $0.confirmedAt = now } }
        var fresh = State()
        for tenant in tenants {
            for consent in try store.consents(of: tenant) where consent.isLive(at: now) {
                let key = Key(tenant: tenant, subject: consent.subject, purpose: consent.purpose)
                switch consent.kind {
                case .consent: fresh.consents[key] = consent
                case .objection: fresh.objections.insert(key)
                case .restriction: fresh.restricted.insert(key)
                }
            }
            for notice in try store.notices(of: tenant) {
                let key = Key(tenant: tenant, subject: "", purpose: notice.name)
                fresh.notices[key] = max(fresh.notices[key] ?? 0, notice.version)
            }
            for known in try store.acknowledgements(of: tenant) {
                let key = Key(tenant: tenant, subject: known.subject, purpose: known.notice)
                fresh.acknowledged[key] = max(fresh.acknowledged[key] ?? 0, known.version)
            }
        }
        fresh.revision = revision
        fresh.confirmedAt = now
        state.withLockedValue { [fresh] in $0 = fresh }
    }
}
