import NIOConcurrencyHelpers
import SallyportCore
import Testing

@testable import SallyportIdentity

private let day: Int64 = 86_400
private let start: Int64 = 1000 * day

@Suite struct AccessReviewTests {
    private let store = MemoryReviewStore()
    private let access: MemoryAccessStore
    private let keys = MemoryKeyStore()
    private let reviews: AccessReviews
    private let held: HeldAccess
    private let alice = PrincipalReference(.user, "alice")
    private let boss = PrincipalReference(.user, "boss")
    private let glass = PrincipalReference(.user, "glass")

    init() throws {
        let assignments = [
            RoleAssignment(id: "a1", principal: alice, role: "openai-user", scope: .organisation),
            RoleAssignment(id: "a2", principal: boss, role: "openai-user", scope: .organisation),
            RoleAssignment(id: "a3", principal: glass, role: "access-administrator", scope: .organisation),
            RoleAssignment(id: "config-1", principal: PrincipalReference(.service, "app"), role: "openai-user", scope: .organisation),
        ]
        access = MemoryAccessStore(assignments.filter { $0.id != "config-1" })
        let key = KeyRecord(
            id: "k1", principal: "bot", name: "bot", secretHash: Array(repeating: 1, count: 32), createdAt: start - 500 * day)
        try keys.insert(key)
        let numbers = NIOLockedValueBox(0)
        reviews = AccessReviews(store: store, access: access, keys: keys) {
            numbers.withLockedValue {
                $0 += 1
                return "id\($0)"
            }
        }
        held = HeldAccess(
            catalog: RoleCatalog(), assignments: assignments, keys: [key],
            uses: [
                AccessUse(
                    principal: "alice", action: "x", grant: "assignment:a1", day: start / day - 1, allowed: 5, lastAt: start - day)
            ], observedSince: start - 300 * day, breakGlass: [glass], actions: ["x"] + SeparationRule.managementActions)
    }

    private func make(_ change: (inout AccessReviews.Settings) -> Void = { _ in }) throws -> ReviewCampaign {
        var settings = AccessReviews.Settings(name: "spring", reviewers: ["user:boss"], endsAt: start + 14 * day, createdBy: "user:admin")
        settings.fallbackReviewers = ["user:deputy"]
        change(&settings)
        return try reviews.create(settings, over: held, rules: SeparationRule.builtIn, at: start).campaign
    }

    private func item(_ resource: String, of campaign: ReviewCampaign) throws -> ReviewItem {
        try #require(try reviews.items(of: campaign.id).first { $0.resourceID == resource })
    }

    private func decide(
        _ resource: String, _ decision: ReviewItem.Decision, of campaign: ReviewCampaign, by reviewer: PrincipalReference? = nil,
        reason: String? = nil, at now: Int64 = start + day
    ) throws {
        _ = try reviews.decide(
            campaign.id, item: try item(resource, of: campaign).id, decision, reason: reason, by: reviewer ?? boss, names: [], at: now)
    }

    private func end(_ campaign: ReviewCampaign, breakGlass: Set<PrincipalReference> = []) throws -> [String: String] {
        _ = try reviews.close(campaign.id, at: start + 14 * day)
        let done = try reviews.apply(campaign.id, breakGlass: breakGlass, at: start + 14 * day) { _, _ in }
        return Dictionary(uniqueKeysWithValues: done.map { ($0.resourceID, $0.result ?? "") })
    }

    @Test func peopleServicesAndKeysAreReviewedWithEvidence() throws {
        let campaign = try make()
        #expect(try reviews.items(of: campaign.id).map(\.resourceID) == ["a1", "a2", "a3", "config-1", "k1"])
        let used = try item("a1", of: campaign)
        #expect(used.evidence.uses == 5 && used.evidence.lastUsedAt == start - day && used.recommendation == .approve)
        let idle = try item("k1", of: campaign)
        #expect(idle.recommendation == .remove && idle.evidence.reasons.contains("never used") && idle.principal == "bot")
        #expect(try item("a3", of: campaign).isBreakGlass)
        #expect(try item("a3", of: campaign).evidence.risk == "high")
    }

    @Test func silenceKeepsUnlessTheCampaignSaysOtherwise() throws {
        let campaign = try make()
        try decide("k1", .remove, of: campaign)
        #expect(try end(campaign) == ["k1": "removed"])
        #expect(try keys.keys(of: .default).first?.revokedAt == start + 14 * day)
        #expect(try access.allAssignments().count == 3)
    }

    @Test func silenceRemovesOnlyWhatWasPreviewed() throws {
        let campaign = try make { $0.onSilence = .remove }
        #expect(try store.status(of: campaign.id, tenant: .default) == .draft)
        #expect(throws: Fault.self) { try decide("a1", .approve, of: campaign) }
        #expect(throws: Fault.self) { try reviews.start(campaign.id, previewed: "guessed", at: start) }
        let preview = try reviews.preview(campaign.id)
        #expect(preview.removals.map(\.item.resourceID) == ["a1", "a2", "k1"])
        #expect(preview.spared.map(\.item.resourceID) == ["a3", "config-1"])
        _ = try reviews.start(campaign.id, previewed: preview.digest, at: start)
        try decide("a1", .approve, of: campaign)
        let done = try end(campaign)
        #expect(done["a1"] == nil && done["a2"] == "removed" && done["k1"] == "removed")
        #expect(done["a3"] == "kept: a break-glass account")
        #expect(done["config-1"]?.hasPrefix("kept: stands in the configuration") == true)
        #expect(try access.allAssignments().map(\.id) == ["a1", "a3"])
    }

    @Test func whatBecameBreakGlassMeanwhileIsSpared() throws {
        let campaign = try make()
        try decide("a1", .remove, of: campaign)
        #expect(try end(campaign, breakGlass: [alice]) == ["a1": "kept: a break-glass account"])
        #expect(try access.allAssignments().count == 3)
    }

    @Test func aDraftThatWasNeverStartedRemovesNothing() throws {
        let campaign = try make { $0.onSilence = .remove }
        #expect(try end(campaign).values.allSatisfy { $0 != "removed" })
        #expect(try access.allAssignments().count == 3)
    }

    @Test func onlyReviewersDecideAndNobodyForHimself() throws {
        let campaign = try make()
        #expect(throws: Fault.self) { try decide("a1", .approve, of: campaign, by: alice) }
        #expect(throws: Fault.self) { try decide("a2", .approve, of: campaign, by: boss) }
        let deputy = PrincipalReference(.user, "deputy")
        #expect(throws: Fault.self) { try decide("a1", .approve, of: campaign, by: deputy) }
        try decide("a2", .approve, of: campaign, by: deputy, at: start + 8 * day)
        #expect(try item("a2", of: campaign).reviewedBy == "user:deputy")
    }

    @Test func aKeyIsNotReviewedByWhomItSpeaksFor() throws {
        let campaign = try make { $0.reviewers = ["user:bot"] }
        #expect(throws: Fault.self) { try decide("k1", .approve, of: campaign, by: PrincipalReference(.user, "bot")) }
    }

    @Test func approvalWantsAReasonWhereTheCampaignDoes() throws {
        let campaign = try make { $0.requiresReason = true }
        #expect(throws: Fault.self) { try decide("a1", .approve, of: campaign) }
        try decide("a1", .approve, of: campaign, reason: "works on the assistant")
    }

    @Test func afterTheEndNothingIsDecided() throws {
        let campaign = try make()
        #expect(throws: Fault.self) { try decide("a1", .remove, of: campaign, at: start + 14 * day) }
        _ = try end(campaign)
        #expect(throws: Fault.self) { try reviews.apply(campaign.id, breakGlass: [], at: start + 15 * day) { _, _ in } }
    }

    @Test func nothingIsRemovedThatCannotBePutOnRecord() throws {
        struct Full: Error {}
        let campaign = try make()
        try decide("a1", .remove, of: campaign)
        _ = try reviews.close(campaign.id, at: start + 14 * day)
        #expect(throws: Full.self) { try reviews.apply(campaign.id, breakGlass: [], at: start + 14 * day) { _, _ in throw Full() } }
        #expect(try access.allAssignments().count == 3)
        #expect(try reviews.apply(campaign.id, breakGlass: [], at: start + 14 * day) { _, _ in }.map(\.result) == ["removed"])
    }
}
