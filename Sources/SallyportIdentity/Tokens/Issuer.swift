import SallyportCore

/// An authority whose tokens are accepted, and how they are read.
package struct Issuer: Sendable, Hashable {
    /// Its name in the configuration; it stands before the names of its principals and groups, so that those of two issuers never meet.
    package var name: String
    package var tenant: TenantID
    /// What `iss` must be, to the letter.
    package var issuer: String
    /// One of them must be in `aud`.
    package var audiences: Set<String>
    package var algorithms: Set<SignatureAlgorithm>
    /// Directories (`tid`) whose tokens are accepted; empty: not looked at.
    package var directories: Set<String>
    /// Applications (`azp`, else `appid`) that may hold tokens; empty: every one.
    package var clients: Set<String>
    /// Delegated permissions (`scp`) of which a person's token needs one; empty: not looked at.
    package var scopes: Set<String>
    /// Authentication methods (`amr`) and contexts (`acr`, `acrs`) that a person's token must show, all of them.
    package var requiredMethods: Set<String>
    package var requiredContexts: Set<String>
    /// The claims that name the principal; the first that is there counts.
    package var principalClaims: [String]
    package var groupsClaim: String
    package var rolesClaim: String?
    /// From values of ``rolesClaim`` to roles; a value that is not listed must be a role's own name.
    package var roleMap: [String: Role]
    package var project: ProjectID
    package var team: String?
    package var clockSkew: Int64
    /// Tokens that live longer than this are refused.
    package var maximumLifetime: Int64

    package init(
        name: String, tenant: TenantID = .default, issuer: String, audiences: Set<String>,
        algorithms: Set<SignatureAlgorithm> = Set(SignatureAlgorithm.allCases), directories: Set<String> = [], clients: Set<String> = [],
        scopes: Set<String> = [], requiredMethods: Set<String> = [], requiredContexts: Set<String> = [],
        principalClaims: [String] = ["oid", "sub"], groupsClaim: String = "groups", rolesClaim: String? = "roles",
        roleMap: [String: Role] = [:], project: ProjectID = .default, team: String? = nil, clockSkew: Int64 = 60,
        maximumLifetime: Int64 = 86_400 + 3600
    ) {
        self.name = name
        self.tenant = tenant
        self.issuer = issuer
        self.audiences = audiences
        self.algorithms = algorithms
        self.directories = directories
        self.clients = clients
        self.scopes = scopes
        self.requiredMethods = requiredMethods
        self.requiredContexts = requiredContexts
        self.principalClaims = principalClaims
        self.groupsClaim = groupsClaim
        self.rolesClaim = rolesClaim
        self.roleMap = roleMap
        self.project = project
        self.team = team
        self.clockSkew = clockSkew
        self.maximumLifetime = maximumLifetime
    }
}
