import Crypto
import Foundation
import SallyportCore
import Testing

@testable import SallyportIdentity

/// An authenticator as the standard describes it, in a few lines.
private struct Authenticator {
    let key = P256.Signing.PrivateKey()
    let id: [UInt8] = Array("credential-1".utf8)
    var counter: UInt32 = 1
    var flags: UInt8 = 0x05

    private static func bytes(_ value: [UInt8]) -> [UInt8] {
        value.count < 24 ? [0x40 | UInt8(value.count)] + value : [0x58, UInt8(value.count)] + value
    }
    private static func text(_ value: String) -> [UInt8] { [0x60 | UInt8(value.utf8.count)] + Array(value.utf8) }

    var cose: [UInt8] {
        let raw = Array(key.publicKey.rawRepresentation)
        return [0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21] + Self.bytes(Array(raw[..<32])) + [0x22] + Self.bytes(Array(raw[32...]))
    }

    func data(site: String, attested: Bool) -> [UInt8] {
        var data = Array(SHA256.hash(data: Array(site.utf8))) + [flags | (attested ? 0x40 : 0)]
        data += (0..<4).reversed().map { UInt8(truncatingIfNeeded: counter >> (8 * UInt32($0))) }
        if attested { data += [UInt8](repeating: 0, count: 16) + [0, UInt8(id.count)] + id + cose }
        return data
    }

    func attestation(site: String, format: String = "none") -> [UInt8] {
        let data = data(site: site, attested: true)
        return [0xA3] + Self.text("fmt") + Self.text(format) + Self.text("attStmt") + [0xA0] + Self.text("authData") + Self.bytes(data)
    }

    func signature(_ data: [UInt8], _ client: [UInt8]) throws -> [UInt8] {
        Array(try key.signature(for: SHA256.hash(data: data + Array(SHA256.hash(data: client)))).derRepresentation)
    }
}

private func client(_ type: String, _ challenge: [UInt8], origin: String = "https://console.example", more: String = "") -> [UInt8] {
    Array(#"{"type":"\#(type)","challenge":"\#(Base64.encode(challenge, alphabet: .urlSafe))","origin":"\#(origin)"\#(more)}"#.utf8)
}

@Suite struct WebAuthnTests {
    private let site = WebAuthn(site: "console.example", origins: ["https://console.example"])
    private let challenge = [UInt8](repeating: 7, count: 32)

    private func registered(_ authenticator: Authenticator) throws -> WebAuthn.Credential {
        try site.register(
            clientData: client("webauthn.create", challenge), attestation: authenticator.attestation(site: "console.example"),
            challenge: challenge)
    }

    @Test func takesAPasskeyAndItsAnswer() throws {
        var authenticator = Authenticator()
        let credential = try registered(authenticator)
        #expect(credential.id == authenticator.id && credential.counter == 1)
        authenticator.counter = 2
        let data = authenticator.data(site: "console.example", attested: false)
        let text = client("webauthn.get", challenge)
        let counter = try site.verify(
            clientData: text, authenticatorData: data, signature: authenticator.signature(data, text), credential: credential,
            challenge: challenge)
        #expect(counter == 2)
    }

    private func refusal(
        _ authenticator: Authenticator, type: String = "webauthn.get", origin: String = "https://console.example", more: String = "",
        site name: String = "console.example", challenge answered: [UInt8]? = nil, spoil: Bool = false
    ) throws -> WebAuthn.Refusal? {
        let credential = try registered(Authenticator.same(authenticator))
        let data = authenticator.data(site: name, attested: false)
        let text = client(type, answered ?? challenge, origin: origin, more: more)
        var signature = try authenticator.signature(data, text)
        if spoil { signature[signature.count - 1] ^= 1 }
        do {
            _ = try site.verify(
                clientData: text, authenticatorData: data, signature: signature, credential: credential, challenge: challenge)
            return nil
        } catch { return error }
    }

    @Test func refusesEveryAnswerThatIsNotToThisQuestion() throws {
        var authenticator = Authenticator()
        authenticator.counter = 5
        #expect(try refusal(authenticator) == nil)
        #expect(try refusal(authenticator, type: "webauthn.create") == .wrongType)
        #expect(try refusal(authenticator, origin: "https://console.example.evil.example") == .wrongOrigin)
        #expect(try refusal(authenticator, origin: "http://console.example") == .wrongOrigin)
        #expect(try refusal(authenticator, more: #","crossOrigin":true"#) == .crossOrigin)
        #expect(try refusal(authenticator, site: "evil.example") == .wrongSite)
        #expect(try refusal(authenticator, challenge: [UInt8](repeating: 8, count: 32)) == .wrongChallenge)
        #expect(try refusal(authenticator, spoil: true) == .signature)
        authenticator.flags = 0x04
        #expect(try refusal(authenticator) == .notPresent)
        authenticator.flags = 0x01
        #expect(try refusal(authenticator) == .notVerified)
        authenticator.flags = 0x05
        authenticator.counter = 1
        #expect(try refusal(authenticator) == .counter)
    }

    @Test func refusesAttestationsAndBrokenRegistrations() throws {
        let authenticator = Authenticator()
        let text = client("webauthn.create", challenge)
        #expect(throws: WebAuthn.Refusal.attestation) {
            try site.register(
                clientData: text, attestation: authenticator.attestation(site: "console.example", format: "packed"), challenge: challenge)
        }
        let good = authenticator.attestation(site: "console.example")
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            // Whatever it is, it ends: with a credential (a change in what nobody reads) or a refusal.
            _ = try? site.register(clientData: text, attestation: bytes, challenge: challenge)
        }
    }
}

extension Authenticator {
    /// As it was when it was registered.
    fileprivate static func same(_ other: Authenticator) -> Authenticator {
        var copy = other
        copy.counter = 1
        copy.flags = 0x05
        return copy
    }
}

@Suite struct CBORTests {
    /// RFC 8949, appendix A.
    @Test func readsTheExamplesOfTheStandard() throws {
        #expect(try CBOR([0x18, 0x64]) == .integer(100))
        #expect(try CBOR([0x1B, 0, 0, 0, 0xE8, 0xD4, 0xA5, 0x10, 0]) == .integer(1_000_000_000_000))
        #expect(try CBOR([0x38, 0x63]) == .integer(-100))
        #expect(try CBOR([0x44, 1, 2, 3, 4]) == .bytes([1, 2, 3, 4]))
        #expect(try CBOR([0x64, 0x49, 0x45, 0x54, 0x46]) == .text("IETF"))
        #expect(try CBOR([0x83, 1, 0x82, 2, 3, 0xF5]) == .array([.integer(1), .array([.integer(2), .integer(3)]), .bool(true)]))
        #expect(try CBOR([0xA2, 0x61, 0x61, 1, 0x61, 0x62, 0xF6]) == .map([.text("a"): .integer(1), .text("b"): .null]))
    }

    @Test(
        arguments: [
            ([0x5B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], .truncated), ([0x9A, 0xFF, 0xFF, 0xFF, 0xFF], .truncated),
            ([0xBB, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], .truncated), ([0x1B, 0xFF, 0, 0, 0, 0, 0, 0, 0], .unsupported),
            ([0x5F, 0x41, 0x00, 0xFF], .unsupported), ([0x9F, 0xFF], .unsupported), ([0xC0, 0x00], .unsupported),
            ([0xF9, 0, 0], .unsupported),
            ([0xA2, 0x01, 0x01, 0x01, 0x02], .repeatedKey), ([0xA1, 0x80, 0x01], .unsupported), ([0x61, 0xFF], .notText),
            ([0x00, 0x00], .trailing),
            ([], .truncated), ([UInt8](repeating: 0x81, count: 40), .tooDeep),
            ([0x99, 0x01, 0x80] + [UInt8](repeating: 0, count: 0x180), .tooLong),
        ] as [([UInt8], CBOR.Mistake)])
    func refusesWhatPromisesTooMuchOrMeansTwoThings(bytes: [UInt8], mistake: CBOR.Mistake) {
        #expect(throws: mistake) { try CBOR(bytes) }
    }
}
