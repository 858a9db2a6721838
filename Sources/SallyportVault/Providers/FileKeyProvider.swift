import Crypto
import CryptoExtras
import Foundation
import NIOConcurrencyHelpers
import SallyportCore

/// Key-encryption keys in files, one a version: `kek-1.key`, `kek-2.key`, readable by their owner only, made when there is none. With a
/// passphrase the files hold the keys encrypted under what scrypt makes of it.
package final class FileKeyProvider: KeyProvider {
    /// Work of scrypt: about 100 ms and 32 MiB.
    private static let rounds = 1 << 15
    private static let blockSize = 8
    private static let minimumPassphrase = 12

    package let name = "file"
    package var isApart: Bool { isElsewhere || passphrase != nil }
    private let directory: String
    private let passphrase: Redacted<String>?
    private let isElsewhere: Bool
    private let memory: LockedMemory
    private let keys = NIOLockedValueBox<[Int: LockedKey]>([:])

    /// - Parameters:
    ///   - directory: where the files lie; made (0700) with the first key.
    ///   - isElsewhere: it is not in the data directory.
    package init(directory: String, passphrase: Redacted<String>? = nil, isElsewhere: Bool = false, memory: LockedMemory) {
        self.directory = directory
        self.passphrase = passphrase
        self.isElsewhere = isElsewhere
        self.memory = memory
    }

    package func wrap(_ key: [UInt8], binding: [String: String]) throws -> WrappedKey {
        let version = try versions().last ?? create(1)
        let box = try AES.GCM.seal(key, using: try self.key(version).symmetric, authenticating: Self.associated(binding, version))
        guard let bytes = box.combined else { throw SealError.damaged("the key could not be wrapped") }
        return WrappedKey(key: "kek", version: "\(version)", bytes: Array(bytes))
    }

    package func unwrap(_ wrapped: WrappedKey, binding: [String: String]) throws -> [UInt8] {
        guard let version = Int(wrapped.version) else { throw SealError.damaged("'\(wrapped.version)' is no version of a key file") }
        // Asked for anew each time: a file that was taken away is a key that was revoked.
        guard FileManager.default.fileExists(atPath: path(version)) else {
            keys.withLockedValue { $0[version] = nil }
            throw SealError.revoked("\(path(version)) is gone")
        }
        let key = try self.key(version)
        do {
            let box = try AES.GCM.SealedBox(combined: wrapped.bytes)
            return Array(try AES.GCM.open(box, using: key.symmetric, authenticating: Self.associated(binding, version)))
        } catch { throw SealError.damaged("a key was not wrapped by \(path(version)), or was changed") }
    }

    package func newestVersion() throws -> String { "\(try versions().last ?? create(1))" }

    package func makeVersion() throws -> String { "\(try create((versions().last ?? 0) + 1))" }

    // MARK: Files

    private func path(_ version: Int) -> String { "\(directory)/kek-\(version).key" }

    private func versions() throws -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.compactMap { name in name.hasPrefix("kek-") && name.hasSuffix(".key") ? Int(name.dropFirst(4).dropLast(4)) : nil }
            .sorted()
    }

    /// - Returns: the version, also when another process was first.
    private func create(_ version: Int) throws -> Int {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch { throw SealError.unavailable("\(directory) cannot be made") }
        let fresh = LockedKey(random: memory)
        var raw = fresh.copy()
        defer { clear(&raw) }
        let line = try Array((encode(raw, version) + "\n").utf8)
        // Whole or not there at all, whoever is killed meanwhile; of its own, since one process may have several of these.
        let temporary = "\(directory)/.kek-\(version).\(UUID().uuidString).new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw SealError.unavailable("\(temporary) cannot be written") }
        let isWritten = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == line.count && fsync(file) == 0
        close(file)
        defer { unlink(temporary) }
        guard isWritten else { throw SealError.unavailable("\(temporary) cannot be written") }
        if link(temporary, path(version)) == 0 {
            let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            if folder >= 0 {
                fsync(folder)
                close(folder)
            }
            keys.withLockedValue { $0[version] = fresh }
        } else if errno != EEXIST {
            throw SealError.unavailable("\(path(version)) cannot be made")
        }
        return version
    }

    private func key(_ version: Int) throws -> LockedKey {
        if let known = keys.withLockedValue({ $0[version] }) { return known }
        let path = path(version)
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw errno == ENOENT ? SealError.revoked("\(path) is gone") : SealError.unavailable("\(path) cannot be read")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw SealError.unavailable("others may read \(path): run chmod 600 on it, and rotate the key")
        }
        guard let content = FileManager.default.contents(atPath: path), content.count < 4096,
            var raw = try decode(String(decoding: content, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines), version)
        else { throw SealError.damaged("\(path) is not a key file") }
        defer { clear(&raw) }
        guard let key = LockedKey(raw, memory) else { throw SealError.damaged("\(path) is not a key file") }
        keys.withLockedValue { $0[version] = key }
        return key
    }

    // MARK: Their text

    private func encode(_ key: [UInt8], _ version: Int) throws -> String {
        guard let passphrase else { return "sallyport-kek:1:plain:\(Base64.encode(key, alphabet: .urlSafe))" }
        guard passphrase.reveal().count >= Self.minimumPassphrase else {
            throw SealError.unavailable("the vault's passphrase is shorter than \(Self.minimumPassphrase) characters")
        }
        let salt = SymmetricKey(size: .bits128).withUnsafeBytes { Array($0) }
        let box = try AES.GCM.seal(
            key, using: try derive(passphrase, salt, Self.rounds), authenticating: Array("sallyport-kek:1:\(version)".utf8))
        guard let bytes = box.combined else { throw SealError.damaged("the key could not be wrapped") }
        return
            "sallyport-kek:1:scrypt:\(Self.rounds):\(Base64.encode(salt, alphabet: .urlSafe)):\(Base64.encode(Array(bytes), alphabet: .urlSafe))"
    }

    /// - Returns: nil for what is no key file.
    private func decode(_ text: String, _ version: Int) throws -> [UInt8]? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 4, parts[0] == "sallyport-kek", parts[1] == "1" else { return nil }
        if parts[2] == "plain", parts.count == 4 { return Base64.decode(parts[3], alphabet: .urlSafe) }
        guard parts[2] == "scrypt", parts.count == 6, let rounds = Int(parts[3]), (1 << 14...1 << 20).contains(rounds),
            rounds & (rounds - 1) == 0, let salt = Base64.decode(parts[4], alphabet: .urlSafe),
            let bytes = Base64.decode(parts[5], alphabet: .urlSafe)
        else { return nil }
        guard let passphrase else { throw SealError.unavailable("\(path(version)) needs the vault's passphrase") }
        do {
            return Array(
                try AES.GCM.open(
                    try AES.GCM.SealedBox(combined: bytes), using: try derive(passphrase, salt, rounds),
                    authenticating: Array("sallyport-kek:1:\(version)".utf8)))
        } catch let error as SealError { throw error } catch {
            throw SealError.unavailable("the passphrase does not open \(path(version))")
        }
    }

    private func derive(_ passphrase: Redacted<String>, _ salt: [UInt8], _ rounds: Int) throws -> SymmetricKey {
        try KDF.Scrypt.deriveKey(
            from: Array(passphrase.reveal().utf8), salt: salt, outputByteCount: 32, rounds: rounds, blockSize: Self.blockSize,
            parallelism: 1)
    }

    private static func associated(_ binding: [String: String], _ version: Int) -> [UInt8] {
        Array("sallyport/1/kek/\(version)".utf8) + Binding.bytes(binding)
    }
}
