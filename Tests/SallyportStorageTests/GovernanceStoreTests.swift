import SallyportCore
import SallyportStorage
import Testing

@Suite struct GovernanceStoreTests {
    private let database: SQLiteDatabase
    init() throws { database = try SQLiteDatabase(.temporary) }

    @Test func usesAreCountedOnceHoweverManyReadTheLog() throws {
        let store = SQLAccessUseStore(database)
        let use = AccessUse(principal: "p", action: "a", deployment: "d", grant: "role:x", day: 10, allowed: 2, denied: 0, lastAt: 100)
        #expect(try store.place() == nil)
        #expect(try store.add([use], from: nil, to: "1", observedSince: 50))
        #expect(try !store.add([use], from: nil, to: "1", observedSince: 50))
        #expect(try !store.add([use], from: "0", to: "1", observedSince: 50))
        var later = use
        later.allowed = 1
        later.lastAt = 90
        #expect(try store.add([later], from: "1", to: "2", observedSince: 60))
        let found = try store.uses(of: .default, since: 10)
        #expect(found.map(\.allowed) == [3] && found.map(\.lastAt) == [100])
        #expect(try store.place()?.observedSince == 50)
        #expect(try store.uses(of: "other", since: 0).isEmpty)
        #expect(try store.removeUses(before: 11) == 1)
    }

    @Test func aReviewMovesOnlyFromTheStatusThatItIsIn() throws {
        let store = SQLReviewStore(database)
        let campaign = ReviewCampaign(
            id: "r", name: "näme '; --", kinds: ["user"], reviewers: ["user:b"], createdAt: 1, createdBy: "x", endsAt: 9)
        var item = ReviewItem(
            id: "i", resource: .key, resourceID: "k", subject: "key:k", summary: "s", evidence: .init(createdAt: 0),
            recommendation: .approve)
        try store.insert(campaign, status: .open, items: [item])
        #expect(throws: Fault.self) { try store.insert(campaign, status: .open, items: []) }
        item.decision = .remove
        #expect(try !store.update(item, of: "r", tenant: .default, while: .closed))
        #expect(try !store.update(item, of: "r", tenant: "other", while: .open))
        #expect(try store.update(item, of: "r", tenant: .default, while: .open))
        #expect(try store.items(of: "r", tenant: .default) == [item])
        #expect(try !store.move(campaign, from: .closed, to: .applied))
        #expect(try store.move(campaign, from: .open, to: .closed))
        #expect(try store.campaign("r", tenant: .default)?.campaign == campaign)
        #expect(try store.status(of: "r", tenant: .default) == .closed)
        #expect(try store.campaigns(of: "other").isEmpty)
    }

    @Test func aTenantsSecretIsMadeOnce() throws {
        let store = SQLTenantSecretStore(database)
        #expect(try store.secret("reports", of: .default) { [1] } == [1])
        #expect(try store.secret("reports", of: .default) { [2] } == [1])
        #expect(try store.secret("other", of: .default) { [4] } == [4])
        #expect(try store.secret("reports", of: "other") { [3] } == [3])
    }
}
