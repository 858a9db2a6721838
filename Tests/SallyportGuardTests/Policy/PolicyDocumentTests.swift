import SallyportCore
import Testing

@testable import SallyportGuard

@Suite struct PolicyDocumentTests {
    private func policy(_ properties: String, base: (String) throws -> GuardPolicy? = { _ in nil }) throws -> GuardPolicy {
        try PolicyDocument.policy(from: Array(#"{"name":"P","properties":{\#(properties)}}"#.utf8), base: base)
    }

    private func harm(_ name: String, _ severity: Int) -> Finding {
        Finding(DetectorID("harm-\(name)"), .init(.harm, name), at: 0..<1, confidence: Double(severity) / 7)
    }

    @Test func inheritsAzuresDefaults() throws {
        let first = try policy(#""basePolicyName":"Microsoft.Default""#)
        for name in ["hate", "sexual", "violence", "self_harm"] {
            #expect(first.action(on: harm(name, 4), in: .user) == .block)
            #expect(first.action(on: harm(name, 4), in: .completion) == .block)
            #expect(first.action(on: harm(name, 2), in: .user) == .annotate)
        }
        #expect(!first.looks(for: .init(.attack, "jailbreak"), .prompt))
        let second = try policy(#""basePolicyName":"microsoft.defaultV2""#)
        #expect(second.looks(for: .init(.attack, "jailbreak"), .prompt))
        let code = Finding("protected-material", .init(.protectedMaterial, "code"), at: 0..<1)
        #expect(second.action(on: code, in: .completion) == .annotate)
        let text = Finding("protected-material", .init(.protectedMaterial, "text"), at: 0..<1)
        #expect(second.action(on: text, in: .completion) == .block)
        // No Azure policy is a document of ours: nothing of it can change under us.
        #expect(second.lineage == nil)
    }

    @Test func aFilterReplacesItsBasesOfTheSameNameAndSource() throws {
        let changed = try policy(
            #"""
            "basePolicyName":"Microsoft.Default","contentFilters":[
            {"name":"Hate","source":"Prompt","enabled":false},
            {"name":"Sexual","source":"Completion","severityThreshold":"High"},
            {"name":"Violence","source":"Prompt","blocking":false,"severityThreshold":"Low"}]
            """#)
        #expect(changed.action(on: harm("hate", 7), in: .user) == .allow)
        #expect(changed.action(on: harm("hate", 4), in: .completion) == .block)
        #expect(changed.action(on: harm("sexual", 4), in: .completion) == .annotate)
        #expect(changed.action(on: harm("sexual", 6), in: .completion) == .block)
        #expect(changed.action(on: harm("sexual", 4), in: .user) == .block)
        #expect(changed.action(on: harm("violence", 7), in: .user) == .annotate)
    }

    @Test func inheritsAllOfAnotherDocumentAndAddsToIt() throws {
        let base = try PolicyDocument.policy(
            from: Array(
                #"""
                {"name":"Base","properties":{"mode":"Asynchronous_filter",
                "customBlocklists":[{"blocklistName":"a","source":"Prompt","blocking":true},{"blocklistName":"b","source":"Prompt"}],
                "contentFilters":[{"name":"profanity","source":"Prompt"}],
                "sallyport":{"annotations":false,"uninspectable":{"audio":"record","file":"record"},"hosts":{"allowed":["a.example"]},
                "rules":[{"detect":"secret","action":"block"}],"guards":{"secrets":{"mode":"shadow"}},"streaming":{"maximumBytes":512}}}}
                """#.utf8), version: 7)
        let child = try policy(
            #"""
            "basePolicyName":"Base","customBlocklists":[{"blocklistName":"a","source":"Prompt","blocking":false}],
            "sallyport":{"rules":[{"detect":"sensitive","action":"mask"}],"uninspectable":{"file":"refuse"},
            "hosts":{"allowed":["b.example"],"protected":["corp.example"]}}
            """#, base: { $0 == "Base" ? base : nil })
        #expect(child.id == "P" && child.version == 1 && child.lineage == "Base:7")
        #expect(child.streaming.isAsynchronous && child.streaming.maximumBytes == 512 && !child.annotates)
        #expect(Set(child.rules.map(\.group)) == [.secret, .sensitive])
        #expect(child.settings(for: "secrets").mode == .shadow)
        #expect(child.action(onUninspectable: .audio) == .record && child.action(onUninspectable: .file) == .refuse)
        #expect(child.blocklists.count == 2)
        #expect(child.blocklists.first { $0.name == "a" }?.isBlocking == false)
        #expect(child.unavailableFilters == ["profanity"])
        #expect(child.hosts?.allowed == ["a.example", "b.example"] && child.hosts?.protected == ["corp.example"])
        let without = try policy(
            #""basePolicyName":"Base","contentFilters":[{"name":"Profanity","source":"Prompt","enabled":false}]"#, base: { _ in base })
        #expect(without.unavailableFilters.isEmpty)
    }

    @Test func aFilterOfABuiltInPolicyCanBeChanged() throws {
        let milder = try policy(
            #""basePolicyName":"Strict","contentFilters":[{"name":"Hate","source":"Prompt","severityThreshold":"High"}]"#,
            base: { _ in GuardPolicy.strict })
        #expect(milder.action(on: harm("hate", 4), in: .user) == .annotate)
        #expect(milder.action(on: harm("hate", 4), in: .completion) == .block)
        #expect(milder.action(on: Finding("secrets", .init(.secret, "GenericSecret"), at: 0..<1), in: .user) == .block)
    }

    @Test func anUnknownBaseIsNamed() {
        #expect {
            try policy(#""basePolicyName":"Nothing""#)
        } throws: {
            "\($0)".contains("properties.basePolicyName")
        }
    }

    @Test(arguments: [
        #"{"allowed":["https://a.example"]}"#, #"{"allowed":["a.example/x"]}"#, #"{"allowed":["*.a.example"]}"#, #"{"allowed":[""]}"#,
        #"{"allowed":["-a.example"]}"#, #"{"protected":["localhost"]}"#, #"{"allowed":"a.example"}"#, #"{"denied":["a.example"]}"#,
        #"{"protected":["bücher.example"]}"#,
    ]) func hostsThatAreNoneAreRefused(_ hosts: String) {
        #expect {
            try policy(#""sallyport":{"hosts":\#(hosts)}"#)
        } throws: {
            "\($0)".hasPrefix("properties.sallyport.hosts")
        }
    }

    @Test func whatSeveralPoliciesAllowIsWhatEachOfThemAllows() {
        var a = GuardPolicy(id: "A")
        var b = GuardPolicy(id: "B")
        a.hosts = LinkHosts(allowed: ["corp.example", "cdn.example"], protected: ["corp.example"])
        b.hosts = LinkHosts(allowed: ["docs.corp.example", "other.example"], protected: ["bank.example"])
        #expect(a.tightened(by: b).hosts == LinkHosts(allowed: ["docs.corp.example"], protected: ["corp.example", "bank.example"]))
        #expect(a.tightened(by: GuardPolicy(id: "C")).hosts == LinkHosts(protected: ["corp.example"]))
    }

    @Test func leavesOutWhatNobodyLooksFor() throws {
        var both = try policy(#""basePolicyName":"Microsoft.DefaultV2""#)
        both.leaveOut(["hate", "selfharm", "protectedmaterialcode"])
        #expect(!both.looks(for: .init(.harm, "hate"), .prompt) && both.looks(for: .init(.harm, "sexual"), .prompt))
        #expect(!both.looks(for: .init(.protectedMaterial, "code"), .completion))
        #expect(both.looks(for: .init(.protectedMaterial, "text"), .completion) && both.looks(for: .init(.attack, "jailbreak"), .prompt))
        both.leaveOut(["sexual", "violence", "jailbreak", "protectedmaterialtext"])
        #expect(both.rules.isEmpty)
    }

    @Test func wordsThatNothingKnowsAreFound() throws {
        let document = try policy(
            #"""
            "customBlocklists":[{"blocklistName":"there","source":"Prompt"},{"blocklistName":"gone","source":"Prompt"}],
            "sallyport":{"rules":[{"detect":"sensitive","types":["CreditCardNumber","creditcard","USBankAccountNumber"],"action":"mask"},
            {"detect":"secret","types":["SallyportAPIKey"],"action":"mask"},{"detect":"harm","types":["hatred"],"action":"block"}],
            "guards":{"output-links":{"enabled":false},"hate":{"onFailure":"open"}}}
            """#)
        let found = PolicyVocabulary.mistakes(in: document, blocklists: ["there"])
        #expect(found.count == 4, "\(found)")
        #expect(found.contains { $0.contains("'creditcard'") && $0.contains("did you mean 'CreditCardNumber'") })
        #expect(!found.contains { $0.contains("USBankAccountNumber") }, "a word of Azure's")
        #expect(found.contains { $0.contains("'hatred'") })
        #expect(found.contains { $0.contains("output-links") && $0.contains("'output-link'") })
        #expect(found.contains { $0.contains("'gone'") })
        #expect(PolicyVocabulary.mistakes(in: .default, blocklists: []).isEmpty)
        #expect(PolicyVocabulary.mistakes(in: .strict, blocklists: []).isEmpty)
    }
}
