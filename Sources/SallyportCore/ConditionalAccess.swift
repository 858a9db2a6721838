/// A conditional access policy at rest: a document and when it came.
package struct StoredConditionalPolicy: Sendable, Hashable {
    package var tenant: TenantID
    package var name: String
    package var version: Int
    /// JSON, in the shape of Microsoft Graph's `conditionalAccessPolicy` with our conditions.
    package var document: [UInt8]
    package var createdAt: Int64

    package init(tenant: TenantID = .default, name: String, version: Int, document: [UInt8], createdAt: Int64) {
        self.tenant = tenant
        self.name = name
        self.version = version
        self.document = document
        self.createdAt = createdAt
    }
}

/// What is known of a device, as whoever manages it reports.
package struct DevicePosture: Sendable, Hashable {
    package enum Platform: String, Sendable, CaseIterable {
        case windows, macos, linux, ios, android, virtualDesktop, server, networkDevice
    }
    package var tenant: TenantID
    /// As tokens name it (`deviceid`).
    package var id: String
    package var platform: Platform?
    package var isCompliant: Bool
    /// Whose it is; nil: nobody's in particular.
    package var owner: PrincipalID?
    package var reportedAt: Int64
    /// A report is believed until then; nil: until the next.
    package var validUntil: Int64?

    package init(
        tenant: TenantID = .default, id: String, platform: Platform? = nil, isCompliant: Bool, owner: PrincipalID? = nil, reportedAt: Int64,
        validUntil: Int64? = nil
    ) {
        self.tenant = tenant
        self.id = id
        self.platform = platform
        self.isCompliant = isCompliant
        self.owner = owner
        self.reportedAt = reportedAt
        self.validUntil = validUntil
    }
}

/// How likely it is that somebody else acts in a principal's name.
package struct PrincipalRisk: Sendable, Hashable {
    package enum Level: String, Sendable, CaseIterable { case none, low, medium, high }
    package var tenant: TenantID
    package var principal: PrincipalID
    package var level: Level
    package var reason: String?
    package var setAt: Int64
    /// nil: until it is cleared.
    package var expiresAt: Int64?

    package init(
        tenant: TenantID = .default, principal: PrincipalID, level: Level, reason: String? = nil, setAt: Int64, expiresAt: Int64? = nil
    ) {
        self.tenant = tenant
        self.principal = principal
        self.level = level
        self.reason = reason
        self.setAt = setAt
        self.expiresAt = expiresAt
    }
}

/// Conditional access at rest: policies, devices, risks. Every method blocks.
package protocol ConditionalAccessStore: Sendable {
    func policies() throws -> [StoredConditionalPolicy]
    /// - Parameter known: the version that it takes the place of, 0 where there is to be none; nil: whichever is in force.
    /// - Returns: the version that it was given; nil: another one is in force, and nothing was changed.
    func put(_ name: String, document: [UInt8], of tenant: TenantID, at now: Int64, replacing known: Int?) throws -> Int?
    func removePolicy(_ name: String, of tenant: TenantID) throws -> Bool
    func devices() throws -> [DevicePosture]
    func put(_ device: DevicePosture) throws
    func removeDevice(_ id: String, of tenant: TenantID) throws -> Bool
    func risks() throws -> [PrincipalRisk]
    func put(_ risk: PrincipalRisk) throws
    func removeRisk(of principal: PrincipalID, tenant: TenantID) throws -> Bool
    /// Grows with every change.
    func revision() throws -> Int64
}
