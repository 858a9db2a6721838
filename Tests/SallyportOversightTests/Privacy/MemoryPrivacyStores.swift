import NIOConcurrencyHelpers
import SallyportCore

/// What privacy remembers, in memory.
final class MemoryPrivacyStore: PrivacyStore {
    private struct State {
        var consents: [Consent] = []
        var notices: [PrivacyNotice] = []
        var known: [NoticeAcknowledgement] = []
        var holds: [LegalHold] = []
        var requests: [SubjectRequest] = []
        var revision: Int64 = 0
    }
    private let state = NIOLockedValueBox(State())

    func consents(of tenant: TenantID) throws -> [Consent] { state.withLockedValue { $0.consents.filter { $0.tenant == tenant } } }
    func put(_ consent: Consent) throws {
        state.withLockedValue { state in
            state.consents.append(consent)
            state.revision += 1
        }
    }
    func withdraw(_ kind: Consent.Kind, purpose: String, subject: String, tenant: TenantID, at now: Int64) throws -> Bool {
        state.withLockedValue { state in
            guard let index = state.consents.lastIndex(where: { $0.kind == kind && $0.purpose == purpose && $0.subject == subject }) else {
                return false
            }
            state.consents[index].withdrawnAt = now
            state.revision += 1
            return true
        }
    }
    func publish(_ notice: String, text: String, tenant: TenantID, at now: Int64) throws -> Int {
        state.withLockedValue { state in
            let version = (state.notices.filter { $0.name == notice }.map(\.version).max() ?? 0) + 1
            state.notices.append(PrivacyNotice(tenant: tenant, name: notice, version: version, text: text, publishedAt: now))
            state.revision += 1
            return version
        }
    }
    func notices(of tenant: TenantID) throws -> [PrivacyNotice] { state.withLockedValue { $0.notices } }
    func acknowledge(_ acknowledgement: NoticeAcknowledgement) throws {
        state.withLockedValue { state in
            state.known.append(acknowledgement)
            state.revision += 1
        }
    }
    func acknowledgements(of tenant: TenantID) throws -> [NoticeAcknowledgement] { state.withLockedValue { $0.known } }
    func holds(of tenant: TenantID) throws -> [LegalHold] { state.withLockedValue { $0.holds } }
    func place(_ hold: LegalHold) throws { state.withLockedValue { $0.holds.append(hold) } }
    func releaseHold(_ id: String, tenant: TenantID, at now: Int64) throws -> Bool {
        state.withLockedValue { state in
            guard let index = state.holds.firstIndex(where: { $0.id == id && $0.releasedAt == nil }) else { return false }
            state.holds[index].releasedAt = now
            return true
        }
    }
    func requests(of tenant: TenantID) throws -> [SubjectRequest] { state.withLockedValue { $0.requests } }
    func insert(_ request: SubjectRequest) throws { state.withLockedValue { $0.requests.append(request) } }
    func update(_ request: SubjectRequest, from old: SubjectRequest.Status) throws -> Bool {
        state.withLockedValue { state in
            guard let index = state.requests.firstIndex(where: { $0.id == request.id && $0.status == old }) else { return false }
            state.requests[index] = request
            return true
        }
    }
    func revision() throws -> Int64 { state.withLockedValue { $0.revision } }
}

/// Exchanges in memory.
final class MemoryExchangeStore: ExchangeStore {
    private let exchanges: NIOLockedValueBox<[StoredExchange]>
    private let gone = NIOLockedValueBox<[StoredExchangeRemoval]>([])
    init(_ exchanges: [StoredExchange]) { self.exchanges = NIOLockedValueBox(exchanges) }

    func insert(_ exchange: StoredExchange) throws { exchanges.withLockedValue { $0.append(exchange) } }
    func exchange(_ id: String, tenant: TenantID) throws -> StoredExchange? { exchanges.withLockedValue { $0.first { $0.id == id } } }
    func list(of tenant: TenantID, subject: String?, limit: Int) throws -> [StoredExchange] { exchanges.withLockedValue { $0 } }
    func expired(at now: Int64, tenant: TenantID, after: (expiresAt: Int64, id: String)?, limit: Int) throws -> [StoredExchange] {
        let all = exchanges.withLockedValue { $0 }.filter { $0.expiresAt <= now }.sorted { ($0.expiresAt, $0.id) < ($1.expiresAt, $1.id) }
        return Array(
            all.filter { exchange in after.map { (exchange.expiresAt, exchange.id) > ($0.expiresAt, $0.id) } ?? true }.prefix(limit))
    }
    func remove(_ ids: [String], tenant: TenantID, batch: String, reason: String, at now: Int64) throws -> Int {
        gone.withLockedValue { $0 += ids.map { StoredExchangeRemoval(id: $0, removedAt: now, batch: batch, reason: reason) } }
        return exchanges.withLockedValue { exchanges in
            let before = exchanges.count
            exchanges.removeAll { ids.contains($0.id) }
            return before - exchanges.count
        }
    }
    func remaining(of ids: [String], tenant: TenantID) throws -> Int {
        exchanges.withLockedValue { $0.filter { ids.contains($0.id) }.count }
    }
    func removal(of id: String, tenant: TenantID) throws -> StoredExchangeRemoval? { gone.withLockedValue { $0.first { $0.id == id } } }
    func removals(in batch: String, tenant: TenantID) throws -> [StoredExchangeRemoval] {
        gone.withLockedValue { $0.filter { $0.batch == batch } }
    }
}

/// One subject, with one row in one store.
final class OneSubject: SubjectIndex {
    private let erased = NIOLockedValueBox(false)
    var isErased: Bool { erased.withLockedValue { $0 } }
    func subjects(of tenant: TenantID) throws -> Set<String> { ["pat"] }
    func findings(about subject: String, tenant: TenantID) throws -> [SubjectRequest.Finding] {
        [.init(store: "things", count: subject == "pat" && !isErased ? 1 : 0)]
    }
    func rows(about subject: String, tenant: TenantID, limit: Int) throws -> [SubjectRow] {
        [SubjectRow(store: "things", values: ["a": "b"])]
    }
    func erase(_ subject: String, tenant: TenantID, at now: Int64) throws -> [SubjectRequest.Outcome] {
        erased.withLockedValue { $0 = true }
        return [.init(store: "things", removed: 1)]
    }
    func correct(_ subject: String, tenant: TenantID, _ corrections: [SubjectCorrection]) throws -> [SubjectRequest.Outcome] {
        corrections.map { .init(store: $0.store, corrected: 1, why: $0.field) }
    }
    var unsearched: [(store: String, why: String)] { [] }
}
