/// What speaks at the far end.
package enum UpstreamKind: String, Sendable, CaseIterable, Codable {
    case azureOpenAI = "azure-openai"
    case openAI = "openai"
    case azureAI = "azure-ai"
    /// Azure AI Search, as a source of documents.
    case azureSearch = "azure-search"
    case embedded
}

/// Limits of one scope (a key, a user, a team, a deployment). nil: no limit.
package struct LimitSet: Sendable, Hashable, Codable {
    package var requestsPerMinute: Int?
    package var tokensPerMinute: Int?
    package var tokensPerDay: Int?
    package var tokensPerMonth: Int?
    /// In millionths of the accounting currency, so that sums are exact.
    package var costPerDayMicros: Int64?
    package var costPerMonthMicros: Int64?
    package init(
        requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, tokensPerDay: Int? = nil, tokensPerMonth: Int? = nil,
        costPerDayMicros: Int64? = nil, costPerMonthMicros: Int64? = nil
    ) {
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
        self.tokensPerDay = tokensPerDay
        self.tokensPerMonth = tokensPerMonth
        self.costPerDayMicros = costPerDayMicros
        self.costPerMonthMicros = costPerMonthMicros
    }
    package var isEmpty: Bool { self == LimitSet() }
}

/// Price of a model, in millionths of the accounting currency per 1,000 tokens.
package struct Price: Sendable, Hashable, Codable {
    package var promptMicrosPer1K: Int64
    package var completionMicrosPer1K: Int64
    package init(promptMicrosPer1K: Int64 = 0, completionMicrosPer1K: Int64 = 0) {
        self.promptMicrosPer1K = promptMicrosPer1K
        self.completionMicrosPer1K = completionMicrosPer1K
    }
}

/// One place that can answer for a deployment.
package struct DeploymentTarget: Sendable, Hashable {
    package let upstream: UpstreamID
    /// The model's or deployment's name at the upstream; the body's `model` is rewritten to it.
    package let model: String
    /// Share among the targets of one priority.
    package let weight: Int
    /// 0 is tried first; higher numbers are fallbacks.
    package let priority: Int
    package init(upstream: UpstreamID, model: String, weight: Int = 1, priority: Int = 0) {
        self.upstream = upstream
        self.model = model
        self.weight = weight
        self.priority = priority
    }
}

/// A deployment: the name in the path, who answers, under which policy.
package struct Deployment: Sendable, Hashable {
    package let id: DeploymentID
    package let project: ProjectID
    /// Sorted by priority; never empty.
    package let targets: [DeploymentTarget]
    /// The floor: `x-policy-id` never goes below it.
    package let policy: PolicyID
    package let limits: LimitSet
    package let price: Price
    /// What kind of data it is cleared for; for conditions and the confinement of keys.
    package let label: String?
    package init(
        id: DeploymentID, project: ProjectID = .default, targets: [DeploymentTarget], policy: PolicyID = "Default",
        limits: LimitSet = LimitSet(), price: Price = Price(), label: String? = nil
    ) {
        self.label = label
        self.id = id
        self.project = project
        self.targets = targets.sorted { $0.priority < $1.priority }
        self.policy = policy
        self.limits = limits
        self.price = price
    }
}
