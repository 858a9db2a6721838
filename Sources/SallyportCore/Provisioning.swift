/// A person that an identity provider has told us of.
package struct ProvisionedUser: Sendable, Hashable {
    package var tenant: TenantID
    package var id: String
    package var userName: String
    package var externalID: String?
    package var isActive: Bool
    /// The principal that the person is when it signs in.
    package var principal: String
    /// Everything else, as JSON.
    package var attributes: String
    package var version: Int
    /// Seconds since 1970.
    package var createdAt: Int64
    package var modifiedAt: Int64

    package init(
        tenant: TenantID = .default, id: String, userName: String, externalID: String? = nil, isActive: Bool = true, principal: String,
        attributes: String = "{}", version: Int = 1, createdAt: Int64, modifiedAt: Int64
    ) {
        self.tenant = tenant
        self.id = id
        self.userName = userName
        self.externalID = externalID
        self.isActive = isActive
        self.principal = principal
        self.attributes = attributes
        self.version = version
        self.createdAt = createdAt
        self.modifiedAt = modifiedAt
    }
}

/// A group that an identity provider has told us of.
package struct ProvisionedGroup: Sendable, Hashable {
    package var tenant: TenantID
    package var id: String
    package var displayName: String
    package var externalID: String?
    /// The group's id in role assignments.
    package var reference: String
    /// Ids of users and groups.
    package var members: [String]
    package var version: Int
    package var createdAt: Int64
    package var modifiedAt: Int64

    package init(
        tenant: TenantID = .default, id: String, displayName: String, externalID: String? = nil, reference: String, members: [String] = [],
        version: Int = 1, createdAt: Int64, modifiedAt: Int64
    ) {
        self.tenant = tenant
        self.id = id
        self.displayName = displayName
        self.externalID = externalID
        self.reference = reference
        self.members = members
        self.version = version
        self.createdAt = createdAt
        self.modifiedAt = modifiedAt
    }
}

/// Somebody leaves: everything that the principal holds ends, in the same transaction as what says so.
package struct Departure: Sendable, Hashable {
    package var principal: String
    /// Seconds since 1970.
    package var at: Int64
    /// Whether role assignments go too, and not only what is in use.
    package var isFinal: Bool
    package init(principal: String, at: Int64, isFinal: Bool) {
        self.principal = principal
        self.at = at
        self.isFinal = isFinal
    }
}

/// What a departure ended.
package struct DepartureOutcome: Sendable, Hashable {
    package var keys = 0
    package var assignments = 0
    package var sessions = 0
    package var elevations = 0
    package init() {}
}

/// Provisioned people and groups at rest. Every method blocks.
package protocol ProvisioningStore: Sendable {
    func users(of tenant: TenantID) throws -> [ProvisionedUser]
    func user(_ id: String, tenant: TenantID) throws -> ProvisionedUser?
    /// Without regard to case.
    func user(named userName: String, tenant: TenantID) throws -> ProvisionedUser?
    func user(externalID: String, tenant: TenantID) throws -> ProvisionedUser?
    /// - Throws: ``Fault`` `.conflict` when the name or the principal is taken.
    func insert(_ user: ProvisionedUser, departing: Departure?) throws
    /// Replaces a user whose version is still `version`. Who returns gets back what a departure took by disabling the principal.
    /// - Returns: nil when the version has changed, or there is no such user. - Throws: ``Fault`` `.conflict` as above.
    func update(_ user: ProvisionedUser, from version: Int, departing: Departure?, returning: String?) throws -> DepartureOutcome?
    func removeUser(_ id: String, tenant: TenantID, version: Int?, departing: Departure) throws -> DepartureOutcome?
    func groups(of tenant: TenantID) throws -> [ProvisionedGroup]
    func group(_ id: String, tenant: TenantID) throws -> ProvisionedGroup?
    func insert(_ group: ProvisionedGroup) throws
    /// - Returns: false when the version has changed, or there is no such group.
    func update(_ group: ProvisionedGroup, from version: Int) throws -> Bool
    func removeGroup(_ id: String, tenant: TenantID, version: Int?) throws -> Bool
    /// Groups in which an id stands as a member.
    func groups(of member: String, tenant: TenantID) throws -> [ProvisionedGroup]
}

extension ProvisioningStore {
    /// Members of each group as principals, those of groups within it included; by the group's id in role assignments.
    package func members(of tenant: TenantID) throws -> [String: [PrincipalReference]] {
        let users = Dictionary(try users(of: tenant).map { ($0.id, $0) }) { first, _ in first }
        let groups = Dictionary(try groups(of: tenant).map { ($0.id, $0) }) { first, _ in first }
        var result: [String: [PrincipalReference]] = [:]
        for group in groups.values {
            var found: Set<PrincipalReference> = []
            var seen: Set<String> = [group.id]
            var waiting = group.members
            while let member = waiting.popLast() {
                if let user = users[member] {
                    if user.isActive { found.insert(PrincipalReference(.user, user.principal)) }
                } else if let inner = groups[member], seen.insert(inner.id).inserted {
                    waiting += inner.members
                }
            }
            result[group.reference] = found.sorted { $0.id < $1.id }
        }
        return result
    }
}
