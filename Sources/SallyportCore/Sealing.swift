/// Where a sealed value stands. All of it is bound to the ciphertext: moved to another row, column or tenant, it does not open.
package struct SealContext: Sendable, Hashable {
    package let tenant: TenantID
    /// Table and column (`document_chunk.content`), or what stands for them. Each place has a key of its own, derived from the tenant's.
    package let place: String
    /// The row's primary key, without the tenant, always in the same order.
    package let row: [String]
    /// Whose key seals it: destroying the subject's key destroys the value. nil: the tenant's.
    package let subject: String?

    package init(tenant: TenantID, place: String, row: [String], subject: String? = nil) {
        self.tenant = tenant
        self.place = place
        self.row = row
        self.subject = subject
    }

    package static let auditSigningKey = SealContext(tenant: .default, place: "audit.signing-key", row: [])
}

/// Encryption at rest. Synchronous and cheap (microseconds) once a key is in memory; the first use of a key may read a file or ask a key
/// service, so never on an event loop. Safe to call within a database transaction: the keys lie in a database of their own.
package protocol Sealer: Sendable {
    /// - Throws: ``Fault`` whose cause is a ``SealError``.
    func seal(_ plain: [UInt8], for context: SealContext) throws -> [UInt8]
    /// - Throws: ``Fault`` whose cause is a ``SealError``; bytes that are not sealed are ``SealError/damaged``.
    func open(_ sealed: [UInt8], for context: SealContext) throws -> [UInt8]
    /// True for what is sealed under a key that is not the newest, or not sealed at all.
    func isOutdated(_ sealed: [UInt8], for context: SealContext) throws -> Bool
    /// 32 bytes that stand for a value that must be found again without being kept: HMAC-SHA-256 under a key of the tenant and purpose.
    /// Stays the same when keys are rotated.
    func fingerprint(_ value: [UInt8], of tenant: TenantID, purpose: String) throws -> [UInt8]
}

/// Why something could not be sealed or opened.
package enum SealError: Error, Sendable, Hashable {
    /// The key was destroyed: the value is gone for good, as was wanted.
    case destroyed
    /// The key-encryption key was revoked or disabled, or the tenant's key was: nothing is read or written until it is given back.
    case revoked(String)
    /// The key-encryption key cannot be reached now.
    case unavailable(String)
    /// The ciphertext was changed, stands in another place than it was written for, or is none.
    case damaged(String)
    /// There is no vault where one is needed.
    case closed
}

extension Fault {
    package static func sealing(_ error: SealError) -> Fault {
        switch error {
        case .destroyed: Fault(.notFound, "This was erased: its key was destroyed.", cause: error)
        case .revoked:
            Fault(
                .storeUnavailable, "The key that protects the stored data was revoked: nothing is read until it is given back.",
                cause: error)
        case .unavailable:
            Fault(
                .storeUnavailable, "The key that protects the stored data cannot be reached. Try again shortly.", retryAfter: .seconds(5),
                cause: error)
        case .damaged: Fault(.storeUnavailable, "A stored value is damaged: it does not open under its key.", cause: error)
        case .closed: Fault(.storeUnavailable, "The vault is not open.", cause: error)
        }
    }

    /// True when the value's key was destroyed.
    package var isErased: Bool { cause as? SealError == .destroyed }
}

extension Sealer {
    /// For columns of text: `slp1.` and base64.
    package func sealText(_ text: String, for context: SealContext) throws -> String {
        let plain = Array(text.utf8)
        let sealed = try seal(plain, for: context)
        // Where encryption is switched off the text stays as it is; what is sealed is always longer.
        return sealed == plain ? text : SealedText.encode(sealed)
    }

    package func openText(_ sealed: String, for context: SealContext) throws -> String {
        guard let bytes = SealedText.decode(sealed) else { return try Self.utf8(open(Array(sealed.utf8), for: context)) }
        let plain = try open(bytes, for: context)
        // Clear text that only looks like a sealed one, where clear text is let pass.
        return try plain == bytes ? sealed : Self.utf8(plain)
    }

    private static func utf8(_ bytes: [UInt8]) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Fault.sealing(.damaged("it is not UTF-8")) }
        return text
    }
}

/// How sealed bytes stand in a text column.
package enum SealedText {
    package static let prefix = "slp1."

    package static func encode(_ sealed: [UInt8]) -> String { prefix + Base64.encode(sealed, alphabet: .urlSafe) }

    /// - Returns: nil for what is not in this form.
    package static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.starts(with: prefix.utf8) else { return nil }
        return Base64.decode(text.utf8.dropFirst(prefix.utf8.count), alphabet: .urlSafe)
    }
}

/// No vault: seals and opens nothing. Where a store is given no other, stored secrets fail closed.
package struct ClosedSealer: Sealer {
    package init() {}
    package func seal(_ plain: [UInt8], for context: SealContext) throws -> [UInt8] { throw Fault.sealing(.closed) }
    package func open(_ sealed: [UInt8], for context: SealContext) throws -> [UInt8] { throw Fault.sealing(.closed) }
    package func isOutdated(_ sealed: [UInt8], for context: SealContext) throws -> Bool { throw Fault.sealing(.closed) }
    package func fingerprint(_ value: [UInt8], of tenant: TenantID, purpose: String) throws -> [UInt8] { throw Fault.sealing(.closed) }
}

/// Keeps everything as it is. For tests of stores, never for a product's data.
package struct ClearSealer: Sealer {
    package init() {}
    package func seal(_ plain: [UInt8], for context: SealContext) throws -> [UInt8] { plain }
    package func open(_ sealed: [UInt8], for context: SealContext) throws -> [UInt8] { sealed }
    package func isOutdated(_ sealed: [UInt8], for context: SealContext) throws -> Bool { false }
    package func fingerprint(_ value: [UInt8], of tenant: TenantID, purpose: String) throws -> [UInt8] { value }
}

/// A key of the vault as it is stored: wrapped.
package struct VaultKeyRecord: Sendable, Hashable {
    package enum State: String, Sendable, CaseIterable {
        /// Seals.
        case active
        /// Opens what was sealed before; a newer one seals.
        case retired
        /// Neither seals nor opens, until it is given back.
        case revoked
        /// Gone for good: what was sealed under it is erased.
        case destroyed
    }
    package var tenant: TenantID
    /// Empty: the tenant's own key, under which those of its subjects are wrapped.
    package var subject: String
    package var version: Int
    /// Random; stands in every ciphertext together with the version.
    package var id: UInt64
    package var state: State
    /// Which provider, key and version wrapped it; empty for keys of subjects.
    package var provider: String
    package var wrappingKey: String
    package var wrappingVersion: String
    /// Empty when it is destroyed.
    package var wrapped: [UInt8]
    /// Seconds since 1970.
    package var createdAt: Int64

    package init(
        tenant: TenantID, subject: String = "", version: Int, id: UInt64, state: State = .active, provider: String = "",
        wrappingKey: String = "", wrappingVersion: String = "", wrapped: [UInt8], createdAt: Int64
    ) {
        self.tenant = tenant
        self.subject = subject
        self.version = version
        self.id = id
        self.state = state
        self.provider = provider
        self.wrappingKey = wrappingKey
        self.wrappingVersion = wrappingVersion
        self.wrapped = wrapped
        self.createdAt = createdAt
    }
}

/// That a subject was erased: restores of older backups erase it again.
package struct VaultTombstone: Sendable, Hashable, Codable {
    package var tenant: TenantID
    /// A fingerprint of the subject's name, so that the list of the erased names nobody.
    package var subject: [UInt8]
    /// Seconds since 1970.
    package var at: Int64
    package var reason: String
    package init(tenant: TenantID, subject: [UInt8], at: Int64, reason: String) {
        self.tenant = tenant
        self.subject = subject
        self.at = at
        self.reason = reason
    }
}

/// Work on all sealed values that goes on until it is done, whoever is killed meanwhile.
package struct VaultTask: Sendable, Hashable, Codable {
    /// `reseal`: bring every value under the newest key.
    package var kind: String
    package var startedAt: Int64
    package var total: Int
    package var done: Int
    package var finishedAt: Int64?
    package init(kind: String, startedAt: Int64, total: Int = 0, done: Int = 0, finishedAt: Int64? = nil) {
        self.kind = kind
        self.startedAt = startedAt
        self.total = total
        self.done = done
        self.finishedAt = finishedAt
    }
}

/// The vault's keys at rest, wrapped. In a database of its own, or through connections of its own. Every method blocks.
package protocol VaultKeyStore: Sendable {
    /// All versions, the newest last.
    func keys(ofSubject subject: String, tenant: TenantID) throws -> [VaultKeyRecord]
    /// Every version of every tenant's own key.
    func tenantKeys() throws -> [VaultKeyRecord]
    /// Retires the active version and puts this one in its place. Durable when it returns.
    /// - Returns: false when the version exists already: another process was first.
    func insert(_ record: VaultKeyRecord) throws -> Bool
    /// Replaces how a key is wrapped, if it still is as `old` says.
    func rewrap(_ record: VaultKeyRecord, replacing old: [UInt8]) throws -> Bool
    /// Changes the states of a subject's keys in one transaction; nil leaves one as it is.
    /// - Returns: how many were changed.
    func setStates(
        ofSubject subject: String, tenant: TenantID, _ change: @Sendable (VaultKeyRecord, _ newest: Int) -> VaultKeyRecord.State?
    ) throws -> Int
    /// Removes the keys of a subject from the table and from the files, and sets the tombstone.
    /// - Returns: false when there was none.
    func destroy(_ subject: String, tombstone: VaultTombstone) throws -> Bool
    /// Subjects' keys that still are, in an order that can be continued.
    func subjectKeys(of tenant: TenantID, after: (subject: String, version: Int)?, limit: Int) throws -> [VaultKeyRecord]
    func tombstones() throws -> [VaultTombstone]
    /// - Parameter subject: the fingerprint of its name.
    func isErased(_ subject: [UInt8], tenant: TenantID) throws -> Bool
    func add(_ tombstones: [VaultTombstone]) throws
    /// Removes tenants' keys that only ever open and that nothing is sealed under any more.
    func remove(_ record: VaultKeyRecord) throws
    /// Grows with every change.
    func revision() throws -> Int64
    /// Places all of whose values are sealed.
    func sealedPlaces() throws -> Set<String>
    func setSealedPlaces(_ places: Set<String>) throws
    func task(_ kind: String) throws -> VaultTask?
    func put(_ task: VaultTask) throws
}
