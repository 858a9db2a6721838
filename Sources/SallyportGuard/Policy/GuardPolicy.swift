import SallyportCore

/// What an organisation decided about findings: versioned, immutable, the same for the same document.
///
/// Documents are in Azure's `raiPolicies` shape (Microsoft.CognitiveServices, 2024-10-01) with our extensions under
/// `properties.sallyport`; see ``PolicyDocument``.
package struct GuardPolicy: Sendable, Hashable {
    /// One line of a policy: findings of a kind, in these places, from this confidence on, lead to this action.
    package struct Rule: Sendable, Hashable {
        package var group: Finding.Category.Group
        /// Category names; nil: all of the group.
        package var names: Set<String>?
        package var direction: Direction?
        package var origins: Set<PassageOrigin>?
        package var minimumConfidence: Double
        /// For learned detectors, instead of a confidence: as sensitive as this share of benign texts reported allows.
        package var falsePositiveRate: Double?
        package var action: GuardAction

        package init(
            _ group: Finding.Category.Group, names: Set<String>? = nil, direction: Direction? = nil, origins: Set<PassageOrigin>? = nil,
            minimumConfidence: Double = 0.75, falsePositiveRate: Double? = nil, action: GuardAction
        ) {
            self.group = group
            self.names = names
            self.direction = direction
            self.origins = origins
            self.minimumConfidence = minimumConfidence
            self.falsePositiveRate = falsePositiveRate
            self.action = action
        }

        func applies(to finding: Finding, in origin: PassageOrigin) -> Bool {
            finding.category.group == group
                && isMet(by: finding)
                && (direction.map { $0 == origin.direction } ?? true)
                && (origins?.contains(origin) ?? true)
                && (names?.contains(finding.category.name) ?? true)
        }

        private func isMet(by finding: Finding) -> Bool {
            guard let falsePositiveRate, let stated = finding.falsePositiveRate else { return finding.confidence >= minimumConfidence }
            return stated <= falsePositiveRate
        }

        /// A severity as a finding's confidence, with room for rounding.
        package static func confidence(ofSeverity severity: Int) -> Double { (Double(severity) - 0.25) / 7 }

        /// Harm from a severity on leads to the action; milder harm is annotated.
        package static func harm(_ names: Set<String>, _ direction: Direction, from severity: Int, action: GuardAction) -> [Rule] {
            [
                Rule(.harm, names: names, direction: direction, minimumConfidence: confidence(ofSeverity: severity), action: action),
                Rule(.harm, names: names, direction: direction, minimumConfidence: confidence(ofSeverity: 1), action: .annotate),
            ]
        }

        /// Whether findings of this kind in texts of this origin could lead to anything.
        func mayApply(_ group: Finding.Category.Group, _ name: String, in origin: PassageOrigin) -> Bool {
            self.group == group && action > .allow && (direction.map { $0 == origin.direction } ?? true)
                && (origins?.contains(origin) ?? true) && (names?.contains(name) ?? true)
        }
    }

    /// How one guard runs under this policy.
    package struct GuardSettings: Sendable, Hashable {
        package var isEnabled = true
        package var mode = GuardMode.enforce
        package var onFailure = FailureMode.closed
        /// For a text of 4 KB; longer texts are given proportionally more.
        package var timeBudget: Duration = .milliseconds(200)
        package init() {}
    }

    package struct BlocklistUse: Sendable, Hashable {
        package var name: String
        package var direction: Direction
        package var isBlocking: Bool
        package init(name: String, direction: Direction, isBlocking: Bool) {
            self.name = name
            self.direction = direction
            self.isBlocking = isBlocking
        }
    }

    /// How completions are checked while they stream.
    package struct Streaming: Sendable, Hashable {
        /// Azure's `Asynchronous_filter`: text goes out at once, annotations follow.
        package var isAsynchronous = false
        /// The most text held back before an evaluation is forced.
        package var maximumBytes = 4096
        /// The longest a text is held back before an evaluation is forced.
        package var maximumDelay: Duration = .milliseconds(500)
        package init() {}
    }

    /// Things that a guard cannot read.
    package enum Uninspectable: String, Sendable, CaseIterable, Codable {
        case remoteImage, inlineImage, audio, file, storedPrompt, previousResponse, tokenArray, hostedTool, encryptedContent, binary
        case generatedImage, generatedAudio

        /// By the case: by the word that spells it would take ten times as long.
        package func hash(into hasher: inout Hasher) { withUnsafeBytes(of: self) { hasher.combine(bytes: $0) } }
    }

    package var id: PolicyID
    package var version: Int
    package var rules: [Rule]
    package var settings: [DetectorID: GuardSettings]
    package var blocklists: [BlocklistUse]
    package var streaming: Streaming
    package var uninspectable: [Uninspectable: UninspectableAction]
    /// Azure's `prompt_filter_results` and `content_filter_results` are added to answers.
    package var annotates: Bool
    /// Azure filters that the document enables and that this build has no detector for, by lower-cased bare name.
    package var unavailableFilters: Set<String>
    /// For answers from documents.
    package var grounding = GroundingPolicy()
    package var privacy = Privacy()
    /// What follows from a request's label.
    package var labelActions: [LabelAction] = []
    /// Tools whose calls have an effect outside.
    package var outwardTools: [OutwardTool] = []
    /// What files for customising models must satisfy.
    package var customising = Customising()
    /// Hosts that links may lead to, and hosts that nobody may pose as; nil: nothing is said about any.
    package var hosts: LinkHosts?
    /// What the first of the rules were made of: a document that is based on this one sets them anew by name and source.
    package private(set) var filters: [ContentFilter]
    /// The policies that this one is based on, with their versions, nearest first, for the record; nil: none.
    package var lineage: String?

    package init(
        id: PolicyID, version: Int = 1, filters: [ContentFilter] = [], rules: [Rule] = [], settings: [DetectorID: GuardSettings] = [:],
        blocklists: [BlocklistUse] = [],
        streaming: Streaming = Streaming(), uninspectable: [Uninspectable: UninspectableAction] = [:], annotates: Bool = true,
        unavailableFilters: Set<String> = []
    ) {
        self.id = id
        self.version = version
        self.filters = filters
        let (filtering, unavailable) = ContentFilter.rules(of: filters)
        self.rules = filtering + rules
        self.settings = settings
        self.blocklists = blocklists
        self.streaming = streaming
        self.uninspectable = uninspectable
        self.annotates = annotates
        self.unavailableFilters = unavailableFilters.union(unavailable)
    }

    /// Sets filters anew, each in the place of the one of its name and source.
    mutating func set(_ own: [ContentFilter]) {
        let rest = ownRules
        let missing = unavailableFilters.subtracting(ContentFilter.rules(of: filters).unavailable)
        filters = ContentFilter.merge(filters, with: own)
        let (filtering, unavailable) = ContentFilter.rules(of: filters)
        rules = filtering + rest
        unavailableFilters = missing.union(unavailable)
    }

    /// Without all filters and their rules.
    mutating func leaveOutFilters() {
        rules = ownRules
        filters = []
        unavailableFilters = []
    }

    /// Without what nobody here looks for: annotations must not say of it that nothing was found.
    /// - Parameters:
    ///   - missing: bare names of filters.
    ///   - isAsked: somebody may report this all the same, such as a remote guard that may fail: its findings keep their rules.
    package mutating func leaveOut(_ missing: Set<String>, unless isAsked: (Finding.Category) -> Bool = { _ in false }) {
        func all(_ group: Finding.Category.Group) -> Set<String> { PolicyVocabulary.types(of: group) ?? [group.rawValue] }
        func bare(_ group: Finding.Category.Group, _ name: String) -> String {
            ContentFilter.bare(group == .protectedMaterial ? "protectedmaterial\(name)" : name)
        }
        rules = rules.compactMap { rule in
            let delegated: Set<Finding.Category.Group> = [.harm, .attack, .protectedMaterial, .groundedness, .taskAdherence]
            guard delegated.contains(rule.group) else { return rule }
            var rule = rule
            let names = (rule.names ?? all(rule.group)).filter {
                !missing.contains(bare(rule.group, $0)) || isAsked(.init(rule.group, $0))
            }
            guard !names.isEmpty else { return nil }
            if rule.names != nil || names.count < all(rule.group).count { rule.names = names }
            return rule
        }
        filters = []
    }

    /// The rules that are no Azure filter's.
    var ownRules: [Rule] { Array(rules.dropFirst(ContentFilter.rules(of: filters).rules.count)) }

    package func settings(for detector: DetectorID) -> GuardSettings { settings[detector] ?? GuardSettings() }

    package func action(onUninspectable kind: Uninspectable) -> UninspectableAction { uninspectable[kind] ?? .refuse }

    /// No rule and no blocklist looks at texts that travel this way.
    package func isSilent(for direction: Direction) -> Bool {
        !rules.contains { ($0.direction ?? direction) == direction && $0.action > .allow }
            && !blocklists.contains { $0.direction == direction }
    }

    /// Whether any rule speaks of such findings in texts that travel this way.
    package func looks(for category: Finding.Category, _ direction: Direction) -> Bool {
        PassageOrigin.allCases.contains { origin in
            origin.direction == direction && rules.contains { $0.mayApply(category.group, category.name, in: origin) }
        }
    }

    /// The strictest action that any rule gives to the finding; `.allow` when none speaks of it.
    package func action(on finding: Finding, in origin: PassageOrigin) -> GuardAction {
        if finding.category.group == .blocklist {
            var action = GuardAction.allow
            for use in blocklists where use.name == finding.category.name && use.direction == origin.direction {
                action = max(action, use.isBlocking ? .block : .annotate)
            }
            return action
        }
        var action = GuardAction.allow
        for rule in rules where rule.action > action && rule.applies(to: finding, in: origin) { action = rule.action }
        return action
    }

    /// Both policies at once: whatever either demands. Selecting a weaker policy therefore never lowers the deployment's floor.
    package func tightened(by other: GuardPolicy) -> GuardPolicy {
        var combined = self
        combined.id = other.id == id ? id : PolicyID("\(id.rawValue)+\(other.id.rawValue)")
        combined.version = max(version, other.version)
        combined.rules += other.rules
        combined.blocklists += other.blocklists
        combined.annotates = annotates || other.annotates
        combined.grounding = grounding.tightened(by: other.grounding)
        combined.unavailableFilters.formUnion(other.unavailableFilters)
        combined.privacy = privacy.tightened(by: other.privacy)
        combined.labelActions += other.labelActions.filter { !labelActions.contains($0) }
        combined.outwardTools += other.outwardTools.filter { !outwardTools.contains($0) }
        combined.customising = customising.tightened(by: other.customising)
        combined.filters = []
        if hosts != nil || other.hosts != nil { combined.hosts = (hosts ?? LinkHosts()).tightened(by: other.hosts) }
        if let theirs = other.lineage { combined.lineage = lineage.map { $0 == theirs ? theirs : "\($0)+\(theirs)" } ?? theirs }
        for kind in Uninspectable.allCases where other.action(onUninspectable: kind) == .refuse { combined.uninspectable[kind] = nil }
        combined.streaming.isAsynchronous = streaming.isAsynchronous && other.streaming.isAsynchronous
        combined.streaming.maximumBytes = max(streaming.maximumBytes, other.streaming.maximumBytes)
        combined.streaming.maximumDelay = min(streaming.maximumDelay, other.streaming.maximumDelay)
        for (detector, theirs) in other.settings {
            var ours = settings(for: detector)
            ours.isEnabled = ours.isEnabled || theirs.isEnabled
            if theirs.mode == .enforce { ours.mode = .enforce }
            if theirs.onFailure == .closed { ours.onFailure = .closed }
            ours.timeBudget = max(ours.timeBudget, theirs.timeBudget)
            combined.settings[detector] = ours
        }
        for (detector, ours) in settings where other.settings[detector] == nil {
            var setting = ours
            setting.isEnabled = true
            setting.mode = .enforce
            setting.onFailure = .closed
            combined.settings[detector] = setting
        }
        return combined
    }
}
