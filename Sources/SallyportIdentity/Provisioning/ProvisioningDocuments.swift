import SallyportCore

/// What was provisioned, for those who look after it: with the names that access goes by, which SCIM has no place for.
package enum ProvisioningDocuments {
    package struct Summary: Codable, Sendable {
        /// Where the identity provider sends people and groups.
        package let endpoint: String
        /// The issuer whose people they are; nil: none is configured.
        package let issuer: String?
        /// What stands before principals and groups.
        package let namespace: String
        /// What a principal's id is made of: `externalId` or `userName`.
        package let principal: String
        package let users: Int
        package let activeUsers: Int
        package let groups: Int
    }

    package struct User: Codable, Sendable {
        package let id: String
        package let userName: String
        package let displayName: String?
        package let externalId: String?
        package let principal: String
        package let active: Bool
        /// Names of the groups that it is a member of itself.
        package let groups: [String]
        package let createdAt: String
        package let modifiedAt: String
    }

    package struct Group: Codable, Sendable {
        package let id: String
        package let displayName: String
        package let externalId: String?
        /// As role assignments name it.
        package let reference: String
        package let members: Int
        package let createdAt: String
        package let modifiedAt: String
    }

    package struct Member: Codable, Sendable {
        package let id: String
        /// `user`, `group`, `gone`.
        package let kind: String
        package let name: String?
        package let principal: String?
        package let active: Bool?
    }

    package struct GroupMembers: Codable, Sendable {
        package let group: Group
        package let members: [Member]
    }

    /// A part of a list.
    package struct Part<Row: Codable & Sendable>: Codable, Sendable {
        package let total: Int
        package let value: [Row]
    }
}

extension SCIMService {
    package func summary(endpoint: String) throws -> ProvisioningDocuments.Summary {
        let users = try store.users(of: tenant)
        return ProvisioningDocuments.Summary(
            endpoint: endpoint, issuer: settings.issuer, namespace: settings.namespace,
            principal: settings.usesUserName ? "userName" : "externalId", users: users.count, activeUsers: users.count(where: \.isActive),
            groups: try store.groups(of: tenant).count)
    }

    /// Sorted by name.
    /// - Parameters:
    ///   - text: part of a name, an id or a principal; letter case does not count.
    ///   - skip: so many are left out from the beginning.
    package func users(containing text: String?, skip: Int, top: Int) throws -> ProvisioningDocuments.Part<ProvisioningDocuments.User> {
        let wanted = text?.lowercased()
        let found = try store.users(of: tenant).filter { user in
            guard let wanted else { return true }
            return [user.userName, user.externalID ?? "", user.principal, Self.displayName(of: user) ?? ""].contains {
                $0.lowercased().contains(wanted)
            }
        }.sorted { $0.userName < $1.userName }
        let memberships = try groupsByMember()
        return ProvisioningDocuments.Part(
            total: found.count,
            value: found.dropFirst(skip).prefix(top).map { user in
                ProvisioningDocuments.User(
                    id: user.id, userName: user.userName, displayName: Self.displayName(of: user), externalId: user.externalID,
                    principal: user.principal, active: user.isActive, groups: (memberships[user.id] ?? []).map(\.displayName).sorted(),
                    createdAt: Moments.date(user.createdAt), modifiedAt: Moments.date(user.modifiedAt))
            })
    }

    package func groups(containing text: String?, skip: Int, top: Int) throws -> ProvisioningDocuments.Part<ProvisioningDocuments.Group> {
        let wanted = text?.lowercased()
        let found = try store.groups(of: tenant).filter { group in
            guard let wanted else { return true }
            return [group.displayName, group.externalID ?? "", group.reference].contains { $0.lowercased().contains(wanted) }
        }.sorted { $0.displayName < $1.displayName }
        return ProvisioningDocuments.Part(total: found.count, value: found.dropFirst(skip).prefix(top).map(Self.shown))
    }

    /// A group with who is in it; those who are gone are told as such.
    /// - Throws: ``Fault`` `.notFound`.
    package func members(ofGroup id: String) throws -> ProvisioningDocuments.GroupMembers {
        guard let group = try store.group(id, tenant: tenant) else { throw Fault(.notFound, "There is no such group.") }
        return ProvisioningDocuments.GroupMembers(
            group: Self.shown(group),
            members: try group.members.map { id in
                if let user = try store.user(id, tenant: tenant) {
                    return .init(id: id, kind: "user", name: user.userName, principal: user.principal, active: user.isActive)
                }
                let inner = try store.group(id, tenant: tenant)
                return .init(
                    id: id, kind: inner == nil ? "gone" : "group", name: inner?.displayName,
                    principal: inner.map { "group:\($0.reference)" },
                    active: nil)
            })
    }

    private static func shown(_ group: ProvisionedGroup) -> ProvisioningDocuments.Group {
        ProvisioningDocuments.Group(
            id: group.id, displayName: group.displayName, externalId: group.externalID, reference: "group:\(group.reference)",
            members: group.members.count, createdAt: Moments.date(group.createdAt), modifiedAt: Moments.date(group.modifiedAt))
    }

    private static func displayName(of user: ProvisionedUser) -> String? {
        (try? SCIMValue.object(parsing: Array(user.attributes.utf8)))?[folded: "displayName"]?.text
    }
}
