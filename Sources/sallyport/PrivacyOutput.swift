import Foundation
import SallyportCore
import SallyportServer

/// How the privacy commands print.
enum PrivacyOutput {
    struct ConsentShown: Encodable {
        let subject: String
        let kind: String
        let purpose: String
        let version: String
        let givenAt: String
        let withdrawnAt: String?
        let evidence: String
        init(_ consent: Consent) {
            subject = consent.subject
            kind = consent.kind.rawValue
            purpose = consent.purpose
            version = consent.version
            givenAt = KeyOptions.date(consent.givenAt)
            withdrawnAt = consent.withdrawnAt.map(KeyOptions.date)
            evidence = consent.evidence
        }
    }

    struct NoticeShown: Encodable {
        let name: String
        let version: Int
        let publishedAt: String
        let acknowledgedBy: [String]
        init(_ notice: PrivacyNotice, _ known: [NoticeAcknowledgement]) {
            name = notice.name
            version = notice.version
            publishedAt = KeyOptions.date(notice.publishedAt)
            acknowledgedBy = known.filter { $0.notice == notice.name && $0.version == notice.version }.map(\.subject).sorted()
        }
    }

    struct HoldShown: Encodable {
        let id: String
        let subject: String?
        let policy: String?
        let reason: String
        let placedBy: String
        let placedAt: String
        let reviewAt: String
        let releasedAt: String?
        init(_ hold: LegalHold) {
            id = hold.id
            subject = hold.subject
            policy = hold.policy
            reason = hold.reason
            placedBy = hold.placedBy
            placedAt = KeyOptions.date(hold.placedAt)
            reviewAt = KeyOptions.date(hold.reviewAt)
            releasedAt = hold.releasedAt.map(KeyOptions.date)
        }
    }

    struct RequestShown: Encodable {
        let id: String
        let kind: String
        let subject: String
        let pseudonym: String
        let detail: String?
        let status: String
        let receivedAt: String
        let dueAt: String
        let overdue: Bool
        let extendedBecause: String?
        let identityMethod: String?
        let identityCheckedBy: String?
        let verifiedAt: String?
        let findings: [SubjectRequest.Finding]
        let outcomes: [SubjectRequest.Outcome]
        let refusal: String?
        let closedAt: String?
        let handledBy: String?
        let reportDigest: String?

        init(_ request: SubjectRequest, at now: Int64) {
            id = request.id
            kind = request.kind.rawValue
            subject = request.subject
            pseudonym = request.pseudonym
            detail = request.detail
            status = request.status.rawValue
            receivedAt = KeyOptions.date(request.receivedAt)
            dueAt = KeyOptions.date(request.dueAt)
            overdue = request.isOpen && request.dueAt < now
            extendedBecause = request.extendedBecause
            identityMethod = request.identityMethod
            identityCheckedBy = request.identityCheckedBy
            verifiedAt = request.verifiedAt.map(KeyOptions.date)
            findings = request.findings.filter { $0.count > 0 }
            outcomes = request.outcomes
            refusal = request.refusal
            closedAt = request.closedAt.map(KeyOptions.date)
            handledBy = request.handledBy
            reportDigest = request.reportDigest
        }
    }

    static func line(_ consent: Consent) -> String {
        var parts = [consent.subject, consent.kind.rawValue, consent.purpose]
        if !consent.version.isEmpty { parts.append("version \(consent.version)") }
        parts.append("given \(KeyOptions.date(consent.givenAt))")
        if let end = consent.withdrawnAt { parts.append("withdrawn \(KeyOptions.date(end))") }
        return parts.joined(separator: "  ")
    }

    static func line(_ hold: LegalHold) -> String {
        var parts = [hold.id, hold.subject.map { "subject \($0)" } ?? "everybody", hold.policy.map { "policy \($0)" } ?? "every policy"]
        parts.append("since \(KeyOptions.date(hold.placedAt))  review by \(KeyOptions.date(hold.reviewAt))  \(hold.reason)")
        if let released = hold.releasedAt { parts.append("released \(KeyOptions.date(released))") }
        return parts.joined(separator: "  ")
    }

    static func line(_ request: SubjectRequest, at now: Int64) -> String {
        var parts = [request.id, request.kind.rawValue, request.pseudonym, request.status.rawValue]
        if request.isOpen {
            let days = (request.dueAt - now) / 86_400
            parts.append(request.dueAt < now ? "OVERDUE since \(KeyOptions.date(request.dueAt))" : "due \(KeyOptions.date(request.dueAt)) (\(days) days)")
        }
        return parts.joined(separator: "  ")
    }
}
