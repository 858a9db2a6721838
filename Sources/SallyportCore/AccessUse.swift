/// How often a permission was used, or asked for in vain, on one day. Counted from the audit log.
package struct AccessUse: Sendable, Hashable {
    package var tenant: TenantID
    package var principal: PrincipalID
    /// nil: the principal came with a token or a certificate.
    package var key: KeyID?
    package var action: String
    package var deployment: DeploymentID?
    /// What allowed it: `assignment:ID` or `role:NAME` (a role that the credential carries); nil: unknown, or nothing did.
    package var grant: String?
    /// Days since 1970.
    package var day: Int64
    package var allowed: Int
    package var denied: Int
    /// Seconds since 1970.
    package var lastAt: Int64

    package init(
        tenant: TenantID = .default, principal: PrincipalID, key: KeyID? = nil, action: String, deployment: DeploymentID? = nil,
        grant: String? = nil, day: Int64, allowed: Int = 0, denied: Int = 0, lastAt: Int64
    ) {
        self.tenant = tenant
        self.principal = principal
        self.key = key
        self.action = action
        self.deployment = deployment
        self.grant = grant
        self.day = day
        self.allowed = allowed
        self.denied = denied
        self.lastAt = lastAt
    }
}

/// Uses of permissions at rest. Every method blocks.
package protocol AccessUseStore: Sendable {
    /// How far the audit log was read, in the reader's own spelling; nil: not at all. And since when there was something to see.
    func place() throws -> (cursor: String, observedSince: Int64)?
    /// Adds to the counts and moves the place, both or neither.
    /// - Returns: false when another process has moved the place meanwhile; then nothing was added.
    func add(_ uses: [AccessUse], from old: String?, to new: String, observedSince: Int64) throws -> Bool
    /// From this day (since 1970) on.
    func uses(of tenant: TenantID, since day: Int64) throws -> [AccessUse]
    /// - Returns: how many counts went.
    func removeUses(before day: Int64) throws -> Int
}
