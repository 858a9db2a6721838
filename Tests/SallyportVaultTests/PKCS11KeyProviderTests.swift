import Foundation
import NIOConcurrencyHelpers
import SallyportCore
import SallyportVault
import Testing

/// Against SoftHSM 2: a real module with a token in a folder of its own.
@Suite(.serialized, .enabled(if: SoftToken.isInstalled, "softhsm2 is not installed"))
struct PKCS11KeyProviderTests {
    private let key = (0..<32).map { UInt8($0) }

    @Test func wrapsInTheModuleAndMakesVersions() throws {
        let token = try SoftToken()
        let provider = try token.provider()
        let first = try provider.wrap(key, binding: ["a": "b"])
        #expect(first.version == "1")
        #expect(first.bytes.count == 12 + 32 + 16)
        #expect(try provider.unwrap(first, binding: ["a": "b"]) == key)
        #expect(try provider.makeVersion() == "2")
        let second = try provider.wrap(key, binding: ["a": "b"])
        #expect(second.version == "2")
        for wrapped in [first, second] {
            #expect(try token.provider().unwrap(wrapped, binding: ["a": "b"]) == key)
        }
    }

    @Test func opensNothingElsewhereOrChanged() throws {
        let provider = try SoftToken().provider()
        var wrapped = try provider.wrap(key, binding: ["a": "b"])
        #expect(throws: SealError.self) { try provider.unwrap(wrapped, binding: ["a": "c"]) }
        wrapped.bytes[20] ^= 1
        let error = #expect(throws: SealError.self) {
            try provider.unwrap(wrapped, binding: ["a": "b"])
        }
        guard case .damaged = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }

    @Test func aKeyThatIsNotThereIsRevokedAndAWrongPINRefused() throws {
        let token = try SoftToken()
        let provider = try token.provider()
        var wrapped = try provider.wrap(key, binding: [:])
        wrapped.version = "7"
        let error = #expect(throws: SealError.self) { try provider.unwrap(wrapped, binding: [:]) }
        guard case .revoked = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(throws: SealError.self) { try token.provider(label: "elsewhere").newestVersion() }
    }

    @Test func aVaultLivesOnAToken() throws {
        let token = try SoftToken()
        let place = Place()
        let context = SealContext(tenant: .default, place: "p", row: ["1"])
        let sealed = try place.vault(try token.provider()).seal(key, for: context)
        let vault = try place.vault(try token.provider())
        #expect(try vault.open(sealed, for: context) == key)
        _ = try vault.provider.makeVersion()
        #expect(try vault.rewrap().changed == 1)
        #expect(try place.vault(try token.provider()).open(sealed, for: context) == key)
        #expect(vault.confirm() == nil)
    }
}

/// Tokens of SoftHSM. The module reads its configuration and its slots once for the process: all are made before it is loaded.
final class SoftToken {
    static let module = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"].first {
        FileManager.default.fileExists(atPath: $0)
    }
    static var isInstalled: Bool { module != nil && FileManager.default.fileExists(atPath: "/usr/bin/softhsm2-util") }
    private static let left = NIOLockedValueBox<[String]?>(nil)

    private let label: String

    init() throws {
        label = try Self.left.withLockedValue { left in
            var labels = try left ?? Self.makeTokens(4)
            guard let label = labels.popLast() else { throw SealError.unavailable("no token is left") }
            left = labels
            return label
        }
    }

    private static func makeTokens(_ count: Int) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("softhsm-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder + "/tokens", withIntermediateDirectories: true)
        let configuration = folder + "/softhsm2.conf"
        try Data("directories.tokendir = \(folder)/tokens\nobjectstore.backend = file\nlog.level = ERROR\n".utf8)
            .write(to: URL(fileURLWithPath: configuration))
        setenv("SOFTHSM2_CONF", configuration, 1)
        return try (0..<count).map { number in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/softhsm2-util")
            process.arguments = ["--init-token", "--free", "--label", "t-\(number)", "--so-pin", "12345678", "--pin", "1234"]
            process.environment = ProcessInfo.processInfo.environment.merging(["SOFTHSM2_CONF": configuration]) { $1 }
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
            return "t-\(number)"
        }
    }

    func provider(label: String? = nil) throws -> PKCS11KeyProvider {
        try PKCS11KeyProvider(module: Self.module ?? "", token: label ?? self.label, pin: Redacted("1234"), key: "kek")
    }
}
