import Foundation
import SallyportCore
import SallyportStorage
import SallyportVault
import Testing

@Suite struct VaultTests {
    private let place = Place()
    private let plain = Array("the quick brown fox".utf8)

    private func context(_ row: String, tenant: TenantID = .default, place: String = "t.c", subject: String? = nil) -> SealContext {
        SealContext(tenant: tenant, place: place, row: [row], subject: subject)
    }

    private func failure(_ work: () throws -> some Any) -> SealError? {
        do {
            _ = try work()
            return nil
        } catch { return error.sealError }
    }

    @Test func opensWhatItSealedAfterARestart() throws {
        let sealed = try place.vault().seal(plain, for: context("1"))
        #expect(sealed.count == plain.count + 44)
        #expect(try place.vault().open(sealed, for: context("1")) == plain)
        let text = try place.vault().sealText("żółw", for: context("2"))
        #expect(text.hasPrefix("slp1."))
        #expect(try place.vault().openText(text, for: context("2")) == "żółw")
    }

    @Test func neverSealsTheSameTwiceAlike() throws {
        let vault = try place.vault()
        #expect(try vault.seal(plain, for: context("1")) != vault.seal(plain, for: context("1")))
    }

    @Test(arguments: 0..<4) func bindsToTenantPlaceRowAndSubject(_ which: Int) throws {
        let vault = try place.vault()
        let sealed = try vault.seal(plain, for: context("1"))
        _ = try vault.seal(plain, for: context("1", subject: "u"))
        let other = [context("2"), context("1", tenant: "other"), context("1", place: "t.d"), context("1", subject: "u")][which]
        guard case .damaged = failure({ try vault.open(sealed, for: other) }) else { return #expect(Bool(false), "it opened elsewhere") }
    }

    @Test func rowsDoNotRunTogether() throws {
        let vault = try place.vault()
        let sealed = try vault.seal(plain, for: SealContext(tenant: .default, place: "p", row: ["ab", "c"]))
        #expect(throws: Fault.self) { try vault.open(sealed, for: SealContext(tenant: .default, place: "p", row: ["a", "bc"])) }
    }

    @Test func refusesEveryChangedByte() throws {
        let vault = try place.vault()
        let sealed = try vault.seal(plain, for: context("1"))
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(throws: Fault.self, "byte \(index)") { try vault.open(changed, for: context("1")) }
        }
        for length in 0..<sealed.count { #expect(throws: Fault.self) { try vault.open(Array(sealed.prefix(length)), for: context("1")) } }
        #expect(throws: Fault.self) { try vault.open(plain, for: context("1")) }
    }

    @Test func oldAndNewKeysOpenAfterARotation() throws {
        let vault = try place.vault()
        let before = try vault.seal(plain, for: context("1"))
        #expect(try !vault.isOutdated(before, for: context("1")))
        #expect(try vault.rotate(.default).version == 2)
        let after = try vault.seal(plain, for: context("1"))
        #expect(try vault.isOutdated(before, for: context("1")))
        #expect(try !vault.isOutdated(after, for: context("1")))
        for vault in [vault, try place.vault()] {
            #expect(try vault.open(before, for: context("1")) == plain)
            #expect(try vault.open(after, for: context("1")) == plain)
        }
    }

    @Test func anotherProcessLearnsOfARotation() throws {
        let (server, commandLine) = (try place.vault(), try place.vault())
        _ = try server.seal(plain, for: context("1"))
        _ = try server.refresh()
        _ = try commandLine.rotate(.default)
        let sealed = try commandLine.seal(plain, for: context("1"))
        #expect(try server.open(sealed, for: context("1")) == plain)
        #expect(try server.refresh())
        #expect(try !server.isOutdated(sealed, for: context("1")))
        #expect(try !server.refresh())
    }

    @Test func keyEncryptionKeysRotateAndOldFilesMayGo() throws {
        let vault = try place.vault()
        let sealed = try vault.seal(plain, for: context("1"))
        let subject = try vault.seal(plain, for: context("1", subject: "u"))
        #expect(try vault.provider.makeVersion() == "2")
        #expect(try vault.rewrap().changed == 1)
        #expect(try vault.rewrap().changed == 0)
        try FileManager.default.removeItem(atPath: place.path + "/keys/kek-1.key")
        let fresh = try place.vault()
        #expect(try fresh.open(sealed, for: context("1")) == plain)
        #expect(try fresh.open(subject, for: context("1", subject: "u")) == plain)
    }

    @Test func subjectsAreWrappedUnderTheNewestTenantKey() throws {
        let vault = try place.vault()
        for name in ["a", "b", "c"] { _ = try vault.seal(plain, for: context("1", subject: name)) }
        let sealed = try vault.seal(plain, for: context("1", subject: "b"))
        let old = try #require(try vault.store.tenantKeys().first)
        _ = try vault.rotate(.default)
        // The key of fingerprints is one of them: it is made with the tenant's first key, and must stay readable like the others.
        let names = try vault.store.subjectKeys(of: .default, after: nil, limit: 10).map(\.subject)
        #expect(names == ["\u{1}fingerprints", "a", "b", "c"])
        var next: (subject: String, version: Int)?
        var seen = 0
        repeat {
            let step = try vault.rewrapSubjects(of: .default, after: next, limit: 2)
            seen += step.seen
            next = step.next
        } while next != nil
        #expect(seen == names.count)
        var retired = old
        retired.state = .retired
        try vault.store.remove(retired)
        #expect(try place.vault().open(sealed, for: context("1", subject: "b")) == plain)
    }

    @Test func destroyingASubjectErasesItAloneAndForGood() throws {
        let vault = try place.vault()
        let (one, two) = (context("1", subject: "ada"), context("1", subject: "bob"))
        let (ada, bob) = (try vault.seal(plain, for: one), try vault.seal(plain, for: two))
        #expect(try vault.destroy(subject: "ada", of: .default, reason: "asked to"))
        #expect(failure { try vault.open(ada, for: one) } == .destroyed)
        #expect(try vault.open(bob, for: two) == plain)
        #expect(try !vault.destroy(subject: "ada", of: .default, reason: "again"))
        // The same name has a new key from now on; the old values stay erased.
        let again = try vault.seal(plain, for: one)
        let fresh = try place.vault()
        #expect(try fresh.open(again, for: one) == plain)
        #expect(failure { try fresh.open(ada, for: one) } == .destroyed)
        #expect(try vault.store.tombstones().first?.reason == "asked to")
    }

    @Test func tombstonesEraseAgainWhatABackupBroughtBack() throws {
        let vault = try place.vault()
        let one = context("1", subject: "ada")
        let ada = try vault.seal(plain, for: one)
        try FileManager.default.copyItem(atPath: place.path + "/vault.sqlite", toPath: place.path + "/copy.sqlite")
        if FileManager.default.fileExists(atPath: place.path + "/vault.sqlite-wal") {
            try FileManager.default.copyItem(atPath: place.path + "/vault.sqlite-wal", toPath: place.path + "/copy.sqlite-wal")
        }
        place.time.withLockedValue { $0 += 10 }
        _ = try vault.destroy(subject: "ada", of: .default, reason: "asked to")
        let stones = try vault.store.tombstones()
        let copy = Vault(
            store: SQLVaultKeyStore(try SQLiteDatabase(.file(place.path + "/copy.sqlite"), configuration: .init(content: .vault))),
            provider: place.files(), memory: LockedMemory()
        ) { 0 }
        #expect(try copy.open(ada, for: one) == plain)
        #expect(try copy.replay(stones) == 1)
        #expect(failure { try copy.open(ada, for: one) } == .destroyed)
        #expect(try copy.replay(stones) == 0)
    }

    @Test func fingerprintsStayWhenKeysRotate() throws {
        let vault = try place.vault()
        let first = try vault.fingerprint(plain, of: .default, purpose: "mail")
        _ = try vault.rotate(.default)
        #expect(try place.vault().fingerprint(plain, of: .default, purpose: "mail") == first)
        #expect(try vault.fingerprint(plain, of: .default, purpose: "phone") != first)
        #expect(try vault.fingerprint(plain, of: "other", purpose: "mail") != first)
        #expect(throws: Fault.self) { try vault.destroy(subject: "\u{1}fingerprints", of: .default, reason: "") }
    }

    @Test func aRevokedTenantNeitherSealsNorOpensUntilGivenBack() throws {
        let (server, commandLine) = (try place.vault(), try place.vault())
        let sealed = try server.seal(plain, for: context("1"))
        _ = try server.refresh()
        #expect(try commandLine.revoke(.default))
        _ = try server.refresh()
        for work in [{ _ = try server.open(sealed, for: context("1")) }, { _ = try server.seal(plain, for: context("1")) }]
            as [() throws -> Void]
        { guard case .revoked = failure(work) else { return #expect(Bool(false), "it was not refused") } }
        #expect(try commandLine.giveBack(.default))
        _ = try server.refresh()
        #expect(try server.open(sealed, for: context("1")) == plain)
    }

    @Test func heedsARevocationFromBeforeItsFirstLook() throws {
        let (server, commandLine) = (try place.vault(), try place.vault())
        let sealed = try server.seal(plain, for: context("1", subject: "u"))
        let other = try place.vault()
        #expect(try other.open(sealed, for: context("1", subject: "u")) == plain)
        #expect(try commandLine.revoke(.default))
        for vault in [server, other] {
            #expect(try vault.refresh())
            guard case .revoked = failure({ try vault.open(sealed, for: context("1", subject: "u")) }) else {
                return #expect(Bool(false), "it was not refused")
            }
        }
    }

    @Test func locksWhenTheProviderRevokesAndOpensWhenItRelents() throws {
        let provider = MoodyProvider()
        let vault = try place.vault(provider)
        let sealed = try vault.seal(plain, for: context("1"))
        #expect(vault.confirm() == nil)
        provider.mood.withLockedValue { $0 = .revoked }
        // Keys are in memory until the provider is asked.
        #expect(try vault.open(sealed, for: context("1")) == plain)
        #expect(vault.confirm() != nil)
        guard case .revoked = failure({ try vault.open(sealed, for: context("1")) }) else { return #expect(Bool(false)) }
        provider.mood.withLockedValue { $0 = .well }
        #expect(vault.confirm() == nil)
        #expect(try vault.open(sealed, for: context("1")) == plain)
    }

    @Test func anUnreachableProviderIsToleratedForAWhile() throws {
        let provider = MoodyProvider()
        let vault = try place.vault(provider)
        let sealed = try vault.seal(plain, for: context("1"))
        vault.confirm()
        provider.mood.withLockedValue { $0 = .unreachable }
        place.time.withLockedValue { $0 += 30 }
        #expect(vault.confirm() == nil)
        #expect(try vault.open(sealed, for: context("1")) == plain)
        place.time.withLockedValue { $0 += 31 }
        #expect(vault.confirm() != nil)
        guard case .unavailable = failure({ try vault.open(sealed, for: context("1")) }) else { return #expect(Bool(false)) }
    }

    @Test func asksTheProviderOncePerTenant() throws {
        let provider = MoodyProvider()
        let vault = try place.vault(provider)
        for row in 0..<50 { _ = try vault.seal(plain, for: context("\(row)", subject: row % 2 == 0 ? "u\(row)" : nil)) }
        #expect(provider.calls.withLockedValue { $0 } <= 2)
    }

    @Test func movesFromOneProviderToAnother() throws {
        let sealed = try place.vault().seal(plain, for: context("1"))
        let provider = MoodyProvider()
        let vault = try place.vault(provider, others: [place.files()])
        #expect(try vault.open(sealed, for: context("1")) == plain)
        #expect(try vault.rewrap().changed == 1)
        try FileManager.default.removeItem(atPath: place.path + "/keys")
        #expect(try place.vault(provider).open(sealed, for: context("1")) == plain)
    }

    @Test func switchedOffItWritesInTheClearAndStillOpens() throws {
        let sealed = try place.vault().seal(plain, for: context("1"))
        let vault = try place.vault(mode: .off)
        #expect(try vault.open(sealed, for: context("1")) == plain)
        #expect(try vault.seal(plain, for: context("1")) == plain)
        #expect(try vault.open(plain, for: context("1")) == plain)
        #expect(throws: Fault.self) { try place.vault().open(plain, for: context("1")) }
    }

    @Test func manyProcessesMakeOneKey() async throws {
        let place = place
        let plain = plain
        let sealed = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<6 {
                let vault = try place.vault()
                group.addTask { try vault.seal(plain, for: SealContext(tenant: .default, place: "p", row: [], subject: "s")) }
            }
            return try await group.reduce(into: [[UInt8]]()) { $0.append($1) }
        }
        let vault = try place.vault()
        #expect(try vault.store.tenantKeys().count == 1)
        for value in sealed {
            #expect(try vault.open(value, for: SealContext(tenant: .default, place: "p", row: [], subject: "s")) == plain)
        }
    }

    @Test func base64KnowsOneSpellingOnly() {
        for length in 0..<70 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
            let text = Base64.encode(bytes, alphabet: .urlSafe)
            #expect(
                text
                    == Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
                    .replacingOccurrences(of: "=", with: ""))
            #expect(Base64.decode(text.utf8, alphabet: .urlSafe) == bytes)
        }
        for wrong in ["A", "AB=", "A+", "AB", "ABCDE"] { #expect(Base64.decode(wrong.utf8, alphabet: .urlSafe) == nil) }
    }
}
