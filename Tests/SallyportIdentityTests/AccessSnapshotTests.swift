import SallyportCore
import Testing

@testable import SallyportIdentity

@Suite struct AccessSnapshotTests {
    private static let chat = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"
    private static let filesRead = "Microsoft.CognitiveServices/accounts/OpenAI/files/read"
    private static let filesWrite = "Microsoft.CognitiveServices/accounts/OpenAI/files/write"
    private static let batchWrite = "Microsoft.CognitiveServices/accounts/OpenAI/batch-jobs/write"
    private static let stored = "Microsoft.CognitiveServices/accounts/OpenAI/stored-completions/read"
    private static let actions = [chat, filesRead, filesWrite, batchWrite]
    private let alice = Principal(id: "idp:alice", credential: .token(issuer: "idp"), isService: false, groups: ["idp:staff"], roles: [])

    private func assignment(
        _ id: String, _ role: Role, _ scope: String = "/", for principal: String = "user:idp:alice", deny: Bool = false,
        when condition: String? = nil, until expiry: Int64? = nil, tenant: TenantID = .default
    ) throws -> RoleAssignment {
        RoleAssignment(
            id: id, tenant: tenant, principal: try #require(PrincipalReference(principal)), role: role,
            scope: try #require(AccessScope(scope)), effect: deny ? .deny : .allow, condition: condition, expiresAt: expiry)
    }

    private func decide(
        _ assignments: [RoleAssignment], _ action: String = chat, by principal: Principal? = nil, at deployment: DeploymentID? = "gpt",
        project: ProjectID = "blue", label: String? = nil, from address: String? = nil, now: Int64 = 1000,
        operation: String = "ChatCompletions_Create", custom: [RoleDefinition] = []
    ) -> AccessDecision {
        AccessSnapshot(catalog: RoleCatalog(custom: custom), assignments: assignments, actions: Self.actions)
            .rights(of: principal ?? alice)
            .decision(
                on: action,
                in: AccessContext(
                    deployment: deployment, project: project, operation: operation, label: label,
                    address: address.flatMap { IPAddress($0) }, now: now))
    }

    @Test func withoutARoleNothingIsAllowed() { #expect(decide([]) == .lacking) }

    @Test(arguments: [
        "openai-user", "Cognitive Services OpenAI User", "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd", "5E0BD9BD-7B93-4F28-AF87-19FC36AD61BD",
    ])
    func aRoleAnswersToItsNameAndId(name: String) throws {
        #expect(decide([try assignment("a", Role(name))]) == .allowedByAssignment("a"))
    }

    @Test(arguments: [
        ("/", true), ("/projects/blue", true), ("/projects/red", false), ("/deployments/gpt", true), ("/deployments/other", false),
    ])
    func rightsHoldAtTheirScopeAndBelow(scope: String, expected: Bool) throws {
        #expect(decide([try assignment("a", "openai-user", scope)]).isAllowed == expected)
    }

    @Test func whatIsHeldAtADeploymentDoesNotHoldForTheProject() throws {
        let given = [try assignment("a", "openai-contributor", "/deployments/gpt")]
        #expect(decide(given, Self.filesWrite, at: nil) == .lacking)
    }

    @Test func groupsGiveRights() throws {
        #expect(decide([try assignment("g", "openai-user", for: "group:idp:staff")]) == .allowedByAssignment("g"))
        #expect(decide([try assignment("g", "openai-user", for: "group:idp:others")]) == .lacking)
        // A user's name is no group's, nor a service's.
        #expect(decide([try assignment("g", "openai-user", for: "group:idp:alice")]) == .lacking)
        #expect(decide([try assignment("g", "openai-user", for: "service:idp:alice")]) == .lacking)
    }

    @Test func rolesOfTheCredentialGiveRights() {
        let holder = Principal(id: "idp:bob", credential: .token(issuer: "idp"), isService: false, roles: ["openai-user"])
        #expect(decide([], by: holder) == .allowedByCredential("openai-user"))
        let stranger = Principal(id: "idp:bob", credential: .token(issuer: "idp"), isService: false, roles: ["Grand Vizier"])
        #expect(decide([], by: stranger) == .lacking)
    }

    @Test func denialsBeatEverythingThatAllows() throws {
        let holder = Principal(
            id: "idp:alice", credential: .token(issuer: "idp"), isService: false, groups: ["idp:staff"], roles: ["openai-user"])
        let given = [
            try assignment("a", "openai-contributor"),
            try assignment("d", "openai-user", "/projects/blue", for: "group:idp:staff", deny: true),
        ]
        #expect(decide(given, by: holder) == .deniedByAssignment("d"))
        #expect(decide(given, by: holder, project: "red").isAllowed)
        // It takes what its role would give, no more.
        #expect(decide(given, Self.filesWrite, by: holder) == .allowedByAssignment("a"))
    }

    @Test func notDataActionsAreTakenOffARoleNotDenied() throws {
        let user = try assignment("u", "cognitive-user")
        #expect(decide([user], Self.chat).isAllowed)
        #expect(decide([user], Self.batchWrite, at: nil) == .lacking)
        let contributor = try assignment("c", "openai-contributor")
        #expect(decide([user, contributor], Self.batchWrite, at: nil) == .allowedByAssignment("c"))
        #expect(decide([try assignment("o", "openai-user")], Self.stored, at: nil) == .lacking)
    }

    @Test func theOwnerOfTheResourceMayNotCallItsModels() throws {
        #expect(decide([try assignment("c", "cognitive-contributor")]) == .lacking)
        #expect(
            RoleCatalog().definition(of: "cognitive-contributor")?.permitsManagement("Microsoft.CognitiveServices/accounts/listKeys/action")
                == true)
    }

    @Test func expiryIsJudgedAtTheDecision() throws {
        let given = [try assignment("a", "openai-user", until: 2000)]
        #expect(decide(given, now: 1999).isAllowed)
        #expect(decide(given, now: 2000) == .lacking)
        let denied = [try assignment("a", "openai-user"), try assignment("d", "openai-user", deny: true, until: 2000)]
        #expect(!decide(denied, now: 1999).isAllowed)
        #expect(decide(denied, now: 2000).isAllowed)
    }

    @Test func conditionsAreMet() throws {
        let given = [try assignment("a", "openai-user", when: "network in [\"10.0.0.0/8\"] and label == \"internal\"")]
        #expect(decide(given, label: "internal", from: "10.1.1.1").isAllowed)
        #expect(!decide(given, label: "internal", from: "192.0.2.1").isAllowed)
        #expect(!decide(given, from: "10.1.1.1").isAllowed)
    }

    @Test func aDenialThatCannotBeReadDenies() throws {
        let given = [try assignment("a", "openai-user"), try assignment("d", "openai-user", deny: true, when: "label === 3")]
        #expect(decide(given) == .deniedByAssignment("d"))
        #expect(decide([try assignment("a", "openai-user", when: "label === 3")]) == .lacking)
    }

    /// As it is with a role of the organisation's own that is no longer configured, or at another gateway.
    @Test func aDenialOfAnUnknownRoleDeniesEverything() throws {
        let given = [try assignment("a", "openai-user"), try assignment("d", "gone", "/projects/blue", deny: true)]
        #expect(decide(given) == .deniedByAssignment("d"))
        #expect(decide(given, Self.stored) == .deniedByAssignment("d"))
        #expect(decide(given, project: "red") == .allowedByAssignment("a"))
        #expect(decide([try assignment("a", "openai-user"), try assignment("b", "gone")]) == .allowedByAssignment("a"))
        let expired = try assignment("d", "gone", deny: true, until: 900)
        #expect(decide([try assignment("a", "openai-user"), expired]) == .allowedByAssignment("a"))
    }

    @Test func anotherTenantsAssignmentsDoNotCount() throws {
        #expect(decide([try assignment("a", "openai-user", tenant: "other")]) == .lacking)
    }

    @Test func customRolesGiveWhatTheySay() throws {
        let custom = RoleDefinition(
            id: "uploader", role: "uploader", name: "uploader", description: "", dataActions: ["*/OpenAI/files/*"],
            notDataActions: ["*/delete"], assignableScopes: [.project("blue")])
        #expect(decide([try assignment("a", "uploader", "/projects/blue")], Self.filesWrite, at: nil, custom: [custom]).isAllowed)
        #expect(!decide([try assignment("a", "uploader", "/projects/blue")], Self.chat, custom: [custom]).isAllowed)
        #expect(!decide([try assignment("a", "uploader", "/")], Self.filesWrite, at: nil, custom: [custom]).isAllowed)
    }

    @Test func aKeyIsConfinedWhateverItsPrincipalMayDo() throws {
        func key(_ scope: CredentialScope = CredentialScope(), deployments: Set<DeploymentID>? = nil) -> Principal {
            Principal(id: "app", key: "k1", roles: [.modelUser], deployments: deployments, scope: scope)
        }
        let given = [try assignment("a", "openai-contributor", for: "service:app")]
        #expect(decide(given, by: key()).isAllowed)
        #expect(decide(given, by: key(deployments: ["other"])) == .outsideCredential(.deployments))
        #expect(decide(given, by: key(CredentialScope(operations: ["Embeddings_Create"]))) == .outsideCredential(.operations))
        #expect(decide(given, by: key(CredentialScope(labels: ["public"])), label: "internal") == .outsideCredential(.labels))
        #expect(decide(given, by: key(CredentialScope(labels: ["public"]))) == .outsideCredential(.labels))
        #expect(decide(given, by: key(CredentialScope(labels: ["public"])), label: "public").isAllowed)
        let network = CredentialScope(addresses: [try #require(AddressRange("10.0.0.0/8"))])
        #expect(decide(given, by: key(network), from: "192.0.2.1") == .outsideCredential(.addresses))
        #expect(decide(given, by: key(network)) == .outsideCredential(.addresses))
        #expect(decide(given, by: key(network), from: "10.0.0.1").isAllowed)
    }

    @Test func aKeyMayBeNamedByItsIdOrItsPrincipal() throws {
        let bare = Principal(id: "app", key: "k1", roles: [])
        for name in ["key:k1", "service:app", "user:app"] {
            #expect(decide([try assignment("a", "openai-user", for: name)], by: bare).isAllowed)
        }
        #expect(!decide([try assignment("a", "openai-user", for: "key:k2")], by: bare).isAllowed)
    }

    @Test func theEarlyAnswerNeverRefusesWhatTheDecisionAllows() throws {
        var random = SplitMix(seed: 3)
        let scopes = ["/", "/projects/blue", "/projects/red", "/deployments/gpt", "/deployments/other"]
        let roles = BuiltInRoles.all.map(\.role)
        for _ in 0..<300 {
            let given = try (0..<Int.random(in: 0..<5, using: &random)).map { number in
                try assignment(
                    "\(number)", roles.randomElement(using: &random) ?? .modelUser, scopes.randomElement(using: &random) ?? "/",
                    for: ["user:idp:alice", "group:idp:staff", "user:idp:eve"].randomElement(using: &random) ?? "",
                    deny: Int.random(in: 0..<4, using: &random) == 0)
            }
            let rights = AccessSnapshot(assignments: given, actions: Self.actions).rights(of: alice)
            let slow = AccessSnapshot(assignments: given).rights(of: alice)
            for action in Self.actions + [Self.stored] {
                let context = AccessContext(deployment: "gpt", project: "blue", now: 0)
                let decision = rights.decision(on: action, in: context)
                #expect(decision == slow.decision(on: action, in: context))
                if decision.isAllowed { #expect(rights.mightPermit(action)) }
            }
        }
    }

    @Test func explanationsNameEveryAssignmentAndWhy() throws {
        let given = [
            try assignment("a", "openai-user", "/deployments/other"), try assignment("b", "usages-reader"),
            try assignment("c", "openai-user", until: 5), try assignment("d", "openai-user", when: "label == \"x\""),
            try assignment("e", "openai-user", for: "group:idp:staff"), try assignment("f", "openai-user", for: "user:idp:eve"),
        ]
        let explanation = AccessExplanation(
            of: Self.chat, for: alice, in: AccessContext(deployment: "gpt", project: "blue", now: 10),
            by: AccessSnapshot(assignments: given, actions: Self.actions))
        #expect(explanation.decision == .allowedByAssignment("e"))
        #expect(
            explanation.lines.map { "\($0.source) \($0.outcome.rawValue)" } == [
                "a other scope", "b other action", "c expired", "d condition not met", "e allows",
            ])
    }
}

@Suite struct ActionPatternTests {
    @Test(arguments: [
        ("a/*/read", "a/b/read", true), ("a/*/read", "a/b/c/read", true), ("a/*/read", "a/read", false), ("*", "anything", true),
        ("*", "", true),
        ("A/B", "a/b", true), ("a/b", "a/bc", false), ("*/x/*/y", "1/x/2/x/3/y", true), ("*/x/*/y", "1/x/2/x/3/z", false), ("", "a", false),
        ("**a**", "bab", true),
    ])
    func starsStandForAnythingSlashesIncluded(pattern: String, action: String, expected: Bool) {
        #expect(ActionPattern(pattern).matches(action) == expected)
    }

    @Test func azuresRolesHaveAzuresIds() {
        let ids = Set(BuiltInRoles.all.map(\.id))
        #expect(
            ids.isSuperset(of: [
                "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd", "a001fd3d-188f-4b5d-821b-7da978bf7442", "25fbc0a9-bd7c-42a3-aa1a-3b75d497ee68",
                "a97b65f3-24c7-4388-baec-2e87135dc908", "bba48692-92b0-4667-a9ad-c31c7b334ac2", "1407120a-92aa-4202-b7e9-c0e197c71c8f",
            ]))
        #expect(ids.count == BuiltInRoles.all.count)
        #expect(Set(BuiltInRoles.all.map(\.role)).count == BuiltInRoles.all.count)
    }
}

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "::1", false),
        ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("2001:db8::/32", "2001:db8:1::5", true),
        ("2001:db8::/33", "2001:db8:8000::", false), ("::/0", "fe80::1", true), ("::/0", "10.0.0.1", false),
        ("10.0.0.0/8", "::ffff:10.1.1.1", true),
        ("2001:db8::/64", "2001:db8::1:0:0:1", true), ("2001:db8::4/127", "2001:db8::5", true), ("2001:db8::4/127", "2001:db8::6", false),
    ])
    func holdsWhatItShould(range: String, address: String, expected: Bool) throws {
        #expect(try #require(AddressRange(range)).contains(try #require(IPAddress(address))) == expected)
    }

    @Test(arguments: [
        "", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0/8", "2001:db8::1/32", "example.org", "10.0.0.0/8/8",
        "::ffff:10.0.0.0/104",
    ])
    func refusesWhatIsNoNetwork(text: String) { #expect(AddressRange(text) == nil) }
}
