import Crypto
import SallyportCore

/// Access reviews: who makes them, who decides, what is carried out. Every method blocks.
///
/// What silence removes is a campaign's own choice: it must be previewed before the campaign starts, and it removes nothing that the
/// preview did not name. Break-glass accounts are never touched.
package struct AccessReviews: Sendable {
    /// What the end of a campaign would do.
    package struct Preview: Sendable {
        package enum Cause: String, Sendable { case decided, silence }
        package let removals: [(item: ReviewItem, cause: Cause)]
        package let spared: [(item: ReviewItem, why: String)]
        /// Over what silence would remove if nobody answered at all: to be repeated when the campaign is started.
        package let digest: String
    }

    package static let kinds: Set<String> = ["user", "service", "group", "key"]

    private let store: any ReviewStore
    private let access: any AccessStore
    private let keys: any KeyStore
    private let tenant: TenantID
    private let makeID: @Sendable () -> String

    package init(
        store: any ReviewStore, access: any AccessStore, keys: any KeyStore, tenant: TenantID = .default,
        makeID: @escaping @Sendable () -> String
    ) {
        self.store = store
        self.access = access
        self.keys = keys
        self.tenant = tenant
        self.makeID = makeID
    }

    // MARK: Making

    /// What a new campaign is to be.
    package struct Settings: Sendable {
        package var name: String
        package var kinds: Set<String>
        package var roles: Set<String>?
        package var reviewers: [String]
        package var fallbackReviewers: [String] = []
        package var lookBackDays = 90
        package var requiresReason = false
        package var onSilence = ReviewCampaign.Silence.keep
        package var appliesAtEnd = false
        package var recursAfterDays: Int?
        package var endsAt: Int64
        package var createdBy: String
        package init(name: String, kinds: Set<String> = AccessReviews.kinds, reviewers: [String], endsAt: Int64, createdBy: String) {
            self.name = name
            self.kinds = kinds
            self.reviewers = reviewers
            self.endsAt = endsAt
            self.createdBy = createdBy
        }
    }

    /// Makes a campaign over what is held now. It is open at once, unless silence is to remove: then it is a draft, to be previewed.
    package func create(_ settings: Settings, over held: HeldAccess, rules: [SeparationRule], at now: Int64) throws
        -> (campaign: ReviewCampaign, status: ReviewCampaign.Status)
    {
        guard (1...128).contains(settings.name.utf8.count),
            settings.name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { throw Fault(.invalidRequest, "A review's name has 1 to 128 bytes and no control characters.", param: "name") }
        guard !settings.kinds.isEmpty, settings.kinds.isSubset(of: Self.kinds) else {
            throw Fault(.invalidRequest, "A review is over user, service, group and key, or some of them.", param: "kinds")
        }
        guard !settings.reviewers.isEmpty else { throw Fault(.invalidRequest, "A review needs a reviewer.", param: "reviewers") }
        for reviewer in settings.reviewers + settings.fallbackReviewers where PrincipalReference(reviewer) == nil {
            throw Fault(.invalidRequest, "'\(reviewer.prefix(64))' is not user:ID, group:ID, service:ID or key:ID.", param: "reviewers")
        }
        guard (1...3650).contains(settings.lookBackDays) else {
            throw Fault(.invalidRequest, "The look-back is 1 to 3,650 days.", param: "lookBack")
        }
        guard settings.endsAt > now, settings.endsAt - now <= 366 * 86_400 else {
            throw Fault(.invalidRequest, "A review ends in the future, within a year.", param: "ends")
        }
        if let recurs = settings.recursAfterDays, !(1...3650).contains(recurs) {
            throw Fault(.invalidRequest, "A review recurs after 1 to 3,650 days.", param: "recurs")
        }
        var campaign = ReviewCampaign(
            id: makeID(), tenant: tenant, name: settings.name, kinds: settings.kinds, roles: settings.roles, reviewers: settings.reviewers,
            fallbackReviewers: settings.fallbackReviewers, lookBackDays: settings.lookBackDays, requiresReason: settings.requiresReason,
            onSilence: settings.onSilence, appliesAtEnd: settings.appliesAtEnd || settings.onSilence == .remove,
            recursAfterDays: settings.recursAfterDays, createdAt: now, createdBy: settings.createdBy, endsAt: settings.endsAt)
        let evidence = ReviewEvidence(
            held: held, conflicts: SeparationConflict.all(in: held, rules: rules, at: now), lookBackDays: settings.lookBackDays, now: now)
        let items = evidence.items(kinds: settings.kinds, roles: settings.roles, id: makeID)
        guard !items.isEmpty else { throw Fault(.invalidRequest, "There is nothing to review: nobody of these kinds holds anything.") }
        let status: ReviewCampaign.Status = settings.onSilence == .remove ? .draft : .open
        if status == .open { campaign.startedAt = now }
        try store.insert(campaign, status: status, items: items)
        return (campaign, status)
    }

    /// Opens a draft. What silence would remove must have been seen: the preview's digest says so.
    package func start(_ id: String, previewed digest: String, at now: Int64) throws -> ReviewCampaign {
        var (campaign, status) = try found(id)
        guard status == .draft else { throw Fault(.conflict, "This review has been started already.") }
        guard campaign.endsAt > now else { throw Fault(.conflict, "This review would be over already.") }
        guard try preview(id).digest == digest else {
            throw Fault(.conflict, "This is not the digest of the review's preview: look at what silence would remove first.")
        }
        campaign.startedAt = now
        campaign.previewDigest = digest
        guard try store.move(campaign, from: .draft, to: .open) else { throw Self.moved }
        return campaign
    }

    // MARK: Deciding

    /// Records a reviewer's answer.
    /// - Parameter names: all names that the reviewer answers to: its own, those of its groups.
    package func decide(
        _ id: String, item itemID: String, _ decision: ReviewItem.Decision, reason: String?, by reviewer: PrincipalReference,
        names: Set<PrincipalReference>, at now: Int64
    ) throws -> ReviewItem {
        let (campaign, status) = try found(id)
        guard status == .open, now < campaign.endsAt else { throw Fault(.conflict, "This review is not open.") }
        guard var item = try store.items(of: id, tenant: tenant).first(where: { $0.id == itemID }) else {
            throw Fault(.notFound, "There is no such item in this review.")
        }
        let spelled = Set(names.union([reviewer]).map(\.description))
        let half = (campaign.startedAt ?? campaign.createdAt) + (campaign.endsAt - (campaign.startedAt ?? campaign.createdAt)) / 2
        let isReviewer = !spelled.isDisjoint(with: campaign.reviewers)
        let isFallback = now >= half && !spelled.isDisjoint(with: campaign.fallbackReviewers)
        guard isReviewer || isFallback else { throw Fault(.permissionDenied, "'\(reviewer)' is no reviewer of this review.") }
        // Nobody says of himself that he keeps what he has.
        let owners = item.principal.map { ["user:\($0)", "service:\($0)"] } ?? []
        guard spelled.isDisjoint(with: [item.subject] + owners) else {
            throw Fault(.permissionDenied, "Nobody reviews his own access: another reviewer has to.")
        }
        if let reason, reason.utf8.count > 2048 { throw Fault(.invalidRequest, "A reason has at most 2,048 bytes.", param: "reason") }
        if campaign.requiresReason, decision == .approve, (reason ?? "").isEmpty {
            throw Fault(.invalidRequest, "This review wants a reason for what is approved.", param: "reason")
        }
        item.decision = decision
        item.reason = reason
        item.reviewedBy = reviewer.description
        item.reviewedAt = now
        guard try store.update(item, of: id, tenant: tenant, while: .open) else { throw Self.moved }
        return item
    }

    // MARK: Ending

    package func preview(_ id: String) throws -> Preview {
        let (campaign, _) = try found(id)
        let items = try store.items(of: id, tenant: tenant)
        var removals: [(item: ReviewItem, cause: Preview.Cause)] = []
        var spared: [(item: ReviewItem, why: String)] = []
        var silent: [String] = []
        for item in items {
            let why: String? =
                item.isBreakGlass
                ? "a break-glass account"
                : item.resourceID.hasPrefix("config-") ? "stands in the configuration file: take it out there" : nil
            if campaign.onSilence == .remove, why == nil { silent.append("\(item.id) \(item.subject) \(item.resourceID)\n") }
            let cause: Preview.Cause? =
                switch item.decision {
                case .remove: .decided
                case .approve: nil
                case .unsure, nil: campaign.onSilence == .remove ? .silence : nil
                }
            guard let cause else { continue }
            if let why { spared.append((item, why)) } else { removals.append((item, cause)) }
        }
        let digest = Hex.encode(SHA256.hash(data: Array((id + "\n" + silent.sorted().joined()).utf8)))
        return Preview(removals: removals, spared: spared, digest: digest)
    }

    /// Ends a campaign: no more decisions.
    package func close(_ id: String, at now: Int64) throws -> ReviewCampaign {
        var (campaign, status) = try found(id)
        guard status == .open || status == .draft else { throw Fault(.conflict, "This review is over already.") }
        campaign.endedAt = now
        // A draft that was never started removes nothing.
        if status == .draft { campaign.onSilence = .keep }
        guard try store.move(campaign, from: status, to: .closed) else { throw Self.moved }
        return campaign
    }

    /// Carries out what was decided. Each removal is tried by itself; what became of it stands in its item.
    /// - Parameter breakGlass: as it is now: an account may have become one since the campaign was made.
    /// - Parameter note: told before each removal is done; throws when it cannot be put on record, and then nothing is removed.
    package func apply(
        _ id: String, breakGlass: Set<PrincipalReference>, at now: Int64, note: (ReviewItem, Preview.Cause) throws -> Void
    ) throws -> [ReviewItem] {
        let (campaign, status) = try found(id)
        guard status == .closed else {
            throw Fault(.conflict, status == .applied ? "This review has been carried out already." : "This review is not over yet.")
        }
        let preview = try self.preview(id)
        if campaign.onSilence == .remove, campaign.previewDigest != preview.digest {
            throw Fault(.conflict, "What this review would remove is not what was previewed: nothing was removed.")
        }
        var done: [ReviewItem] = []
        for (item, cause) in preview.removals {
            var item = item
            if item.result == "removed" { continue }
            if isBreakGlass(item, breakGlass) {
                item.result = "kept: a break-glass account"
            } else {
                try note(item, cause)
                item.result = try remove(item, at: now) ? "removed" : "was gone already"
            }
            item.appliedAt = now
            _ = try store.update(item, of: id, tenant: tenant, while: .closed)
            done.append(item)
        }
        for (item, why) in preview.spared where item.result == nil {
            var item = item
            item.result = "kept: \(why)"
            item.appliedAt = now
            _ = try store.update(item, of: id, tenant: tenant, while: .closed)
            done.append(item)
        }
        guard try store.move(campaign, from: .closed, to: .applied) else { throw Self.moved }
        return done
    }

    private func isBreakGlass(_ item: ReviewItem, _ breakGlass: Set<PrincipalReference>) -> Bool {
        let owners = item.principal.map { [PrincipalReference(.user, $0), PrincipalReference(.service, $0)] } ?? []
        let names = owners + [PrincipalReference(item.subject)].compactMap(\.self)
        return item.isBreakGlass || names.contains(where: breakGlass.contains)
    }

    private func remove(_ item: ReviewItem, at now: Int64) throws -> Bool {
        switch item.resource {
        case .assignment: try access.removeAssignment(item.resourceID, tenant: tenant)
        case .key: try keys.revoke(KeyID(item.resourceID), tenant: tenant, at: now)
        }
    }

    // MARK: Looking

    package func list() throws -> [(campaign: ReviewCampaign, status: ReviewCampaign.Status)] {
        try store.campaigns(of: tenant).compactMap { campaign in
            try store.status(of: campaign.id, tenant: tenant).map { (campaign, $0) }
        }
    }

    package func items(of id: String) throws -> [ReviewItem] {
        _ = try found(id)
        return try store.items(of: id, tenant: tenant)
    }

    /// - Throws: ``Fault`` `.notFound`.
    package func found(_ id: String) throws -> (campaign: ReviewCampaign, status: ReviewCampaign.Status) {
        guard let found = try store.campaign(id, tenant: tenant) else { throw Fault(.notFound, "There is no review with this id.") }
        return found
    }

    /// The settings of the campaign that follows a recurring one.
    package static func successor(of campaign: ReviewCampaign, at now: Int64) -> (settings: Settings, startsAt: Int64)? {
        guard let days = campaign.recursAfterDays, let ended = campaign.endedAt else { return nil }
        let startsAt = ended + Int64(days) * 86_400
        var settings = Settings(
            name: campaign.name, kinds: campaign.kinds, reviewers: campaign.reviewers,
            endsAt: now + (campaign.endsAt - (campaign.startedAt ?? campaign.createdAt)), createdBy: campaign.createdBy)
        settings.roles = campaign.roles
        settings.fallbackReviewers = campaign.fallbackReviewers
        settings.lookBackDays = campaign.lookBackDays
        settings.requiresReason = campaign.requiresReason
        settings.onSilence = campaign.onSilence
        settings.appliesAtEnd = campaign.appliesAtEnd
        settings.recursAfterDays = days
        return (settings, startsAt)
    }

    private static let moved = Fault(.conflict, "Somebody else has changed this review meanwhile. Try again.")
}
