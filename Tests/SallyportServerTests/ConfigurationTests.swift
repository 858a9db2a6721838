import Foundation
import SallyportCore
import Testing

@testable import SallyportServer

struct ConfigurationTests {
    static let issued = """
        server:
          listen: 127.0.0.1:8080
        data:
          directory: ./var
        upstreams:
          aoai:
            kind: azure-openai
            endpoint: http://127.0.0.1:9100
            apiKey: ${UPSTREAM_KEY}
          documents:
            kind: embedded
        deployments:
          gpt-4o:
            upstream: aoai
            model: gpt-4o
            policy: Default
          local:
            upstream: documents
        """

    private func load(_ yaml: String, _ environment: [String: String] = ["UPSTREAM_KEY": "k"]) throws -> ServerConfiguration {
        try ServerConfiguration.load(yaml: yaml, file: "f.yaml", environment: environment)
    }

    private func mistakes(_ yaml: String) -> [String] {
        do {
            _ = try load(yaml)
            return []
        } catch { return (error as? ConfigurationMistakes)?.mistakes.map(\.description) ?? ["\(error)"] }
    }

    @Test func readsTheSmallestUsefulFile() throws {
        let plan = try load(Self.issued).plan
        #expect(plan.listen == .init(host: "127.0.0.1", port: 8080))
        #expect(plan.dataDirectory == "./var")
        #expect(plan.upstreams.map(\.kind) == [.azureOpenAI, .embedded])
        #expect(plan.deployments.map(\.id) == ["gpt-4o", "local"])
        #expect(plan.deployments.first?.targets == [DeploymentTarget(upstream: "aoai", model: "gpt-4o")])
        #expect(plan.deployments.last?.targets.first?.model == "local")
        #expect(plan.warnings.isEmpty)
    }

    @Test func takesAnUpstreamDownWhoseVariableIsNotSet() throws {
        let plan = try load(Self.issued, [:]).plan
        #expect(plan.warnings == ["the upstream 'aoai' is down: the variable UPSTREAM_KEY of 'upstreams.aoai.apiKey' is not set"])
        #expect(plan.egress.first?.unavailableReason?.contains("UPSTREAM_KEY") == true)
    }

    @Test func namesEveryMistakeWithItsLine() {
        let found = mistakes(
            """
            server:
              listn: 127.0.0.1:8080
              bodyTimeout: soon
            upstreams:
              a:
                kind: azure
                endpoint: http://127.0.0.1:1
              b:
                kind: openai
              c:
                kind: openai
                endpoint: ftp://x
            deployments:
              d:
                upstream: aa
              e: {}
              f:
                targets:
                  - {model: x}
            limits:
              nobody: {tokensPerDay: 1}
            """)
        #expect(
            found == [
                "f.yaml:2:3: 'server.listn' is not known: did you mean 'listen'?",
                "f.yaml:3:16: 'server.bodyTimeout' must be a duration such as 500ms, 30s, 2m or 1h",
                "f.yaml:6:11: 'upstreams.a.kind' must be one of azure-openai, openai, azure-ai, azure-search, embedded, not 'azure'",
                "f.yaml:8:3: 'upstreams.b.endpoint' is missing",
                "f.yaml:12:15: 'upstreams.c.endpoint' must be an http or https URL with a host",
                "f.yaml:15:15: deployments.d.upstream: the upstream 'aa' is not configured: did you mean 'a'?",
                "f.yaml:16:3: 'deployments.e' needs 'upstream' or 'targets'",
                "f.yaml:19:7: 'deployments.f.targets[0].upstream' is missing",
                "f.yaml:21:3: 'limits.nobody' must be key:ID, user:ID, team:NAME or deployment:NAME, or * for the name",
            ])
    }

    @Test(arguments: [
        "a: [", "- x", "server: 5", "server:\n  listen: {}", "\u{0}", "server:\n  listen: a\n  listen: b", "upstreams:\n  x: y",
    ])
    func refusesWhatIsNoConfiguration(_ yaml: String) {
        #expect(!mistakes(yaml).isEmpty)
    }

    @Test func neverShowsASecret() throws {
        let configuration = try load(Self.issued, ["UPSTREAM_KEY": "very-secret-value"])
        #expect(!"\(configuration)".contains("very-secret-value"))
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("very-secret-value"))
    }

    @Test func readsHeadersKeyHeaderAndTLSVersion() throws {
        let plan = try load(
            """
            server: {maximumConnections: 7, publicURL: "https://models.example/ai/"}
            language: {minimumConfidence: 0.8}
            upstreams:
              a:
                kind: openai
                endpoint: https://a.example/v1
                apiKey: ${KEY}
                apiKeyHeader: X-Api-Key
                headers: {X-Team: Search and rescue, openai-organization: "${ORG}"}
                tls: {minimumVersion: 1.3}
              b: {kind: openai, endpoint: "https://b.example/v1", headers: {x-a: "${NOWHERE}"}}
            """, ["KEY": "k", "ORG": "org-1"]
        ).plan
        let upstream = try #require(plan.egress.first)
        #expect(upstream.credential == .header(name: "x-api-key", value: Redacted("k")))
        #expect(upstream.headers.map(\.name) == ["x-team", "openai-organization"])
        #expect(upstream.headers.map { $0.value.reveal() } == ["Search and rescue", "org-1"])
        #expect(upstream.tls.minimumVersion == .tls13)
        #expect(plan.egress.last?.unavailableReason?.contains("NOWHERE") == true)
        #expect(plan.gateway.maximumConnections == 7)
        #expect(plan.gateway.publicURL == "https://models.example/ai")
        #expect(plan.gateway.personalDataMinimumConfidence == 0.8)
    }

    @Test func readsTargetsLimitsAndPrices() throws {
        let plan = try load(
            """
            upstreams:
              a: {kind: openai, endpoint: "http://127.0.0.1:1/v1"}
              b: {kind: openai, endpoint: "http://127.0.0.1:2/v1"}
            deployments:
              d:
                targets:
                  - {upstream: b, model: y, priority: 1}
                  - {upstream: a, model: x, weight: 3}
                limits: {tokensPerMinute: 5, costPerDay: 1.5}
                price: {promptPer1K: 0.0025, completionPer1K: 0.01}
            limits:
              "key:*": {requestsPerMinute: 7}
            """
        ).plan
        #expect(plan.deployments[0].targets.map(\.model) == ["x", "y"])
        #expect(plan.deployments[0].limits == LimitSet(tokensPerMinute: 5, costPerDayMicros: 1_500_000))
        #expect(plan.deployments[0].price == Price(promptMicrosPer1K: 2500, completionMicrosPer1K: 10_000))
        #expect(plan.limits["key:*"]?.requestsPerMinute == 7)
    }

    @Test func documentsEveryKey() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/configuration.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        #expect(text == ConfigurationReference.markdown, "run: sallyport config reference > docs/configuration.md")
    }

    /// Every mutation is either read or refused; none crashes.
    @Test func survivesMutatedFiles() {
        var state: UInt64 = 42
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<2000 {
            var bytes = Array(Self.issued.utf8)
            for _ in 0...next(4) {
                switch next(3) {
                case 0: bytes[next(bytes.count)] = UInt8(next(256))
                case 1: bytes.insert(UInt8(next(128)), at: next(bytes.count))
                default: bytes.remove(at: next(bytes.count))
                }
            }
            _ = try? load(String(decoding: bytes, as: UTF8.self))
        }
    }
}
