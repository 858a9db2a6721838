import Foundation
import SallyportConsole
import SallyportCore
import SallyportGateway
import SallyportIdentity
import SallyportStorage

/// Least privilege, separation of duty and access reviews, over the configuration and the database together: what the command line, the
/// administrative routes and the server's own housekeeping do. Blocks.
package struct GovernanceAdministration: Sendable {
    package let reviews: AccessReviews
    private let plan: ServerPlan?
    private let access: any AccessStore
    private let keys: any KeyStore
    private let uses: any AccessUseStore
    private let collector: AccessUseCollector
    private let provisioning: any ProvisioningStore
    private let database: any SQLDatabase

    /// - Parameter plan: nil: without a configuration there are the built-in roles and what is stored.
    package init(plan: ServerPlan?, database: any SQLDatabase, auditDirectory: String) {
        self.plan = plan
        self.database = database
        provisioning = SQLProvisioningStore(database)
        access = SQLAccessStore(database)
        keys = SQLKeyStore(database)
        uses = SQLAccessUseStore(database)
        collector = AccessUseCollector(auditDirectory: auditDirectory, store: uses)
        reviews = AccessReviews(store: SQLReviewStore(database), access: access, keys: keys) { UUID().uuidString.lowercased() }
    }

    package var breakGlass: Set<PrincipalReference> { plan?.access.breakGlass ?? [] }
    package var rules: [SeparationRule] { SeparationRule.builtIn + (plan?.access.separation ?? []) }

    /// Counts what the log says since last time.
    package func collect(most batches: Int = .max, at now: Int64) throws { try collector.catchUp(most: batches, at: now) }
    package func prune(at now: Int64) throws { try collector.prune(at: now) }

    package func held(lookBackDays days: Int, at now: Int64) throws -> HeldAccess {
        let services = (plan?.upstreams ?? []).filter { $0.kind == .azureAI }.flatMap { upstream in
            ["read", "action"].map { "Microsoft.CognitiveServices/accounts/services/\(upstream.id)/\($0)" }
        }
        return HeldAccess(
            catalog: RoleCatalog(custom: plan?.access.roles ?? []),
            assignments: (plan?.access.assignments ?? []) + (try access.allAssignments()),
            keys: try keys.keys(of: .default),
            keyUses: Dictionary(try keys.uses(of: .default).map { ($0.key, $0.at) }) { first, _ in first },
            uses: try uses.uses(of: .default, since: now / 86_400 - Int64(days)), observedSince: try uses.place()?.observedSince,
            groups: try provisioning.members(of: .default),
            disabled: Set(try access.allRevocations().filter { $0.kind == .principal }.map(\.subject)),
            breakGlass: breakGlass,
            actions: Array(Set(RouteRow.actions + services + ConsoleRoutes.actions + SeparationRule.managementActions)).sorted())
    }

    package func leastPrivilege(lookBackDays days: Int, of holder: PrincipalReference? = nil, at now: Int64) throws
        -> (LeastPrivilege, [LeastPrivilege.Report])
    {
        let held = try held(lookBackDays: days, at: now)
        let advice = LeastPrivilege(held, lookBackDays: days, at: now)
        let holders = holder.map { [$0] } ?? held.holders(at: now)
        return (advice, holders.map(advice.report))
    }

    package func conflicts(at now: Int64) throws -> [SeparationConflict] {
        SeparationConflict.all(in: try held(lookBackDays: 1, at: now), rules: rules, at: now)
    }

    package func createReview(_ settings: AccessReviews.Settings, at now: Int64) throws
        -> (campaign: ReviewCampaign, status: ReviewCampaign.Status)
    {
        // Twice the look-back, so that "used, but long ago" can be told from "never".
        let held = try held(lookBackDays: min(400, 2 * settings.lookBackDays), at: now)
        return try reviews.create(settings, over: held, rules: rules, at: now)
    }

    /// Ends campaigns whose time is over, carries out those that do so by themselves, and begins those that recur.
    /// - Parameter note: puts an act on record before it is done; throws when that cannot be.
    package func endDueReviews(
        at now: Int64, note: (_ operation: String, _ target: String, _ details: [(name: String, value: String)]) throws -> Void
    ) throws {
        let all = try reviews.list()
        for (campaign, status) in all where status == .open && campaign.endsAt <= now {
            try note("reviews.close", campaign.id, [("reason", "its time is over")])
            let closed = try reviews.close(campaign.id, at: now)
            if closed.appliesAtEnd { _ = try apply(closed.id, at: now, note: note) }
        }
        // One whose removals were interrupted is taken up again.
        for (campaign, status) in all where status == .closed && campaign.appliesAtEnd && campaign.startedAt != nil {
            _ = try apply(campaign.id, at: now, note: note)
        }
        for (campaign, status) in all where status == .closed || status == .applied {
            guard let next = AccessReviews.successor(of: campaign, at: now), next.startsAt <= now,
                !all.contains(where: { $0.campaign.name == campaign.name && $0.campaign.createdAt > campaign.createdAt })
            else { continue }
            try note("reviews.create", campaign.name, [("reason", "it recurs")])
            _ = try createReview(next.settings, at: now)
        }
    }

    package func apply(
        _ id: String, at now: Int64,
        note: (_ operation: String, _ target: String, _ details: [(name: String, value: String)]) throws -> Void
    ) throws -> [ReviewItem] {
        try reviews.apply(id, breakGlass: breakGlass, at: now) { item, cause in
            try note(
                "reviews.remove", "\(item.resource.rawValue) \(item.resourceID)",
                [("subject", item.subject), ("review", id), ("cause", cause.rawValue)])
        }
    }
}

extension GovernanceAdministration: GovernanceServing {
    package func signed(_ content: some Encodable & Sendable) throws -> (text: String, digest: String) {
        try SignedReports(database: database).report(content)
    }
}
