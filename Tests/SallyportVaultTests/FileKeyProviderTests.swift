import Foundation
import SallyportCore
import SallyportVault
import Testing

@Suite struct FileKeyProviderTests {
    private let place = Place()
    private let key = (0..<32).map { UInt8($0) }

    @Test func makesAPrivateFileOnce() throws {
        let wrapped = try place.files().wrap(key, binding: ["a": "b"])
        let path = place.path + "/keys/kek-1.key"
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path + "/keys") == ["kek-1.key"])
        #expect(try place.files().unwrap(wrapped, binding: ["a": "b"]) == key)
        #expect(throws: SealError.self) { try place.files().unwrap(wrapped, binding: ["a": "c"]) }
    }

    @Test func aPassphraseIsNeededWhereOneWasSet() throws {
        let wrapped = try place.files(passphrase: "correct horse battery").wrap(key, binding: [:])
        #expect(try place.files(passphrase: "correct horse battery").unwrap(wrapped, binding: [:]) == key)
        for provider in [place.files(passphrase: "wrong horse battery"), place.files()] {
            let error = #expect(throws: SealError.self) { try provider.unwrap(wrapped, binding: [:]) }
            guard case .unavailable = error else { return #expect(Bool(false)) }
        }
        #expect(throws: SealError.self) { try place.files(passphrase: "short").makeVersion() }
    }

    @Test func refusesAFileThatOthersMayRead() throws {
        let wrapped = try place.files().wrap(key, binding: [:])
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: place.path + "/keys/kek-1.key")
        #expect(throws: SealError.self) { try place.files().unwrap(wrapped, binding: [:]) }
    }

    @Test func aFileThatIsGoneIsAKeyThatIsRevoked() throws {
        let provider = place.files()
        let wrapped = try provider.wrap(key, binding: [:])
        try FileManager.default.removeItem(atPath: place.path + "/keys/kek-1.key")
        let error = #expect(throws: SealError.self) { try provider.unwrap(wrapped, binding: [:]) }
        guard case .revoked = error else { return #expect(Bool(false)) }
    }

    @Test(arguments: ["", "nonsense", "sallyport-kek:1:plain:AAAA", "sallyport-kek:2:plain:AAAA", "sallyport-kek:1:scrypt:3:AA:AA"])
    func refusesWhatIsNoKeyFile(_ content: String) throws {
        let wrapped = try place.files().wrap(key, binding: [:])
        try Data(content.utf8).write(to: URL(fileURLWithPath: place.path + "/keys/kek-1.key"))
        #expect(throws: SealError.self) { try place.files().unwrap(wrapped, binding: [:]) }
    }
}
