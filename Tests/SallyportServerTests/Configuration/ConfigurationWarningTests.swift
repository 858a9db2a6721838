import Foundation
import SallyportCore
import Testing

@testable import SallyportServer

@Suite struct ConfigurationWarningTests {
    private func load(_ yaml: String, _ environment: [String: String] = [:]) throws -> ServerConfiguration {
        try ServerConfiguration.load(yaml: yaml, file: "f.yaml", environment: environment)
    }

    @Test func warnsOfCredentialsInTheClear() throws {
        func warnings(_ endpoint: String) throws -> [String] {
            try load("upstreams:\n  a: {kind: openai, endpoint: '\(endpoint)', apiKey: k}").warnings
        }
        for endpoint in ["http://127.0.0.1:1", "http://localhost:1/v1", "http://[::1]:1", "https://llm.example"] {
            #expect(try warnings(endpoint) == [])
        }
        for endpoint in ["http://llm.example", "http://10.0.0.1:1", "http://127.evil.example"] {
            #expect(
                try warnings(endpoint) == ["the upstream 'a' is sent its credentials and all texts in the clear: its endpoint is not https"]
            )
        }
    }

    @Test func warnsOfMetricsThatOthersMayRead() throws {
        #expect(try load("server:\n  metricsListen: 127.0.0.1:1").warnings == [])
        #expect(try load("server:\n  metricsListen: none").warnings == [])
        #expect(
            try load("server:\n  metricsListen: 0.0.0.0:1").warnings == [
                "whoever reaches 0.0.0.0:1 may read the metrics: 'server.metricsListen' asks for no key"
            ])
    }

    @Test func takesAnUpstreamDownForAVariableInAList() throws {
        let yaml = "upstreams:\n  a: {kind: azure-ai, endpoint: 'https://a.example', paths: ['/x', '/${PART}']}"
        let configuration = try load(yaml)
        #expect(configuration.plan.egress.first?.unavailableReason?.contains("PART") == true)
        #expect(configuration.plan.upstreams.first?.paths == ["/x"])
        #expect(try load(yaml, ["PART": "y"]).plan.upstreams.first?.paths == ["/x", "/y"])
    }

    @Test func treatsAnEmptyVariableAsUnset() throws {
        let yaml = "upstreams:\n  a: {kind: openai, endpoint: 'https://a.example', apiKey: '${KEY}'}"
        #expect(try load(yaml, ["KEY": ""]).plan.egress.first?.unavailableReason?.contains("KEY") == true)
        #expect(try load(yaml, ["KEY": "x"]).plan.egress.first?.unavailableReason == nil)
    }

    @Test func leavesAnEscapedVariableAlone() throws {
        #expect(try load("server:\n  region: a$${B}c").plan.gateway.region == "a${B}c")
        #expect(try load("server:\n  region: ${A}${A}", ["A": "${A}"]).plan.gateway.region == "${A}${A}", "what came in is not read again")
    }

    @Test(arguments: [("0", Int64(0)), ("1", 1_000_000), ("0.0025", 2500), ("12.345678", 12_345_678), ("999999999", 999_999_999_000_000)])
    func readsAmountsExactly(text: String, micros: Int64) {
        #expect(ConfigurationValues.micros(text) == micros)
    }

    @Test(arguments: ["", ".", ".5", "1.", "-1", "+1", "1e3", "1.2.3", "0.0000001", "1000000000", "١", " 1", "0x1"])
    func refusesAmountsThatAreNotPlainNumbers(text: String) {
        #expect(ConfigurationValues.micros(text) == nil)
    }

    @Test(arguments: [("1", 1), ("512KiB", 524_288), ("32MiB", 33_554_432), ("1GiB", 1_073_741_824)])
    func readsSizes(text: String, bytes: Int) {
        #expect(ConfigurationValues.size(text) == bytes)
    }

    @Test(arguments: ["", "0", "-1", "1TB", "KiB", "9223372036854775807KiB", "99999999999999999999"])
    func refusesSizesThatAreNone(text: String) {
        #expect(ConfigurationValues.size(text) == nil)
    }

    @Test func refusesAFileThatIsNotText() throws {
        let path = NSTemporaryDirectory() + "sallyport-\(UUID().uuidString).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for (content, message) in [
            (Data([0x61, 0xFF, 0xFE]), "the file is not UTF-8"),
            (Data(repeating: 0x23, count: (1 << 20) + 1), "the file is larger than 1 MiB"),
        ] {
            try content.write(to: URL(fileURLWithPath: path))
            let error = #expect(throws: ConfigurationMistakes.self) { try ServerConfiguration.load(path: path, environment: [:]) }
            #expect(error?.mistakes.map(\.message) == [message])
        }
    }

    /// Mutations of a file that uses every key: each is read or refused, none ends the process.
    @Test func survivesMutationsOfAFileWithEveryKey() {
        var state: UInt64 = 7
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let lines = Self.everything.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let values = [
            "", "0", "-1", "99999999999999999999", "9223372036854775807GiB", "999999999h", "${", "${X}", "[]", "{}", "*a", "&a x", "'",
            "[[[[", "| x", "\u{0}", "~", "1e999", "é",
        ]
        for _ in 0..<600 {
            var mutated = lines
            for _ in 0...next(3) {
                let place = next(mutated.count)
                switch next(5) {
                case 0: mutated.remove(at: place)
                case 1: mutated.insert(mutated[next(mutated.count)], at: place)
                case 2: mutated[place] = String(mutated[place].prefix { $0 != ":" }) + ": " + values[next(values.count)]
                case 3: mutated[place] = " " + mutated[place]
                default: mutated[place] = String(mutated[place].dropLast(next(mutated[place].count + 1)))
                }
                if mutated.isEmpty { mutated = lines }
            }
            do { _ = try load(mutated.joined(separator: "\n")) } catch {
                #expect(error is ConfigurationMistakes)
            }
        }
    }

    @Test func readsAFileWithEveryKey() throws {
        let configuration = try load(Self.everything, ["KEY": "k"])
        #expect(configuration.plan.egress.count == 4)
        for key in ConfigurationKey.all {
            // A name that the operator chooses stands for `*`.
            if key.path.hasSuffix(".*") { continue }
            let leaf = key.path.split(separator: ".").last.map { $0.replacing("[]", with: "") } ?? ""
            #expect(Self.everything.contains("\(leaf):"), "\(key.path) is missing in this test's file")
        }
    }

    static let everything = """
        server:
          listen: 127.0.0.1:0
          adminListen: 127.0.0.1:0
          metricsListen: 127.0.0.1:0
          threads: 2
          region: Local
          headerTimeout: 10s
          bodyTimeout: 60s
          idleTimeout: 2m
          drainTimeout: 30s
          maximumBodyBytes: 32MiB
          maximumUploadBytes: 64MiB
          maximumAnswerBytes: 64MiB
          maximumHeaderBytes: 32KiB
          maximumConcurrentRequests: 10
          unstatedAnswerTokens: 16
          maximumConnections: 100
          publicURL: https://models.example/ai
          maximumAdmittedBytes: 512MiB
          jsonDepth: 64
          conversationHeader: x-conversation
          resourceUpstream: a
        data:
          directory: ./no-such-folder
        vault:
          encryption: on
          provider: file
          offlineGrace: 15m
          confirmInterval: 15s
          file:
            directory: ./keys
            # Or passphraseFile: or credential: instead.
            passphrase: ${KEY}
          pkcs11:
            module: m.so
            token: t
            pin: ${KEY}
            key: k
          awsKms:
            key: k
            region: eu-central-1
            endpoint: https://kms.example
            accessKeyId: ${KEY}
            secretAccessKey: ${KEY}
            sessionToken: ${KEY}
            caFile: ca.pem
          azureKeyVault:
            url: https://v.vault.example
            key: k
            algorithm: A256KW
            tenant: t
            clientId: c
            clientSecret: ${KEY}
            scope: s
            authority: https://login.example
            caFile: ca.pem
        audit:
          durability: relaxed
          segmentBytes: 64MiB
          origin: here/audit
          checkpointInterval: 1s
        log:
          level: info
          format: text
        guards:
          learned: true
          modelsDirectory: ./Models
          inferenceLibrary: ./.deps/openvino/openvino/libs
          calibration: ./calibration.json
          inferenceThreads: 1
          maximumQueuedTokens: 400000
          tenantShare: 0.5
          readingBase: 10s
          readingPerWindow: 500ms
          remote:
            shields:
              kind: prompt-shields
              upstream: c
              apiVersion: 2024-09-01
              timeout: 1s
              callsPerMinute: 60
              concurrentCalls: 4
              cacheFor: 1m
            judge:
              kind: judge
              upstream: b
              model: m
              detect: [jailbreak, hate]
              maximumText: 8000
            classifier:
              kind: classifier
              upstream: b
              path: /classify
              textField: inputs
              score: /0/score
              label: /0/label
              labels: [INJECTION]
              detect: [jailbreak]
        tracing:
          endpoint: http://127.0.0.1:4318/v1/traces
          sampleRatio: 0.5
          serviceName: s
        labels:
          default: internal
          rules:
            - {name: cards, label: confidential, paths: ["a/**"], words: [card], kinds: [CreditCardNumber], atLeast: 2}
        upstreams:
          s:
            kind: azure-search
            endpoint: https://s.example
            apiKey: ${KEY}
            trimming:
              groups: group_ids
              users: user_ids
          a:
            kind: azure-openai
            endpoint: https://a.example
            allowPrivate: true
            region: germanywestcentral
            sharing:
              recipient: Example
              role: processor
              terms: contract 7
              transfer: none
              retention: 30 days
              training: never
            apiVersion: 2024-10-21
            clearance: confidential
            entra:
              tenant: t
              clientId: c
              clientSecret: ${KEY}
              scope: s
              authority: https://login.example
            timeouts:
              connect: 1s
              firstByte: 1s
              idle: 1s
              total: 1s
            pool:
              maximumConnections: 5
              idleTimeout: 1s
              http2: never
            tls:
              caFile: ca.pem
              pins: [0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef]
              clientCertificate: c.pem
              clientKey: k.pem
              minimumVersion: "1.3"
            headers:
              x-team: search
            health:
              path: /healthz
              interval: 1s
            breaker:
              failureRatio: 0.5
              minimumRequests: 5
              consecutiveFailures: 5
              openFor: 1s
            allowLinkLocal: false
          b:
            kind: openai
            endpoint: https://b.example/v1
            apiKey: ${KEY}
            apiKeyHeader: x-api-key
          c:
            kind: azure-ai
            endpoint: https://c.example
            paths: [/translator]
            apiKey: vault:c
            keyRotation:
              resource: /subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/c
              every: 720h
              overlap: 60s
              endpoint: https://management.example
              tenant: t
              clientId: c
              federatedTokenFile: /token
              scope: s
              authority: https://login.example
              caFile: ca.pem
          d:
            kind: embedded
            documents: /
          e:
            kind: embedded
            index: library
        deployments:
          one:
            upstream: a
            model: m
            policy: Default
            project: p
            label: internal
            price:
              promptPer1K: 0.1
              completionPer1K: 0.2
            limits:
              requestsPerMinute: 1
              tokensPerMinute: 2
              tokensPerDay: 3
              tokensPerMonth: 4
              costPerDay: 5
              costPerMonth: 6
          two:
            targets:
              - upstream: b
                model: m
                weight: 2
                priority: 1
        identity:
          keys: enabled
          issuers:
            entra:
              issuer: https://login.example/t/v2.0
              audiences: [https://cognitiveservices.azure.com]
              discovery: https://login.example/t/.well-known/openid-configuration
              jwksUri: https://keys.example/keys
              caFile: ca.pem
              algorithms: [RS256]
              tenants: [t]
              clients: [c]
              scopes: [s]
              requiredMethods: [mfa]
              requiredContexts: [c1]
              principalClaims: [oid]
              groupsClaim: groups
              rolesClaim: roles
              roleMap: {boss: openai-user}
              project: p
              team: t
              clockSkew: 30s
              maximumLifetime: 2h
              refreshInterval: 1h
              refetchCooldown: 30s
              offlineGrace: 12h
              signIn:
                clientId: console
                clientSecret: s
                title: Sign in with Entra
                scopes: [openid]
                secondFactor: trusted
        console:
          publicURL: https://console.example
          secondFactor: optional
          sessions:
            idle: 10m
            absolute: 8h
            binding: browser
        network:
          allow: [10.0.0.0/8]
          deny: [10.1.0.0/16]
          publicAccess: disabled
          trustedProxies: [10.2.0.0/16]
          proxyProtocol: required
          metrics:
            allow: [127.0.0.0/8]
            deny: [10.0.0.0/8]
          tls:
            certificate: c.pem
            key: k.pem
            minimumVersion: "1.3"
            clientCertificates: optional
            clientAuthorities:
              mesh:
                caFile: ca.pem
                crlFile: crl.pem
                principalFrom: uri
                prefix: spiffe://corp.example/
                project: p
                team: t
                roles: [openai-user]
        privacy:
          controller: {name: Example, contact: privacy@example.com, officer: dpo@example.com}
          minimumGroup: 5
          regions:
            home: [germanywestcentral]
          activities:
            assistant:
              purpose: answers
              legalBasis: contract
              subjects: [staff]
              categories: [questions]
              recipients: [nobody]
              retention: none
              measures: [roles]
        provisioning:
          issuer: entra
          principal: externalId
        access:
          fourEyes: [policies, keyStore, audit]
          breakGlass: ["user:entra:9"]
          separation:
            mine:
              first: [Sallyport/keys/write]
              second: [Sallyport/privacy/*]
              reason: ours
          roles:
            uploader:
              description: Puts files there.
              actions: [Sallyport/access/read]
              notActions: [Sallyport/keys/*]
              dataActions: [Microsoft.CognitiveServices/accounts/OpenAI/files/*]
              notDataActions: ["*/delete"]
              assignableScopes: [/]
          assignments:
            - principal: user:entra:1
              role: uploader
              scope: /projects/p
              effect: allow
              condition: network == "10.0.0.0/8"
              expires: 2040-01-01
              note: for the example
        language:
          minimumConfidence: 0.7
        policies:
          directory: /
        contentSafety:
          imageText: false
          maximumText: 10000
          maximumPrompt: 10000
          maximumDocuments: 5
          maximumDocumentText: 10000
          maximumGroundedText: 7500
          maximumGroundingSources: 55000
          maximumProtectedText: 1000
          maximumProtectedCode: 10000
          maximumCategoryText: 1000
          maximumIncidentText: 1000
          maximumAgentText: 100000
        retries:
          maximumAttempts: 2
        limits:
          "key:*":
            requestsPerMinute: 1
        """
}
