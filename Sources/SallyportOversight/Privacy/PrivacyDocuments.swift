import SallyportCore

/// How privacy is written, wherever it is shown.
package enum PrivacyDocuments {
    static func date(_ seconds: Int64) -> String { CivilDate(secondsSince1970: seconds).timestamp }

    package struct ConsentShown: Codable, Sendable {
        package let subject: String
        package let kind: String
        package let purpose: String
        package let version: String
        package let givenAt: String
        package let withdrawnAt: String?
        package let evidence: String

        package init(_ consent: Consent) {
            subject = consent.subject
            kind = consent.kind.rawValue
            purpose = consent.purpose
            version = consent.version
            givenAt = date(consent.givenAt)
            withdrawnAt = consent.withdrawnAt.map(date)
            evidence = consent.evidence
        }
    }

    /// A notice as its readers see it.
    package struct NoticeText: Codable, Sendable {
        package let name: String
        package let version: Int
        package let publishedAt: String
        package let text: String

        package init(_ notice: PrivacyNotice) {
            name = notice.name
            version = notice.version
            publishedAt = date(notice.publishedAt)
            text = notice.text
        }
    }

    /// A notice as its publisher sees it.
    package struct NoticeShown: Encodable, Sendable {
        package let name: String
        package let version: Int
        package let publishedAt: String
        package let acknowledgedBy: [String]

        package init(_ notice: PrivacyNotice, _ known: [NoticeAcknowledgement]) {
            name = notice.name
            version = notice.version
            publishedAt = date(notice.publishedAt)
            acknowledgedBy = known.filter { $0.notice == notice.name && $0.version == notice.version }.map(\.subject).sorted()
        }
    }

    package struct HoldShown: Encodable, Sendable {
        let id: String
        let subject: String?
        let policy: String?
        let reason: String
        let placedBy: String
        let placedAt: String
        let reviewAt: String
        let releasedAt: String?

        package init(_ hold: LegalHold) {
            id = hold.id
            subject = hold.subject
            policy = hold.policy
            reason = hold.reason
            placedBy = hold.placedBy
            placedAt = date(hold.placedAt)
            reviewAt = date(hold.reviewAt)
            releasedAt = hold.releasedAt.map(date)
        }
    }

    package struct RequestShown: Codable, Sendable {
        package let id: String
        package let kind: String
        package let subject: String
        package let pseudonym: String
        package let detail: String?
        package let status: String
        package let receivedAt: String
        package let dueAt: String
        package let overdue: Bool
        package let extendedBecause: String?
        package let identityMethod: String?
        package let identityCheckedBy: String?
        package let verifiedAt: String?
        package let findings: [SubjectRequest.Finding]
        package let outcomes: [SubjectRequest.Outcome]
        package let refusal: String?
        package let closedAt: String?
        package let handledBy: String?
        package let reportDigest: String?

        package init(_ request: SubjectRequest, at now: Int64) {
            id = request.id
            kind = request.kind.rawValue
            subject = request.subject
            pseudonym = request.pseudonym
            detail = request.detail
            status = request.status.rawValue
            receivedAt = date(request.receivedAt)
            dueAt = date(request.dueAt)
            overdue = request.isOpen && request.dueAt < now
            extendedBecause = request.extendedBecause
            identityMethod = request.identityMethod
            identityCheckedBy = request.identityCheckedBy
            verifiedAt = request.verifiedAt.map(date)
            findings = request.findings.filter { $0.count > 0 }
            outcomes = request.outcomes
            refusal = request.refusal
            closedAt = request.closedAt.map(date)
            handledBy = request.handledBy
            reportDigest = request.reportDigest
        }
    }

    package struct ExchangeShown: Encodable, Sendable {
        let id: String
        let subject: String
        let deployment: String
        let operation: String
        let policy: String
        let policyVersion: Int
        let purpose: String
        let legalBasis: String
        let storedAt: String
        let expiresAt: String
        let truncated: Bool?
        let prompt: String?
        let answer: String?

        package init(_ exchange: StoredExchange) {
            id = exchange.id
            subject = exchange.subject
            deployment = exchange.deployment
            operation = exchange.operation
            policy = exchange.policy
            policyVersion = exchange.policyVersion
            purpose = exchange.purpose
            legalBasis = exchange.legalBasis
            storedAt = date(exchange.storedAt)
            expiresAt = date(exchange.expiresAt)
            truncated = exchange.isTruncated ? true : nil
            prompt = exchange.prompt.map { String(decoding: $0, as: UTF8.self) }
            answer = exchange.answer.map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// What is found and done, for the subject.
    package struct Report: Encodable, Sendable {
        struct Unsearched: Encodable, Sendable {
            let store: String
            let why: String
        }
        let request: RequestShown
        let data: [SubjectRow]
        let unsearched: [Unsearched]

        package init(_ request: SubjectRequest, _ rows: [SubjectRow], unsearched: [(store: String, why: String)], at now: Int64) {
            self.request = RequestShown(request, at: now)
            data = rows
            self.unsearched = unsearched.map { Unsearched(store: $0.store, why: $0.why) }
        }
    }
}
