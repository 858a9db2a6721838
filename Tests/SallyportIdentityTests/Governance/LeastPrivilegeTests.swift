import SallyportCore
import Testing

@testable import SallyportIdentity

private let chat = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"
private let embed = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/embeddings/action"
private let files = "Microsoft.CognitiveServices/accounts/OpenAI/files/write"
private let models = "Microsoft.CognitiveServices/accounts/OpenAI/models/read"
private let day: Int64 = 86_400
private let now: Int64 = 1000 * day

@Suite struct LeastPrivilegeTests {
    private func held(
        _ assignments: [RoleAssignment], uses: [AccessUse] = [], keys: [KeyRecord] = [], custom: [RoleDefinition] = [],
        groups: [String: [PrincipalReference]] = [:], breakGlass: Set<PrincipalReference> = [], observedDays: Int64 = 200
    ) -> HeldAccess {
        HeldAccess(
            catalog: RoleCatalog(custom: custom), assignments: assignments, keys: keys, uses: uses,
            observedSince: now - observedDays * day, groups: groups, breakGlass: breakGlass,
            actions: [chat, embed, files, models] + SeparationRule.managementActions)
    }

    private func assignment(_ id: String, _ role: Role, _ scope: AccessScope = .organisation, for principal: String = "user:a") throws
        -> RoleAssignment
    { RoleAssignment(id: id, principal: try #require(PrincipalReference(principal)), role: role, scope: scope) }

    private func use(
        _ action: String, grant: String?, at deployment: DeploymentID? = "gpt", by principal: PrincipalID = "a", key: KeyID? = nil
    )
        -> AccessUse
    {
        AccessUse(
            principal: principal, key: key, action: action, deployment: deployment, grant: grant, day: now / day - 3, allowed: 2,
            lastAt: now - 3 * day)
    }

    @Test func whatWasNeverUsedIsProposedForRemoval() throws {
        let held = held([try assignment("1", "openai-contributor")])
        let report = LeastPrivilege(held, lookBackDays: 90, at: now).report(on: PrincipalReference(.user, "a"))
        #expect(report.grants.map(\.proposal) == [.remove])
        #expect(report.grants[0].unused == held.actions(of: "openai-contributor").sorted())
    }

    @Test func theSmallestRoleThatWouldDoIsProposedAtTheDeploymentsThatWereUsed() throws {
        let held = held([try assignment("1", "openai-contributor")], uses: [use(chat, grant: "assignment:1")])
        let use = try #require(LeastPrivilege(held, lookBackDays: 90, at: now).report(on: PrincipalReference(.user, "a")).grants.first)
        guard case .narrow(let role, let scopes, let exact) = use.proposal else { return #expect(Bool(false), "\(use.proposal)") }
        #expect(held.actions(of: role).count < held.actions(of: "openai-contributor").count)
        #expect(held.actions(of: role).contains(chat))
        #expect(scopes == [.deployment("gpt")])
        #expect(exact == [chat])
        #expect(use.unused.contains(files))
    }

    @Test func aRoleOfOnesOwnThatIsUsedWhollyIsKept() throws {
        let custom = RoleDefinition(id: "chatter", role: "chatter", name: "chatter", description: "", dataActions: [chat])
        let held = held([try assignment("1", "chatter", .deployment("gpt"))], uses: [use(chat, grant: "assignment:1")], custom: [custom])
        #expect(
            LeastPrivilege(held, lookBackDays: 90, at: now).report(on: PrincipalReference(.user, "a")).grants.map(\.proposal) == [.keep])
    }

    @Test func usesOfOneGrantDoNotSpeakForAnother() throws {
        let held = held([try assignment("1", "openai-user"), try assignment("2", "openai-user")], uses: [use(chat, grant: "assignment:1")])
        let report = LeastPrivilege(held, lookBackDays: 90, at: now).report(on: PrincipalReference(.user, "a"))
        #expect(report.grants.map { $0.proposal == .remove } == [false, true])
    }

    @Test func theRoleOfOneKeyIsNotUsedByAnother() throws {
        let keys = ["k1", "k2"].enumerated().map { index, id in
            KeyRecord(
                id: KeyID(id), principal: PrincipalID(id), name: id, roles: [.modelUser],
                secretHash: Array(repeating: UInt8(index), count: 32), createdAt: 0)
        }
        let held = held([], uses: [use(chat, grant: "role:model-user", by: "k1", key: "k1")], keys: keys)
        let advice = LeastPrivilege(held, lookBackDays: 90, at: now)
        #expect(advice.report(on: PrincipalReference(.key, "k2")).grants.map(\.proposal) == [.remove])
        #expect(advice.report(on: PrincipalReference(.key, "k1")).grants.first?.used == [chat])
    }

    @Test func aShortObservationIsCalledOne() throws {
        let held = held([try assignment("1", "openai-user")], observedDays: 3)
        #expect(LeastPrivilege(held, lookBackDays: 90, at: now).isLearning)
        #expect(LeastPrivilege(held, lookBackDays: 90, at: now).observedDays == 3)
    }

    @Test func conflictsAreFoundOverGroupsAndSpareBreakGlass() throws {
        let rule = SeparationRule(id: "r", reason: "", first: ["Sallyport/access/write"], second: ["Sallyport/audit/export/action"])
        let assignments = [
            try assignment("1", "access-administrator", for: "group:admins"), try assignment("2", "auditor", for: "user:a"),
            try assignment("3", "auditor", for: "user:b"), try assignment("4", "access-administrator", for: "user:glass"),
            try assignment("5", "auditor", for: "user:glass"),
        ]
        let glass = PrincipalReference(.user, "glass")
        let held = held(assignments, groups: ["admins": [PrincipalReference(.user, "a")]], breakGlass: [glass])
        let conflicts = SeparationConflict.all(in: held, rules: [rule], at: now)
        #expect(conflicts.map(\.holder) == [PrincipalReference(.user, "a")])
        #expect(conflicts.first?.first.map(\.source) == ["assignment:1"])
        #expect(conflicts.first?.second.map(\.source) == ["assignment:2"])
    }

    /// But the one that may do everything.
    @Test func noBuiltInRoleIsAConflictByItself() {
        for role in RoleCatalog().definitions where role.isBuiltIn && role.role != .administrator {
            let held = held([RoleAssignment(id: "1", principal: PrincipalReference(.user, "a"), role: role.role, scope: .organisation)])
            let rules = SeparationConflict.all(in: held, rules: SeparationRule.builtIn, at: now).map(\.rule.id)
            #expect(rules.isEmpty, "\(role.role): \(rules)")
        }
    }
}
