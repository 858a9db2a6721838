import SallyportCore
import SallyportPatterns
import Testing

@testable import SallyportGuard

/// Values are synthetic: made for these tests after the issuers' formats, or published by the issuer as samples. They are put
/// together from parts so that no scanner takes this file for a leak.
@Suite struct SecretsDetectorTests {
    private static let scanner = Result { try SecretScanner() }
    private func scan(_ text: String) throws -> [(name: String, text: String, confidence: Double)] {
        try Self.scanner.get().scan(text)
    }

    private static let filler =
        "aB3dE5gH7jK9mN1pQ4sT6vW8yZ2cF0hJ4kL6nR8tV1xZ3bD5fG7iM9oP2qS4uW6wY8zA1eC3gI5lO7rU9tX2vB4dF6hK8jN0pQ2sV4yT6wE8uR1iO3aL5xM7cZ9bG"
    private static func chars(_ count: Int) -> String { String(filler.prefix(count)) }
    private static func hex(_ count: Int) -> String {
        String(String(repeating: "9f86d081884c7d65a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c1", count: 3).prefix(count))
    }

    static let shapes: [(name: String, secret: String)] = [
        ("AWSAccessKeyID", "AKIA" + "Q3EGRIZTUV5LM2YA"),
        ("GoogleAPIKey", "AIza" + chars(35)), ("GoogleOAuthClientSecret", "GOCSPX-" + chars(28)),
        ("OpenAIAPIKey", "sk-proj-" + chars(40) + "T3Blbk" + "FJ" + chars(30)),
        ("OpenAIAPIKey", "sk-svcacct-" + chars(40) + "T3Blbk" + "FJ" + chars(30)),
        ("AnthropicAPIKey", "sk-ant-" + "api03-" + chars(93)), ("HuggingFaceToken", "hf_" + "AbCdEfGhJkLmNoPqRsTuVwXyZaBcDeFgHj"),
        ("GroqAPIKey", "gsk_" + chars(52)), ("PerplexityAPIKey", "pplx-" + chars(48)), ("XAIAPIKey", "xai-" + chars(80)),
        ("OpenRouterAPIKey", "sk-or-" + "v1-" + hex(64)), ("ReplicateToken", "r8_" + chars(37)),
        ("GitHubFineGrainedToken", "github_" + "pat_" + chars(22) + "_" + chars(59)), ("GitLabToken", "glpat-" + chars(20)),
        ("DockerToken", "dckr_" + "pat_" + chars(27)), ("SlackToken", "xoxb-" + "172839405162-" + chars(24)),
        ("StripeKey", "sk_" + "live_" + chars(24)), ("StripeKey", "rk_" + "live_" + chars(24)),
        ("SendGridKey", "SG." + chars(22) + "." + chars(43)),
        ("ShopifyToken", "shpat_" + hex(32)), ("DigitalOceanToken", "dop_v1_" + hex(64)), ("HashiCorpVaultToken", "hvs." + chars(24)),
        ("DatabricksToken", "dapi" + hex(32)), ("AtlassianToken", "ATATT3" + chars(60)), ("LinearAPIKey", "lin_api_" + chars(40)),
        ("AgeSecretKey", "AGE-SECRET-KEY-1" + String(chars(58).uppercased())), ("AzureEntraClientSecret", "aB3" + "8Q~" + chars(34)),
        ("AzureAPIKey", chars(52) + "JQQJ99" + chars(26)),
    ]

    @Test(arguments: shapes) func findsEveryFamilyByItsShape(name: String, secret: String) throws {
        let found = try scan("Please rotate \(secret), it leaked.")
        #expect(found.map(\.name) == [name])
        #expect(found.map(\.text) == [secret])
        #expect(found.allSatisfy { $0.confidence >= 0.75 })
    }

    @Test(arguments: shapes) func leavesLongerWordsAlone(name: String, secret: String) throws {
        #expect(try scan("blob Zz9\(secret)").filter { $0.name == name && $0.text == secret }.isEmpty)
    }

    static let azure: [(name: String, text: String, secret: String)] = [
        (
            "AzureStorageAccountKey", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=#;EndpointSuffix=core.windows.net",
            chars(86) + "=="
        ),
        ("AzureDocumentDBAuthKey", "AccountEndpoint=https://a.documents.azure.com:443/;AccountKey=#;", chars(86) + "=="),
        ("AzureServiceBusString", "Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=#", chars(43) + "="),
        ("AzureIoTConnectionString", "HostName=a.azure-devices.net;DeviceId=d;SharedAccessKey=#", chars(43) + "="),
        ("AzureSAS", "https://a.blob.core.windows.net/c/b?sv=2022-11-02&se=2026-01-01T00%3A00Z&sr=b&sp=r&sig=#", chars(43) + "%3D"),
        ("AzureAPIKey", "AZURE_OPENAI_API_KEY=#", hex(32)),
        (
            "AzureIAASDatabaseConnectionAndSQLString", "Server=tcp:a.database.windows.net,1433;User ID=u;Password=#;Encrypt=True",
            "p4ssW0rd!x"
        ),
        ("SQLServerConnectionString", "Data Source=db1;Initial Catalog=c;User Id=sa;Password=#;", "p4ssW0rd!x"),
        ("AzureRedisCacheString", "a.redis.cache.windows.net:6380,password=#,ssl=True", chars(43) + "="),
    ]

    @Test(arguments: azure) func namesConnectionStringsByTheirService(name: String, text: String, secret: String) throws {
        let found = try scan(text.split(separator: "#", omittingEmptySubsequences: false).joined(separator: secret))
        #expect(found.map(\.name) == [name])
        #expect(found.map(\.text) == [secret])
    }

    @Test func doubtsAccessKeysOutsideTheIssuersAlphabet() throws {
        #expect(try scan("AKIA" + "Q3EGRIZTUV5LM2YA").map(\.confidence) == [0.85])
        #expect(try scan("AKIA" + "Q3EGRIZTUV5LM0YA").map(\.confidence) == [0.75])
    }

    @Test func checksTheChecksumOfItsOwnKeys() throws {
        // Made by the product's generator; the second has one character changed.
        let body = "spk_" + "a1B2c3D4_" + Self.chars(43)
        let key = body + Base62CRC.digits(of: body)
        #expect(try scan("key: \(key)").map(\.name) == ["SallyportAPIKey"])
        #expect(try scan("key: \(key)").map(\.confidence) == [1])
        #expect(try scan("see \(body)000000 there").filter { $0.name == "SallyportAPIKey" }.isEmpty)
    }

    @Test func checksTheChecksumOfGitHubTokens() throws {
        // GitHub's own published sample of the format is revoked; this one is computed.
        let random = Self.chars(30)
        #expect(try scan("ghp_" + random + Base62CRC.digits(of: random)).map(\.confidence) == [0.95])
        #expect(try scan("ghp_" + random + "000000").map(\.confidence) == [0.65])
    }

    @Test func readsTheHeaderOfAWebToken() throws {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
        #expect(try scan("Cookie: \(token);").map(\.text) == [token])
        // {"typ":"none at all"} has no algorithm.
        #expect(try scan("eyJ0eXAiOiJub25lIGF0IGFsbCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U").isEmpty)
    }

    @Test func takesAPrivateKeyUpToItsEnd() throws {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow" + Self.chars(90) + "\n" + Self.chars(64) + "\n-----END RSA PRIVATE KEY-----"
        #expect(try scan("before\n\(key)\nafter").map(\.text) == [key])
        #expect(try scan("{\"k\":\"\(key.split(separator: "\n").joined(separator: "\\n"))\"}").map(\.name) == ["PrivateKey"])
    }

    @Test func takesACutOffPrivateKeyToTheEndOfTheText() throws {
        let cut = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUA\nAAAEbm9uZQ"
        #expect(try scan("x " + cut).map(\.text) == [cut])
    }

    @Test func ignoresPublicKeysAndTalkOfKeys() throws {
        #expect(try scan("-----BEGIN PUBLIC KEY-----\n" + Self.chars(64) + "\n-----END PUBLIC KEY-----").isEmpty)
        #expect(try scan("It starts with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.").isEmpty)
    }

    @Test func takesThePasswordOutOfAnAddress() throws {
        let found = try scan("postgres://app:k3Jx9-qQ@db.internal:5432/main")
        #expect(found.map(\.name) == ["URLCredentials"])
        #expect(found.map(\.text) == ["k3Jx9-qQ"])
        #expect(try scan("https://example.org:8080/a@b and postgres://user:password@host/db").isEmpty)
    }

    static let assignments: [(text: String, name: String, secret: String)] = [
        ("password = \"hunter2!x\"", "Password", "hunter2!x"), ("My password is Tr0ub4dor and", "Password", "Tr0ub4dor"),
        ("machine h login u password s3cretpw", "Password", "s3cretpw"),
        ("\"client_secret\": \"" + chars(32) + "\"", "GenericSecret", chars(32)),
        ("aws_secret_access_key = " + chars(40), "AWSSecretAccessKey", chars(40)),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDE=", "BasicCredentials", "dXNlcjpwYXNzd29yZDE="),
        ("curl -H 'Authorization: Bearer " + chars(32) + "'", "BearerToken", chars(32)),
    ]

    @Test(arguments: assignments) func findsWhatAWordMakesASecret(text: String, name: String, secret: String) throws {
        let found = try scan(text)
        #expect(found.map(\.name) == [name])
        #expect(found.map(\.text) == [secret])
    }

    static let harmless = [
        "password: <your password>", "api_key = YOUR_API_KEY", "password=${DB_PASSWORD}", "token = os.environ['TOKEN']", "max_tokens=4096",
        "AKIAIOSFODNN7EXAMPLE", "Forgot your password? It is easy to reset.", "password = getPassword()",
        "the secret to success is hard work",
        "sk-proj-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "tokenizer: sentencepiece-unigram",
        "sha256 9f86d081884c7d659a2feaa0c55ad015",
        "Authorization: Bearer {{token}}", "secret: kubernetes.io/service-account-token", "user.password == other.password",
    ]

    @Test(arguments: harmless) func staysSilentOnPlaceholdersAndProse(text: String) throws {
        #expect(try scan(text).isEmpty)
    }

    @Test func survivesTextsCutAnywhere() throws {
        let text =
            Self.shapes.map(\.secret).joined(separator: " ") + Self.azure.map(\.text).joined(separator: "\n")
            + "-----BEGIN PRIVATE KEY-----\nAB"
        for end in stride(from: 0, through: text.utf8.count, by: 7) {
            let cut = String(decoding: Array(text.utf8)[..<end], as: UTF8.self)
            #expect(try Self.scanner.get().findings(cut).allSatisfy { $0.range.upperBound <= cut.utf8.count && !$0.range.isEmpty })
        }
    }

    @Test func namesOnlyTheFamilyAsEvidence() throws {
        let findings = try Self.scanner.get().findings("glpat-" + Self.chars(20))
        #expect(findings.map(\.evidence) == ["GitLabToken"])
        #expect(findings.map(\.category) == [Finding.Category(.secret, "GitLabToken")])
    }
}

/// The detector with its patterns compiled.
struct SecretScanner: Sendable {
    private let detector = SecretsDetector()
    private let database: any PatternDatabase

    init() throws { database = try HyperscanCompiler().compile(detector.patterns) }

    func findings(_ text: String) throws -> [Finding] {
        let passage = Passage(text, origin: .user)
        var hits: [PatternHit] = []
        try passage.withBytes { bytes in
            try database.scan(bytes) {
                hits.append($0)
                return true
            }
        }
        return try detector.findings(in: passage, hits: hits)
    }

    func scan(_ text: String) throws -> [(name: String, text: String, confidence: Double)] {
        try findings(text).map { ($0.category.name, String(decoding: Array(text.utf8)[$0.range], as: UTF8.self), $0.confidence) }
    }
}

/// The checksum of our keys and GitHub's, written a second time from its definition.
private enum Base62CRC {
    static func digits(of text: String) -> String {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in text.utf8 {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (0xEDB8_8320 & (0 &- (crc & 1))) }
        }
        var rest = Int(crc ^ 0xFFFF_FFFF)
        let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        var result = ""
        for _ in 0..<6 {
            result = String(alphabet[rest % 62]) + result
            rest /= 62
        }
        return result
    }
}
