import Foundation
import SallyportCore
import Testing

@testable import SallyportVault

@Suite struct AzureKeyProviderTests {
    private let key = (0..<32).map { UInt8($0) }
    private let bundle =
        #"{"key":{"kid":"https://v.vault.azure.net/keys/kek/aa11","kty":"RSA"},"attributes":{"enabled":true}}"#

    private func answer(_ status: Int, _ body: String, retryAfter: Int? = nil) -> KeyServiceAnswer {
        KeyServiceAnswer(status: status, retryAfter: retryAfter, body: Array(body.utf8))
    }

    @Test func wrapsUnderTheNewestVersionAndBindsIt() throws {
        let blob = Base64.encode([9, 9, 9], alphabet: .urlSafe)
        let kid = "https://v.vault.azure.net/keys/kek/aa11"
        let transport = ScriptedTransport([
            answer(200, bundle), answer(200, #"{"kid":"\#(kid)","value":"\#(blob)"}"#),
            answer(200, #"{"kid":"\#(kid)","value":"\#(Base64.encode(key, alphabet: .urlSafe))"}"#),
            answer(200, #"{"kid":"\#(kid)","value":"\#(Base64.encode(key, alphabet: .urlSafe))"}"#),
        ])
        let provider = AzureKeyProvider(transport: transport, key: "kek")
        let wrapped = try provider.wrap(key, binding: ["tenant": "a"])
        #expect(wrapped.version == "aa11")
        #expect(
            transport.requests.map { "\($0.method) \($0.target)" } == [
                "GET /keys/kek?api-version=7.4", "POST /keys/kek/aa11/wrapkey?api-version=7.4",
            ])
        #expect(
            try JSONDecoder().decode([String: String].self, from: Data(transport.requests[1].body)) == [
                "alg": "RSA-OAEP-256", "value": Base64.encode(key, alphabet: .urlSafe),
            ])
        #expect(try provider.unwrap(wrapped, binding: ["tenant": "a"]) == key)
        #expect(transport.requests[2].target == "/keys/kek/aa11/unwrapkey?api-version=7.4")
        let error = #expect(throws: SealError.self) {
            try provider.unwrap(wrapped, binding: ["tenant": "b"])
        }
        guard case .damaged = error else { return #expect(Bool(false)) }
    }

    @Test(arguments: [
        (403, #"{"error":{"code":"Forbidden","innererror":{"code":"KeyDisabled"}}}"#),
        (404, #"{"error":{"code":"KeyNotFound"}}"#),
    ])
    func tellsARevokedKey(_ status: Int, _ body: String) {
        let provider = AzureKeyProvider(
            transport: ScriptedTransport([answer(status, body)]), key: "kek")
        let error = #expect(throws: SealError.self) { try provider.newestVersion() }
        guard case .revoked(let words) = error else { return #expect(Bool(false)) }
        #expect(words.contains(status == 403 ? "KeyDisabled" : "KeyNotFound"))
    }

    @Test func aDisabledKeyIsRevoked() {
        let body = #"{"key":{"kid":"https://v/keys/kek/aa11"},"attributes":{"enabled":false}}"#
        let error = #expect(throws: SealError.self) {
            try AzureKeyProvider(transport: ScriptedTransport([answer(200, body)]), key: "kek")
                .newestVersion()
        }
        guard case .revoked = error else { return #expect(Bool(false)) }
    }

    @Test func waitsAsLongAsTheServiceSays() throws {
        let transport = ScriptedTransport([answer(429, "", retryAfter: 2), answer(200, bundle)])
        #expect(try AzureKeyProvider(transport: transport, key: "kek").newestVersion() == "aa11")
        #expect(transport.pauses == [2])
    }

    @Test(arguments: ["../secrets/x", "a b", "", "a?b"])
    func aVersionFromElsewhereIsNoPath(_ version: String) {
        let body = #"{"key":{"kid":"https://v/keys/kek/\#(version)"}}"#
        let transport = ScriptedTransport([answer(200, body)])
        #expect(throws: SealError.self) {
            try AzureKeyProvider(transport: transport, key: "kek").unwrap(
                WrappedKey(key: "kek", version: version, bytes: [UInt8](repeating: 0, count: 64)),
                binding: [:])
        }
        #expect(transport.requests.isEmpty)
    }
}
