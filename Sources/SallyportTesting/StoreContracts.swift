import SallyportCore

/// What a contract found to be untrue.
package struct ContractViolation: Error, CustomStringConvertible {
    package let sentence: String
    package let file: String
    package let line: Int
    package var description: String { "\(file):\(line): not so: \(sentence)" }
}

package func require(
    _ condition: @autoclosure () throws -> Bool, _ sentence: String, file: String = #fileID, line: Int = #line
) throws {
    guard try condition() else { throw ContractViolation(sentence: sentence, file: file, line: line) }
}

package func requireFault<T>(
    _ code: Fault.Code, _ sentence: String, file: String = #fileID, line: Int = #line, _ body: () throws -> T
) throws {
    do {
        _ = try body()
    } catch let fault as Fault where fault.code == code {
        return
    }
    throw ContractViolation(sentence: sentence, file: file, line: line)
}

/// What every ``KeyStore`` must do. `verify` is given an empty store.
package enum KeyStoreContract {
    package static func verify(_ store: any KeyStore) throws {
        let start = try store.revision()
        try require(try store.allKeys().isEmpty, "a new store is empty")

        let plain = KeyRecord(
            id: "plain", principal: "p", name: "plain", secretHash: Array(repeating: 1, count: 32), createdAt: 10)
        let rich = KeyRecord(
            id: "rich", tenant: "other", project: "project", principal: "q", name: "näme \"'; --", team: "team",
            roles: [.modelUser, .metricsReader], deployments: ["a", "b"], grantedPolicies: ["Strict"],
            limits: LimitSet(requestsPerMinute: 1, tokensPerDay: .max, costPerDayMicros: .max),
            operations: ["ChatCompletions_Create"], labels: ["internal"], addresses: ["10.0.0.0/8", "2001:db8::/32"], isHoney: true,
            secretHash: Array(repeating: 2, count: 32), createdAt: 11, expiresAt: 99, revokedAt: nil)
        var none = plain
        none.id = "none"
        none.secretHash = Array(repeating: 3, count: 32)
        none.deployments = []
        none.roles = []
        none.createdAt = 12

        for key in [plain, rich, none] { try store.insert(key) }
        let inserted = try store.revision()
        try require(inserted > start, "an insert raises the revision")
        try require(Set(try store.allKeys()) == [plain, rich, none], "keys come back as they went in")
        try require(try store.keys(of: .default) == [plain, none], "a tenant's keys come in the order of their making")
        try require(try store.keys(of: "nobody").isEmpty, "a tenant sees only its own keys")

        try requireFault(.conflict, "an id is used once") { try store.insert(plain) }
        // The principal `p` has two by now, `plain` and `none`.
        var third = plain
        third.id = "third"
        third.secretHash = Array(repeating: 6, count: 32)
        third.createdAt = 13
        try require(try !store.insert(third, within: KeyRoom(most: 2, now: 20)), "a full principal takes no more")
        try require(try store.allKeys().count == 3 && store.revision() == inserted, "what found no room changed nothing")
        try require(try store.insert(third, within: KeyRoom(most: 2, replaced: "none", now: 20)), "a replaced key does not count")
        _ = try store.revoke("third", tenant: .default, at: 21)
        third.id = "fourth"
        third.secretHash = Array(repeating: 7, count: 32)
        try require(try !store.insert(third, within: KeyRoom(most: 3, now: 20)), "one that works a moment longer counts")
        try require(try store.insert(third, within: KeyRoom(most: 3, now: 21)), "one that ended does not")
        var sameSecret = plain
        sameSecret.id = "copy"
        sameSecret.tenant = "other"
        try requireFault(.conflict, "a secret names one key, across tenants") { try store.insert(sameSecret) }
        var sameIDElsewhere = plain
        sameIDElsewhere.tenant = "third"
        sameIDElsewhere.secretHash = Array(repeating: 4, count: 32)
        try store.insert(sameIDElsewhere)

        let before = try store.revision()
        try require(try store.revoke("plain", tenant: "other", at: 20) == false, "another tenant cannot revoke a key")
        try require(try store.revoke("absent", tenant: .default, at: 20) == false, "an unknown key is not revoked")
        try require(try store.revision() == before, "what changes nothing leaves the revision")
        try require(try store.revoke("plain", tenant: .default, at: 30), "a key can be revoked")
        try require(try store.revision() > before, "a revocation raises the revision")
        try require(try store.revoke("plain", tenant: .default, at: 40), "revoking again is no error")
        try require(try store.keys(of: .default).first?.revokedAt == 30, "a later revocation does not prolong a key")
        try require(try store.revoke("plain", tenant: .default, at: 25), "a revocation can be brought forward")
        try require(try store.keys(of: .default).first?.revokedAt == 25, "the earlier time of two holds")
        try require(try store.keys(of: "third").first?.revokedAt == nil, "a key of the same id elsewhere is untouched")

        let used = try store.revision()
        try require(try store.uses(of: .default).isEmpty, "no key was used yet")
        try store.noteUses([KeyUse(key: "plain", at: 60), KeyUse(key: "none", at: 120)])
        try store.noteUses([KeyUse(key: "plain", at: 0), KeyUse(key: "none", at: 180)])
        try require(
            try Set(store.uses(of: .default)) == [KeyUse(key: "plain", at: 60), KeyUse(key: "none", at: 180)],
            "a key's last use is the latest that was noted")
        try require(try store.revision() == used, "a use is no change of the keys")
    }
}

/// What every ``BlocklistStore`` must do. `verify` is given an empty store.
package enum BlocklistStoreContract {
    package static func verify(_ store: any BlocklistStore) throws {
        let start = try store.revision()
        try require(try store.blocklists(of: .default).isEmpty, "a new store is empty")
        try require(try store.upsert(Blocklist(name: "b", description: "one"), of: .default), "the first upsert makes the list")
        try require(try store.upsert(Blocklist(name: "b", description: nil), of: .default) == false, "the second changes it")
        try require(try store.blocklist("b", of: .default) == Blocklist(name: "b"), "an upsert replaces the description")
        _ = try store.upsert(Blocklist(name: "a"), of: .default)
        try require(try store.blocklists(of: .default).map(\.name) == ["a", "b"], "lists come sorted by name")
        try require(try store.blocklist("b", of: "other") == nil, "a tenant sees only its own lists")
        try require(try store.revision() > start, "a change raises the revision")

        let items = (0..<30).map {
            BlocklistItem(id: "id-\(29 - $0)", text: "text \($0) é 🙂", description: $0 == 0 ? nil : "d", isRegex: $0 == 1)
        }
        try store.add(items, to: "b", tenant: .default)
        try require(try store.items(of: "b", tenant: .default) == items, "items come back as they went in, in order")
        try require(try store.items(of: "a", tenant: .default).isEmpty, "items belong to one list")
        try require(try store.items(of: "b", tenant: "other").isEmpty, "items belong to one tenant")
        var changed = items
        changed[3].text = "changed"
        try store.add([changed[3]], to: "b", tenant: .default)
        try require(try store.items(of: "b", tenant: .default) == changed, "an item added again is changed in its place")

        let before = try store.revision()
        let stranger = BlocklistItem(id: "x", text: "x")
        try requireFault(.notFound, "items need a list") { try store.add([stranger], to: "none", tenant: .default) }
        try requireFault(.notFound, "another tenant's list is no list") { try store.add([stranger], to: "b", tenant: "other") }
        try requireFault(.notFound, "an unknown item cannot be removed") {
            try store.removeItems(["id-0", "none"], from: "b", tenant: .default)
        }
        try requireFault(.notFound, "items cannot be removed from no list") { try store.removeItems([], from: "none", tenant: .default) }
        try require(try store.items(of: "b", tenant: .default) == changed, "what fails removes nothing")
        try require(try store.revision() == before, "what fails leaves the revision")
        try store.removeItems(["id-29", "id-0", "id-0"], from: "b", tenant: .default)
        try require(try store.items(of: "b", tenant: .default) == Array(changed.dropFirst().dropLast()), "items can be removed")

        try store.add((0..<(10_000 - 28)).map { BlocklistItem(id: "n\($0)", text: "t\($0)") }, to: "a", tenant: .default)
        try requireFault(.quotaExceeded, "a tenant has at most 10,000 items") { try store.add([stranger], to: "b", tenant: .default) }
        try require(try store.items(of: "b", tenant: .default).count == 28, "what exceeds the quota adds nothing")
        try store.add([changed[3]], to: "b", tenant: .default)
        _ = try store.upsert(Blocklist(name: "b"), of: "other")
        try store.add([stranger], to: "b", tenant: "other")

        try require(try store.deleteBlocklist("a", of: .default), "a list can be deleted")
        try require(try store.deleteBlocklist("a", of: .default) == false, "but once")
        try require(try store.items(of: "a", tenant: .default).isEmpty, "its items go with it")
        _ = try store.upsert(Blocklist(name: "a"), of: .default)
        try require(try store.items(of: "a", tenant: .default).isEmpty, "a new list of the same name is empty")
        try require(try store.items(of: "b", tenant: "other") == [stranger], "another tenant's list of the same name is untouched")
    }
}

/// What every ``PolicyStore`` must do. `verify` is given an empty store.
package enum PolicyStoreContract {
    package static func verify(_ store: any PolicyStore) throws {
        let start = try store.revision()
        let document: [UInt8] = Array(0...255)
        try require(try store.policies(of: .default).isEmpty, "a new store is empty")
        try require(try store.put("p", document: document, of: .default, at: 1) == 1, "the first version is 1")
        try require(try store.put("p", document: [], of: .default, at: 2) == 2, "each change is a new version")
        try require(try store.put("p", document: document, of: "other", at: 3) == 1, "tenants count for themselves")
        try require(try store.put("a", document: document, of: .default, at: 4) == 1, "policies count for themselves")
        let expected = [
            StoredPolicy(name: "a", version: 1, document: document, createdAt: 4),
            StoredPolicy(name: "p", version: 2, document: [], createdAt: 2),
        ]
        try require(try store.policies(of: .default) == expected, "the newest versions come, sorted by name, byte for byte")
        let before = try store.revision()
        try require(before > start, "a change raises the revision")
        try require(try store.delete("p", of: .default), "a policy can be deleted")
        try require(try store.revision() > before, "a deletion raises the revision")
        try require(try store.delete("p", of: .default) == false, "but once")
        try require(try store.policies(of: .default).map(\.name) == ["a"], "a deleted policy is gone")
        try require(try store.policies(of: "other").map(\.name) == ["p"], "another tenant's policy of the same name is untouched")
        try require(try store.put("p", document: [1], of: .default, at: 5) == 3, "a version number never means two documents")
        try require(try store.put("p", document: [2], of: .default, at: 6, replacing: 2) == nil, "what is not in force is not replaced")
        try require(try store.put("p", document: [2], of: .default, at: 6, replacing: 0) == nil, "what is there is not new")
        try require(try store.put("p", document: [2], of: .default, at: 6, replacing: 3) == 4, "what is in force is replaced")
        try require(try store.put("n", document: [2], of: .default, at: 7, replacing: 1) == nil, "what is not there is not replaced")
        try require(try store.put("n", document: [2], of: .default, at: 7, replacing: 0) == 1, "what is new is taken")
        let versions = try store.versions(of: "p", tenant: .default)
        try require(versions.map(\.version) == [4, 3, 2, 1], "all versions are told, the newest first")
        try require(versions.map(\.createdAt) == [6, 5, 2, 1], "with the time that each was made")
        try require(try store.versions(of: "p", tenant: "other").map(\.version) == [1], "of one tenant")
        try require(try store.policy("p", version: 1, of: .default)?.document == document, "a former version comes back byte for byte")
        try require(try store.policy("p", version: 9, of: .default) == nil, "one that never was does not")
    }
}

/// What every ``OwnershipStore`` must do. `verify` is given an empty store.
package enum OwnershipStoreContract {
    package static func verify(_ store: any OwnershipStore) throws {
        func owned(
            _ id: String, _ kind: OwnedResource = .file, tenant: TenantID = .default, project: ProjectID = .default,
            principal: PrincipalID = "p", at time: Int64 = 1
        ) -> Ownership {
            Ownership(
                tenant: tenant, project: project, principal: principal, kind: kind, id: id, upstream: "u",
                deployment: kind == .file ? nil : "d", createdAt: time)
        }
        try require(try store.ownership(of: "f", tenant: .default) == nil, "a new store is empty")
        let all = OwnedResource.allCases.map { owned("id-\($0.rawValue)", $0) }
        for one in all { try store.record(one) }
        for one in all { try require(try store.ownership(of: one.id, tenant: .default) == one, "a \(one.kind) comes back") }
        try require(try store.ownership(of: all[0].id, tenant: "other") == nil, "a tenant sees only its own ids")

        let first = owned("id-file", principal: "someone else", at: 9)
        try store.record(first)
        try require(try store.ownership(of: "id-file", tenant: .default) == all[0], "recording again changes nothing")
        try requireFault(.conflict, "an id belongs to one project") { try store.record(owned("id-file", project: "other")) }
        try store.record(owned("id-file", tenant: "other", project: "other"))
        try require(try store.ownership(of: "id-file", tenant: .default) == all[0], "tenants have ids of their own")

        try store.record(owned("f2", at: 3))
        try store.record(owned("f3", at: 2))
        try store.record(owned("f4", project: "other", at: 2))
        try require(
            try store.ownerships(of: .file, tenant: .default, project: .default).map(\.id) == ["id-file", "f3", "f2"],
            "a project's ids of one kind come by age")
        try store.remove("f3", tenant: "other")
        try require(try store.ownership(of: "f3", tenant: .default) != nil, "another tenant cannot remove an id")
        try store.remove("f3", tenant: .default)
        try store.remove("f3", tenant: .default)
        try require(try store.ownership(of: "f3", tenant: .default) == nil, "an id can be removed")
    }
}

/// What every ``UsageStore`` must do. `verify` is given an empty store.
package enum UsageStoreContract {
    package static func verify(_ store: any UsageStore) throws {
        try require(try store.usage(scope: "s", window: "2026-11") == (0, 0), "nothing was used at first")
        try store.add(tokens: 5, costMicros: 7, scope: "s", window: "2026-11")
        try store.add(tokens: 6, costMicros: -3, scope: "s", window: "2026-11")
        try store.add(tokens: 1, costMicros: 1, scope: "s", window: "2026-12")
        try store.add(tokens: 2, costMicros: 2, scope: "r", window: "2026-11")
        try require(try store.usage(scope: "s", window: "2026-11") == (11, 4), "additions sum up, corrections included")
        try require(try store.usage(scope: "s", window: "2026-12") == (1, 1), "windows count for themselves")
        let all = try store.all(window: "2026-11")
        try require(all.map(\.scope) == ["r", "s"] && all.map(\.tokens) == [2, 11], "a window's scopes come sorted")
        try require(try store.all(window: "2026-11-24").isEmpty, "an unused window is empty")
    }
}

/// What every ``SubjectKeyStore`` must do. `verify` is given an empty store.
package enum SubjectKeyStoreContract {
    package static func verify(_ store: any SubjectKeyStore) throws {
        let first = try store.key(forSubject: "s", tenant: .default)
        try require(first.count == 32, "a key has 32 bytes")
        try require(try store.key(forSubject: "s", tenant: .default) == first, "a subject keeps its key")
        let second = try store.key(forSubject: "t", tenant: .default)
        let third = try store.key(forSubject: "s", tenant: "other")
        try require(Set([first, second, third]).count == 3, "every subject of every tenant has its own")
        try require(try store.destroyKey(ofSubject: "s", tenant: .default), "a key can be destroyed")
        try require(try store.destroyKey(ofSubject: "s", tenant: .default) == false, "but once")
        try require(try store.key(forSubject: "s", tenant: .default) != first, "a destroyed key does not come back")
        try require(try store.key(forSubject: "s", tenant: "other") == third, "another tenant's subject keeps its key")
    }
}

/// What every ``AccessStore`` must do. `verify` is given an empty store.
package enum AccessStoreContract {
    package static func verify(_ store: any AccessStore) throws {
        let start = try store.revision()
        try require(try store.allAssignments().isEmpty && store.allRevocations().isEmpty, "a new store is empty")
        let plain = RoleAssignment(
            id: "a", principal: PrincipalReference(.user, "entra:1"), role: .modelUser, scope: .organisation, createdAt: 1)
        let rich = RoleAssignment(
            id: "b", tenant: "other", principal: PrincipalReference(.group, "näme '; --"), role: "auditor", scope: .deployment("gpt"),
            effect: .deny, condition: "label == \"x\"", expiresAt: 9, createdAt: 2, note: "why")
        for assignment in [plain, rich] { try store.insert(assignment) }
        try require(Set(try store.allAssignments()) == [plain, rich], "assignments come back as they went in")
        try require(try store.revision() > start, "an insert raises the revision")
        try requireFault(.conflict, "an id is used once") { try store.insert(plain) }
        let before = try store.revision()
        try require(try store.removeAssignment("a", tenant: "other") == false, "another tenant cannot remove an assignment")
        try require(try store.revision() == before, "what changes nothing leaves the revision")
        try require(try store.removeAssignment("a", tenant: .default), "an assignment can be removed")
        try require(try store.allAssignments() == [rich], "and the others stay")
        try require(try store.revision() > before, "a removal raises the revision")

        let since = try store.revision()
        try store.put(Revocation(kind: .token, subject: "j", createdAt: 5, note: "lost"))
        try store.put(Revocation(kind: .issuedBefore, subject: "p", before: 100, createdAt: 5))
        try store.put(Revocation(kind: .issuedBefore, subject: "p", before: 50, createdAt: 6))
        try store.put(Revocation(tenant: "other", kind: .principal, subject: "p", createdAt: 7))
        let revocations = try store.allRevocations()
        try require(revocations.count == 3, "one revocation per kind, subject and tenant")
        try require(revocations.first { $0.kind == .issuedBefore }?.before == 100, "a moment never moves back")
        try require(try store.revision() > since, "a revocation raises the revision")
        try require(try store.removeRevocation(.principal, subject: "p", tenant: .default) == false, "another tenant cannot lift one")
        try require(try store.removeRevocation(.principal, subject: "p", tenant: "other"), "a revocation can be lifted")
    }
}
