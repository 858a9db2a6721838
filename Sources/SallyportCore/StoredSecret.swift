/// A secret that the vault keeps for the configuration (`vault:NAME`): an upstream's key, for example.
package struct StoredSecret: Sendable, Hashable {
    package var name: String
    package var value: Redacted<String>
    /// What belongs to it and is no secret: which of a provider's two keys it is.
    package var note: String
    /// Seconds since 1970.
    package var changedAt: Int64
    package init(name: String, value: Redacted<String>, note: String = "", changedAt: Int64) {
        self.name = name
        self.value = value
        self.note = note
        self.changedAt = changedAt
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// Secrets at rest, sealed. Every method blocks.
package protocol SecretStore: Sendable {
    func secret(_ name: String, of tenant: TenantID) throws -> StoredSecret?
    /// Names, notes and moments; no value is opened.
    func list(of tenant: TenantID) throws -> [(name: String, note: String, changedAt: Int64)]
    func put(_ secret: StoredSecret, of tenant: TenantID) throws
    /// - Returns: false when there is none.
    func remove(_ name: String, of tenant: TenantID) throws -> Bool
    /// Grows with every change.
    func revision() throws -> Int64
}
