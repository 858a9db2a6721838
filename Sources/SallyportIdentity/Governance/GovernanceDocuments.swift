import SallyportCore

/// How the governance of access is written, wherever it is shown.
package enum GovernanceDocuments {
    // MARK: Least privilege

    package struct Usage: Encodable, Sendable {
        package struct Narrow: Encodable, Sendable {
            let role: String
            let scopes: [String]
            let exactDataActions: [String]
        }
        package struct Grant: Encodable, Sendable {
            let source: String
            let role: String
            let scope: String
            let uses: Int
            let lastUsedAt: String?
            let used: [String]
            let unused: [String]
            let deployments: [String]
            let proposal: String
            let narrow: Narrow?
        }
        package struct Denied: Encodable, Sendable {
            let action: String
            let count: Int
        }
        package struct Holder: Encodable, Sendable {
            let principal: String
            let breakGlass: Bool
            let grants: [Grant]
            let denied: [Denied]
        }
        let observedDays: Int64
        let learning: Bool
        let principals: [Holder]

        package init(_ advice: LeastPrivilege, _ reports: [LeastPrivilege.Report]) {
            observedDays = advice.observedDays
            learning = advice.isLearning
            principals = reports.map { report in
                Holder(
                    principal: report.holder.description, breakGlass: report.isBreakGlass, grants: report.grants.map(Self.grant),
                    denied: report.denied.map { Denied(action: $0.action, count: $0.count) })
            }
        }

        private static func grant(_ use: LeastPrivilege.GrantUse) -> Grant {
            var narrow: Narrow?
            let proposal: String
            switch use.proposal {
            case .keep: proposal = "keep"
            case .remove: proposal = "remove"
            case .narrow(let role, let scopes, let exact):
                proposal = "narrow"
                narrow = Narrow(role: role.rawValue, scopes: scopes.map(\.description), exactDataActions: exact)
            }
            return Grant(
                source: use.grant.source, role: use.grant.role.rawValue, scope: use.grant.scope.description, uses: use.uses,
                lastUsedAt: use.lastUsedAt.map(Moments.date), used: use.used, unused: use.unused,
                deployments: use.deployments.map(\.rawValue),
                proposal: proposal, narrow: narrow)
        }
    }

    package struct Conflict: Encodable, Sendable {
        let principal: String
        let rule: String
        let reason: String
        let first: [String]
        let second: [String]

        package init(_ conflict: SeparationConflict) {
            principal = conflict.holder.description
            rule = conflict.rule.id
            reason = conflict.rule.reason
            first = conflict.first.map(\.source)
            second = conflict.second.map(\.source)
        }
    }

    // MARK: Reviews

    package struct Item: Codable, Sendable {
        package let id: String
        package let resource: String
        package let resourceId: String
        package let subject: String
        package let principal: String?
        package let summary: String
        package let breakGlass: Bool
        package let lastUsedAt: String?
        package let uses: Int
        package let denials: Int
        package let createdAt: String
        package let expiresAt: String?
        package let risk: String
        package let reasons: [String]
        package let recommendation: String
        package let decision: String
        package let reason: String?
        package let reviewedBy: String?
        package let reviewedAt: String?
        package let result: String?
        package let appliedAt: String?

        package init(_ item: ReviewItem) {
            id = item.id
            resource = item.resource.rawValue
            resourceId = item.resourceID
            subject = item.subject
            principal = item.principal
            summary = item.summary
            breakGlass = item.isBreakGlass
            lastUsedAt = item.evidence.lastUsedAt.map(Moments.date)
            uses = item.evidence.uses
            denials = item.evidence.denials
            createdAt = Moments.date(item.evidence.createdAt)
            expiresAt = item.evidence.expiresAt.map(Moments.date)
            risk = item.evidence.risk
            reasons = item.evidence.reasons
            recommendation = item.recommendation.rawValue
            decision = item.decision?.rawValue ?? "notReviewed"
            reason = item.reason
            reviewedBy = item.reviewedBy
            reviewedAt = item.reviewedAt.map(Moments.date)
            result = item.result
            appliedAt = item.appliedAt.map(Moments.date)
        }
    }

    package struct Review: Codable, Sendable {
        package let id: String
        package let name: String
        package let status: String
        package let kinds: [String]
        package let roles: [String]?
        package let reviewers: [String]
        package let fallbackReviewers: [String]
        package let lookBackDays: Int
        package let requiresReason: Bool
        package let onSilence: String
        package let appliesAtEnd: Bool
        package let recursAfterDays: Int?
        package let createdAt: String
        package let createdBy: String
        package let startedAt: String?
        package let endsAt: String
        package let endedAt: String?
        package let previewDigest: String?
        package let items: [Item]?

        package init(_ campaign: ReviewCampaign, _ status: ReviewCampaign.Status, items: [ReviewItem]?) {
            id = campaign.id
            name = campaign.name
            self.status = status.rawValue
            kinds = campaign.kinds.sorted()
            roles = campaign.roles?.sorted()
            reviewers = campaign.reviewers
            fallbackReviewers = campaign.fallbackReviewers
            lookBackDays = campaign.lookBackDays
            requiresReason = campaign.requiresReason
            onSilence = campaign.onSilence.rawValue
            appliesAtEnd = campaign.appliesAtEnd
            recursAfterDays = campaign.recursAfterDays
            createdAt = Moments.date(campaign.createdAt)
            createdBy = campaign.createdBy
            startedAt = campaign.startedAt.map(Moments.date)
            endsAt = Moments.date(campaign.endsAt)
            endedAt = campaign.endedAt.map(Moments.date)
            previewDigest = campaign.previewDigest
            self.items = items?.map(Item.init)
        }
    }

    package struct Preview: Codable, Sendable {
        package struct Line: Codable, Sendable {
            package let item: String
            package let subject: String
            package let summary: String
            package let cause: String
        }
        package let digest: String
        package let removals: [Line]
        package let spared: [Line]

        package init(_ preview: AccessReviews.Preview) {
            digest = preview.digest
            removals = preview.removals.map {
                Line(item: $0.item.id, subject: $0.item.subject, summary: $0.item.summary, cause: $0.cause.rawValue)
            }
            spared = preview.spared.map { Line(item: $0.item.id, subject: $0.item.subject, summary: $0.item.summary, cause: $0.why) }
        }
    }
}
