import Foundation
import NIOConcurrencyHelpers
import SallyportCore
import Testing

@testable import SallyportVault

@Suite struct AWSKeyProviderTests {
    private let key = (0..<32).map { UInt8($0) }

    private func provider(_ transport: ScriptedTransport) -> AWSKeyProvider {
        AWSKeyProvider(
            transport: transport, key: "alias/a", region: "eu-central-1", clock: { 1_440_938_160 }
        ) {
            .init(
                accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                sessionToken: "TOKEN")
        }
    }

    /// The first three are AWS's published examples (signature test suite, and the documentation's `ListUsers`).
    @Test func signsAsPublished() {
        func signature(
            _ method: String, host: String, query: [(name: String, value: String)] = [],
            type: String? = nil, service: String
        ) -> String? {
            AWSSignature(
                accessKeyID: "AKIDEXAMPLE",
                secretAccessKey: Redacted("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), region: "us-east-1",
                service: service
            ).headers(
                method: method, path: "/", query: query,
                headers: [(name: "host", value: host)]
                    + (type.map { [(name: "content-type", value: $0)] } ?? []), body: [],
                time: 1_440_938_160
            ).last?.value.split(separator: "=").last.map(String.init)
        }
        let host = "example.amazonaws.com"
        #expect(
            signature("GET", host: host, service: "service")
                == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        #expect(
            signature("POST", host: host, service: "service")
                == "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
        #expect(
            signature(
                "GET", host: "iam.amazonaws.com",
                query: [("Version", "2010-05-08"), ("Action", "ListUsers")],
                type: "application/x-www-form-urlencoded; charset=utf-8", service: "iam")
                == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
    }

    /// The signature is what botocore 1.4x makes of the same request.
    @Test func asksAsTheServiceExpects() throws {
        let transport = ScriptedTransport([
            .init(status: 200, body: Array(#"{"KeyMetadata":{"KeyId":"k-1"}}"#.utf8)),
            .init(status: 200, body: Array(#"{"Rotations":[{},{}]}"#.utf8)),
        ])
        #expect(try provider(transport).newestVersion() == "k-1/2")
        let request = try #require(transport.requests.first)
        #expect(String(decoding: request.body, as: UTF8.self) == #"{"KeyId":"alias/a"}"#)
        #expect(request.headers.contains { $0 == ("x-amz-target", "TrentService.DescribeKey") })
        #expect(
            request.credential.first { $0.name == "authorization" }?.value
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/kms/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=a104bbeb7cf20ffe57185759cafd9d31d16f2bff4990af65b4cbfc6c908e8e2f"
        )
        #expect(!request.credential.contains { $0.name == "host" })
    }

    @Test(arguments: [
        "DisabledException", "KMSInvalidStateException", "NotFoundException",
        "com.amazonaws.kms#AccessDeniedException",
    ])
    func tellsARevokedKey(_ type: String) {
        let transport = ScriptedTransport([
            .init(status: 400, body: Array(#"{"__type":"\#(type)","message":"secret words"}"#.utf8))
        ])
        let error = #expect(throws: SealError.self) {
            try provider(transport).unwrap(WrappedKey(key: "k", version: "k/0", bytes: [1]), binding: [:])
        }
        guard case .revoked(let words) = error else { return #expect(Bool(false)) }
        #expect(!words.contains("secret words"))
    }

    @Test func triesAgainWhatIsThrottledAsLongAsItIsAsked() throws {
        let transport = ScriptedTransport([
            .init(status: 400, body: Array(#"{"__type":"InvalidCiphertextException"}"#.utf8)),
            .init(status: 429, retryAfter: 3, body: []), .init(status: 503, body: []),
            .init(status: 200, body: Array(#"{"Plaintext":"AAEC"}"#.utf8)),
            .init(status: 429, retryAfter: 600, body: []),
        ])
        let wrapped = WrappedKey(key: "k", version: "k/0", bytes: [1])
        let damaged = #expect(throws: SealError.self) {
            try provider(transport).unwrap(wrapped, binding: [:])
        }
        guard case .damaged = damaged else { return #expect(Bool(false)) }
        #expect(try provider(transport).unwrap(wrapped, binding: [:]) == [0, 1, 2])
        #expect(transport.pauses == [3, 1])
        // What asks for ten minutes is out of reach.
        let error = #expect(throws: SealError.self) {
            try provider(transport).unwrap(wrapped, binding: [:])
        }
        guard case .unavailable = error else { return #expect(Bool(false)) }
        #expect(transport.pauses == [3, 1])
    }
}

/// Answers in the order given, and keeps what it was asked.
final class ScriptedTransport: KeyServiceTransport {
    let host = "kms.eu-central-1.amazonaws.com"
    private let state:
        NIOLockedValueBox<
            (answers: [KeyServiceAnswer], requests: [KeyServiceRequest], pauses: [Double])
        >

    init(_ answers: [KeyServiceAnswer]) { state = NIOLockedValueBox((answers, [], [])) }

    var requests: [KeyServiceRequest] { state.withLockedValue { $0.requests } }
    var pauses: [Double] { state.withLockedValue { $0.pauses } }

    func send(_ request: KeyServiceRequest) throws -> KeyServiceAnswer {
        try state.withLockedValue { state in
            state.requests.append(request)
            guard !state.answers.isEmpty else { throw SealError.unavailable("the script is at its end") }
            return state.answers.removeFirst()
        }
    }

    func pause(seconds: Double) { state.withLockedValue { $0.pauses.append(seconds) } }
}
