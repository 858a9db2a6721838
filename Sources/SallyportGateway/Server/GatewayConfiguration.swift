import SallyportCore

/// What the data plane needs to know beyond its parts. Every field has a safe default.
package struct GatewayConfiguration: Sendable {
    /// From the first byte of a request to the end of its head.
    package var headerTimeout: Duration = .seconds(10)
    /// From the head to the end of the body.
    package var bodyTimeout: Duration = .seconds(60)
    /// A connection without a request.
    package var idleTimeout: Duration = .seconds(120)
    package var maximumBodyBytes = 32 * 1_048_576
    /// For multipart bodies.
    package var maximumUploadBytes = 64 * 1_048_576
    package var maximumAnswerBytes = 64 * 1_048_576
    package var maximumHeaderBytes = 32_768
    /// Callers' connections at one time.
    package var maximumConnections = 10_000
    package var maximumConcurrentRequests = 4096
    /// Bodies held in memory at one time, over all requests.
    package var maximumAdmittedBytes = 512 * 1_048_576
    package var jsonDepth = 64
    /// Texts up to this size are inspected on the event loop; longer ones on the pool.
    package var inlineInspectionBytes = 8192
    /// For `x-ms-region`; empty: the header is not sent.
    package var region = ""
    /// What callers use as the base of their requests, for links in answers; nil: as each request says.
    package var publicURL: String?
    /// A request header that names the conversation.
    package var conversationHeader: String?
    /// Where files, batches and other resources without a deployment live; nil: the first upstream that can hold them.
    package var resourceUpstream: UpstreamID?
    /// For Azure AI Language's PII request, when it names no threshold.
    package var personalDataMinimumConfidence = 0.65
    package var maximumAttempts = 3
    /// Reserved of limits for an answer whose request states no maximum.
    package var unstatedAnswerTokens = 16
    package var network = NetworkRules()
    /// Whether API keys are accepted at all (Azure: `disableLocalAuth`).
    package var acceptsKeys = true
    package var drainTimeout: Duration = .seconds(30)
    /// What calls of the Content Safety API may hold.
    package var safety = SafetyLimits()
    /// Names that stand for several regions, for policies' `residency`.
    package var regions: [String: Set<String>] = [:]

    package init() {}
}

/// What the data plane must know of an upstream to speak to it.
package struct UpstreamDescriptor: Sendable, Hashable {
    package let id: UpstreamID
    package let kind: UpstreamKind
    /// For `azure-openai`, when the caller's own form carries none.
    package let apiVersion: String
    /// For `azure-ai`: the path prefixes that it serves, such as `/translator`.
    package let paths: [String]
    /// For `azure-ai`: the floor for its calls.
    package let policy: PolicyID
    /// The highest label of data that may be sent there; nil: any.
    package let clearance: SensitivityLabel?
    /// For `azure-search`.
    package let search: SearchService?

    /// A search service, and the fields of its indexes that say who may read a document.
    package struct SearchService: Sendable, Hashable {
        /// As ``normalised(_:)`` spells it.
        package let endpoint: String
        /// Group names of the caller are looked for here.
        package let groupsField: String
        /// The caller's own name is looked for here too; nil: there is no such field.
        package let usersField: String?

        package init(endpoint: String, groupsField: String = "group_ids", usersField: String? = nil) {
            self.endpoint = Self.normalised(endpoint)
            self.groupsField = groupsField
            self.usersField = usersField
        }

        package static func isFieldName(_ name: String) -> Bool { SearchFieldName.isValid(name) }

        /// Lower case, without a slash at the end: what two spellings of one endpoint have in common.
        package static func normalised(_ endpoint: String) -> String {
            var text = endpoint.lowercased()
            while text.hasSuffix("/") { text.removeLast() }
            if text.hasPrefix("https://"), text.hasSuffix(":443") { text.removeLast(4) }
            return text
        }
    }

    /// Where it processes what it is sent, in lower case; nil: nobody has said so.
    package let region: String?

    package init(
        id: UpstreamID, kind: UpstreamKind, apiVersion: String = "2024-10-21", paths: [String] = [], policy: PolicyID = "Default",
        search: SearchService? = nil, region: String? = nil, clearance: SensitivityLabel? = nil
    ) {
        self.clearance = clearance
        self.search = search
        self.region = region
        self.policy = policy
        self.id = id
        self.kind = kind
        self.apiVersion = apiVersion
        self.paths = paths
    }
}
