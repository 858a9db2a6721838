/// An API key as it is stored: everything but the secret.
package struct KeyRecord: Sendable, Hashable, Codable {
    package var id: KeyID
    package var tenant: TenantID
    package var project: ProjectID
    package var principal: PrincipalID
    package var name: String
    package var team: String?
    package var roles: Set<Role>
    package var deployments: Set<DeploymentID>?
    package var grantedPolicies: Set<PolicyID>
    package var limits: LimitSet
    /// Names of operations that it may call; nil: all that its roles give.
    package var operations: Set<String>?
    /// Labels of deployments that it may use; nil: every one.
    package var labels: Set<String>?
    /// Networks that it may be used from, in CIDR notation; nil: everywhere.
    package var addresses: [String]?
    /// Nobody was given it: whoever uses it has found it where he should not look.
    package var isHoney: Bool
    /// SHA-256 of the whole secret (256 random bits, so a plain hash cannot be guessed back).
    package var secretHash: [UInt8]
    /// Seconds since 1970.
    package var createdAt: Int64
    package var expiresAt: Int64?
    package var revokedAt: Int64?
    package init(
        id: KeyID, tenant: TenantID = .default, project: ProjectID = .default, principal: PrincipalID, name: String,
        team: String? = nil, roles: Set<Role> = [.modelUser], deployments: Set<DeploymentID>? = nil,
        grantedPolicies: Set<PolicyID> = [], limits: LimitSet = LimitSet(), operations: Set<String>? = nil, labels: Set<String>? = nil,
        addresses: [String]? = nil, isHoney: Bool = false, secretHash: [UInt8], createdAt: Int64, expiresAt: Int64? = nil,
        revokedAt: Int64? = nil
    ) {
        self.operations = operations
        self.labels = labels
        self.addresses = addresses
        self.isHoney = isHoney
        self.id = id
        self.tenant = tenant
        self.project = project
        self.principal = principal
        self.name = name
        self.team = team
        self.roles = roles
        self.deployments = deployments
        self.grantedPolicies = grantedPolicies
        self.limits = limits
        self.secretHash = secretHash
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
    }
}

/// Keys at rest. Every method blocks: call it on a thread pool.
package protocol KeyStore: Sendable {
    func keys(of tenant: TenantID) throws -> [KeyRecord]
    func allKeys() throws -> [KeyRecord]
    /// - Throws: ``Fault`` `.conflict` when the id exists.
    func insert(_ key: KeyRecord) throws
    /// The same, but only while the key's principal has room, whoever else inserts at this moment.
    /// - Returns: false when it has not.
    func insert(_ key: KeyRecord, within room: KeyRoom) throws -> Bool
    /// - Returns: false when there is no such key.
    func revoke(_ id: KeyID, tenant: TenantID, at now: Int64) throws -> Bool
    /// A number that grows with every change, so that another process's change is noticed. Uses are no change.
    func revision() throws -> Int64
    /// Remembers when keys were last used. An earlier moment changes nothing.
    func noteUses(_ uses: [KeyUse]) throws
    func uses(of tenant: TenantID) throws -> [KeyUse]
}

/// How many keys of one principal may work at a time.
package struct KeyRoom: Sendable, Hashable {
    package var most: Int
    /// A key that counts no more: the new one takes its place at once.
    package var replaced: KeyID?
    /// Seconds since 1970.
    package var now: Int64
    package init(most: Int, replaced: KeyID? = nil, now: Int64) {
        self.most = most
        self.replaced = replaced
        self.now = now
    }
}

/// When a key was last accepted, to the minute.
package struct KeyUse: Sendable, Hashable {
    package var tenant: TenantID
    package var key: KeyID
    /// Seconds since 1970.
    package var at: Int64
    package init(tenant: TenantID = .default, key: KeyID, at: Int64) {
        self.tenant = tenant
        self.key = key
        self.at = at
    }
}

/// A blocklist (Content Safety `TextBlocklist`).
package struct Blocklist: Sendable, Hashable, Codable {
    package var name: String
    package var description: String?
    package init(name: String, description: String? = nil) {
        self.name = name
        self.description = description
    }
}

/// An item of a blocklist (Content Safety `TextBlocklistItem`).
package struct BlocklistItem: Sendable, Hashable, Codable {
    package var id: String
    package var text: String
    package var description: String?
    package var isRegex: Bool
    package init(id: String, text: String, description: String? = nil, isRegex: Bool = false) {
        self.id = id
        self.text = text
        self.description = description
        self.isRegex = isRegex
    }
}

/// Blocklists at rest. Every method blocks. Names are unique within a tenant.
package protocol BlocklistStore: Sendable {
    func blocklists(of tenant: TenantID) throws -> [Blocklist]
    func blocklist(_ name: String, of tenant: TenantID) throws -> Blocklist?
    /// - Returns: true when the list is new.
    func upsert(_ list: Blocklist, of tenant: TenantID) throws -> Bool
    /// - Returns: false when there is no such list.
    func deleteBlocklist(_ name: String, of tenant: TenantID) throws -> Bool
    func items(of list: String, tenant: TenantID) throws -> [BlocklistItem]
    /// All or nothing. - Throws: ``Fault`` `.notFound` without the list, `.quotaExceeded` above 10,000 items per tenant.
    func add(_ items: [BlocklistItem], to list: String, tenant: TenantID) throws
    /// - Throws: ``Fault`` `.notFound` when the list or one of the ids does not exist.
    func removeItems(_ ids: [String], from list: String, tenant: TenantID) throws
    func revision() throws -> Int64
}

/// A guard policy document as stored: each change is a new version.
package struct StoredPolicy: Sendable, Hashable {
    package var name: PolicyID
    package var version: Int
    /// The document, in Azure's `raiPolicies` shape with our extensions, as JSON bytes.
    package var document: [UInt8]
    package var createdAt: Int64
    package init(name: PolicyID, version: Int, document: [UInt8], createdAt: Int64) {
        self.name = name
        self.version = version
        self.document = document
        self.createdAt = createdAt
    }
}

/// Policies at rest. Every method blocks.
package protocol PolicyStore: Sendable {
    /// The newest version of each policy.
    func policies(of tenant: TenantID) throws -> [StoredPolicy]
    /// - Parameter known: the version that it takes the place of, 0 where there is to be none; nil: whichever is in force.
    /// - Returns: the version that was given to it; nil: another one is in force, and nothing was changed.
    func put(_ name: PolicyID, document: [UInt8], of tenant: TenantID, at now: Int64, replacing known: Int?) throws -> Int?
    func delete(_ name: PolicyID, of tenant: TenantID) throws -> Bool
    /// Every version that is or was in force, the newest first; also of a policy that was deleted.
    func versions(of name: PolicyID, tenant: TenantID) throws -> [(version: Int, createdAt: Int64)]
    /// A version that is or was in force.
    func policy(_ name: PolicyID, version: Int, of tenant: TenantID) throws -> StoredPolicy?
    func revision() throws -> Int64
}

extension PolicyStore {
    /// Whichever version is in force.
    /// - Returns: the version that was given to it.
    package func put(_ name: PolicyID, document: [UInt8], of tenant: TenantID, at now: Int64) throws -> Int {
        guard let version = try put(name, document: document, of: tenant, at: now, replacing: nil) else {
            throw Fault(.internal, "The policy was not taken.")
        }
        return version
    }
}

/// The kinds of things that an upstream hands ids out for.
package enum OwnedResource: String, Sendable, CaseIterable, Codable {
    case file, batch, response, vectorStore, fineTuningJob, upload, container, fileBatch, conversation, storedCompletion, model
}

/// Who made which upstream resource, and where it lives.
package struct Ownership: Sendable, Hashable {
    package var tenant: TenantID
    package var project: ProjectID
    package var principal: PrincipalID
    package var kind: OwnedResource
    package var id: String
    package var upstream: UpstreamID
    package var deployment: DeploymentID?
    package var createdAt: Int64
    package init(
        tenant: TenantID, project: ProjectID, principal: PrincipalID, kind: OwnedResource, id: String, upstream: UpstreamID,
        deployment: DeploymentID?, createdAt: Int64
    ) {
        self.tenant = tenant
        self.project = project
        self.principal = principal
        self.kind = kind
        self.id = id
        self.upstream = upstream
        self.deployment = deployment
        self.createdAt = createdAt
    }
}

/// The ownership ledger at rest. Every method blocks.
package protocol OwnershipStore: Sendable {
    /// Durable when it returns. Recording the same id again for the same project changes nothing; for another it is `.conflict`.
    func record(_ ownership: Ownership) throws
    func ownership(of id: String, tenant: TenantID) throws -> Ownership?
    func ownerships(of kind: OwnedResource, tenant: TenantID, project: ProjectID) throws -> [Ownership]
    func remove(_ id: String, tenant: TenantID) throws
}

/// Long-window usage at rest (days and months; minutes are kept in memory).
package protocol UsageStore: Sendable {
    /// Adds to a counter; `window` is `2026-11-24` or `2026-11`.
    func add(tokens: Int, costMicros: Int64, scope: String, window: String) throws
    func usage(scope: String, window: String) throws -> (tokens: Int, costMicros: Int64)
    func all(window: String) throws -> [(scope: String, tokens: Int, costMicros: Int64)]
}

/// Per-subject secrets, so that what is derived from them (commitments, pseudonyms) dies with the key.
package protocol SubjectKeyStore: Sendable {
    /// 32 random bytes, made on first use.
    func key(forSubject subject: String, tenant: TenantID) throws -> [UInt8]
    func destroyKey(ofSubject subject: String, tenant: TenantID) throws -> Bool
}
