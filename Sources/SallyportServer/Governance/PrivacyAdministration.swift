import Crypto
import Foundation
import SallyportConsole
import SallyportCore
import SallyportGuard
import SallyportOversight
import SallyportStorage

/// Consents, notices, holds, requests of data subjects, registers and statistics: what the command line and the administrative routes do.
/// Blocks.
package struct PrivacyAdministration: Sendable {
    package let requests: SubjectRequests
    package let index: SQLSubjectIndex
    package let retention: RetentionJob
    private let exchanges: any ExchangeStore
    private let plan: ServerPlan?
    private let store: any PrivacyStore
    private let uses: any AccessUseStore
    private let policies: any PolicyStore
    private let pseudonym: @Sendable (String, TenantID) throws -> String
    private let tenant: TenantID
    private let database: any SQLDatabase

    /// - Parameter identity: where consents, notices and holds are kept; nil: in `database`.
    package init(plan: ServerPlan?, database: any SQLDatabase, identity: IdentitySource? = nil, tenant: TenantID = .default) {
        self.plan = plan
        self.tenant = tenant
        self.database = database
        store = identity?.privacy(own: database) ?? SQLPrivacyStore(database)
        uses = SQLAccessUseStore(identity?.database ?? database)
        policies = SQLPolicyStore(database)
        index = SQLSubjectIndex(
            database,
            elsewhere: identity?.borrowed.map { [(store: "identity", why: "keys, roles, people and consents are kept in \($0.directory)")] }
                ?? [])
        let exchanges = SQLExchangeStore(database)
        self.exchanges = exchanges
        retention = RetentionJob(store: exchanges, privacy: store, tenant: tenant) { UUID().uuidString.lowercased() }
        let secrets = SQLTenantSecretStore(database)
        let pseudonym: @Sendable (String, TenantID) throws -> String = { subject, tenant in
            let key = try secrets.secret("pseudonyms", of: tenant) { SQLSubjectKeyStore.systemRandom(32) }
            let code = HMAC<SHA256>.authenticationCode(for: Array(subject.utf8), using: SymmetricKey(data: key))
            return SubjectRequests.pseudonymPrefix + Hex.encode(code.prefix(10))
        }
        self.pseudonym = pseudonym
        let subjects = (database.sealer as? any SubjectKeyStore) ?? SQLSubjectKeyStore(database)
        var parts = SubjectRequests.Parts(
            store: store, index: index, pseudonym: pseudonym, destroyKeys: { try subjects.destroyKey(ofSubject: $0, tenant: $1) },
            makeID: { UUID().uuidString.lowercased() })
        parts.texts = { subject, tenant in
            let stored = try exchanges.list(of: tenant, subject: subject, limit: 10_000)
            return try stored.compactMap { try exchanges.exchange($0.id, tenant: tenant) }.map { exchange in
                let prompt = exchange.prompt.map { String(decoding: $0, as: UTF8.self) }
                let answer = exchange.answer.map { String(decoding: $0, as: UTF8.self) }
                return SubjectRow(store: "stored_exchange", values: ["id": exchange.id, "prompt": prompt ?? "", "answer": answer ?? ""])
            }
        }
        requests = SubjectRequests(parts, tenant: tenant)
    }

    /// - Parameter subject: a principal's id, or a pseudonym already.
    package func pseudonym(of subject: String) throws -> String {
        subject.hasPrefix(SubjectRequests.pseudonymPrefix) ? subject : try pseudonym(subject, tenant)
    }

    // MARK: Consents

    package func give(_ purpose: String, version: String, subject: String, evidence: String, at now: Int64) throws {
        try check(purpose, named: "purpose")
        let subject = try requests.named(subject)
        guard version.utf8.count <= 64, evidence.utf8.count <= 512 else {
            throw Fault(.invalidRequest, "A version has at most 64 bytes, an evidence 512.")
        }
        try store.put(
            Consent(tenant: tenant, subject: subject, purpose: purpose, version: version, givenAt: now, evidence: evidence))
    }

    package func withdraw(_ kind: Consent.Kind, purpose: String, subject: String, at now: Int64) throws {
        guard try store.withdraw(kind, purpose: purpose, subject: try requests.named(subject), tenant: tenant, at: now) else {
            throw Fault(.notFound, "There is no live \(kind.rawValue) of this subject to '\(purpose.prefix(64))'.")
        }
    }

    package func consents(of subject: String? = nil) throws -> [Consent] {
        try store.consents(of: tenant).filter { subject == nil || $0.subject == subject }
    }

    private func check(_ text: String, named name: String) throws {
        guard (1...256).contains(text.utf8.count), text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw Fault(.invalidRequest, "A \(name) has 1 to 256 bytes and no control characters.", param: name)
        }
    }

    // MARK: Notices

    package func publish(_ name: String, text: String, at now: Int64) throws -> Int {
        try check(name, named: "notice")
        guard (1...1_048_576).contains(text.utf8.count) else { throw Fault(.invalidRequest, "A notice has 1 byte to 1 MiB.") }
        return try store.publish(name, text: text, tenant: tenant, at: now)
    }

    package func notices() throws -> [PrivacyNotice] { try store.notices(of: tenant) }
    package func acknowledgements() throws -> [NoticeAcknowledgement] { try store.acknowledgements(of: tenant) }

    /// - Parameter version: nil: the newest.
    package func acknowledge(_ name: String, version: Int?, subject: String, at now: Int64) throws -> Int {
        let versions = try store.notices(of: tenant).filter { $0.name == name }.map(\.version)
        guard let version = version ?? versions.max(), versions.contains(version) else {
            throw Fault(.notFound, "There is no such version of a notice '\(name.prefix(64))'.")
        }
        let subject = try requests.named(subject)
        try store.acknowledge(NoticeAcknowledgement(tenant: tenant, notice: name, version: version, subject: subject, at: now))
        return version
    }

    // MARK: Holds

    package func hold(subject: String?, policy: String?, reason: String, by placer: String, reviewAt: Int64, at now: Int64) throws
        -> LegalHold
    {
        guard !reason.isEmpty, reason.utf8.count <= 2048 else { throw Fault(.invalidRequest, "A hold has a reason.", param: "reason") }
        guard reviewAt > now, reviewAt - now <= 366 * 86_400 else {
            throw Fault(.invalidRequest, "A hold is reviewed within a year.", param: "review")
        }
        // A hold on a pseudonym would hold nothing: stores know people by their names.
        let subject = try subject.map(requests.named)
        let hold = LegalHold(
            id: UUID().uuidString.lowercased(), tenant: tenant, subject: subject, policy: policy, reason: reason, placedBy: placer,
            placedAt: now, reviewAt: reviewAt)
        try store.place(hold)
        return hold
    }

    package func release(_ id: String, at now: Int64) throws {
        guard try store.releaseHold(id, tenant: tenant, at: now) else { throw Fault(.notFound, "There is no hold in force with this id.") }
    }

    package func holds() throws -> [LegalHold] { try store.holds(of: tenant) }

    // MARK: Stored exchanges

    /// Without texts, the newest first.
    package func stored(of subject: String?, limit: Int) throws -> [StoredExchange] {
        try exchanges.list(of: tenant, subject: subject, limit: limit)
    }

    /// One with its texts. Whoever restricted the processing of his data is not read.
    package func reveal(_ id: String, at now: Int64) throws -> StoredExchange {
        let found: StoredExchange?
        do { found = try exchanges.exchange(id, tenant: tenant) } catch let fault as Fault where fault.isErased {
            throw Fault(.notFound, "The texts of this exchange were erased.")
        }
        guard let exchange = found else { throw Fault(.notFound, "This exchange is not stored.") }
        let isRestricted = try store.consents(of: tenant).contains {
            $0.kind == .restriction && $0.subject == exchange.subject && $0.isLive(at: now)
        }
        guard !isRestricted else {
            throw Fault(.permissionDenied, "The subject has restricted the processing: its texts are kept and not read.")
        }
        return exchange
    }

    /// Stored texts for a purpose of their own: only of those who have agreed to it, and who do not object.
    package func stored(for purpose: String, limit: Int, at now: Int64) throws -> [StoredExchange] {
        let all = try store.consents(of: tenant).filter { $0.isLive(at: now) }
        let agreed = Set(all.filter { $0.kind == .consent && $0.purpose == purpose }.map(\.subject))
        let barred = Set(all.filter { $0.kind == .restriction || ($0.kind == .objection && $0.purpose == purpose) }.map(\.subject))
        return try exchanges.list(of: tenant, subject: nil, limit: limit).filter {
            agreed.contains($0.subject) && !barred.contains($0.subject)
        }
        .compactMap { try exchanges.exchange($0.id, tenant: tenant) }
    }

    // MARK: Registers

    package var minimumGroup: Int { plan?.privacy.minimumGroup ?? 5 }

    /// Uses of the gateway per group, so that nobody stands out.
    package enum Grouping: String, Sendable, CaseIterable { case action, deployment, month }

    package func statistics(by grouping: Grouping, days: Int, at now: Int64) throws -> SuppressedTable {
        var groups: [String: [String: Int]] = [:]
        for use in try uses.uses(of: tenant, since: now / 86_400 - Int64(days)) where use.allowed > 0 {
            let name =
                switch grouping {
                case .action: use.action
                case .deployment: use.deployment?.rawValue ?? "none"
                case .month: CivilDate(secondsSince1970: use.day * 86_400).month
                }
            groups[name, default: [:]][use.principal.rawValue, default: 0] += use.allowed
        }
        return SuppressedTable(groups, k: minimumGroup)
    }

    /// What policies keep, as they stand.
    package func storageRules() throws -> [(policy: PolicyID, storage: GuardPolicy.Storage)] {
        let own = try PolicyLibrary.load(directory: plan?.policiesDirectory, store: policies, tenant: tenant)
        return own.compactMap { policy in policy.privacy.storage.map { (policy.id, $0) } }.sorted { $0.0 < $1.0 }
    }

    /// The record of processing activities (GDPR art. 30).
    package func processingRecord() throws -> ProcessingRecord {
        guard let plan else {
            throw Fault(.invalidRequest, "The record of processing is made from the configuration: name it with --config.")
        }
        return ProcessingRecord(plan, storage: try storageRules())
    }

    /// Which upstream gets what, where, under which terms.
    package func sharingRegister() throws -> [SharingEntry] {
        guard let plan else { throw Fault(.invalidRequest, "The register is made from the configuration: name it with --config.") }
        let policies = try PolicyLibrary.load(directory: plan.policiesDirectory, store: policies, tenant: tenant)
        return SharingEntry.all(of: plan, policies: GuardPolicy.builtIn(learned: plan.learned.isEnabled) + policies)
    }
}

extension PrivacyAdministration: PrivacyServing {
    private static func json(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    package func processingJSON() throws -> [UInt8] { try Self.json(processingRecord()) }
    package func sharingJSON() throws -> [UInt8] { try Self.json(sharingRegister()) }

    package func statisticsJSON(by grouping: String, days: Int, at now: Int64) throws -> [UInt8] {
        guard let grouping = Grouping(rawValue: grouping) else { throw Fault(.invalidRequest, "'by' is action, deployment or month.") }
        let table = try statistics(by: grouping, days: days, at: now)
        return try Self.json(StatisticsShown(table, minimumGroup: minimumGroup))
    }

    /// The signed report; the request remembers its digest.
    package func report(on request: SubjectRequest, rows: [SubjectRow], at now: Int64) throws -> (text: String, digest: String) {
        let report = try SignedReports(database: database).report(
            PrivacyDocuments.Report(request, rows, unsearched: index.unsearched, at: now))
        try requests.note(report: report.digest, for: request.id)
        return report
    }
}

/// Statistics as they are shown.
package struct StatisticsShown: Encodable, Sendable {
    let minimumGroup: Int
    let rows: [SuppressedTable.Row]
    let rest: SuppressedTable.Row?
    let suppressed: Int

    package init(_ table: SuppressedTable, minimumGroup: Int) {
        self.minimumGroup = minimumGroup
        rows = table.rows
        rest = table.rest
        suppressed = table.suppressed
    }
}
