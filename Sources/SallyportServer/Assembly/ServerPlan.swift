import Foundation
import SallyportCore
import SallyportEgress
import SallyportGateway
import SallyportGuard
import SallyportIdentity
import SallyportOversight

/// A configuration in the words of the parts that it configures.
package struct ServerPlan: Sendable {
    package struct Address: Sendable, Hashable {
        package var host: String
        package var port: Int
        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    package var listen: Address
    /// nil: no metrics listener.
    package var metricsListen: Address?
    package var threads: Int
    package var dataDirectory: String
    /// The data directory of the gateway whose keys, roles and people are used; nil: its own.
    package var identityDirectory: String?
    package var audit: AuditLog.Configuration
    package var gateway: GatewayConfiguration
    package var upstreams: [UpstreamDescriptor]
    package var egress: [UpstreamConfiguration]
    package var deployments: [Deployment]
    /// Where policy documents lie; nil: only the built-in ones and those in the database.
    package var policiesDirectory: String?
    package var limits: [String: LimitSet]
    /// Folders of the embedded upstreams.
    package var documents: [UpstreamID: String]
    /// Indexes of the embedded upstreams that have no folder of their own.
    package var documentIndexes: [UpstreamID: IndexID] = [:]
    package var tracing: Tracing?
    package var learned = Learned()
    package var labels = Labels()
    package var remoteGuards: [RemoteGuardPlan] = []
    package var warnings: [String]
    package var access = Access()
    package var privacy = Privacy()
    package var provisioning = SCIMService.Settings()
    package var issuers: [IssuerPlan] = []
    /// nil: plain HTTP.
    package var tls: ListenerTLS?
    package var expectsProxyHeader = false
    package var metricsRules = NetworkRules()
    /// nil: no administrative surface.
    package var console: Console?
    package var vault = VaultSettings()
    /// Secrets that come from files or the vault, by their key.
    package var secrets: [String: SecretReference] = [:]
    /// How those were when they were read.
    package var secretStamps = SecretStamps()
    /// Keys of secrets that stand in the configuration file itself.
    package var literalSecrets: [String] = []
    package var keyRotations: [KeyRotationPlan] = []

    /// The product's version, as it is shown.
    package static let version = "0.1.0"

    /// The keys that upstreams are sent, where they never change by themselves.
    var upstreamKeys: [UpstreamID: Redacted<String>] {
        egress.reduce(into: [:]) { keys, upstream in
            switch upstream.credential {
            case .header(_, let value), .bearer(let value): keys[upstream.id] = value
            case .none, .entra: break
            }
        }
    }
    /// The upstreams, and the collector of traces.
    func allEgress() throws -> [UpstreamConfiguration] {
        try egress + IssuerSources.upstreams(issuers) + (tracing.map { [try Observability.collectorConfiguration($0)] } ?? [])
    }

    /// The learned detectors and what runs them.
    package struct Learned: Sendable, Hashable {
        package var isEnabled = true
        /// nil: looked for in the usual places.
        package var modelsDirectory: String?
        package var library: String?
        package var calibration: String?
        package var threads = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)
        package var maximumQueuedTokens = 400_000
        package var tenantShare = 0.75
        package var readingBase: Duration = .seconds(10)
        package var readingPerWindow: Duration = .milliseconds(500)
        package init() {}
    }

    /// Labels of documents.
    package struct Labels: Sendable, Hashable {
        package var standard = SensitivityLabel.general
        package var rules: [LabelRule] = []
        package init() {}
    }

    /// A second opinion: whom to ask, how, and at what cost.
    package struct RemoteGuardPlan: Sendable, Hashable {
        package enum Kind: Sendable, Hashable {
            case promptShields(apiVersion: String)
            case contentSafety(apiVersion: String)
            case judge(model: String, categories: [Finding.Category])
            case classifier(path: String, category: Finding.Category, shape: ClassifierGuard.Shape)
        }
        package var id: DetectorID
        package var upstream: UpstreamID
        package var kind: Kind
        package var budget: OpinionReader.Budget
        /// Code points of one question; nil: as the kind has it.
        package var maximumText: Int?
    }

    /// An issuer of tokens and where its keys are.
    package struct IssuerPlan: Sendable, Hashable {
        package var issuer: Issuer
        package var discovery: String
        /// nil: as the issuer's description says.
        package var keys: String?
        package var policy: IssuerKeys.Policy
        package var authoritiesFile: String?
        /// nil: nobody signs in with it.
        package var signIn: SignIn?
    }

    /// How people sign in at an issuer.
    package struct SignIn: Sendable, Hashable {
        package var client: String
        package var secret: Redacted<String>?
        package var title: String
        package var scopes: [String]
        package var isTrusted: Bool

        package static func == (a: Self, b: Self) -> Bool {
            a.client == b.client && a.secret?.reveal() == b.secret?.reveal() && a.title == b.title && a.scopes == b.scopes
                && a.isTrusted == b.isTrusted
        }

        package func hash(into hasher: inout Hasher) { hasher.combine(client) }
    }

    /// The administrative surface.
    package struct Console: Sendable, Hashable {
        package var listen: Address
        /// nil: by where it listens.
        package var publicURL: String?
        package var rules = NetworkRules()
        package var requiresSecondFactor = true
        /// Seconds.
        package var idle: Int64 = 1800
        package var absolute: Int64 = 43_200
        package var isBoundToNetwork = true
        package init(listen: Address) { self.listen = listen }
    }

    /// Who may do what, as far as the configuration says it.
    package struct Access: Sendable {
        package var roles: [RoleDefinition] = []
        package var assignments: [RoleAssignment] = []
        package var breakGlass: Set<PrincipalReference> = []
        /// Rules of the organisation's own, besides the built-in ones.
        package var separation: [SeparationRule] = []
        /// What takes a second person.
        package var fourEyes: Set<FourEyes.Area> = []
        package init() {}
    }

    package struct Tracing: Sendable, Hashable {
        package var endpoint: String
        package var sampleRatio: Double
        package var serviceName: String
        package init(endpoint: String, sampleRatio: Double, serviceName: String) {
            self.endpoint = endpoint
            self.sampleRatio = sampleRatio
            self.serviceName = serviceName
        }
    }
}
