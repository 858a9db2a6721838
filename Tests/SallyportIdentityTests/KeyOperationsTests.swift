import SallyportCore
import Testing

@testable import SallyportIdentity

@Suite struct KeyOperationsTests {
    private let store = MemoryKeyStore()
    private var operations: KeyOperations<SystemRandomNumberGenerator> { KeyOperations(store: store) }

    @Test func storesTheHashAndNotTheSecret() throws {
        let issued = try operations.create(.init(name: "app"), at: 10)
        let stored = try #require(try store.allKeys().first)
        #expect(stored == issued.record)
        #expect(stored.secretHash == issued.key.hash)
        #expect(stored.id.rawValue == issued.key.id)
        #expect(!"\(stored)".contains(issued.key.reveal().suffix(40)))
    }

    @Test func givesAKeyAPrincipalOfItsOwn() throws {
        let first = try operations.create(.init(name: "app"), at: 10)
        let second = try operations.create(.init(name: "app"), at: 10)
        #expect(first.record.principal != second.record.principal)
        #expect(first.record.roles == [.modelUser])
    }

    @Test(arguments: ["", "a\nb", "a\u{202E}b", "\u{200B}", String(repeating: "a", count: 129)])
    func refusesNamesThatCannotBeShown(name: String) {
        let fault = #expect(throws: Fault.self) { try operations.create(.init(name: name), at: 10) }
        #expect(fault?.code == .invalidRequest)
    }

    @Test func refusesAnExpiryInThePast() {
        #expect(throws: Fault.self) { try operations.create(.init(name: "app", expiresAt: 10), at: 10) }
    }

    @Test func rotatesToAKeyWithTheSameRightsAndAnOverlap() throws {
        let old = try operations.create(
            .init(name: "app", principal: "alice", team: "t", deployments: ["d"], limits: LimitSet(tokensPerDay: 5), expiresAt: 1_000_010),
            at: 10)
        let rotation = try operations.rotate(old.record.id, at: 500)
        var expected = old.record
        expected.id = rotation.issued.record.id
        expected.secretHash = rotation.issued.key.hash
        expected.createdAt = 500
        expected.expiresAt = 1_000_500
        #expect(rotation.issued.record == expected)
        #expect(rotation.replaced == old.record.id)
        #expect(rotation.replacedWorksUntil == 500 + 86_400)

        let directory = KeyDirectory(maximumAge: nil)
        try directory.reload(from: store, at: 500)
        for key in [old.key, rotation.issued.key] {
            #expect(try directory.principal(presenting: key.reveal()[...], at: 86_899).id == "alice")
        }
        #expect(throws: Fault.self) { try directory.principal(presenting: old.key.reveal()[...], at: 86_900) }
        #expect(try directory.principal(presenting: rotation.issued.key.reveal()[...], at: 86_900).id == "alice")
    }

    @Test func endsAReplacedKeyNoLaterThanItsOwnExpiry() throws {
        let old = try operations.create(.init(name: "app", expiresAt: 600), at: 10)
        #expect(try operations.rotate(old.record.id, at: 500).replacedWorksUntil == 600)
    }

    @Test func rotatesWithoutOverlapWhenAsked() throws {
        let old = try operations.create(.init(name: "app"), at: 10)
        #expect(try operations.rotate(old.record.id, overlap: 0, at: 500).replacedWorksUntil == 500)
        #expect(try !operations.isValid(operations.record(old.record.id), at: 500))
    }

    @Test func doesNotBringAnEndedKeyBackToLife() throws {
        let expired = try operations.create(.init(name: "app", expiresAt: 20), at: 10)
        let revoked = try operations.create(.init(name: "app"), at: 10)
        try operations.revoke(revoked.record.id, at: 11)
        for id in [expired.record.id, revoked.record.id] {
            let fault = #expect(throws: Fault.self) { try operations.rotate(id, at: 30) }
            #expect(fault?.code == .conflict)
        }
        #expect(try store.allKeys().count == 2)
    }

    @Test func revokesAReplacedKeyAtOnce() throws {
        let old = try operations.create(.init(name: "app"), at: 10)
        _ = try operations.rotate(old.record.id, at: 20)
        try operations.revoke(old.record.id, at: 30)
        #expect(try operations.record(old.record.id).revokedAt == 30)
    }

    @Test func leavesTheOldKeyWhenARotationFails() throws {
        let old = try operations.create(.init(name: "app"), at: 10)
        store.setCanRevoke(false)
        #expect(throws: MemoryKeyStore.Unreachable.self) { try operations.rotate(old.record.id, at: 20) }
        store.setCanRevoke(true)
        #expect(try operations.isValid(operations.record(old.record.id), at: 1_000_000))
    }

    @Test func saysWhenThereIsNoSuchKey() {
        for body in [{ try operations.revoke("none", at: 1) }, { _ = try operations.rotate("none", at: 1) }] as [() throws -> Void] {
            let fault = #expect(throws: Fault.self) { try body() }
            #expect(fault?.code == .notFound)
        }
    }

    @Test func seesOnlyItsOwnTenantsKeys() throws {
        let other = KeyOperations(store: store, tenant: "other")
        let issued = try other.create(.init(name: "app"), at: 10)
        #expect(try operations.list().isEmpty)
        #expect(throws: Fault.self) { try operations.revoke(issued.record.id, at: 20) }
        #expect(try other.list().first?.revokedAt == nil)
    }
}
