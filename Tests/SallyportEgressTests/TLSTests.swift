import NIOCore
import SallyportCore
import Testing

@testable import SallyportEgress

@Suite(.timeLimit(.minutes(10))) struct TLSTests {
    private func ask(
        host: String = "127.0.0.1", configure: (inout UpstreamConfiguration) -> Void = { _ in }
    ) async throws -> (outcome: Outcome, health: UpstreamHealth) {
        let server = try await ScriptedServer(tls: true) { $0.answer("secret") }
        let authorities = try TestFile(TestCertificate.certificate)
        let configuration = try UpstreamConfiguration.test("https://\(host):\(server.port)") {
            $0.tls.authoritiesFile = authorities.path
            configure(&$0)
        }
        let traveller = Traveller([configuration])
        let outcome = try await traveller.ask(.post())
        let health = traveller.client.health(of: "up")
        try await traveller.stop()
        try await server.stop()
        #expect(outcome.strayCalls == 0)
        return (outcome, health)
    }

    @Test(arguments: ["127.0.0.1", "localhost"]) func speaksToAPeerThatItsAuthorityVouchesFor(host: String) async throws {
        #expect(try await ask(host: host).outcome.body == "secret")
    }

    @Test func refusesAPeerThatNobodyVouchesFor() async throws {
        let outcome = try await ask { $0.tls.authoritiesFile = nil }.outcome
        #expect(outcome.failure?.kind == .tls && outcome.failure?.bytesSent == false)
    }

    @Test func refusesACertificateForAnotherName() async throws {
        let outcome = try await ask { $0.tls.serverName = "other.example" }.outcome
        #expect(outcome.failure?.kind == .tls, "\(outcome)")
    }

    @Test(arguments: [
        ("a.example.com", "a.example.com", true), ("A.example.com", "a.Example.com", true), ("a.example.com", "*.example.com", true),
        ("a.b.example.com", "*.example.com", false), ("example.com", "*.example.com", false), ("a.com", "*.com", false),
        ("a.example.com", "a*.example.com", false), ("a.example.com", "*", false), ("a.example.com", "*.*.com", false),
        (".example.com", "*.example.com", false),
        ("a.example.com.evil.com", "a.example.com", false), ("a.example.com", "", false),
    ])
    func matchesNamesAsRFC6125Says(name: String, pattern: String, fits: Bool) {
        #expect(TLSSetup.matches(name, pattern: pattern) == fits)
    }

    @Test func acceptsAPinnedCertificateOrKey() async throws {
        #expect(try await ask { $0.tls.pins = [TestCertificate.certificateDigest] }.outcome.finished)
        let other = String(repeating: "0", count: 64)
        #expect(try await ask { $0.tls.pins = [other, TestCertificate.publicKeyDigest.uppercased()] }.outcome.finished)
    }

    @Test func refusesACertificateThatIsNotPinned() async throws {
        let outcome = try await ask { $0.tls.pins = [String(repeating: "0", count: 64)] }.outcome
        #expect(outcome.failure?.kind == .tls && outcome.failure?.bytesSent == false)
    }

    @Test func refusesAPeerWithoutHTTP2WhereItIsDemanded() async throws {
        #expect(try await ask { $0.http = .http2 }.outcome.failure?.kind == .tls)
    }

    @Test func saysWhichFileIsUnusable() async throws {
        let (outcome, health) = try await ask { $0.tls.authoritiesFile = "/nonexistent.pem" }
        #expect(outcome.failure?.kind == .unavailable)
        #expect(health.reason == "the file of certificate authorities cannot be read")
        #expect(try await ask { $0.tls.certificateFile = "/nonexistent.pem" }.health.state == .unavailable)
        #expect(try await ask { $0.tls.pins = ["zz"] }.health.state == .unavailable)
    }

    @Test(arguments: [false, true]) func takesChangedFilesIntoUse(byReload: Bool) async throws {
        let server = try await ScriptedServer(tls: true) { $0.answer("secret") }
        let authorities = try TestFile("nothing of use")
        let configuration = try UpstreamConfiguration.test("https://127.0.0.1:\(server.port)") { $0.tls.authoritiesFile = authorities.path }
        let traveller = Traveller([configuration])
        func look() { if byReload { traveller.client.update([configuration]) } else { traveller.client.refreshFiles() } }
        #expect(try await traveller.ask(.post()).failure?.kind == .unavailable)
        try authorities.replace(TestCertificate.certificate)
        look()
        #expect(try await traveller.ask(.post()).body == "secret")
        // What cannot be used is not taken: the former stays, and so do connections.
        try authorities.replace("nothing of use")
        look()
        #expect(try await traveller.ask(.post()).body == "secret")
        #expect(traveller.client.health(of: "up").state == .available)
        #expect(!traveller.client.refreshFiles())
        #expect(try await traveller.metrics().connectionsOpened == 1)
        try await traveller.stop()
        try await server.stop()
    }

    @Test func presentsAClientCertificate() async throws {
        let certificate = try TestFile(TestCertificate.certificate)
        let key = try TestFile(TestCertificate.privateKey)
        let outcome = try await ask {
            $0.tls.certificateFile = certificate.path
            $0.tls.privateKeyFile = key.path
        }.outcome
        #expect(outcome.finished)
    }

    @Test func refusesAPlaintextPeer() async throws {
        let server = try await ScriptedServer { _ in }
        let traveller = Traveller([
            try .test("https://\(server.host)") { $0.timeouts.connect = .milliseconds(80) }
        ])
        #expect(try await traveller.ask(.post()).failure?.bytesSent == false)
        try await traveller.stop()
        try await server.stop()
    }
}
