import SallyportCore

/// A tenant's key as a provider wrapped it.
package struct WrappedKey: Sendable, Hashable {
    /// The wrapping key's name at the provider, and its version.
    package var key: String
    package var version: String
    package var bytes: [UInt8]
    package init(key: String, version: String, bytes: [UInt8]) {
        self.key = key
        self.version = version
        self.bytes = bytes
    }
}

/// Holds the key-encryption key: a file, a hardware module, a key service. Wraps few keys, seldom. Every method blocks.
package protocol KeyProvider: Sendable {
    /// As it stands in records and in the configuration.
    var name: String { get }
    /// Whether what it wraps is safe from who reads the whole data directory.
    var isApart: Bool { get }
    /// Under the newest version. `binding` is authenticated where the provider can; it is not secret.
    /// - Throws: ``SealError`` `.revoked` or `.unavailable`.
    func wrap(_ key: [UInt8], binding: [String: String]) throws -> WrappedKey
    /// - Throws: ``SealError`` `.revoked`, `.unavailable` or `.damaged`.
    func unwrap(_ wrapped: WrappedKey, binding: [String: String]) throws -> [UInt8]
    /// The version that wraps now.
    func newestVersion() throws -> String
    /// Makes a new version that wraps from now on; the older ones still unwrap.
    /// - Returns: its name. - Throws: ``SealError``; `.unavailable` when the provider makes versions elsewhere.
    func makeVersion() throws -> String
}
