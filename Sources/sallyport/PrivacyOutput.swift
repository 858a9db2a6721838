import Foundation
import SallyportCore
import SallyportServer

/// How the privacy commands print.
enum PrivacyOutput {
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
            parts.append(
                request.dueAt < now
                    ? "OVERDUE since \(KeyOptions.date(request.dueAt))" : "due \(KeyOptions.date(request.dueAt)) (\(days) days)")
        }
        return parts.joined(separator: "  ")
    }
}
