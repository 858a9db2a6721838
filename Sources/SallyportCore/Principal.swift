import NIOCore

/// What a principal may do on the gateway itself.
package enum Role: String, Sendable, Hashable, CaseIterable, Codable {
    /// Call the models of the deployments in its scope.
    case modelUser = "model-user"
    /// Manage blocklists through the Content Safety API, and call its analysis operations.
    case safetyOperator = "safety-operator"
    /// Read `/metrics`.
    case metricsReader = "metrics-reader"
}

/// Who is calling, as authentication established it.
package struct Principal: Sendable, Hashable {
    package let tenant: TenantID
    package let project: ProjectID
    package let id: PrincipalID
    /// The key that was presented, when it was a key.
    package let key: KeyID?
    /// For limits: the team that the principal belongs to.
    package let team: String?
    package let roles: Set<Role>
    /// nil: every deployment.
    package let deployments: Set<DeploymentID>?
    /// Policies that the caller may select by `x-policy-id`, besides the deployment's own.
    package let grantedPolicies: Set<PolicyID>
    /// The key's own limits; empty: those of its kind.
    package let limits: LimitSet
    /// Seconds since 1970, or nil.
    package let expiresAt: Int64?

    package init(
        tenant: TenantID = .default, project: ProjectID = .default, id: PrincipalID, key: KeyID? = nil, team: String? = nil,
        roles: Set<Role> = [.modelUser], deployments: Set<DeploymentID>? = nil, grantedPolicies: Set<PolicyID> = [],
        limits: LimitSet = LimitSet(), expiresAt: Int64? = nil
    ) {
        self.tenant = tenant
        self.project = project
        self.id = id
        self.key = key
        self.team = team
        self.roles = roles
        self.deployments = deployments
        self.grantedPolicies = grantedPolicies
        self.limits = limits
        self.expiresAt = expiresAt
    }

    package func mayUse(_ deployment: DeploymentID) -> Bool {
        roles.contains(.modelUser) && (deployments?.contains(deployment) ?? true)
    }
}

/// Turns what a request presents into a principal. On the hot path: synchronous, from memory, no I/O.
package protocol Authenticator: Sendable {
    /// - Parameter credential: the bare key, without `Bearer `.
    /// - Throws: ``Fault`` `.unauthenticated` for an unknown, revoked or expired credential; the message says which only for expiry.
    func principal(presenting credential: Substring, at now: Int64) throws -> Principal
}
