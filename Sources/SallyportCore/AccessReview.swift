/// A round in which reviewers say who keeps what access.
package struct ReviewCampaign: Sendable, Hashable, Codable {
    package enum Status: String, Sendable, Codable, CaseIterable {
        /// Not begun: what silence would remove has not been looked at.
        case draft
        case open
        /// Over; decisions are final and not carried out.
        case closed
        /// Over, and carried out.
        case applied
    }
    /// What happens to access that nobody spoke about.
    package enum Silence: String, Sendable, Codable, CaseIterable { case keep, remove }

    package var id: String
    package var tenant: TenantID
    package var name: String
    /// Whose access is reviewed.
    package var kinds: Set<String>
    /// Names of roles; nil: every one.
    package var roles: Set<String>?
    /// `user:ID` and so on. The fallback reviewers may decide too, once half of the time is over.
    package var reviewers: [String]
    package var fallbackReviewers: [String]
    package var lookBackDays: Int
    package var requiresReason: Bool
    package var onSilence: Silence
    /// Whether decisions are carried out when the campaign ends, without another command.
    package var appliesAtEnd: Bool
    /// Days from one campaign's end to the start of the next; nil: once.
    package var recursAfterDays: Int?
    /// Seconds since 1970.
    package var createdAt: Int64
    package var createdBy: String
    package var startedAt: Int64?
    package var endsAt: Int64
    package var endedAt: Int64?
    /// Of the preview that was shown before it was started.
    package var previewDigest: String?

    package init(
        id: String, tenant: TenantID = .default, name: String, kinds: Set<String>, roles: Set<String>? = nil, reviewers: [String],
        fallbackReviewers: [String] = [], lookBackDays: Int = 90, requiresReason: Bool = false, onSilence: Silence = .keep,
        appliesAtEnd: Bool = false, recursAfterDays: Int? = nil, createdAt: Int64, createdBy: String, endsAt: Int64
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.kinds = kinds
        self.roles = roles
        self.reviewers = reviewers
        self.fallbackReviewers = fallbackReviewers
        self.lookBackDays = lookBackDays
        self.requiresReason = requiresReason
        self.onSilence = onSilence
        self.appliesAtEnd = appliesAtEnd
        self.recursAfterDays = recursAfterDays
        self.createdAt = createdAt
        self.createdBy = createdBy
        self.endsAt = endsAt
    }
}

/// One piece of access under review: a role assignment, or an API key.
package struct ReviewItem: Sendable, Hashable, Codable {
    package enum Resource: String, Sendable, Codable { case assignment, key }
    package enum Decision: String, Sendable, Codable, CaseIterable { case approve, remove, unsure }

    /// What a reviewer should know, as it was when the campaign was made.
    package struct Evidence: Sendable, Hashable, Codable {
        package var lastUsedAt: Int64?
        /// Within the look-back.
        package var uses: Int
        package var denials: Int
        package var createdAt: Int64
        package var expiresAt: Int64?
        /// `low`, `medium`, `high`.
        package var risk: String
        package var reasons: [String]
        package init(
            lastUsedAt: Int64? = nil, uses: Int = 0, denials: Int = 0, createdAt: Int64, expiresAt: Int64? = nil, risk: String = "low",
            reasons: [String] = []
        ) {
            self.lastUsedAt = lastUsedAt
            self.uses = uses
            self.denials = denials
            self.createdAt = createdAt
            self.expiresAt = expiresAt
            self.risk = risk
            self.reasons = reasons
        }
    }

    package var id: String
    package var resource: Resource
    /// The assignment's or the key's id.
    package var resourceID: String
    /// Whose access it is: `user:ID`, `group:ID`, `service:ID`, `key:ID`.
    package var subject: String
    /// The principal that a key speaks for.
    package var principal: String?
    /// For people: `openai-user at /deployments/gpt-4o`.
    package var summary: String
    package var isBreakGlass: Bool
    package var evidence: Evidence
    package var recommendation: Decision
    package var decision: Decision?
    package var reason: String?
    package var reviewedBy: String?
    package var reviewedAt: Int64?
    /// What carrying it out came to; nil: not tried.
    package var result: String?
    package var appliedAt: Int64?

    package init(
        id: String, resource: Resource, resourceID: String, subject: String, principal: String? = nil, summary: String,
        isBreakGlass: Bool = false, evidence: Evidence, recommendation: Decision
    ) {
        self.id = id
        self.resource = resource
        self.resourceID = resourceID
        self.subject = subject
        self.principal = principal
        self.summary = summary
        self.isBreakGlass = isBreakGlass
        self.evidence = evidence
        self.recommendation = recommendation
    }
}

/// Access reviews at rest. Every method blocks.
package protocol ReviewStore: Sendable {
    func campaigns(of tenant: TenantID) throws -> [ReviewCampaign]
    func status(of id: String, tenant: TenantID) throws -> ReviewCampaign.Status?
    func campaign(_ id: String, tenant: TenantID) throws -> (campaign: ReviewCampaign, status: ReviewCampaign.Status)?
    func items(of campaign: String, tenant: TenantID) throws -> [ReviewItem]
    /// - Throws: ``Fault`` `.conflict` when the id exists.
    func insert(_ campaign: ReviewCampaign, status: ReviewCampaign.Status, items: [ReviewItem]) throws
    /// Moves a campaign on, with what changed of it.
    /// - Returns: false when it is not in the status that it is moved from.
    func move(_ campaign: ReviewCampaign, from old: ReviewCampaign.Status, to new: ReviewCampaign.Status) throws -> Bool
    /// Replaces an item while its campaign has this status.
    /// - Returns: false when it has not, or there is no such item.
    func update(_ item: ReviewItem, of campaign: String, tenant: TenantID, while status: ReviewCampaign.Status) throws -> Bool
}
