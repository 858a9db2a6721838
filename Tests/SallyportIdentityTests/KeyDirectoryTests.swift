import SallyportCore
import SallyportTesting
import Testing

@testable import SallyportIdentity

@Suite struct KeyDirectoryTests {
    private let store = MemoryKeyStore()
    private let directory = KeyDirectory(maximumAge: nil)
    private var operations: KeyOperations<SeededGenerator> { KeyOperations(store: store, random: SeededGenerator(7)) }

    private func code(_ credential: String, at now: Int64 = 100) -> Fault.Code? {
        do {
            _ = try directory.principal(presenting: credential[...], at: now)
            return nil
        } catch {
            return (error as? Fault)?.code
        }
    }

    private func message(_ credential: String, at now: Int64) -> String? {
        do {
            _ = try directory.principal(presenting: credential[...], at: now)
            return nil
        } catch {
            return (error as? Fault)?.message
        }
    }

    private static let azure = """
        Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active \
        subscription and use a correct regional API endpoint for your resource.
        """

    @Test func theFakeStoreFollowsTheContract() throws {
        try KeyStoreContract.verify(MemoryKeyStore())
    }

    @Test func knowsThePrincipalOfAKey() throws {
        let issued = try operations.create(
            .init(
                name: "app", principal: "alice", project: "blue", team: "red", roles: [.metricsReader], deployments: ["gpt"],
                grantedPolicies: ["Strict"], limits: LimitSet(requestsPerMinute: 6), expiresAt: 500), at: 100)
        try directory.reload(from: store, at: 100)
        let principal = try directory.principal(presenting: issued.key.reveal()[...], at: 100)
        #expect(
            principal
                == Principal(
                    project: "blue", id: "alice", key: issued.record.id, team: "red", roles: [.metricsReader], deployments: ["gpt"],
                    grantedPolicies: ["Strict"], limits: LimitSet(requestsPerMinute: 6), expiresAt: 500))
        #expect(directory.limits(of: issued.record.id, tenant: .default) == LimitSet(requestsPerMinute: 6))
        #expect(directory.limits(of: issued.record.id, tenant: "other") == nil)
    }

    @Test func readsACredentialOutOfALongerText() throws {
        let issued = try operations.create(.init(name: "app"), at: 1)
        try directory.reload(from: store, at: 1)
        let header = "Bearer " + issued.key.reveal()
        #expect(try directory.principal(presenting: header.dropFirst(7), at: 1).key == issued.record.id)
    }

    @Test func refusesUnknownKeysWithAzuresWords() throws {
        _ = try operations.create(.init(name: "app"), at: 1)
        try directory.reload(from: store, at: 1)
        var random = SeededGenerator(99)
        for credential in ["", "x", APIKey.generate(random: &random).reveal(), String(repeating: "é", count: 31)] {
            #expect(code(credential) == .unauthenticated)
            #expect(message(credential, at: 1) == Self.azure)
        }
    }

    @Test func knowsNobodyBeforeTheFirstReload() throws {
        let issued = try operations.create(.init(name: "app"), at: 1)
        #expect(code(issued.key.reveal()) == .unauthenticated)
    }

    @Test func saysThatAKeyHasExpired() throws {
        let issued = try operations.create(.init(name: "app", expiresAt: 200), at: 1)
        try directory.reload(from: store, at: 1)
        #expect(code(issued.key.reveal(), at: 199) == nil)
        #expect(message(issued.key.reveal(), at: 200)?.contains("expired") == true)
        try directory.reload(from: store, at: 300)
        #expect(message(issued.key.reveal(), at: 300)?.contains("expired") == true, "also when it was expired at the reload")
    }

    @Test func doesNotSayWhetherAKeyWasRevoked() throws {
        let issued = try operations.create(.init(name: "app", expiresAt: 200), at: 1)
        try operations.revoke(issued.record.id, at: 50)
        try directory.reload(from: store, at: 50)
        for now: Int64 in [50, 300] { #expect(message(issued.key.reveal(), at: now) == Self.azure) }
    }

    @Test func readsAgainOnlyWhenSomethingChanged() throws {
        let first = try operations.create(.init(name: "app"), at: 1)
        #expect(try directory.refresh(from: store, at: 1))
        #expect(try !directory.refresh(from: store, at: 2))
        #expect(store.reads == 1)
        try operations.revoke(first.record.id, at: 3)
        #expect(try directory.refresh(from: store, at: 3))
        #expect(code(first.key.reveal(), at: 3) == .unauthenticated)
    }

    @Test func takesARevokedKeyBackWithoutReadingTheOthers() throws {
        let gone = try operations.create(.init(name: "gone"), at: 1)
        let stays = try KeyOperations(store: store, random: SeededGenerator(8)).create(.init(name: "stays"), at: 1)
        try directory.reload(from: store, at: 1)
        try operations.revoke(gone.record.id, at: 50)
        try directory.takeBack(at: store.revision()) { [(.default, gone.record.id, 50), (.default, stays.record.id, 900)] }
        #expect(store.reads == 1)
        #expect(code(gone.key.reveal(), at: 49) == nil)
        #expect(message(gone.key.reveal(), at: 50) == Self.azure)
        #expect(code(stays.key.reveal(), at: 50) == nil, "a revocation in the future is one in the future")
        #expect(code(stays.key.reveal(), at: 900) == .unauthenticated)
        try directory.takeBack(at: store.revision()) {
            Issue.record("nothing has changed since")
            return []
        }
    }

    @Test func whatWasReadBeforeARevocationDoesNotBringItsKeyBack() throws {
        /// Reads, and tells what it read only after somebody has revoked a key.
        struct Slow: KeyStore {
            let base: MemoryKeyStore
            let meanwhile: @Sendable () throws -> Void
            func keys(of tenant: TenantID) throws -> [KeyRecord] { try base.keys(of: tenant) }
            func allKeys() throws -> [KeyRecord] {
                let read = try base.allKeys()
                try meanwhile()
                return read
            }
            func insert(_ key: KeyRecord) throws { try base.insert(key) }
            func insert(_ key: KeyRecord, within room: KeyRoom) throws -> Bool { try base.insert(key, within: room) }
            func revoke(_ id: KeyID, tenant: TenantID, at now: Int64) throws -> Bool { try base.revoke(id, tenant: tenant, at: now) }
            func revision() throws -> Int64 { try base.revision() }
            func noteUses(_ uses: [KeyUse]) throws { try base.noteUses(uses) }
            func uses(of tenant: TenantID) throws -> [KeyUse] { try base.uses(of: tenant) }
        }
        let issued = try operations.create(.init(name: "app"), at: 1)
        let (store, directory) = (store, directory)
        try directory.reload(from: store, at: 1)
        let slow = Slow(base: store) {
            _ = try store.revoke(issued.record.id, tenant: .default, at: 50)
            try directory.takeBack(at: store.revision()) { [(.default, issued.record.id, 50)] }
        }
        try directory.reload(from: slow, at: 60)
        #expect(code(issued.key.reveal(), at: 60) == .unauthenticated)
        #expect(try directory.refresh(from: store, at: 61), "the keys are read once more")
        #expect(code(issued.key.reveal(), at: 61) == .unauthenticated)
    }

    @Test func keepsWhatItKnowsWhileTheStoreFailsButNotForever() throws {
        let directory = KeyDirectory(maximumAge: 60)
        let issued = try operations.create(.init(name: "app"), at: 0)
        let credential = issued.key.reveal()
        #expect(throws: Fault.self) { try directory.principal(presenting: credential[...], at: 0) }
        try directory.reload(from: store, at: 0)
        store.setReachable(false)
        #expect(throws: MemoryKeyStore.Unreachable.self) { try directory.refresh(from: store, at: 10) }
        #expect(try directory.principal(presenting: credential[...], at: 60).key == issued.record.id)
        let fault = #expect(throws: Fault.self) { try directory.principal(presenting: credential[...], at: 61) }
        #expect(fault?.code == .storeUnavailable)
        store.setReachable(true)
        try directory.refresh(from: store, at: 62)
        #expect(try directory.principal(presenting: credential[...], at: 62).key == issued.record.id)
    }

    @Test func refusesAStoreInWhichOneSecretNamesTwoPrincipals() throws {
        struct Twins: KeyStore {
            let record: KeyRecord
            func keys(of tenant: TenantID) -> [KeyRecord] { [record] }
            func allKeys() -> [KeyRecord] {
                var other = record
                other.tenant = "other"
                return [record, other]
            }
            func insert(_ key: KeyRecord) {}
            func insert(_ key: KeyRecord, within room: KeyRoom) -> Bool { false }
            func revoke(_ id: KeyID, tenant: TenantID, at now: Int64) -> Bool { false }
            func revision() -> Int64 { 1 }
            func noteUses(_ uses: [KeyUse]) {}
            func uses(of tenant: TenantID) -> [KeyUse] { [] }
        }
        let issued = try operations.create(.init(name: "app"), at: 0)
        #expect(throws: Fault.self) { try directory.reload(from: Twins(record: issued.record), at: 0) }
        #expect(code(issued.key.reveal()) == .unauthenticated)
    }

    @Test func remembersTheLastUseOverAReload() throws {
        let issued = try operations.create(.init(name: "app"), at: 1)
        try directory.reload(from: store, at: 1)
        #expect(directory.lastUse(of: issued.record.id, tenant: .default) == nil)
        _ = try directory.principal(presenting: issued.key.reveal()[...], at: 42)
        try directory.reload(from: store, at: 50)
        #expect(directory.lastUse(of: issued.record.id, tenant: .default) == 42)
    }

    @Test func answersWhileItIsReloaded() async throws {
        let issued = try operations.create(.init(name: "app"), at: 1)
        try directory.reload(from: store, at: 1)
        let credential = issued.key.reveal()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask { [directory] in
                    for now in Int64(2)..<2000 { _ = try directory.principal(presenting: credential[...], at: now) }
                }
            }
            group.addTask { [directory, store] in
                for now in Int64(2)..<200 { try directory.reload(from: store, at: now) }
            }
            try await group.waitForAll()
        }
    }
}
