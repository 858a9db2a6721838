import SallyportCore
import Testing

@testable import SallyportStorage

@Suite struct PrivacyStoreTests {
    private let database: SQLiteDatabase
    init() throws { database = try SQLiteDatabase(.temporary) }

    @Test func oneConsentIsLiveAndAllAreRemembered() throws {
        let store = SQLPrivacyStore(database)
        let before = try store.revision()
        for (version, at) in [("1", Int64(10)), ("2", 20)] {
            try store.put(Consent(subject: "p", purpose: "x", version: version, givenAt: at, evidence: "'; DROP TABLE privacy_consent; --"))
        }
        try store.put(Consent(tenant: "other", subject: "p", purpose: "x", version: "9", givenAt: 5))
        #expect(try store.consents(of: .default).map(\.withdrawnAt) == [20, nil])
        #expect(try store.withdraw(.consent, purpose: "x", subject: "p", tenant: .default, at: 30))
        #expect(try !store.withdraw(.consent, purpose: "x", subject: "p", tenant: .default, at: 31))
        #expect(try store.consents(of: .default).map(\.withdrawnAt) == [20, 30])
        #expect(try store.consents(of: "other").first?.withdrawnAt == nil)
        #expect(try store.revision() > before)
    }

    @Test func noticesHoldsAndRequestsComeBackAsTheyWentIn() throws {
        let store = SQLPrivacyStore(database)
        #expect(try store.publish("n", text: "a", tenant: .default, at: 1) == 1)
        #expect(try store.publish("n", text: "b", tenant: .default, at: 2) == 2)
        #expect(try store.notices(of: .default).map(\.text) == ["a", "b"])
        let known = NoticeAcknowledgement(notice: "n", version: 2, subject: "p", at: 3)
        try store.acknowledge(known)
        try store.acknowledge(known)
        #expect(try store.acknowledgements(of: .default) == [known])
        let hold = LegalHold(id: "h", subject: "p", reason: "r", placedBy: "o", placedAt: 1, reviewAt: 2)
        try store.place(hold)
        #expect(try store.holds(of: .default) == [hold])
        #expect(try store.releaseHold("h", tenant: .default, at: 9))
        #expect(try !store.releaseHold("h", tenant: .default, at: 10))
        var request = SubjectRequest(id: "r", kind: .access, subject: "p", pseudonym: "s", receivedAt: 1, dueAt: 2)
        try store.insert(request)
        request.status = .verified
        #expect(try !store.update(request, from: .searched))
        #expect(try store.update(request, from: .received))
        #expect(try store.requests(of: .default) == [request])
    }

    /// Whoever adds a table says whose it is: what is in neither list would be missed by searches and erasures.
    @Test func everyTableIsEitherSearchedOrImpersonal() throws {
        #expect(try SQLSubjectIndex(database).unlisted() == [])
    }

    @Test func everyColumnThatIsSearchedExists() throws {
        for table in SubjectTable.all {
            let names = (table.columns.map(\.name) + table.shown).joined(separator: ", ")
            _ = try database.read { try $0.rows("SELECT \(names) FROM \(table.table) LIMIT 1", []) }
        }
    }

    @Test func aSubjectIsFoundInEveryStoreAndErased() throws {
        let keys = SQLKeyStore(database)
        try keys.insert(KeyRecord(id: "k1", principal: "pat", name: "k", secretHash: Array(repeating: 1, count: 32), createdAt: 1))
        try keys.insert(KeyRecord(id: "k2", principal: "patty", name: "k", secretHash: Array(repeating: 2, count: 32), createdAt: 1))
        try keys.noteUses([KeyUse(key: "k1", at: 60), KeyUse(key: "k2", at: 60)])
        let access = SQLAccessStore(database)
        for (id, principal) in [("a", "user:pat"), ("b", "key:k1"), ("c", "user:patty"), ("d", "group:pat")] {
            try access.insert(
                RoleAssignment(id: id, principal: try #require(PrincipalReference(principal)), role: .modelUser, scope: .organisation))
        }
        try SQLUsageStore(database).add(tokens: 1, costMicros: 1, scope: "user:pat", window: "2026-11")
        try SQLUsageStore(database).add(tokens: 1, costMicros: 1, scope: "key:k2", window: "2026-11")
        let privacy = SQLPrivacyStore(database)
        try privacy.put(Consent(subject: "pat", purpose: "x", version: "1", givenAt: 1))
        let index = SQLSubjectIndex(database)
        #expect(try index.subjects(of: .default) == ["pat", "patty"])
        func counts() throws -> [String: Int] {
            Dictionary(
                uniqueKeysWithValues: try index.findings(about: "pat", tenant: .default).filter { $0.count > 0 }.map {
                    ($0.store, $0.count)
                })
        }
        #expect(try counts() == ["api_key": 1, "key_use": 1, "role_assignment": 2, "usage_counter": 1, "privacy_consent": 1])
        let told = try index.rows(about: "pat", tenant: .default, limit: 100)
        #expect(told.count == 6 && !told.contains { $0.values.keys.contains("secret_hash") })
        let before = try keys.revision()
        let outcomes = try index.erase("pat", tenant: .default, at: 99)
        #expect(outcomes.first { $0.store == "privacy_consent" }?.kept == 1)
        #expect(try counts() == ["privacy_consent": 1])
        #expect(try keys.allKeys().map(\.id) == ["k2"])
        #expect(try keys.revision() > before)
        #expect(try access.allAssignments().map(\.id) == ["c", "d"])
    }

    @Test func nobodyShedsByAnErasureWhatHoldsHimBack() throws {
        let access = SQLAccessStore(database)
        for (id, effect) in [("a", RoleAssignment.Effect.allow), ("d", .deny)] {
            try access.insert(
                RoleAssignment(
                    id: id, principal: try #require(PrincipalReference("user:pat")), role: .modelUser, scope: .organisation, effect: effect)
            )
        }
        let conditional = SQLConditionalAccessStore(database)
        try conditional.put(PrincipalRisk(principal: "pat", level: .high, setAt: 1, expiresAt: 100))
        let revision = try conditional.revision()
        let index = SQLSubjectIndex(database)
        let outcomes = try index.erase("pat", tenant: .default, at: 99)
        let roles = try #require(outcomes.first { $0.store == "role_assignment" })
        #expect(roles.removed == 1 && roles.kept == 1 && roles.why?.contains("denied") == true)
        #expect(try access.allAssignments().map(\.id) == ["d"])
        #expect(try conditional.risks().map(\.level) == [.high])
        #expect(try conditional.revision() > revision)
        // What is over holds nobody back.
        _ = try index.erase("pat", tenant: .default, at: 100)
        #expect(try conditional.risks().isEmpty)
    }

    @Test func putsRightInPlaceWhatMayBeAllOrNothing() throws {
        let keys = SQLKeyStore(database)
        try keys.insert(
            KeyRecord(id: "k1", principal: "pat", name: "Pta", team: "Bleu", secretHash: Array(repeating: 1, count: 32), createdAt: 1))
        try keys.insert(KeyRecord(id: "k2", principal: "sam", name: "Sam", secretHash: Array(repeating: 2, count: 32), createdAt: 1))
        let index = SQLSubjectIndex(database)
        let before = try keys.revision()
        let done = try index.correct(
            "pat", tenant: .default,
            [
                SubjectCorrection(store: "api_key", field: "name", value: "Pat'; --"),
                SubjectCorrection(store: "api_key", field: "team", value: "Blue"),
            ])
        #expect(done.map(\.corrected) == [1, 1] && done.map(\.why) == ["name was put right", "team was put right"])
        #expect(try keys.allKeys().map(\.name) == ["Pat'; --", "Sam"])
        #expect(try keys.allKeys().first?.team == "Blue" && keys.revision() > before)
        for (store, field) in [
            ("api_key", "secret_hash"), ("api_key", "roles"), ("privacy_consent", "evidence"), ("account", "display_name"),
        ] {
            let wrong = [
                SubjectCorrection(store: "api_key", field: "name", value: "lost"),
                SubjectCorrection(store: store, field: field, value: "x"),
            ]
            #expect(throws: Fault.self) { try index.correct("pat", tenant: .default, wrong) }
        }
        #expect(try keys.allKeys().map(\.name) == ["Pat'; --", "Sam"])
    }

    @Test func whoLeavesLosesEverythingInOneTransaction() throws {
        let store = SQLProvisioningStore(database)
        let keys = SQLKeyStore(database)
        try keys.insert(KeyRecord(id: "k", principal: "i:1", name: "k", secretHash: Array(repeating: 1, count: 32), createdAt: 1))
        let access = SQLAccessStore(database)
        try access.insert(RoleAssignment(id: "a", principal: PrincipalReference(.user, "i:1"), role: .modelUser, scope: .organisation))
        var user = ProvisionedUser(id: "u", userName: "Pat", externalID: "1", principal: "i:1", createdAt: 1, modifiedAt: 1)
        try store.insert(user, departing: nil)
        #expect(throws: Fault.self) {
            try store.insert(ProvisionedUser(id: "v", userName: "PAT", principal: "i:2", createdAt: 1, modifiedAt: 1), departing: nil)
        }
        #expect(throws: Fault.self) {
            try store.insert(ProvisionedUser(id: "v", userName: "sam", principal: "i:1", createdAt: 1, modifiedAt: 1), departing: nil)
        }
        user.isActive = false
        user.version = 2
        let departure = Departure(principal: "i:1", at: 50, isFinal: false)
        #expect(try store.update(user, from: 7, departing: departure, returning: nil) == nil)
        #expect(try keys.allKeys().first?.revokedAt == nil)
        #expect(try store.update(user, from: 1, departing: departure, returning: nil)?.keys == 1)
        #expect(try keys.allKeys().first?.revokedAt == 50)
        #expect(Set(try access.allRevocations().map(\.kind)) == [.principal, .issuedBefore])
        #expect(try access.allAssignments().count == 1)
        user.isActive = true
        user.version = 3
        _ = try store.update(user, from: 2, departing: nil, returning: "i:1")
        #expect(try access.allRevocations().map(\.kind) == [.issuedBefore])
        #expect(
            try store.removeUser("u", tenant: .default, version: nil, departing: Departure(principal: "i:1", at: 60, isFinal: true))?
                .assignments == 1)
        #expect(try store.users(of: .default).isEmpty)
    }

    @Test func anAdministratorsWordOutlivesProvisioning() throws {
        let store = SQLProvisioningStore(database)
        let access = SQLAccessStore(database)
        try access.put(Revocation(kind: .principal, subject: "p", createdAt: 1, note: "case 7"))
        var user = ProvisionedUser(id: "u", userName: "p", principal: "p", createdAt: 1, modifiedAt: 1)
        try store.insert(user, departing: Departure(principal: "p", at: 5, isFinal: false))
        user.version = 2
        _ = try store.update(user, from: 1, departing: nil, returning: "p")
        #expect(try access.allRevocations().first { $0.kind == .principal }?.note == "case 7")
    }

    @Test func groupsKeepTheirMembersAndLoseThemWithTheUser() throws {
        let store = SQLProvisioningStore(database)
        try store.insert(ProvisionedUser(id: "u", userName: "p", principal: "p", createdAt: 1, modifiedAt: 1), departing: nil)
        var group = ProvisionedGroup(id: "g", displayName: "G", reference: "i:g", members: ["u", "x"], createdAt: 1, modifiedAt: 1)
        try store.insert(group)
        #expect(try store.groups(of: "u", tenant: .default) == [group])
        #expect(try store.members(of: .default) == ["i:g": [PrincipalReference(.user, "p")]])
        group.members = ["u"]
        group.version = 2
        #expect(try !store.update(group, from: 5))
        #expect(try store.update(group, from: 1))
        _ = try store.removeUser("u", tenant: .default, version: 1, departing: Departure(principal: "p", at: 5, isFinal: true))
        #expect(try store.group("g", tenant: .default)?.members == [])
        #expect(try store.removeGroup("g", tenant: .default, version: 2))
    }
}
