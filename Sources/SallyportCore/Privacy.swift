/// That somebody agreed to something, or objected to it: opt-in only, and taken back at any time.
package struct Consent: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// GDPR art. 6(1)(a), 7.
        case consent
        /// GDPR art. 21: the purpose must not be served with this subject's data, consent or not.
        case objection
        /// GDPR art. 18: kept and nothing else; the purpose is `*`.
        case restriction
    }
    package var tenant: TenantID
    /// The principal's id.
    package var subject: String
    package var kind: Kind
    /// A name such as `model-customisation`.
    package var purpose: String
    /// Of the text that was agreed to.
    package var version: String
    /// Seconds since 1970.
    package var givenAt: Int64
    package var withdrawnAt: Int64?
    /// How it was given, for the proof (art. 7(1)): a form's name, a ticket.
    package var evidence: String

    package init(
        tenant: TenantID = .default, subject: String, kind: Kind = .consent, purpose: String, version: String, givenAt: Int64,
        withdrawnAt: Int64? = nil, evidence: String = ""
    ) {
        self.tenant = tenant
        self.subject = subject
        self.kind = kind
        self.purpose = purpose
        self.version = version
        self.givenAt = givenAt
        self.withdrawnAt = withdrawnAt
        self.evidence = evidence
    }

    package func isLive(at now: Int64) -> Bool { givenAt <= now && withdrawnAt.map { now < $0 } ?? true }
}

/// Whether somebody has agreed. On the hot path: from memory, no I/O.
package protocol ConsentRegister: Sendable {
    /// - Parameter version: the version that must have been agreed to; nil: any.
    /// - Returns: false as well when nobody knows at the moment.
    func allows(_ purpose: String, version: String?, for subject: String, of tenant: TenantID) -> Bool
    /// Whether an objection or a restriction forbids it.
    func forbids(_ purpose: String, for subject: String, of tenant: TenantID) -> Bool
    /// Whether the notice's version in force was acknowledged.
    func hasAcknowledged(_ notice: String, subject: String, of tenant: TenantID) -> Bool
}

/// Nobody has agreed to anything.
package struct EmptyConsentRegister: ConsentRegister {
    package init() {}
    package func allows(_ purpose: String, version: String?, for subject: String, of tenant: TenantID) -> Bool { false }
    package func forbids(_ purpose: String, for subject: String, of tenant: TenantID) -> Bool { false }
    package func hasAcknowledged(_ notice: String, subject: String, of tenant: TenantID) -> Bool { false }
}

/// A privacy notice: what people are told. Each change is a new version.
package struct PrivacyNotice: Sendable, Hashable, Codable {
    package var tenant: TenantID
    package var name: String
    package var version: Int
    package var text: String
    package var publishedAt: Int64
    package init(tenant: TenantID = .default, name: String, version: Int, text: String, publishedAt: Int64) {
        self.tenant = tenant
        self.name = name
        self.version = version
        self.text = text
        self.publishedAt = publishedAt
    }
}

/// That somebody has taken note of a version.
package struct NoticeAcknowledgement: Sendable, Hashable, Codable {
    package var tenant: TenantID
    package var notice: String
    package var version: Int
    package var subject: String
    package var at: Int64
    package init(tenant: TenantID = .default, notice: String, version: Int, subject: String, at: Int64) {
        self.tenant = tenant
        self.notice = notice
        self.version = version
        self.subject = subject
        self.at = at
    }
}

/// Something that must be kept although it could or should be deleted.
package struct LegalHold: Sendable, Hashable, Codable {
    package var id: String
    package var tenant: TenantID
    /// The principal whose data it is; nil: everybody's.
    package var subject: String?
    /// The policy under which it was stored; nil: every one.
    package var policy: String?
    package var reason: String
    package var placedBy: String
    package var placedAt: Int64
    /// When somebody must look whether it is still needed.
    package var reviewAt: Int64
    package var releasedAt: Int64?
    package init(
        id: String, tenant: TenantID = .default, subject: String? = nil, policy: String? = nil, reason: String, placedBy: String,
        placedAt: Int64, reviewAt: Int64, releasedAt: Int64? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.subject = subject
        self.policy = policy
        self.reason = reason
        self.placedBy = placedBy
        self.placedAt = placedAt
        self.reviewAt = reviewAt
        self.releasedAt = releasedAt
    }

    package func covers(subject: String, policy: String?) -> Bool {
        releasedAt == nil && (self.subject.map { $0 == subject } ?? true) && (self.policy.map { $0 == policy } ?? true)
    }
}

/// A person's request about his data, and how far it has come.
package struct SubjectRequest: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// GDPR articles 15, 20, 16, 17, 18, 21.
        case access, export, rectification, erasure, restriction, objection
    }
    package enum Status: String, Sendable, Codable, CaseIterable { case received, verified, searched, refused, done }

    /// What one store was found to hold.
    package struct Finding: Sendable, Hashable, Codable {
        package var store: String
        package var count: Int
        package init(store: String, count: Int) {
            self.store = store
            self.count = count
        }
    }

    /// What was done in one store.
    package struct Outcome: Sendable, Hashable, Codable {
        package var store: String
        package var removed: Int
        package var kept: Int
        /// Rows that were put right.
        package var corrected: Int?
        package var why: String?
        package init(store: String, removed: Int = 0, kept: Int = 0, corrected: Int? = nil, why: String? = nil) {
            self.store = store
            self.removed = removed
            self.corrected = corrected
            self.kept = kept
            self.why = why
        }
    }

    package var id: String
    package var tenant: TenantID
    package var kind: Kind
    /// The principal's id.
    package var subject: String
    /// What stands for the subject in reports.
    package var pseudonym: String
    /// For an objection: the purpose. For a rectification: what is to be put right.
    package var detail: String?
    package var status: Status
    /// Seconds since 1970.
    package var receivedAt: Int64
    /// A month after it was received (art. 12(3)), or as extended.
    package var dueAt: Int64
    package var extendedBecause: String?
    /// How it was made sure who is asking, and by whom.
    package var identityMethod: String?
    package var identityCheckedBy: String?
    package var verifiedAt: Int64?
    package var findings: [Finding]
    package var outcomes: [Outcome]
    package var refusal: String?
    package var closedAt: Int64?
    package var handledBy: String?
    /// SHA-256 of the signed report.
    package var reportDigest: String?

    package init(
        id: String, tenant: TenantID = .default, kind: Kind, subject: String, pseudonym: String, detail: String? = nil,
        receivedAt: Int64, dueAt: Int64
    ) {
        self.id = id
        self.tenant = tenant
        self.kind = kind
        self.subject = subject
        self.pseudonym = pseudonym
        self.detail = detail
        status = .received
        self.receivedAt = receivedAt
        self.dueAt = dueAt
        findings = []
        outcomes = []
    }

    package var isOpen: Bool { status != .done && status != .refused }
}

/// Something that is kept of a person and is wrong: where, and what is right.
package struct SubjectCorrection: Sendable, Hashable, Codable {
    package var store: String
    package var field: String
    package var value: String
    package init(store: String, field: String, value: String) {
        self.store = store
        self.field = field
        self.value = value
    }
}

/// What privacy needs to remember. Every method blocks.
package protocol PrivacyStore: Sendable {
    func consents(of tenant: TenantID) throws -> [Consent]
    /// Takes the place of one of the same subject, kind and purpose; the former stays in the register's history.
    func put(_ consent: Consent) throws
    /// - Returns: false when there is none that is live.
    func withdraw(_ kind: Consent.Kind, purpose: String, subject: String, tenant: TenantID, at now: Int64) throws -> Bool
    /// - Returns: the version that was given to it.
    func publish(_ notice: String, text: String, tenant: TenantID, at now: Int64) throws -> Int
    /// Every version.
    func notices(of tenant: TenantID) throws -> [PrivacyNotice]
    func acknowledge(_ acknowledgement: NoticeAcknowledgement) throws
    func acknowledgements(of tenant: TenantID) throws -> [NoticeAcknowledgement]
    func holds(of tenant: TenantID) throws -> [LegalHold]
    func place(_ hold: LegalHold) throws
    /// - Returns: false when there is none in force.
    func releaseHold(_ id: String, tenant: TenantID, at now: Int64) throws -> Bool
    func requests(of tenant: TenantID) throws -> [SubjectRequest]
    func insert(_ request: SubjectRequest) throws
    /// - Returns: false when it is not in the status that it is moved from.
    func update(_ request: SubjectRequest, from old: SubjectRequest.Status) throws -> Bool
    /// Grows with every change of consents, notices and acknowledgements.
    func revision() throws -> Int64
}

/// A row that is about somebody, as it is told to him.
package struct SubjectRow: Sendable, Hashable, Codable {
    package var store: String
    package var values: [String: String]
    package init(store: String, values: [String: String]) {
        self.store = store
        self.values = values
    }
}

/// Everything that is kept about somebody, over all stores.
package protocol SubjectIndex: Sendable {
    /// Everybody of whom something is kept, by principal id.
    func subjects(of tenant: TenantID) throws -> Set<String>
    /// How many rows of each store are about the subject; stores without any are named with 0.
    func findings(about subject: String, tenant: TenantID) throws -> [SubjectRequest.Finding]
    /// - Parameter limit: rows of one store at most.
    func rows(about subject: String, tenant: TenantID, limit: Int) throws -> [SubjectRow]
    /// Deletes what may be deleted, in one transaction, and says of each store what was kept and why.
    func erase(_ subject: String, tenant: TenantID, at now: Int64) throws -> [SubjectRequest.Outcome]
    /// Puts right what may be, in one transaction: all of it or nothing.
    /// - Throws: ``Fault`` `.invalidRequest` for a field that cannot be corrected, `.notFound` where nothing is kept of the subject.
    func correct(_ subject: String, tenant: TenantID, _ corrections: [SubjectCorrection]) throws -> [SubjectRequest.Outcome]
    /// Stores that are not searched, with the reason.
    var unsearched: [(store: String, why: String)] { get }
}
