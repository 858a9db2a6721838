import SallyportCore

/// A key as it is written in JSON.
package struct KeyDocument: Codable, Sendable {
    package let id: String
    package let name: String
    /// Only right after it was made.
    package let secret: String?
    package let principal: String
    package let project: String
    package let team: String?
    package let roles: [String]
    package let deployments: [String]?
    package let policies: [String]
    package let createdAt: String
    package let expiresAt: String?
    package let revokedAt: String?
    package let operations: [String]?
    package let labels: [String]?
    package let from: [String]?
    package let honey: Bool
    package let lastUsedAt: String?

    package init(_ key: KeyRecord, secret: String? = nil, lastUsedAt: Int64? = nil) {
        id = key.id.rawValue
        name = key.name
        self.secret = secret
        principal = key.principal.rawValue
        project = key.project.rawValue
        team = key.team
        roles = key.roles.map(\.rawValue).sorted()
        deployments = key.deployments.map { $0.map(\.rawValue).sorted() }
        policies = key.grantedPolicies.map(\.rawValue).sorted()
        createdAt = Moments.date(key.createdAt)
        expiresAt = key.expiresAt.map(Moments.date)
        revokedAt = key.revokedAt.map(Moments.date)
        operations = key.operations?.sorted()
        labels = key.labels?.sorted()
        from = key.addresses
        honey = key.isHoney
        self.lastUsedAt = lastUsedAt.map(Moments.date)
    }
}
