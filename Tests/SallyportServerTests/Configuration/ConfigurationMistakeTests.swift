import SallyportCore
import Testing

@testable import SallyportServer

/// One file with one mistake each, and exactly what is said about it.
@Suite struct ConfigurationMistakeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let yaml: String
        let expected: [String]
        init(_ yaml: String, _ expected: String...) {
            self.yaml = yaml
            self.expected = expected
        }
        var testDescription: String { expected.first ?? yaml }
    }

    private static let upstream = """
        upstreams:
          a:
            kind: azure-openai
            endpoint: https://a.example

        """
    private static let range = "must be from 1ms to 720h"

    static let cases: [Case] = [
        // Keys
        Case("sever:\n  listen: a:1", "f.yaml:1:1: 'sever' is not known: did you mean 'server'?"),
        Case("server:\n  xyzzy: 1", "f.yaml:2:3: 'server.xyzzy' is not known"),
        Case("server:\n  listen: a:1\n  listen: b:1", "f.yaml:3:3: a key stands twice: listen"),
        Case("server: 5", "f.yaml:1:9: 'server' must be a map"),
        Case("server:\n  listen: {}", "f.yaml:2:3: 'server.listen' must be host:port"),
        Case("deployments:\n  'a/b': {upstream: a}", "f.yaml:2:3: a name in 'deployments' must be of letters, digits and . _ - : @"),
        Case("- 1", "f.yaml:1:1: the file must be a map of sections"),
        Case("", "f.yaml:1:1: the file is empty"),
        // Values
        Case("server:\n  listen: 8080", "f.yaml:2:11: 'server.listen' must be host:port, such as 127.0.0.1:8080"),
        Case("server:\n  listen: a:70000", "f.yaml:2:11: 'server.listen' must be host:port, such as 127.0.0.1:8080"),
        Case("server:\n  threads: many", "f.yaml:2:12: 'server.threads' must be a whole number from 1 to 256"),
        Case("server:\n  threads: 0", "f.yaml:2:12: 'server.threads' must be a whole number from 1 to 256"),
        Case("server:\n  bodyTimeout: 30", "f.yaml:2:16: 'server.bodyTimeout' must be a duration such as 500ms, 30s, 2m or 1h"),
        Case("server:\n  bodyTimeout: 0s", "f.yaml:2:16: 'server.bodyTimeout' \(range)"),
        Case("server:\n  idleTimeout: 999999999h", "f.yaml:2:16: 'server.idleTimeout' \(range)"),
        Case("audit:\n  checkpointInterval: 0ms", "f.yaml:2:23: 'audit.checkpointInterval' \(range)"),
        Case("server:\n  maximumBodyBytes: lots", "f.yaml:2:21: 'server.maximumBodyBytes' must be a size such as 512KiB or 32MiB"),
        Case("server:\n  maximumBodyBytes: 2GiB", "f.yaml:2:21: 'server.maximumBodyBytes' must be from 1 to 1GiB"),
        Case("server:\n  maximumHeaderBytes: 10", "f.yaml:2:23: 'server.maximumHeaderBytes' must be from 1KiB to 1MiB"),
        // Larger than an integer: refused, where it once ended the process.
        Case("server:\n  maximumBodyBytes: 8589934592GiB", "f.yaml:2:21: 'server.maximumBodyBytes' must be a size such as 512KiB or 32MiB"),
        Case("tracing:\n  sampleRatio: 2", "f.yaml:2:16: 'tracing.sampleRatio' must be a number from 0 to 1"),
        Case("tracing:\n  endpoint: http://", "f.yaml:2:13: 'tracing.endpoint' must be an http or https URL with a host"),
        Case("log:\n  format: jsn", "f.yaml:2:11: 'log.format' must be one of json, text, not 'jsn': did you mean 'json'?"),
        Case(
            "server:\n  conversationHeader: Authorization",
            "f.yaml:2:23: 'server.conversationHeader' must be the name of a header field that holds no credentials"),
        Case(
            upstream + "deployments:\n  d:\n    upstream: a\n    price: {promptPer1K: 0.0000001}",
            "f.yaml:8:26: 'deployments.d.price.promptPer1K' must be a number that is not negative, with six decimals at most"),
        Case(
            upstream + "deployments:\n  d:\n    upstream: a\n    limits: {costPerDay: 1.2.3}",
            "f.yaml:8:26: 'deployments.d.limits.costPerDay' must be a number that is not negative, with six decimals at most"),
        // Variables
        Case("server:\n  listen: ${NOWHERE}", "f.yaml:2:11: 'server.listen' needs the variable NOWHERE, which is not set"),
        Case("server:\n  listen: ${EMPTY}", "f.yaml:2:11: 'server.listen' needs the variable EMPTY, which is not set"),
        Case(
            upstream + "deployments:\n  d:\n    upstream: a\n    policy: ${NOWHERE}",
            "f.yaml:8:13: 'deployments.d.policy' needs the variable NOWHERE, which is not set"),
        Case(
            upstream + "    apiKey: ${KEY",
            "f.yaml:5:13: 'upstreams.a.apiKey' holds a '${' without a variable's name and '}' (write $${ for a plain one)"),
        Case(
            upstream + "    apiKey: ${1}",
            "f.yaml:5:13: 'upstreams.a.apiKey' holds a '${' without a variable's name and '}' (write $${ for a plain one)"),
        Case(upstream + "    apiKey: ${LINES}", "f.yaml:5:13: 'upstreams.a.apiKey' must be printable ASCII without blanks or line breaks"),
        Case("upstreams:\n  a:\n    kind: ${NOWHERE}", "f.yaml:3:11: 'upstreams.a.kind' needs the variable NOWHERE, which is not set"),
        // Headers for upstreams
        Case(
            upstream + "    headers: {Host: x}",
            "f.yaml:5:15: 'upstreams.a.headers.Host' is written by the gateway itself; a key is given by 'apiKey' and 'apiKeyHeader'"),
        Case(
            upstream + "    headers: {accept-encoding: gzip}",
            "f.yaml:5:15: 'upstreams.a.headers.accept-encoding' is written by the gateway itself; a key is given by 'apiKey' and 'apiKeyHeader'"
        ),
        Case(upstream + "    headers: {'x:y': z}", "f.yaml:5:15: 'upstreams.a.headers.x:y' is not the name of a header field"),
        Case(
            upstream + "    headers: {x-lines: '${LINES}'}",
            "f.yaml:5:24: 'upstreams.a.headers.x-lines' must be printable ASCII without line breaks or blanks at its ends"),
        Case(
            upstream + "    apiKey: k\n    apiKeyHeader: Transfer-Encoding",
            "f.yaml:6:19: 'upstreams.a.apiKeyHeader' must be the name of a header field that may hold a key, such as x-api-key"),
        Case(upstream + "    apiKeyHeader: x-api-key", "f.yaml:5:19: upstreams.a.apiKeyHeader: has no effect without 'apiKey'"),
        Case(
            upstream + "    tls: {minimumVersion: 1.1}",
            "f.yaml:5:27: 'upstreams.a.tls.minimumVersion' must be one of 1.2, 1.3, not '1.1': did you mean '1.2'?"),
        // Upstreams
        Case("upstreams:\n  a: {}", "f.yaml:2:3: 'upstreams.a.kind' is missing"),
        Case("upstreams:\n  a:\n    kind: openai", "f.yaml:2:3: 'upstreams.a.endpoint' is missing"),
        Case(
            "upstreams:\n  a:\n    kind: openai\n    endpoint: https://u:p@a.example",
            "f.yaml:4:15: 'upstreams.a.endpoint' must not hold credentials"),
        Case(upstream + "    apiVersoin: x", "f.yaml:5:5: 'upstreams.a.apiVersoin' is not known: did you mean 'apiVersion'?"),
        Case(upstream + "    paths: [/x]", "f.yaml:5:12: upstreams.a.paths: has no effect for an upstream of kind azure-openai"),
        Case(
            "upstreams:\n  a:\n    kind: embedded\n    apiKey: k",
            "f.yaml:4:13: upstreams.a.apiKey: has no effect for an upstream of kind embedded"),
        Case(
            upstream + "    apiKey: k\n    entra: {tenant: t, clientId: c, clientSecret: s}",
            "f.yaml:6:21: upstreams.a.entra.tenant: give 'apiKey' or 'entra', not both"),
        Case(
            upstream + "    entra: {tenant: t}",
            "f.yaml:5:21: 'upstreams.a.entra' needs tenant, clientId and one of clientSecret and federatedTokenFile"),
        Case(
            upstream + "    tls: {pins: [abc]}",
            "f.yaml:5:18: 'upstreams.a.tls.pins' must list SHA-256 digests of 64 hexadecimal digits"),
        Case(
            upstream + "    tls: {clientCertificate: c.pem}", "f.yaml:5:30: upstreams.a.tls.clientCertificate: needs 'clientKey' beside it"),
        Case(upstream + "    health: {path: healthz}", "f.yaml:5:20: 'upstreams.a.health.path' must be a path that begins with /"),
        Case(
            "upstreams:\n  a:\n    kind: azure-ai\n    endpoint: https://a.example\n    paths: [/x/, /y]",
            "f.yaml:5:13: 'upstreams.a.paths' must list paths such as /translator, in plain spelling and without a slash at the end"),
        Case(
            "upstreams:\n  a:\n    kind: azure-ai\n    endpoint: https://a.example\n    paths: [/openai/extensions]",
            "f.yaml:5:13: 'upstreams.a.paths' must not take the gateway's own paths"),
        // Deployments
        Case(
            upstream + "deployments:\n  d:\n    upstream: b",
            "f.yaml:7:15: deployments.d.upstream: the upstream 'b' is not configured: did you mean 'a'?"),
        Case(upstream + "deployments:\n  d:\n    targets: []", "f.yaml:7:14: deployments.d.targets: names no target"),
        Case(
            upstream + "deployments:\n  d:\n    targets: [{upstream: a, weight: 0}]",
            "f.yaml:7:14: deployments.d.targets: every target has weight 0"),
        Case(
            "upstreams:\n  a:\n    kind: azure-ai\n    endpoint: https://a.example\n    paths: [/x]\ndeployments:\n  d: {upstream: a}",
            "f.yaml:7:17: deployments.d.upstream: the upstream 'a' is of kind azure-ai: it is asked by its paths and answers no deployment"),
        Case(
            "server:\n  listen: 127.0.0.1:1\n  metricsListen: 127.0.0.1:1",
            "f.yaml:3:18: server.metricsListen: is the address of 'server.listen'"),
    ]

    private func found(_ yaml: String) -> [String] {
        do {
            _ = try ServerConfiguration.load(
                yaml: yaml, file: "f.yaml", environment: ["EMPTY": "", "LINES": "secret\n", "SECRET": "s3cr3t-value"])
            return []
        } catch {
            return (error as? ConfigurationMistakes)?.mistakes.map(\.description) ?? ["\(error)"]
        }
    }

    @Test(arguments: cases)
    func saysExactlyWhatIsWrongAndWhere(_ one: Case) {
        #expect(found(one.yaml) == one.expected)
    }

    @Test func namesManyMistakesInTheOrderOfTheFile() {
        let lines = found("log: {level: x}\nserver: {threads: x, listen: x}\nxyz: 1\naudit: {durability: x}\n").map { $0.prefix(9) }
        #expect(lines == ["f.yaml:1:", "f.yaml:2:", "f.yaml:2:", "f.yaml:3:", "f.yaml:4:"])
    }

    @Test func namesWhatElseIsWrongBesideKeysThatStandTwice() {
        let yaml = """
            server:
              threads: x
              threads: 2
            upstreams:
              a: {kind: openai, endpoint: 'https://a.example', apiKey: k}
              a:
                kind: nothing
            deployments:
              d:
                upstream: b
                policy: Nope
            """
        let lines = found(yaml)
        #expect(lines.map { $0.prefix { $0 != " " } } == ["f.yaml:2:12:", "f.yaml:3:3:", "f.yaml:6:3:", "f.yaml:10:15:", "f.yaml:11:13:"])
        #expect(lines[1].hasSuffix("a key stands twice: threads") && lines[4].hasSuffix("the policy 'Nope' does not exist"))
    }

    @Test(arguments: [
        "server:\n  listen: ${SECRET}", "log:\n  level: ${SECRET}", "server:\n  threads: ${SECRET}",
        "upstreams:\n  a:\n    kind: ${SECRET}",
        "tracing:\n  endpoint: ${SECRET}", "audit:\n  segmentBytes: ${SECRET}",
    ])
    func neverRepeatsWhatCameFromTheEnvironment(_ yaml: String) {
        #expect(!found(yaml).isEmpty)
        #expect(!found(yaml).joined().contains("s3cr3t"))
    }
}

/// What a file says that its parser and the file system only hint at.
struct ConfigurationFileTests {
    private func mistakes(_ yaml: String, file: String = "f.yaml", looksForFiles: Bool = false) -> [String] {
        do {
            let configuration = try ServerConfiguration.load(yaml: yaml, file: file, environment: [:], looksForFiles: looksForFiles)
            return configuration.warnings
        } catch { return (error as? ConfigurationMistakes)?.mistakes.map(\.description) ?? ["\(error)"] }
    }

    @Test func namesATab() {
        #expect(
            mistakes("server:\n\tlisten: 127.0.0.1:1") == [
                "f.yaml:2:1: is not valid YAML: a tab stands at the line's beginning; YAML is indented with blanks"
            ])
    }

    @Test func saysWhereBeganWhatHasNoEnd() {
        let found = mistakes("server:\n  listen: \"127.0.0.1:1\ndata:\n  directory: x\n")
        #expect(
            found.count == 1 && found[0].hasSuffix("found unexpected end of stream, while scanning a quoted scalar that begins in line 2"))
    }

    @Test func saysThatNestingIsTooDeep() {
        let found = mistakes("server: " + String(repeating: "[", count: 20_000) + String(repeating: "]", count: 20_000))
        #expect(found.count == 1 && found[0].hasSuffix("is not valid YAML: it is nested too deeply"))
    }

    @Test(arguments: [("/nowhere/at/all.yaml", "there is no such file"), ("/", "is a folder, not a file")])
    func saysWhyAFileIsNotRead(path: String, why: String) {
        #expect(throws: ConfigurationMistakes.self) { try ServerConfiguration.load(path: path, environment: [:]) }
        do { _ = try ServerConfiguration.load(path: path, environment: [:]) } catch { #expect("\(error)" == "\(path):1:1: \(why)") }
    }

    @Test func namesCertificatesThatAreNotThere() {
        let listener = "network:\n  tls:\n    certificate: /nowhere/c.pem\n    key: /\n"
        #expect(
            mistakes(listener, looksForFiles: true) == [
                "f.yaml:3:18: network.tls.certificate: /nowhere/c.pem: there is no such file",
                "f.yaml:4:10: network.tls.key: /: is a folder, not a file",
            ])
        let upstream = "upstreams:\n  a:\n    kind: openai\n    endpoint: https://a.example\n    tls: {caFile: /nowhere/ca.pem}\n"
        #expect(
            mistakes(upstream, looksForFiles: true) == [
                "the upstream 'a' is down: 'upstreams.a.tls.caFile' names /nowhere/ca.pem: there is no such file"
            ])
    }
}
