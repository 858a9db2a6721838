/// A role definition's name: a built-in one's short name, an Azure role's id or name, or a custom one from the configuration.
///
/// An unknown role grants nothing.
package struct Role: Identifier {
    package let rawValue: String
    package init(_ rawValue: String) { self.rawValue = rawValue }
    /// Call the models of the deployments in its scope.
    package static let modelUser: Role = "model-user"
    /// Manage blocklists through the Content Safety API, and call its analysis operations.
    package static let safetyOperator: Role = "safety-operator"
    /// Read `/metrics`.
    package static let metricsReader: Role = "metrics-reader"
    /// Set everything up.
    package static let administrator: Role = "administrator"
}

/// Where rights hold: for what is named and for all that lies below it.
package enum AccessScope: Sendable, Hashable, CustomStringConvertible {
    case organisation
    case project(ProjectID)
    case deployment(DeploymentID)
    case index(String)

    /// `/`, `/projects/NAME`, `/deployments/NAME`, `/indexes/NAME`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        if text == "/" {
            self = .organisation
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty, (1...128).contains(parts[2].utf8.count),
            parts[2].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        let name = String(parts[2])
        switch parts[1] {
        case "projects": self = .project(ProjectID(name))
        case "deployments": self = .deployment(DeploymentID(name))
        case "indexes": self = .index(name)
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .organisation: "/"
        case .project(let id): "/projects/\(id)"
        case .deployment(let id): "/deployments/\(id)"
        case .index(let name): "/indexes/\(name)"
        }
    }
}

/// Whom an assignment speaks of.
package struct PrincipalReference: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable { case user, group, service, key }
    package let kind: Kind
    package let id: String

    package init(_ kind: Kind, _ id: String) {
        self.kind = kind
        self.id = id
    }

    /// `user:ID`, `group:ID`, `service:ID` or `key:ID`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        guard let colon = text.firstIndex(of: ":"), let kind = Kind(rawValue: String(text[..<colon])) else { return nil }
        let id = text[text.index(after: colon)...]
        guard (1...256).contains(id.utf8.count), id.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else { return nil }
        self.init(kind, String(id))
    }

    package var description: String { "\(kind.rawValue):\(id)" }
}

/// Rights given to, or taken from, a principal at a scope.
package struct RoleAssignment: Sendable, Hashable {
    package enum Effect: String, Sendable, CaseIterable { case allow, deny }
    package var id: String
    package var tenant: TenantID
    package var principal: PrincipalReference
    /// A denial takes away what this role would give.
    package var role: Role
    package var scope: AccessScope
    package var effect: Effect
    /// A text in the language of conditions; nil: always.
    package var condition: String?
    /// Seconds since 1970; nil: never.
    package var expiresAt: Int64?
    package var createdAt: Int64
    /// Who made it, and why: for people.
    package var note: String?

    package init(
        id: String, tenant: TenantID = .default, principal: PrincipalReference, role: Role, scope: AccessScope,
        effect: Effect = .allow, condition: String? = nil, expiresAt: Int64? = nil, createdAt: Int64 = 0, note: String? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.principal = principal
        self.role = role
        self.scope = scope
        self.effect = effect
        self.condition = condition
        self.expiresAt = expiresAt
        self.createdAt = createdAt
        self.note = note
    }
}

/// What is no longer trusted although its signature still is.
package struct Revocation: Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable {
        /// One token, by its `jti`.
        case token
        /// A principal's tokens that were issued before a moment.
        case issuedBefore = "issued-before"
        /// A principal, with every credential it has.
        case principal
    }
    package var tenant: TenantID
    package var kind: Kind
    /// The `jti`, or the principal's id.
    package var subject: String
    /// For ``Kind/issuedBefore``: seconds since 1970.
    package var before: Int64?
    package var createdAt: Int64
    package var note: String?

    package init(
        tenant: TenantID = .default, kind: Kind, subject: String, before: Int64? = nil, createdAt: Int64 = 0, note: String? = nil
    ) {
        self.tenant = tenant
        self.kind = kind
        self.subject = subject
        self.before = before
        self.createdAt = createdAt
        self.note = note
    }
}

/// Role assignments and revocations at rest. Every method blocks: call it on a thread pool.
package protocol AccessStore: Sendable {
    func allAssignments() throws -> [RoleAssignment]
    /// - Throws: ``Fault`` `.conflict` when the id exists.
    func insert(_ assignment: RoleAssignment) throws
    /// - Returns: false when there is no such assignment.
    func removeAssignment(_ id: String, tenant: TenantID) throws -> Bool
    func allRevocations() throws -> [Revocation]
    /// Takes the place of one of the same kind and subject; ``Revocation/before`` only ever grows.
    func put(_ revocation: Revocation) throws
    /// - Returns: false when there is none.
    func removeRevocation(_ kind: Revocation.Kind, subject: String, tenant: TenantID) throws -> Bool
    /// A number that grows with every change, so that another process's change is noticed.
    func revision() throws -> Int64
}
