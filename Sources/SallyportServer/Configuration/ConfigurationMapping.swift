import Foundation
import SallyportCore
import SallyportEgress
import SallyportGateway
import SallyportOversight

/// From values by path to the parts' own types.
struct ConfigurationMapping {
    private(set) var tree: ConfigurationTree
    private var warnings: [String] = []

    init(_ tree: ConfigurationTree) { self.tree = tree }

    func text(_ path: String) -> String? { tree.values[path].flatMap { $0.unset == nil ? $0.text : nil } }
    func int(_ path: String) -> Int? { text(path).flatMap { Int($0) } }
    func duration(_ path: String) -> Duration? { text(path).flatMap(ConfigurationValues.duration) }
    func size(_ path: String) -> Int? { text(path).flatMap(ConfigurationValues.size) }
    private func micros(_ path: String) -> Int64? { text(path).flatMap(ConfigurationValues.micros) }

    mutating func plan() -> ServerPlan {
        let upstreams = (tree.names["upstreams"] ?? []).map { upstream($0.name, line: $0.line, column: $0.column) }
        let known = Set((tree.names["upstreams"] ?? []).map(\.name))
        let deployments = (tree.names["deployments"] ?? []).compactMap {
            deployment($0.name, line: $0.line, column: $0.column, known: known)
        }
        if let chosen = text("server.resourceUpstream"), !known.contains(chosen) {
            tree.report("the upstream '\(chosen)' is not configured", at: "server.resourceUpstream")
        }
        var limits: [String: LimitSet] = [:]
        for entry in tree.names["limits"] ?? [] {
            if !["key:", "user:", "team:", "deployment:"].contains(where: { entry.name.hasPrefix($0) && entry.name.count > $0.count }) {
                tree.report(
                    "'limits.\(entry.name)' must be key:ID, user:ID, team:NAME or deployment:NAME, or * for the name", line: entry.line,
                    column: entry.column)
            }
            limits[entry.name] = limitSet("limits.\(entry.name)")
        }
        let directory = text("data.directory") ?? "./var"
        checkPolicies(data: directory)
        let identity = identityDirectory(data: directory)
        var plan = ServerPlan(
            listen: text("server.listen").flatMap(ConfigurationValues.address) ?? .init(host: "127.0.0.1", port: 8080),
            metricsListen: metricsAddress(), threads: int("server.threads") ?? ProcessInfo.processInfo.activeProcessorCount,
            dataDirectory: directory, audit: audit(directory), gateway: gateway(), upstreams: upstreams.compactMap(\.descriptor),
            egress: upstreams.compactMap(\.egress), deployments: deployments, policiesDirectory: text("policies.directory"), limits: limits,
            documents: Dictionary(uniqueKeysWithValues: upstreams.compactMap(\.documents)), tracing: tracing(), warnings: [])
        plan.identityDirectory = identity
        plan.documentIndexes = Dictionary(uniqueKeysWithValues: upstreams.compactMap(\.index))
        plan.learned = learned()
        plan.labels = labels()
        plan.remoteGuards = remoteGuards(known: known)
        plan.access = access()
        plan.privacy = privacy()
        plan.provisioning = provisioning()
        plan.gateway.regions = plan.privacy.allRegions
        plan.vault = vault()
        plan.keyRotations = keyRotations()
        plan.issuers = issuers()
        plan.tls = listenerTLS()
        plan.expectsProxyHeader = text("network.proxyProtocol") == "required"
        plan.metricsRules = metricsRules()
        plan.console = console()
        plan.gateway.network = networkRules()
        plan.gateway.acceptsKeys = text("identity.keys") != "disabled"
        plan.warnings = warnings
        return plan
    }

    mutating func report(_ message: String, at path: String) { tree.report(message, at: path) }
    mutating func report(_ message: String, under base: String) { tree.report(message, under: base) }
    mutating func report(_ message: String, line: Int, column: Int) { tree.report(message, line: line, column: column) }
    mutating func warn(_ message: String) { warnings.append(message) }

    /// A typing error in a policy's name must not be found by the first request.
    private mutating func checkPolicies(data directory: String) {
        // Where it is unclear which policies there are, none is missed.
        guard !tree.mistakes.contains(where: { $0.message.contains("policies") || $0.message.contains("'data") }) else { return }
        let known: Set<PolicyID>
        do { known = try PolicyLibrary.names(directory: text("policies.directory"), database: directory + "/sallyport.sqlite") } catch {
            return tree.report("\(error)", at: "policies.directory")
        }
        let paths = ["deployments", "upstreams"].flatMap { section in (tree.names[section] ?? []).map { "\(section).\($0.name).policy" } }
        for path in paths {
            guard let name = text(path), !known.contains(PolicyID(name)) else { continue }
            let hint = ConfigurationTree.nearest(name, among: Set(known.map(\.rawValue))).map { ": did you mean '\($0)'?" } ?? ""
            tree.report("the policy '\(name)' does not exist\(hint)", at: path)
        }
    }

    private mutating func identityDirectory(data directory: String) -> String? {
        guard let source = text("data.identity") else { return nil }
        if IdentitySource.place(source) == IdentitySource.place(directory) {
            report("is 'data.directory' itself: leave it out, or name another gateway's", at: "data.identity")
        } else if !isFolder(source) {
            report("'\(source)' is not a folder that can be read: it is the data directory of another gateway", at: "data.identity")
        }
        return source
    }

    // MARK: Sections

    private mutating func metricsAddress() -> ServerPlan.Address? {
        guard let text = text("server.metricsListen") else { return .init(host: "127.0.0.1", port: 9464) }
        if text == "none" { return nil }
        guard let address = ConfigurationValues.address(text) else {
            tree.report("must be host:port or none", at: "server.metricsListen")
            return nil
        }
        return address
    }

    private func audit(_ directory: String) -> AuditLog.Configuration {
        var configuration = AuditLog.Configuration(directory: directory + "/audit")
        configuration.durability = text("audit.durability") == "relaxed" ? .relaxed : .strict
        if let bytes = size("audit.segmentBytes") { configuration.segmentBytes = bytes }
        if let origin = text("audit.origin") { configuration.origin = origin }
        if let interval = duration("audit.checkpointInterval") { configuration.checkpointInterval = interval }
        return configuration
    }

    private func gateway() -> GatewayConfiguration {
        var gateway = GatewayConfiguration()
        gateway.headerTimeout = duration("server.headerTimeout") ?? gateway.headerTimeout
        gateway.bodyTimeout = duration("server.bodyTimeout") ?? gateway.bodyTimeout
        gateway.idleTimeout = duration("server.idleTimeout") ?? gateway.idleTimeout
        gateway.drainTimeout = duration("server.drainTimeout") ?? gateway.drainTimeout
        gateway.maximumBodyBytes = size("server.maximumBodyBytes") ?? gateway.maximumBodyBytes
        gateway.maximumUploadBytes = size("server.maximumUploadBytes") ?? gateway.maximumUploadBytes
        gateway.maximumAnswerBytes = size("server.maximumAnswerBytes") ?? gateway.maximumAnswerBytes
        gateway.maximumHeaderBytes = size("server.maximumHeaderBytes") ?? gateway.maximumHeaderBytes
        gateway.maximumConcurrentRequests = int("server.maximumConcurrentRequests") ?? gateway.maximumConcurrentRequests
        gateway.maximumAdmittedBytes = size("server.maximumAdmittedBytes") ?? gateway.maximumAdmittedBytes
        gateway.maximumConnections = int("server.maximumConnections") ?? gateway.maximumConnections
        gateway.personalDataMinimumConfidence =
            text("language.minimumConfidence").flatMap(Double.init) ?? gateway.personalDataMinimumConfidence
        gateway.jsonDepth = int("server.jsonDepth") ?? gateway.jsonDepth
        gateway.region = text("server.region") ?? ""
        gateway.conversationHeader = text("server.conversationHeader")
        gateway.publicURL = text("server.publicURL").map { url in String(url.reversed().drop { $0 == "/" }.reversed()) }
        gateway.resourceUpstream = text("server.resourceUpstream").map { UpstreamID($0) }
        gateway.maximumAttempts = int("retries.maximumAttempts") ?? gateway.maximumAttempts
        gateway.unstatedAnswerTokens = int("server.unstatedAnswerTokens") ?? gateway.unstatedAnswerTokens
        gateway.safety = safety()
        return gateway
    }

    private func safety() -> SafetyLimits {
        var limits = SafetyLimits()
        func take(_ name: String, _ limit: WritableKeyPath<SafetyLimits, Int>) {
            if let value = int("contentSafety.\(name)") { limits[keyPath: limit] = value }
        }
        take("maximumText", \.text)
        take("maximumPrompt", \.prompt)
        take("maximumDocuments", \.documents)
        take("maximumDocumentText", \.documentText)
        take("maximumGroundedText", \.groundedText)
        take("maximumGroundingSources", \.groundingSources)
        take("maximumProtectedText", \.protectedText)
        take("maximumProtectedCode", \.protectedCode)
        take("maximumCategoryText", \.categoryText)
        take("maximumIncidentText", \.incidentText)
        take("maximumAgentText", \.agentText)
        limits.readsImageText = text("contentSafety.imageText") == "true"
        return limits
    }

    private func learned() -> ServerPlan.Learned {
        var learned = ServerPlan.Learned()
        learned.isEnabled = text("guards.learned") != "false"
        learned.modelsDirectory = text("guards.modelsDirectory")
        learned.library = text("guards.inferenceLibrary")
        learned.calibration = text("guards.calibration")
        learned.threads = int("guards.inferenceThreads") ?? learned.threads
        learned.maximumQueuedTokens = int("guards.maximumQueuedTokens") ?? learned.maximumQueuedTokens
        learned.tenantShare = text("guards.tenantShare").flatMap(Double.init) ?? learned.tenantShare
        learned.readingBase = duration("guards.readingBase") ?? learned.readingBase
        learned.readingPerWindow = duration("guards.readingPerWindow") ?? learned.readingPerWindow
        return learned
    }

    private func tracing() -> ServerPlan.Tracing? {
        text("tracing.endpoint").map {
            ServerPlan.Tracing(
                endpoint: $0, sampleRatio: text("tracing.sampleRatio").flatMap(Double.init) ?? 0.1,
                serviceName: text("tracing.serviceName") ?? "sallyport")
        }
    }

    private func limitSet(_ base: String) -> LimitSet {
        LimitSet(
            requestsPerMinute: int("\(base).requestsPerMinute"), tokensPerMinute: int("\(base).tokensPerMinute"),
            tokensPerDay: int("\(base).tokensPerDay"), tokensPerMonth: int("\(base).tokensPerMonth"),
            costPerDayMicros: micros("\(base).costPerDay"), costPerMonthMicros: micros("\(base).costPerMonth"))
    }

    // MARK: Upstreams

    private struct Upstream {
        var descriptor: UpstreamDescriptor?
        var egress: UpstreamConfiguration?
        var documents: (UpstreamID, String)?
        var index: (UpstreamID, IndexID)?
    }

    private mutating func upstream(_ name: String, line: Int, column: Int) -> Upstream {
        let base = "upstreams.\(name)"
        let id = UpstreamID(name)
        guard let kind = text("\(base).kind").flatMap(UpstreamKind.init) else {
            if tree.values["\(base).kind"] == nil, !tree.mistakes.contains(where: { $0.message.contains("'\(base).kind'") }) {
                tree.report("'\(base).kind' is missing", line: line, column: column)
            }
            return Upstream()
        }
        var upstream = Upstream(
            descriptor: UpstreamDescriptor(
                id: id, kind: kind, apiVersion: text("\(base).apiVersion") ?? "2024-10-21",
                paths: tree.values["\(base).paths"]?.texts ?? [],
                policy: PolicyID(text("\(base).policy") ?? "Default"), search: kind == .azureSearch ? searchService(base) : nil,
                region: text("\(base).region")?.lowercased(),
                clearance: text("\(base).clearance").flatMap { SensitivityLabel($0) }))
        if kind == .embedded {
            if let index = text("\(base).index") {
                if tree.values["\(base).documents"] != nil {
                    tree.report("stands beside 'documents': one of the two", at: "\(base).index")
                }
                if index.contains(":") { tree.report("'\(index)' is not a name of an index", at: "\(base).index") }
                upstream.index = (id, IndexID(index))
            } else if let folder = text("\(base).documents") {
                if !isFolder(folder) { tree.report("'\(folder)' is not a folder that can be read", at: "\(base).documents") }
                upstream.documents = (id, folder)
            } else if let samples = sampleDocuments() {
                upstream.documents = (id, samples)
            } else {
                warnings.append("the upstream '\(name)' has no documents: name a folder with '\(base).documents'")
            }
            return upstream
        }
        let servesGuards = (tree.names["guards.remote"] ?? []).contains { text("guards.remote.\($0.name).upstream") == name }
        if kind == .azureAI, !servesGuards, upstream.descriptor?.paths.isEmpty != false, tree.values["\(base).paths"]?.unset == nil,
            !tree.mistakes.contains(where: { $0.message.contains("'\(base).paths'") })
        {
            tree.report("'\(base).paths' is missing: it says which paths go to this upstream", line: line, column: column)
        }
        guard let endpoint = tree.values["\(base).endpoint"] else {
            if !tree.mistakes.contains(where: { $0.message.contains("'\(base).endpoint'") }) {
                tree.report("'\(base).endpoint' is missing", line: line, column: column)
            }
            return upstream
        }
        let unset = tree.values.filter { $0.key.hasPrefix(base + ".") }.compactMap { entry in entry.value.unset.map { (entry.key, $0) } }
            .min { $0 < $1 }
        var reason: String?
        if let (key, variable) = unset {
            reason =
                variable.hasPrefix("vault:")
                ? "the vault has no secret '\(variable.dropFirst(6))' for '\(key)'" : "the variable \(variable) of '\(key)' is not set"
            warnings.append("the upstream '\(name)' is down: \(reason ?? "")")
        }
        let url: EndpointURL
        do { url = try EndpointURL(parsing: endpoint.unset == nil ? endpoint.text : "http://unset.invalid") } catch {
            tree.report("'\(base).endpoint' \(error)", line: endpoint.line, column: endpoint.column)
            return upstream
        }
        upstream.egress = UpstreamConfiguration(
            id: id, kind: kind, endpoint: url, credential: credential(base, kind), headers: headers(base), timeouts: timeouts(base),
            pool: pool(base),
            tls: tls(base),
            http: httpVersion(base), egress: egressPolicy(base), breaker: breaker(base), probe: probe(base), unavailableReason: reason)
        return upstream
    }

    private mutating func searchService(_ base: String) -> UpstreamDescriptor.SearchService {
        let fields = [text("\(base).trimming.groups") ?? "group_ids", text("\(base).trimming.users")]
        for (field, name) in zip(fields, ["groups", "users"]) {
            if let field, !UpstreamDescriptor.SearchService.isFieldName(field) {
                tree.report("'\(field)' is not the name of a field", at: "\(base).trimming.\(name)")
            }
        }
        return UpstreamDescriptor.SearchService(
            endpoint: text("\(base).endpoint") ?? "", groupsField: fields[0] ?? "group_ids", usersField: fields[1])
    }

    private func isFolder(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    /// The documents that ship with the project: below the working directory, or beside the build that this program comes from.
    private func sampleDocuments() -> String? {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let roots = ["."] + (1...5).map { up in (0..<up).reduce(program) { url, _ in url.deletingLastPathComponent() }.path }
        return roots.map { $0 + "/samples/documents" }.first(where: isFolder)
    }

    private mutating func headers(_ base: String) -> [UpstreamHeader] {
        let own = text("\(base).apiKeyHeader")?.lowercased()
        return (tree.names["\(base).headers"] ?? []).compactMap { entry in
            let path = "\(base).headers.\(entry.name)"
            let name = entry.name.lowercased()
            guard ConfigurationValues.isFieldName(name) else {
                tree.report("'\(path)' is not the name of a header field", line: entry.line, column: entry.column)
                return nil
            }
            if ConfigurationValues.reservedHeaders.contains(name) || ["authorization", "api-key", own].contains(name) {
                tree.report(
                    "'\(path)' is written by the gateway itself; a key is given by 'apiKey' and 'apiKeyHeader'", line: entry.line,
                    column: entry.column)
                return nil
            }
            return text(path).map { UpstreamHeader(name: name, value: Redacted($0)) }
        }
    }

    private mutating func credential(_ base: String, _ kind: UpstreamKind) -> UpstreamCredential {
        if let key = text("\(base).apiKey") {
            if let name = text("\(base).apiKeyHeader") { return .header(name: name.lowercased(), value: Redacted(key)) }
            switch kind {
            case .azureOpenAI, .azureSearch: return .header(name: "api-key", value: Redacted(key))
            case .azureAI: return .header(name: "Ocp-Apim-Subscription-Key", value: Redacted(key))
            case .openAI, .embedded: return .bearer(Redacted(key))
            }
        }
        guard tree.values.keys.contains(where: { $0.hasPrefix("\(base).entra.") }) else { return .none }
        let (secret, file) = (text("\(base).entra.clientSecret"), text("\(base).entra.federatedTokenFile"))
        guard let tenant = text("\(base).entra.tenant"), let client = text("\(base).entra.clientId"), (secret == nil) != (file == nil)
        else {
            let isUnset = ["tenant", "clientId", "clientSecret", "federatedTokenFile"].contains {
                tree.values["\(base).entra.\($0)"]?.unset != nil
            }
            if !isUnset { tree.report("needs tenant, clientId and one of clientSecret and federatedTokenFile", under: "\(base).entra") }
            return .none
        }
        guard let authority = try? EndpointURL(parsing: text("\(base).entra.authority") ?? "https://login.microsoftonline.com") else {
            return .none
        }
        return .entra(
            EntraCredential(
                authority: authority, tenant: tenant, clientID: client, clientSecret: Redacted(secret ?? ""), federatedTokenFile: file,
                scope: text("\(base).entra.scope")
                    ?? (kind == .azureSearch ? "https://search.azure.com/.default" : "https://cognitiveservices.azure.com/.default"),
                egress: egressPolicy(base),
                tls: tls(base)))
    }

    private func timeouts(_ base: String) -> UpstreamTimeouts {
        var timeouts = UpstreamTimeouts()
        timeouts.connect = duration("\(base).timeouts.connect") ?? .seconds(5)
        timeouts.firstByte = duration("\(base).timeouts.firstByte") ?? .seconds(120)
        timeouts.idle = duration("\(base).timeouts.idle") ?? .seconds(60)
        timeouts.total = duration("\(base).timeouts.total") ?? .seconds(600)
        return timeouts
    }

    private func pool(_ base: String) -> UpstreamPoolLimits {
        var pool = UpstreamPoolLimits()
        pool.maxConnections = int("\(base).pool.maximumConnections") ?? 4096
        if let idle = duration("\(base).pool.idleTimeout") { pool.idleTimeout = idle }
        return pool
    }

    private func tls(_ base: String) -> UpstreamTLS {
        var tls = UpstreamTLS()
        if text("\(base).tls.minimumVersion") == "1.3" { tls.minimumVersion = .tls13 }
        tls.authoritiesFile = text("\(base).tls.caFile")
        tls.pins = Set((tree.values["\(base).tls.pins"]?.texts ?? []).map { $0.lowercased() })
        tls.certificateFile = text("\(base).tls.clientCertificate")
        tls.privateKeyFile = text("\(base).tls.clientKey")
        return tls
    }

    private func httpVersion(_ base: String) -> UpstreamHTTPVersion {
        switch text("\(base).pool.http2") {
        case "never": .http1
        case "priorKnowledge": .http2
        default: .automatic
        }
    }

    private func egressPolicy(_ base: String) -> EgressPolicy {
        // What the operator configured may lie in a private network unless he says otherwise; link-local and metadata addresses need a word more.
        EgressPolicy(
            allowPrivate: text("\(base).allowPrivate") != "false", allowLinkLocal: text("\(base).allowLinkLocal") == "true")
    }

    private func breaker(_ base: String) -> CircuitBreaker.Policy {
        var policy = CircuitBreaker.Policy()
        if let ratio = text("\(base).breaker.failureRatio").flatMap(Double.init) { policy.failureRatio = ratio }
        if let count = int("\(base).breaker.minimumRequests") { policy.minimumRequests = count }
        if let count = int("\(base).breaker.consecutiveFailures") { policy.consecutiveFailures = count }
        if let time = duration("\(base).breaker.openFor") { policy.openFor = time }
        return policy
    }

    private func probe(_ base: String) -> UpstreamProbe? {
        text("\(base).health.path").map { UpstreamProbe(path: $0, interval: duration("\(base).health.interval") ?? .seconds(10)) }
    }

    // MARK: Deployments

    private mutating func deployment(_ name: String, line: Int, column: Int, known: Set<String>) -> Deployment? {
        let base = "deployments.\(name)"
        var targets: [DeploymentTarget] = []
        if let upstream = text("\(base).upstream") {
            if tree.values["\(base).targets"] != nil { tree.report("give 'upstream' or 'targets', not both", at: "\(base).upstream") }
            if !known.contains(upstream) { reportUnknown(upstream, at: "\(base).upstream", known) }
            targets = [DeploymentTarget(upstream: UpstreamID(upstream), model: text("\(base).model") ?? name)]
        } else if let list = tree.values["\(base).targets"] {
            for index in 0..<list.count {
                let place = "\(base).targets[\(index)]"
                guard let upstream = text("\(place).upstream") else {
                    tree.report("'\(place).upstream' is missing", line: list.line, column: list.column)
                    continue
                }
                if !known.contains(upstream) { reportUnknown(upstream, at: "\(place).upstream", known) }
                targets.append(
                    DeploymentTarget(
                        upstream: UpstreamID(upstream), model: text("\(place).model") ?? text("\(base).model") ?? name,
                        weight: int("\(place).weight") ?? 1, priority: int("\(place).priority") ?? 0))
            }
        } else {
            tree.report("'\(base)' needs 'upstream' or 'targets'", line: line, column: column)
            return nil
        }
        guard !targets.isEmpty else { return nil }
        for target in targets where text("upstreams.\(target.upstream).kind") == UpstreamKind.azureSearch.rawValue {
            tree.report(
                "the upstream '\(target.upstream)' is a source of documents: it answers for no deployment", line: line, column: column)
        }
        return Deployment(
            id: DeploymentID(name), project: ProjectID(text("\(base).project") ?? "default"), targets: targets,
            policy: PolicyID(text("\(base).policy") ?? "Default"), limits: limitSet("\(base).limits"),
            price: Price(
                promptMicrosPer1K: micros("\(base).price.promptPer1K") ?? 0,
                completionMicrosPer1K: micros("\(base).price.completionPer1K") ?? 0), label: text("\(base).label"))
    }

    private mutating func reportUnknown(_ upstream: String, at path: String, _ known: Set<String>) {
        let hint = ConfigurationTree.nearest(upstream, among: known).map { ": did you mean '\($0)'?" } ?? ""
        tree.report("the upstream '\(upstream)' is not configured\(hint)", at: path)
    }
}
