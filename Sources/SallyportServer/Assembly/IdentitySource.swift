import Foundation
import SallyportCore
import SallyportOversight
import SallyportStorage

/// Where keys, role assignments, provisioned people, conditional access, revocations and consents are kept: in the gateway's own database, or
/// in that of another gateway on the same host (`data.identity`), which alone changes them.
package struct IdentitySource: Sendable {
    /// What is read; refuses every change when it is another gateway's.
    package let database: any SQLDatabase
    /// nil: its own.
    package let borrowed: BorrowedDatabase?
    /// Where uses are counted: last uses of keys, uses of permissions. Every gateway's count, or what only another one saw would look unused.
    package let counts: any SQLDatabase

    package init(own: any SQLDatabase) { (database, borrowed, counts) = (own, nil, own) }

    /// - Parameter directory: the other gateway's data directory.
    /// - Throws: ``DatabaseOpenError``.
    package init(borrowingFrom directory: String) throws {
        let other = try BorrowedDatabase(directory: directory)
        (database, borrowed, counts) = (other, other, other.counting)
    }

    /// Consents, notices and legal holds of the source; requests of data subjects of the gateway's own data.
    package func privacy(own: any SQLDatabase) -> any PrivacyStore {
        let store = SQLPrivacyStore(own)
        return borrowed.map { SplitPrivacyStore(shared: SQLPrivacyStore($0), own: store) } ?? store
    }

    /// Counts of permissions from one audit log.
    /// - Parameter log: the log's public key: each log has a place of its own.
    package func accessUses(ofLog log: String) -> SQLAccessUseStore {
        borrowed == nil ? SQLAccessUseStore(counts) : SQLAccessUseStore(counts, reader: "audit " + log)
    }

    /// Absolute, without links, so that two names of one folder are seen to be one.
    package static func place(_ directory: String) -> String {
        URL(fileURLWithPath: directory).standardizedFileURL.resolvingSymlinksInPath().path
    }
}

/// What holds for a person everywhere is another gateway's; what is done about the data that lies here is ours.
private struct SplitPrivacyStore: PrivacyStore {
    let shared: any PrivacyStore
    let own: any PrivacyStore

    func consents(of tenant: TenantID) throws -> [Consent] { try shared.consents(of: tenant) }
    func put(_ consent: Consent) throws { try shared.put(consent) }
    func withdraw(_ kind: Consent.Kind, purpose: String, subject: String, tenant: TenantID, at now: Int64) throws -> Bool {
        try shared.withdraw(kind, purpose: purpose, subject: subject, tenant: tenant, at: now)
    }
    func publish(_ notice: String, text: String, tenant: TenantID, at now: Int64) throws -> Int {
        try shared.publish(notice, text: text, tenant: tenant, at: now)
    }
    func notices(of tenant: TenantID) throws -> [PrivacyNotice] { try shared.notices(of: tenant) }
    func acknowledge(_ acknowledgement: NoticeAcknowledgement) throws { try shared.acknowledge(acknowledgement) }
    func acknowledgements(of tenant: TenantID) throws -> [NoticeAcknowledgement] { try shared.acknowledgements(of: tenant) }
    /// Also those from before the gateway shared its identities: what was held stays held.
    func holds(of tenant: TenantID) throws -> [LegalHold] { try shared.holds(of: tenant) + own.holds(of: tenant) }
    func place(_ hold: LegalHold) throws { try shared.place(hold) }
    func releaseHold(_ id: String, tenant: TenantID, at now: Int64) throws -> Bool {
        if try own.releaseHold(id, tenant: tenant, at: now) { return true }
        return try shared.releaseHold(id, tenant: tenant, at: now)
    }
    func requests(of tenant: TenantID) throws -> [SubjectRequest] { try own.requests(of: tenant) }
    func insert(_ request: SubjectRequest) throws { try own.insert(request) }
    func update(_ request: SubjectRequest, from old: SubjectRequest.Status) throws -> Bool { try own.update(request, from: old) }
    func revision() throws -> Int64 { try shared.revision() }
}
