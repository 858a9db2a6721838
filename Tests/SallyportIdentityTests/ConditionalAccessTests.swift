import SallyportCore
import Testing

@testable import SallyportIdentity

@Suite struct ConditionalAccessTests {
    private let now: Int64 = 1_767_000_000  // Monday, 29 December 2025, 09:20 UTC

    /// A document that this suite wrote itself: one that cannot be read is a mistake of the test.
    private func policy(
        _ conditions: String, _ rest: String = #""grantControls":{"builtInControls":["block"]}"#, state: String = "enabled",
        name: String = "P"
    ) -> ConditionalPolicy {
        let document = "{\"state\":\"\(state)\",\"conditions\":{\(conditions)},\(rest)}"
        // swift-format-ignore: NeverUseForceTry
        return try! ConditionalPolicy(name: name, parsing: Array(document.utf8))
    }

    private func outcome(
        _ policies: [ConditionalPolicy], person: Principal? = nil, context: AccessContext? = nil,
        surface: ConditionalContext.Surface = .data,
        devices: [DevicePosture] = [], risks: [PrincipalRisk] = [], roles: Set<Role> = []
    ) -> ConditionalOutcome {
        ConditionalAccessDirectory.Snapshot(policies: policies, devices: devices, risks: risks).outcome(
            for: person ?? self.person(), roles: roles, in: ConditionalContext(surface, context ?? AccessContext(now: now)))
    }

    private func person(methods: Set<String> = [], signedIn: Int64? = nil, device: String? = nil, isService: Bool = false) -> Principal {
        Principal(
            id: "idp:ann", credential: .token(issuer: "idp"), isService: isService, groups: ["idp:g1"], roles: [], methods: methods,
            authenticatedAt: signedIn, device: device)
    }

    private let all = #""users":{"includeUsers":["All"]}"#

    @Test func speaksOfUsersGroupsRolesAndServices() {
        #expect(!outcome([policy(all)]).isAllowed)
        #expect(outcome([policy(all)], person: person(isService: true)).isAllowed)
        #expect(!outcome([policy(#""users":{"includeUsers":["AllServices"]}"#)], person: person(isService: true)).isAllowed)
        #expect(outcome([policy(#""users":{"includeUsers":["All"],"excludeUsers":["user:idp:ann"]}"#)]).isAllowed)
        #expect(!outcome([policy(#""users":{"includeGroups":["idp:g1"]}"#)]).isAllowed)
        #expect(outcome([policy(#""users":{"includeUsers":["All"],"excludeGroups":["idp:g1"]}"#)]).isAllowed)
        #expect(outcome([policy(#""users":{"includeRoles":["administrator"]}"#)]).isAllowed)
        #expect(!outcome([policy(#""users":{"includeRoles":["administrator"]}"#)], roles: ["administrator"]).isAllowed)
        #expect(!outcome([policy(#""users":{"includeRoles":["Sallyport Administrator"]}"#)], roles: ["administrator"]).isAllowed)
    }

    @Test func speaksOfDeploymentsLabelsClientsNetworksAndTimes() {
        var context = AccessContext(deployment: "gpt-4o", label: "secret", client: "app-1", address: IPAddress("10.1.2.3"), now: now)
        func blocks(_ condition: String) -> Bool { !outcome([policy("\(all),\(condition)")], context: context).isAllowed }
        #expect(blocks(#""applications":{"includeDeployments":["gpt-*"]}"#))
        #expect(!blocks(#""applications":{"includeDeployments":["other"]}"#))
        #expect(blocks(#""applications":{"includeLabels":["secret"]}"#))
        #expect(!blocks(#""applications":{"includeDeployments":["All"],"excludeLabels":["secret"]}"#))
        #expect(!blocks(#""applications":{"surfaces":["console"]}"#))
        #expect(blocks(#""clients":{"include":["app-*"]}"#))
        #expect(!blocks(#""clients":{"exclude":["app-1"]}"#))
        #expect(blocks(#""locations":{"include":["10.0.0.0/8"]}"#))
        #expect(!blocks(#""locations":{"include":["All"],"exclude":["10.0.0.0/8"]}"#))
        #expect(blocks(#""times":{"include":["09:00-10:00"],"weekdays":["mon"]}"#))
        #expect(!blocks(#""times":{"include":["22:00-06:00"]}"#))
        #expect(!blocks(#""times":{"weekdays":["tue"]}"#))
        context.address = nil
        #expect(!blocks(#""locations":{"include":["10.0.0.0/8"]}"#))
    }

    @Test func speaksOfDevicesAndRisk() {
        let good = DevicePosture(id: "d1", platform: .windows, isCompliant: true, owner: "idp:ann", reportedAt: now - 60)
        let compliant = #""grantControls":{"builtInControls":["compliantDevice"]}"#
        #expect(outcome([policy(all, compliant)], person: person(device: "d1"), devices: [good]).isAllowed)
        #expect(outcome([policy(all, compliant)], person: person()).findings.map(\.demand) == [.compliantDevice])
        var other = good
        other.owner = "idp:bob"
        #expect(!outcome([policy(all, compliant)], person: person(device: "d1"), devices: [other]).isAllowed, "somebody else's device")
        other = good
        other.validUntil = now
        #expect(!outcome([policy(all, compliant)], person: person(device: "d1"), devices: [other]).isAllowed, "an old report")
        let unknown = policy("\(all),\"devices\":{\"states\":[\"unknown\"]}")
        #expect(
            !outcome([unknown], person: person()).isAllowed && outcome([unknown], person: person(device: "d1"), devices: [good]).isAllowed)
        let risky = policy("\(all),\"risk\":[\"high\"]")
        let risk = PrincipalRisk(principal: "idp:ann", level: .high, setAt: now - 10, expiresAt: now + 10)
        #expect(outcome([risky]).isAllowed && !outcome([risky], risks: [risk]).isAllowed)
        var past = risk
        past.expiresAt = now
        #expect(outcome([risky], risks: [past]).isAllowed)
    }

    @Test func demandsWhatIsMissingAndSaysSo() throws {
        let both = policy(
            all,
            #""grantControls":{"operator":"AND","builtInControls":["mfa","compliantDevice"]},"sessionControls":{"signInFrequency":"1h"}"#)
        let bare = outcome([both])
        #expect(bare.findings.map(\.demand) == [.mfa, .compliantDevice, .recentSignIn])
        let claims = try #require(bare.claims(at: now))
        #expect(
            claims.contains(#""amr":{"essential":true,"values":["mfa"]}"#) && claims.contains("deviceid") && claims.contains("auth_time"))
        #expect(bare.challenge(at: now)?.contains("insufficient_claims") == true)
        let either = policy(all, #""grantControls":{"operator":"OR","builtInControls":["mfa","compliantDevice"]}"#)
        #expect(outcome([either], person: person(methods: ["mfa"])).isAllowed)
        let fresh = policy(all, #""sessionControls":{"signInFrequency":"1h"}"#)
        #expect(
            outcome([fresh], person: person(signedIn: now - 3600)).isAllowed
                && !outcome([fresh], person: person(signedIn: now - 3601)).isAllowed)
        #expect(outcome([policy(all)]).challenge(at: now) == nil, "nothing helps against a block")
    }

    @Test func reportsWithoutEnforcingAndLetsBlocksBeat() {
        let report = policy(all, state: "enabledForReportingButNotEnforced")
        let found = outcome([report])
        #expect(found.isAllowed && found.reported.map(\.demand) == [.block])
        #expect(outcome([policy(all, state: "disabled")]).reported.isEmpty)
        let mfa = policy(all, #""grantControls":{"builtInControls":["mfa"]}"#, name: "A")
        #expect(outcome([mfa, policy(all)]).block?.policy == "P")
    }

    @Test func endsSessionsThatAreTooOldAndDemandsNothingElseOfThem() throws {
        func endings(_ age: Int64, _ policies: [ConditionalPolicy], isService: Bool = false) -> [String] {
            ConditionalAccessDirectory.Snapshot(policies: policies).endings(
                ofSession: age, of: person(isService: isService), roles: [], in: ConditionalContext(.console, AccessContext(now: now))
            ).map(\.policy)
        }
        let short = policy(all, #""sessionControls":{"maximumAge":"1h"}"#)
        #expect(endings(3599, [short]).isEmpty && endings(3600, [short]) == ["P"])
        #expect(endings(3600, [short], isService: true).isEmpty)
        #expect(outcome([short]).isAllowed, "it asks for nothing")
        #expect(endings(9999, [policy(all, #""sessionControls":{"signInFrequency":"1h"}"#)]).isEmpty)
        #expect(endings(9999, [policy(all, #""sessionControls":{"maximumAge":"1h"}"#, state: "enabledForReportingButNotEnforced")]).isEmpty)
        #expect(
            endings(9999, [policy("\(all),\"locations\":{\"include\":[\"10.0.0.0/8\"]}", #""sessionControls":{"maximumAge":"1h"}"#)])
                .isEmpty)
        for (conditions, span) in [(all, "1"), (all, "-1h"), ("\(all),\"applications\":{\"surfaces\":[\"data\"]}", "1h")] {
            let document = "{\"state\":\"enabled\",\"conditions\":{\(conditions)},\"sessionControls\":{\"maximumAge\":\"\(span)\"}}"
            #expect(throws: ConditionalPolicy.Mistake.self) { try ConditionalPolicy(name: "P", parsing: Array(document.utf8)) }
        }
    }

    @Test func blocksWhileAPolicyCannotBeRead() {
        let broken = ConditionalAccessDirectory.Snapshot(mistakes: [("Old", "unreadable")])
        #expect(broken.outcome(for: person(), roles: [], in: ConditionalContext(.data, AccessContext(now: now))).block?.policy == "Old")
    }

    @Test(arguments: [
        #"{"state":"on","conditions":{"users":{"includeUsers":["All"]}},"grantControls":{"builtInControls":["mfa"]}}"#,
        #"{"state":"enabled","conditions":{},"grantControls":{"builtInControls":["mfa"]}}"#,
        #"{"state":"enabled","conditions":{"users":{"includeUsers":["All"]}}}"#,
        #"{"state":"enabled","conditions":{"users":{"includeUsers":["alice"]}},"grantControls":{"builtInControls":["mfa"]}}"#,
        #"{"state":"enabled","conditions":{"users":{"includeUsers":["All"]},"moon":["full"]},"grantControls":{"builtInControls":["mfa"]}}"#,
        #"{"state":"enabled","conditions":{"users":{"includeUsers":["All"]}},"grantControls":{"builtInControls":["mfa","block"]}}"#,
        #"{"state":"enabled","conditions":{"users":{"includeUsers":["All"]},"locations":{"include":["10.0.0.1/8"]}},"grantControls":{"builtInControls":["mfa"]}}"#,
        #"{"state":"enabled","conditions":{"users":{"includeUsers":["All"]},"times":{"include":["25:00-26:00"]}},"grantControls":{"builtInControls":["mfa"]}}"#,
        #"[]"#, "", "nonsense",
    ])
    func refusesDocumentsThatMightMeanMore(document: String) {
        #expect(throws: (any Error).self) { try ConditionalPolicy(name: "P", parsing: Array(document.utf8)) }
    }

    @Test func tellsOfAReportNowAndThen() {
        let memory = ReportMemory()
        let finding = ConditionalOutcome.Finding(policy: "P", demand: .mfa)
        #expect(memory.isDue(finding, "a", at: 0) && !memory.isDue(finding, "a", at: 599) && memory.isDue(finding, "a", at: 600))
        #expect(memory.isDue(finding, "b", at: 0))
    }
}
