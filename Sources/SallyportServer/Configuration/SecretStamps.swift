import SallyportCore

/// Tells whether secrets that a configuration refers to have changed since they were read.
package struct SecretStamps: Sendable, Hashable {
    /// Of each file, as it was before it was read.
    private var files: [String: String] = [:]
    /// The vault's revision; nil where no secret comes from it, or it is not known.
    private var vault: Int64?

    package init() {}

    /// To be called before the file is read: what changes meanwhile is a change. The first look at a file counts.
    mutating func noteFile(_ name: String) {
        if files[name] == nil { files[name] = Self.stamp(name) }
    }

    /// To be called with the revision from before the secrets were read.
    mutating func noteVault(_ revision: Int64) { vault = vault ?? revision }

    /// How things are now.
    /// - Parameter revision: the vault's; asked for only where secrets come from it. What cannot be told is no change.
    func now(_ references: some Sequence<SecretReference>, revision: () -> Int64?) -> SecretStamps {
        var now = SecretStamps()
        var usesVault = false
        for reference in Set(references) {
            switch reference {
            case .file(let name): now.files[name] = Self.stamp(name)
            case .vault: usesVault = true
            }
        }
        if usesVault { now.vault = revision() ?? vault }
        return now
    }

    private static func stamp(_ name: String) -> String { FileStamp.of(name) ?? "missing" }
}
