/// How a caller proved who it is.
package enum CredentialKind: Sendable, Hashable {
    case key
    /// A token of this issuer (its name in the configuration).
    case token(issuer: String)
    case certificate
    /// A person who signed in at the administrative surface: by this issuer, or with a local account.
    case session(issuer: String?)

    package var name: String {
        switch self {
        case .key: "key"
        case .token: "token"
        case .certificate: "certificate"
        case .session: "session"
        }
    }
}

/// What a credential is confined to, whatever its principal may do besides.
package struct CredentialScope: Sendable, Hashable {
    /// Names of operations (`ChatCompletions_Create`); nil: every one.
    package var operations: Set<String>?
    /// Labels of deployments; nil: every one, unlabelled ones included.
    package var labels: Set<String>?
    /// Where it may be used from; nil: everywhere.
    package var addresses: [AddressRange]?

    package init(operations: Set<String>? = nil, labels: Set<String>? = nil, addresses: [AddressRange]? = nil) {
        self.operations = operations
        self.labels = labels
        self.addresses = addresses
    }

    package var isUnbounded: Bool { operations == nil && labels == nil && addresses == nil }
}

/// Who is calling, as authentication established it. Immutable, and a reference: it is handed on a few dozen times in every request.
package final class Principal: Sendable, Hashable {
    package let tenant: TenantID
    package let project: ProjectID
    package let id: PrincipalID
    package let credential: CredentialKind
    /// Whether it is a program of its own rather than a person, as far as its credential tells.
    package let isService: Bool
    /// The key that was presented, when it was a key.
    package let key: KeyID?
    /// The application that a token was issued to (`azp`, `appid`).
    package let client: String?
    /// For limits: the team that the principal belongs to.
    package let team: String?
    /// Groups that the credential names, by id.
    package let groups: [String]
    /// Roles that the credential carries: a key's own, a token's `roles`, a certificate authority's mapping. They hold in the whole
    /// organisation, within ``deployments`` and ``scope``.
    package let roles: Set<Role>
    /// nil: every deployment.
    package let deployments: Set<DeploymentID>?
    package let scope: CredentialScope
    /// Policies that the caller may select by `x-policy-id`, besides the deployment's own.
    package let grantedPolicies: Set<PolicyID>
    /// The key's own limits; empty: those of its kind.
    package let limits: LimitSet
    /// Seconds since 1970, or nil.
    package let expiresAt: Int64?
    /// How the person proved who he is, as the credential tells (`pwd`, `mfa` …; contexts such as `c1` too).
    package let methods: Set<String>
    /// When; seconds since 1970.
    package let authenticatedAt: Int64?
    /// The device that the credential was issued to.
    package let device: String?

    package init(
        tenant: TenantID = .default, project: ProjectID = .default, id: PrincipalID, credential: CredentialKind = .key,
        isService: Bool = true, key: KeyID? = nil, client: String? = nil, team: String? = nil, groups: [String] = [],
        roles: Set<Role> = [.modelUser], deployments: Set<DeploymentID>? = nil, scope: CredentialScope = CredentialScope(),
        grantedPolicies: Set<PolicyID> = [], limits: LimitSet = LimitSet(), expiresAt: Int64? = nil, methods: Set<String> = [],
        authenticatedAt: Int64? = nil,
        device: String? = nil
    ) {
        self.methods = methods
        self.authenticatedAt = authenticatedAt
        self.device = device
        self.tenant = tenant
        self.project = project
        self.id = id
        self.credential = credential
        self.isService = isService
        self.key = key
        self.client = client
        self.team = team
        self.groups = groups
        self.roles = roles
        self.deployments = deployments
        self.scope = scope
        self.grantedPolicies = grantedPolicies
        self.limits = limits
        self.expiresAt = expiresAt
    }

    /// The same, having proved something else: for questions about what would be.
    package func with(methods: Set<String>, authenticatedAt: Int64?, device: String?) -> Principal {
        Principal(
            tenant: tenant, project: project, id: id, credential: credential, isService: isService, key: key, client: client, team: team,
            groups: groups, roles: roles, deployments: deployments, scope: scope, grantedPolicies: grantedPolicies, limits: limits,
            expiresAt: expiresAt, methods: methods, authenticatedAt: authenticatedAt, device: device)
    }

    /// The same, in more groups.
    package func adding(groups more: [String]) -> Principal {
        Principal(
            tenant: tenant, project: project, id: id, credential: credential, isService: isService, key: key, client: client, team: team,
            groups: groups + more, roles: roles, deployments: deployments, scope: scope, grantedPolicies: grantedPolicies, limits: limits,
            expiresAt: expiresAt, methods: methods, authenticatedAt: authenticatedAt, device: device)
    }

    package static func == (a: Principal, b: Principal) -> Bool {
        a === b
            || a.tenant == b.tenant && a.project == b.project && a.id == b.id && a.credential == b.credential && a.isService == b.isService
                && a.key == b.key && a.client == b.client && a.team == b.team && a.groups == b.groups && a.roles == b.roles
                && a.deployments == b.deployments && a.scope == b.scope && a.grantedPolicies == b.grantedPolicies && a.limits == b.limits
                && a.expiresAt == b.expiresAt && a.methods == b.methods && a.authenticatedAt == b.authenticatedAt && a.device == b.device
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(tenant)
        hasher.combine(id)
        hasher.combine(key)
    }

    /// The names under which assignments may speak of it.
    package var references: [PrincipalReference] {
        var references: [PrincipalReference] = []
        references.reserveCapacity(groups.count + 3)
        switch credential {
        case .key:
            if let key { references.append(PrincipalReference(.key, key.rawValue)) }
            // A key speaks for whoever it was made for, a person or a program.
            references.append(PrincipalReference(.user, id.rawValue))
            references.append(PrincipalReference(.service, id.rawValue))
        case .token, .certificate, .session: references.append(PrincipalReference(isService ? .service : .user, id.rawValue))
        }
        for group in groups { references.append(PrincipalReference(.group, group)) }
        return references
    }
}

/// Turns an API key into a principal. On the hot path: synchronous, from memory, no I/O.
package protocol Authenticator: Sendable {
    /// - Parameter credential: the bare key, without `Bearer `.
    /// - Throws: ``Fault`` `.unauthenticated` for an unknown, revoked or expired credential; the message says which only for expiry.
    func principal(presenting credential: Substring, at now: Int64) throws -> Principal
}

/// Somebody used a key that is only there to be found: it is refused like an unknown one, and told of as the alarm it is.
package struct HoneyKeyUsed: Error {
    package let tenant: TenantID
    package let key: KeyID
    package let principal: PrincipalID
    /// What the caller is answered.
    package let fault: Fault
    package init(tenant: TenantID, key: KeyID, principal: PrincipalID, fault: Fault) {
        self.tenant = tenant
        self.key = key
        self.principal = principal
        self.fault = fault
    }
}
