import SallyportCore
import Testing

@testable import SallyportIdentity

@Suite struct AccessDirectoryTests {
    private let store = MemoryAccessStore([
        RoleAssignment(id: "a", principal: PrincipalReference(.group, "scim:staff"), role: .administrator, scope: .organisation),
        RoleAssignment(id: "b", principal: PrincipalReference(.user, "ann"), role: "openai-user", scope: .organisation),
        RoleAssignment(
            id: "c", principal: PrincipalReference(.user, "bob"), role: .administrator, scope: .organisation, effect: .deny),
    ])
    private let ann = Principal(id: "ann", credential: .token(issuer: "idp"), isService: false, roles: [])

    @Test func takesBackWithoutReadingTheAssignments() throws {
        let directory = AccessDirectory()
        try directory.refresh(from: store, at: 1)
        try store.put(Revocation(kind: .principal, subject: "ann", createdAt: 2))
        _ = try directory.check(ann, at: 2)
        try directory.takeBack(from: store)
        #expect(throws: Fault.self) { try directory.check(ann, at: 2) }
        #expect(store.reads == 1)
        _ = try store.removeRevocation(.principal, subject: "ann", tenant: .default)
        try directory.takeBack(from: store)
        _ = try directory.check(ann, at: 3)
        #expect(try directory.refresh(from: store, at: 4), "what else has changed is still read")
    }

    @Test func anOlderReadingDoesNotUndoANewerOne() throws {
        let directory = AccessDirectory()
        try store.put(Revocation(kind: .principal, subject: "ann", createdAt: 2))
        try directory.takeBack(from: store)
        let older = MemoryAccessStore([])
        try directory.refresh(from: older, at: 3)
        #expect(throws: Fault.self) { try directory.check(ann, at: 3) }
    }

    @Test func rolesAreWithinReachByAssignmentsGroupsAndElevation() throws {
        let eligible = EligibleAssignment(
            id: "e", principal: PrincipalReference(.user, "cid"), role: "auditor", scope: .organisation, maximumDuration: 60,
            needsApproval: false, needsMFA: false, approvers: [], createdAt: 0, note: nil)
        let operations = AccessOperations(
            store: store, reach: .init(groups: { $0 == "dan" ? ["scim:staff"] : [] }, eligible: { [eligible] }))
        func roles(_ name: String) throws -> Set<Role> {
            try operations.roles(withinReachOf: [PrincipalReference(.user, name), PrincipalReference(.service, name)])
        }
        #expect(try roles("ann") == ["openai-user"])
        #expect(try roles("bob") == [], "a denial gives nothing")
        #expect(try roles("cid") == ["auditor"])
        #expect(try roles("dan") == [.administrator])
        #expect(try operations.roles(withinReachOf: [PrincipalReference(.group, "scim:staff")]) == [.administrator])
    }

    @Test(arguments: ["", "a\nb", String(repeating: "x", count: 513)])
    func nobodyCanBeRevokedWhoCannotBe(_ subject: String) {
        let operations = AccessOperations(store: store)
        #expect(throws: Fault.self) { try operations.revoke(Revocation(kind: .principal, subject: subject, createdAt: 1)) }
    }
}
